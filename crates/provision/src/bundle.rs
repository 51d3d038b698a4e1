//! A bundle: one folder with all the software of a cluster, and `bundle.json` with the sha256 of each file. It is what the lab makes
//! and what a site without the internet installs from.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::file::bounded;

/// Why a folder is no bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `bundle.json` cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `bundle.json` is not what it should be.
    #[error("{}: {detail}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
}

/// `bundle.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bundle {
    /// 1.
    pub format_version: u32,
    /// The version of Kubernetes, such as `1.37.1`.
    pub kubernetes: String,
    /// `built` or `downloaded`.
    pub source: String,
    /// The files.
    pub files: Vec<BundleFile>,
}

/// What a file of a bundle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A program, for /usr/local/bin.
    Binary,
    /// A CNI plugin, for /opt/cni/bin.
    Cni,
    /// An image archive, for containerd.
    Image,
}

/// What machines are, as Kubernetes and the registries write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Arch {
    /// `amd64`, which is x86-64.
    Amd64,
    /// `arm64`.
    Arm64,
}

impl Arch {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// As uname(1) says it.
    pub const fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// What a program is for, by its first bytes (elf(5), `e_machine`); `None` if that is not known.
    pub(crate) fn of_program(path: &Path) -> Option<Self> {
        let mut head = [0; 20];
        std::fs::File::open(path).ok()?.read_exact(&mut head).ok()?;
        match (&head[..5], &head[18..]) {
            (b"\x7fELF\x02", [62, 0]) => Some(Self::Amd64),
            (b"\x7fELF\x02", [183, 0]) => Some(Self::Arm64),
            _ => None,
        }
    }
}

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BundleFile {
    /// Relative to the bundle's folder.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Such as `kubelet`.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// Hex.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// What it is for; any machine when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<Arch>,
    /// The roles of nodes that need it: `control-plane`, `worker`.
    pub roles: Vec<String>,
    /// The image's reference, when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl Bundle {
    /// The files that a node of this role needs.
    pub fn files_for(&self, control_plane: bool) -> Vec<BundleFile> {
        let role = if control_plane { "control-plane" } else { "worker" };
        self.files.iter().filter(|f| f.roles.iter().any(|r| r == role)).cloned().collect()
    }

    /// The same, with programs that do not say what they are for told by their first bytes.
    pub(crate) fn told(mut self, dir: &Path) -> Self {
        for file in self.files.iter_mut().filter(|file| file.arch.is_none() && file.kind != Kind::Image) {
            file.arch = Arch::of_program(&dir.join(&file.path));
        }
        self
    }

    /// Why it cannot be what a cluster of that version gets its software from; `None` if it can.
    pub(crate) fn unfit(&self, version: &str) -> Option<String> {
        (self.kubernetes != version).then(|| format!("the bundle has Kubernetes {}, and the file asks for {version}", self.kubernetes))
    }

    /// The sandbox image, when the bundle has one.
    pub fn pause_image(&self) -> Option<&str> {
        self.files.iter().filter_map(|f| f.image.as_deref()).find(|image| image.contains("/pause:"))
    }
}

impl BundleFile {
    /// Whether a machine of that architecture, as uname(1) says it, can use it.
    pub fn is_for(&self, machine: &str) -> bool {
        self.arch.is_none_or(|arch| arch.machine() == machine)
    }

    /// Where it goes on the node; `None` for an image.
    pub fn target(&self) -> Option<String> {
        match self.kind {
            Kind::Binary => Some(format!("/usr/local/bin/{}", self.name)),
            Kind::Cni => Some(format!("/opt/cni/bin/{}", self.name)),
            Kind::Image => None,
        }
    }

    /// What is wrong with it. Its words go into scripts and records, one a column.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let word = |text: &str, more: &str| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if self.path.starts_with('/') || self.path.split('/').any(|part| part == "..") {
            Some("leaves the folder")
        } else if !word(&self.name, "-._") {
            Some("has a name with other letters than a-z, A-Z, 0-9, '-', '.' and '_'")
        } else if self.sha256.len() != 64 || !self.sha256.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)) {
            Some("has no sha256 of 64 lowercase hex digits")
        } else if self.kind == Kind::Image && !self.image.as_deref().is_some_and(|image| word(image, "-._/:@")) {
            Some("is an image without a usable reference")
        } else {
            None
        }
    }
}

/// Whether it is a version of Kubernetes as the cluster file writes it, such as `1.37.1`.
pub(crate) fn is_version(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|c| c.is_ascii_digit());
    text.split('.').count() == 3 && text.split('.').all(is_number)
}

/// Files by what they are called, with what each is for.
pub(crate) type Called = BTreeMap<(bool, String), BTreeSet<Option<Arch>>>;

/// Whether no other file is called so that the same machine could use.
pub(crate) fn each_once(seen: &mut Called, called: (bool, String), arch: Option<Arch>) -> bool {
    let others = seen.entry(called).or_default();
    let free = if arch.is_none() { others.is_empty() } else { !others.contains(&arch) && !others.contains(&None) };
    others.insert(arch);
    free
}

/// Reads `bundle.json` of a folder. The files themselves are compared when they are sent.
pub fn load(dir: &Path) -> Result<Bundle, Error> {
    let path = dir.join("bundle.json");
    let text = bounded(&path).map_err(|source| Error::File { path: path.clone(), source })?;
    let format = |detail: String| Error::Format { path: path.clone(), detail };
    let bundle: Bundle = serde_json::from_str(&text).map_err(|e| format(e.to_string()))?;
    if bundle.format_version != 1 {
        return Err(format(format!("format version {} is not known", bundle.format_version)));
    }
    if !is_version(&bundle.kubernetes) {
        return Err(format(format!("{:?} is not a version of Kubernetes such as 1.37.1", bundle.kubernetes)));
    }
    let mut seen = Called::new();
    for file in &bundle.files {
        if let Some(fault) = file.fault() {
            return Err(format(format!("{:?} {fault}", file.path)));
        }
        if !each_once(&mut seen, (file.kind == Kind::Image, file.name.clone()), file.arch) {
            return Err(format(format!("two files are called {}", file.name)));
        }
    }
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_roles_choose_and_broken_bundles_are_refused() {
        let dir = std::env::temp_dir().join(format!("kubestead-bundle-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let load = |files: &str| {
            let json = format!(r#"{{"formatVersion":1,"kubernetes":"1.37.1","source":"built","files":[{files}]}}"#);
            std::fs::write(dir.join("bundle.json"), json).unwrap();
            super::load(&dir)
        };
        let file = |path: &str, name: &str, sum: &str| {
            format!(
                r#"{{"path":"{path}","kind":"binary","name":"{name}","version":"1","sha256":"{sum}","size":3,"roles":["control-plane"]}}"#
            )
        };
        let image = |reference: &str| {
            format!(
                r#"{{"path":"i/p.tar","kind":"image","name":"p","version":"1","sha256":"{SUM}","size":3,"roles":["worker"]{reference}}}"#
            )
        };
        let good = load(&format!("{},{}", file("bin/a", "a", SUM), image(r#","image":"registry.k8s.io/pause:3""#))).unwrap();
        assert_eq!(good.files_for(true)[0].target().as_deref(), Some("/usr/local/bin/a"));
        assert_eq!((good.files_for(false)[0].name.as_str(), good.pause_image()), ("p", Some("registry.k8s.io/pause:3")));
        let of = |path: &str, arch: &str| file(path, "a", SUM).replace("\"size\"", &format!("\"arch\":\"{arch}\",\"size\""));
        let both = load(&format!("{},{}", of("a", "amd64"), of("b", "arm64"))).unwrap();
        let paths = |machine: &str| both.files.iter().filter(|f| f.is_for(machine)).map(|f| f.path.as_str()).collect::<Vec<_>>();
        assert_eq!((paths("x86_64"), paths("aarch64"), paths("riscv64")), (vec!["a"], vec!["b"], vec![]));
        let bad = [
            file("../a", "a", SUM),
            file("/a", "a", SUM),
            file("a", "a b", SUM),
            file("a", "../a", SUM),
            file("a", "a", "12"),
            image(""),
            image(r#","image":"-x""#),
            format!("{},{}", file("a", "a", SUM), file("b", "a", SUM)),
            format!("{},{}", of("a", "amd64"), of("b", "amd64")),
            format!("{},{}", of("a", "amd64"), file("b", "a", SUM)),
            of("a", "riscv64"),
        ];
        for text in bad {
            assert!(matches!(load(&text), Err(Error::Format { .. })), "{text}");
        }
        assert!(matches!(load(&" ".repeat(3 << 20)), Err(Error::File { .. })), "larger than any that is one");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

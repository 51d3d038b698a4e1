//! The lock file: `releases.json`.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Error;
use super::image::sha256;
use super::registry::Reference;
use crate::bundle::{Arch, BundleFile, Called, Kind, each_once, is_version};

/// What is downloaded, pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lock {
    /// 1.
    pub format_version: u32,
    /// The version of Kubernetes, such as `1.37.1`.
    pub kubernetes: String,
    /// What it is for: one, or a list of both. A file without images may leave it out.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "architectures")]
    pub arch: Vec<Arch>,
    /// The downloads.
    pub downloads: Vec<Download>,
    /// The images that come from registries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
}

/// One word, or a list of several.
mod architectures {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Arch;

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "`arch` must be amd64 or arm64, or a list of both")]
    enum Written {
        One(Arch),
        Several(Vec<Arch>),
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Arch>, D::Error> {
        Ok(match Written::deserialize(from)? {
            Written::One(arch) => vec![arch],
            Written::Several(all) => all,
        })
    }

    pub(super) fn serialize<S: Serializer>(all: &Vec<Arch>, to: S) -> Result<S::Ok, S::Error> {
        match all.as_slice() {
            [one] => one.serialize(to),
            several => several.serialize(to),
        }
    }
}

/// One image of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Image {
    /// Its reference, with host and tag, such as `registry.k8s.io/pause:3.10.2`.
    pub image: String,
    /// The digest of its manifest or of its index, `sha256:` and 64 hex digits.
    pub digest: String,
    /// The roles of nodes that need it; both when it is left out.
    #[serde(default = "both")]
    pub roles: Vec<String>,
    /// Who was seen to have signed it, when this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
}

/// One download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Download {
    /// Its address, http or https.
    pub url: String,
    /// Its sha256, 64 lowercase hex digits, from a source that is not the server of the address.
    pub sha256: String,
    /// The version of what is in it.
    pub version: String,
    /// What it is for, in a file for several architectures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<Arch>,
    /// What of it goes into the bundle.
    pub files: Vec<Piece>,
    /// Who was seen to have signed it, when this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
}

/// One file of a download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Piece {
    /// What it is.
    pub kind: Kind,
    /// Its name in the bundle, such as `kubelet`.
    pub name: String,
    /// Its name in the download, when that is a tar archive. Without it the download itself is the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The roles of nodes that need it; both when it is left out.
    #[serde(default = "both")]
    pub roles: Vec<String>,
    /// The image's reference, when it is an image archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

const ROLES: [&str; 2] = ["control-plane", "worker"];

pub(super) fn both() -> Vec<String> {
    ROLES.map(str::to_owned).into()
}

impl Piece {
    /// As `bundle.json` will have it, without its sum and size. Where there are several architectures each has folders of its own.
    pub(crate) fn file(&self, version: &str, Target { arch, apart }: Target) -> BundleFile {
        let folder = arch.filter(|_| apart).map(|arch| format!("{}/", arch.name())).unwrap_or_default();
        let path = match self.kind {
            Kind::Binary => format!("bin/{folder}{}", self.name),
            Kind::Cni => format!("cni/{folder}{}", self.name),
            Kind::Image => format!("images/{folder}{}.tar", self.name),
        };
        let Self { kind, name, roles, image, .. } = self.clone();
        BundleFile { path, kind, name, version: version.to_owned(), sha256: String::new(), size: 0, arch, roles, image }
    }
}

/// What a file of a bundle is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// Any machine when `None`.
    pub arch: Option<Arch>,
    /// Whether the bundle is for several architectures.
    pub apart: bool,
}

/// What is wrong with the roles of something.
fn other_roles(what: &str, roles: &[String]) -> Option<String> {
    let role = roles.iter().find(|role| !ROLES.contains(&role.as_str()))?;
    Some(format!("{what} is for the role {role:?}, and there are {}", ROLES.join(" and ")))
}

impl Image {
    /// What it is called in a bundle, such as `pause-3.10.2`: by its last words if it is of Kubernetes or flannel, and if not by all, since others can have the same
    /// last words.
    pub fn name(&self) -> String {
        let own = ["registry.k8s.io/", "ghcr.io/flannel-io/"].iter().any(|place| self.image.starts_with(place));
        let name = if own { self.image.rsplit('/').next().unwrap_or_default() } else { &self.image };
        name.replace([':', '/'], "-")
    }

    /// As `bundle.json` will have it.
    pub(crate) fn file(&self, target: Target) -> BundleFile {
        let version = self.image.rsplit(':').next().unwrap_or_default();
        let (name, image) = (self.name(), Some(self.image.clone()));
        let piece = Piece { kind: Kind::Image, name, from: None, roles: self.roles.clone(), image };
        piece.file(version, target)
    }

    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if Reference::parse(&self.image).is_none() {
            mistakes.push(format!("{:?} is no reference such as registry.k8s.io/pause:3.10.2", self.image));
        }
        if sha256(&self.digest).is_none() {
            mistakes.push(format!("{}: {:?} is no digest of sha256: and 64 lowercase hex digits", self.image, self.digest));
        }
        mistakes.extend(other_roles(&self.image, &self.roles));
        mistakes
    }
}

impl Download {
    fn mistakes(&self) -> Vec<String> {
        let url = &self.url;
        let mut mistakes = Vec::new();
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic());
        if !(url.starts_with("https://") || url.starts_with("http://")) || !plain(url) {
            mistakes.push(format!("{url:?} is no address that begins with https:// or http://"));
        }
        if self.version.is_empty() || !plain(&self.version) {
            mistakes.push(format!("{url}: the version {:?} is no word", self.version));
        }
        if self.files.is_empty() {
            mistakes.push(format!("{url}: no file of it is used"));
        }
        for piece in &self.files {
            let file = BundleFile { sha256: self.sha256.clone(), ..piece.file(&self.version, Target { arch: None, apart: false }) };
            if let Some(fault) = file.fault() {
                mistakes.push(format!("{url}: {:?} {fault}", piece.name));
            }
            mistakes.extend(other_roles(&format!("{url}: {:?}", piece.name), &piece.roles));
        }
        if self.files.len() > 1 && self.files.iter().any(|piece| piece.from.is_none()) {
            mistakes.push(format!("{url}: several files of it are used, so each needs `from`, its name in the archive"));
        }
        mistakes
    }
}

impl Lock {
    /// Reads a lock file, and its text. Every mistake is named at once.
    pub fn load(path: &Path) -> Result<(Self, String), Error> {
        let text = std::fs::read_to_string(path).map_err(Error::file("cannot read", path))?;
        let wrong = |mistakes| Error::Lock { path: path.to_owned(), mistakes };
        let none =
            |why: serde_json::Error| wrong(vec![format!("it is no lock file: {why}"), "kubestead bundle lock writes one".to_owned()]);
        let lock: Self = serde_json::from_str(&text).map_err(none)?;
        let mut mistakes: Vec<String> = lock.downloads.iter().flat_map(Download::mistakes).collect();
        if lock.format_version != 1 {
            mistakes.push(format!("format version {} is not known", lock.format_version));
        }
        if !is_version(&lock.kubernetes) {
            mistakes.push(format!("kubernetes: {:?} is not a version such as 1.37.1", lock.kubernetes));
        }
        mistakes.extend(lock.images.iter().flat_map(Image::mistakes));
        if !lock.images.is_empty() && lock.arch.is_empty() {
            mistakes.push("it has images, so `arch` must be amd64 or arm64, or a list of both".to_owned());
        }
        if lock.arch.iter().collect::<BTreeSet<_>>().len() != lock.arch.len() {
            mistakes.push("`arch` names one twice".to_owned());
        }
        for Download { url, arch, .. } in &lock.downloads {
            match arch {
                None if lock.arch.len() > 1 => {
                    mistakes.push(format!("{url}: it must say what it is for, with `arch`, as there are several"))
                }
                Some(arch) if !lock.arch.contains(arch) => {
                    mistakes.push(format!("{url}: it is for {}, which `arch` of the file does not name", arch.name()));
                }
                Some(_) | None => {}
            }
        }
        let pieces = lock.downloads.iter().flat_map(|d| d.files.iter().map(move |piece| (d.arch, piece)));
        let pieces = pieces.map(|(arch, piece)| (arch, (piece.kind == Kind::Image, piece.name.clone())));
        let mut seen = Called::new();
        for (arch, called) in pieces.chain(lock.images.iter().map(|image| (None, (true, image.name())))) {
            let name = called.1.clone();
            if !each_once(&mut seen, called, arch) {
                mistakes.push(format!("two files are called {name}"));
            }
        }
        if mistakes.is_empty() { Ok((lock, text)) } else { Err(wrong(mistakes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<(Lock, String), Error> {
        let path = std::env::temp_dir().join(format!("kubestead-lock-{}-{:?}", std::process::id(), std::thread::current().id()));
        std::fs::write(&path, text).unwrap();
        let loaded = Lock::load(&path);
        std::fs::remove_file(&path).unwrap();
        loaded
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let text = r#"{"formatVersion": 2, "kubernetes": "1.37.1", "downloads": [
          {"url": "ftp://example.com/a", "sha256": "ABC", "version": "1", "files": [{"kind": "binary", "name": "a"}]},
          {"url": "https://example.com/b", "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "version": "", "files": []},
          {"url": "https://example.com/c", "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "version": "1", "files": [
            {"kind": "binary", "name": "../c", "from": "c"}, {"kind": "image", "name": "i", "from": "i"}, {"kind": "cni", "name": "a", "roles": ["master"]}]}],
          "images": [{"image": "pause:3", "digest": "sha256:0a"}, {"image": "r.io/../pause:3", "digest": "sha512:0a", "roles": ["node"]},
            {"image": "r.io/a/pause:3", "digest": "sha256:0a"}, {"image": "r.io/a/pause:3", "digest": "sha256:0a"}]}"#;
        let Err(Error::Lock { mistakes, .. }) = load(text) else { panic!() };
        let all = mistakes.join("\n");
        for want in [
            "\"ftp://example.com/a\" is no address",
            "\"a\" has no sha256 of 64",
            "the version \"\" is no word",
            "no file of it is used",
            "\"../c\" leaves the folder",
            "\"i\" is an image without",
            "for the role \"master\"",
            "each needs `from`",
            "format version 2",
            "two files are called a",
            "\"pause:3\" is no reference",
            "\"r.io/../pause:3\" is no reference",
            "r.io/a/pause:3: \"sha256:0a\" is no digest",
            "r.io/../pause:3 is for the role \"node\"",
            "two files are called r.io-a-pause-3",
            "`arch` must be amd64 or arm64",
        ] {
            assert!(all.contains(want), "{want}\n{all}");
        }
        assert!(matches!(load("{\"formatVersion\": 1, \"latest\": true}"), Err(Error::Lock { .. })));
    }

    #[test]
    fn what_is_no_lock_file_and_a_version_that_is_none_are_told_where_the_internet_is() {
        for (text, word) in [
            ("<html>log in</html>", "it is no lock file: expected value"),
            ("[]", "kubestead bundle lock writes one"),
            (
                r#"{"formatVersion": 1, "kubernetes": "v1.37.1", "downloads": []}"#,
                "kubernetes: \"v1.37.1\" is not a version such as 1.37.1",
            ),
            (r#"{"formatVersion": 1, "kubernetes": "banana", "downloads": []}"#, "\"banana\" is not a version"),
        ] {
            let Err(Error::Lock { mistakes, .. }) = load(text) else { panic!("{text}") };
            assert!(mistakes.join("\n").contains(word), "{mistakes:?}");
        }
    }

    #[test]
    fn of_several_architectures_each_download_says_which_is_its_own() {
        let download = |arch: &str| {
            format!(
                r#"{{"url": "https://example.com/a", "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "version": "1", {arch}
                "files": [{{"kind": "binary", "name": "a"}}]}}"#
            )
        };
        let file = |arch: &str, downloads: &[String]| {
            load(&format!(r#"{{"formatVersion": 1, "kubernetes": "1.37.1", {arch} "downloads": [{}]}}"#, downloads.join(",")))
        };
        let of = |arch: &str| download(&format!("\"arch\": \"{arch}\","));
        let (lock, _) = file(r#""arch": ["amd64", "arm64"],"#, &[of("amd64"), of("arm64")]).unwrap();
        assert_eq!(lock.arch, [Arch::Amd64, Arch::Arm64]);
        let text = serde_json::to_string(&lock).unwrap();
        assert!(text.contains(r#""arch":["amd64","arm64"]"#) && serde_json::from_str::<Lock>(&text).unwrap() == lock, "{text}");
        let (one, _) = file(r#""arch": "arm64","#, &[download("")]).unwrap();
        assert!(serde_json::to_string(&one).unwrap().contains(r#""arch":"arm64""#));
        for (arch, downloads, word) in [
            (r#""arch": ["amd64", "arm64"],"#, vec![of("amd64"), download("")], "it must say what it is for"),
            (r#""arch": "amd64","#, vec![of("arm64")], "it is for arm64, which `arch` of the file does not name"),
            (r#""arch": ["amd64", "amd64"],"#, vec![], "`arch` names one twice"),
            (r#""arch": "riscv64","#, vec![], "`arch` must be amd64 or arm64, or a list of both"),
            (r#""arch": ["amd64", "arm64"],"#, vec![of("arm64"), of("arm64")], "two files are called a"),
        ] {
            let Err(Error::Lock { mistakes, .. }) = file(arch, &downloads) else { panic!("{arch}") };
            assert!(mistakes.join("\n").contains(word), "{mistakes:?}");
        }
    }
}

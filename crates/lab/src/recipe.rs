//! What the lab is made of, and from what: each recipe is a shell script; its key is the sha256 of its text and of all that it uses.

use sha2::{Digest, Sha256};

use crate::spec::{Parts, Release};

/// A file that comes with the program.
pub(crate) struct Embedded {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        /// All files of the recipes; they are written side by side before one runs.
        pub(crate) const FILES: &[Embedded] = &[$(Embedded { name: $name, text: include_str!(concat!("../recipes/", $name)) }),*];
    };
}

embedded!(
    "apt.sh",
    "go.sh",
    "guard.sh",
    "official.sh",
    "kernel.options",
    "kernel.sh",
    "clock.h",
    "clock-user.c",
    "clock-kernel.c",
    "cloud.sh",
    "cloud-start",
    "kubernetes.sh",
    "containerd.sh",
    "etcd.sh",
    "cni.sh",
    "flannel.sh",
    "coredns.sh",
    "root.sh",
    "lab-net",
    "lab-net.service",
    "pause.c",
    "flannel-cni",
    "images.sh",
    "bundle.sh",
    "packages.sh",
    "internet.sh",
);

/// One thing to build.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    /// The release of Debian whose root file system it makes, if it makes one.
    release: Option<Release>,
    /// Files that its script reads beside itself.
    pub(crate) uses: &'static [&'static str],
    /// Recipes whose outputs it takes as arguments, in this order.
    pub(crate) after: &'static [&'static str],
    /// There are official releases of what it makes, which [`OFFICIAL`] knows.
    pub(crate) is_released: bool,
}

/// The script that takes official releases, and its status where they cannot be had.
pub(crate) const OFFICIAL: (&str, i32) = ("official.sh", 69);

const fn of(name: &'static str, uses: &'static [&'static str], after: &'static [&'static str]) -> Recipe {
    Recipe { name, release: None, uses, after, is_released: false }
}

const fn released(name: &'static str) -> Recipe {
    Recipe { is_released: true, ..of(name, &["go.sh"], &[]) }
}

const fn root(release: Release) -> Recipe {
    Recipe { release: Some(release), ..of(release.root(), &["apt.sh", "lab-net", "lab-net.service"], &[]) }
}

/// All recipes, the longest first, so that they begin first.
pub(crate) const RECIPES: &[Recipe] = &[
    of("kernel", &["apt.sh", "kernel.options", "clock.h", "clock-user.c", "clock-kernel.c"], &[]),
    released("kubernetes"),
    released("containerd"),
    of("flannel", &["go.sh"], &[]),
    released("etcd"),
    released("coredns"),
    released("cni"),
    of("cloud", &["apt.sh", "cloud-start"], &[]),
    root(Release::Bookworm),
    root(Release::Trixie),
    of("images", &["apt.sh", "pause.c", "flannel-cni"], &["kubernetes", "etcd", "coredns", "flannel"]),
    of("bundle", &[], &["kubernetes", "containerd", "etcd", "cni", "images"]),
    of("packages", &[], &["kubernetes", "cni"]),
    of("internet", &["apt.sh"], &["bundle", "images", "packages"]),
];

/// The recipes of a lab's parts: all but another backend's kernel, the root file systems of other releases, and an internet that it has not.
pub(crate) fn recipes(parts: &Parts) -> impl Iterator<Item = &'static Recipe> + use<> {
    let Parts { backend, debian, internet } = parts.clone();
    RECIPES.iter().filter(move |r| match r.name {
        "kernel" | "cloud" => r.name == backend.kernel(),
        "internet" => internet,
        _ => r.release.is_none_or(|release| debian.contains(&release)),
    })
}

/// Names the files of all recipes by their content, so that two versions of the program never write the same ones.
pub(crate) fn edition() -> String {
    let mut hash = Sha256::new();
    for file in FILES {
        hash.update(format!("\0{}\0{}", file.name, file.text));
    }
    short(hash)
}

/// The first 16 hex digits.
fn short(hash: Sha256) -> String {
    hash.finalize()[..8].iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn recipe(name: &str) -> Option<&'static Recipe> {
    RECIPES.iter().find(|r| r.name == name)
}

fn text(name: &str) -> &'static str {
    FILES.iter().find(|f| f.name == name).map_or("", |f| f.text)
}

impl Recipe {
    /// The name of its script.
    pub(crate) fn script(&self) -> String {
        format!("{}.sh", if self.release.is_some() { "root" } else { self.name })
    }

    /// What its script is told before the outputs that it takes.
    pub(crate) fn argument(&self) -> Option<&'static str> {
        self.release.map(Release::name)
    }

    /// The first 16 hex digits of the sha256 of everything that it is made from.
    pub(crate) fn key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(text(&self.script()));
        if let Some(argument) = self.argument() {
            hash.update(format!("\0{argument}"));
        }
        for name in self.uses {
            hash.update(format!("\0{name}\0"));
            hash.update(text(name));
        }
        for before in self.after.iter().filter_map(|name| recipe(name)) {
            hash.update(format!("\0{}\0{}", before.name, before.key()));
        }
        short(hash)
    }

    /// The folder's name in the cache.
    pub(crate) fn folder(&self) -> String {
        format!("{}-{}", self.name, self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Backend;

    #[test]
    fn every_recipe_and_its_files_are_there() {
        for recipe in RECIPES {
            let script = text(&recipe.script());
            assert!(!script.is_empty(), "{}", recipe.name);
            for used in recipe.uses {
                assert!(!text(used).is_empty(), "{used}");
                assert!(script.contains(used.trim_end_matches(".service")), "{} does not use {used}", recipe.name);
            }
            assert!(recipe.after.iter().all(|name| super::recipe(name).is_some()));
        }
    }

    #[test]
    fn a_lab_has_the_kernel_of_its_backend_and_the_roots_of_its_machines() {
        let both = [Release::Bookworm, Release::Trixie];
        for backend in [Backend::Uml, Backend::Qemu, Backend::QemuTcg] {
            for debian in [&both[..1], &both[1..], &both] {
                let parts = Parts { backend, debian: debian.iter().copied().collect(), internet: false };
                let names: Vec<&str> = recipes(&parts).map(|r| r.name).collect();
                assert_eq!(names.len(), RECIPES.len() - 4 + debian.len());
                let with_internet: Vec<&str> = recipes(&Parts { internet: true, ..parts }).map(|r| r.name).collect();
                assert_eq!(with_internet, [&names[..], &["internet"]].concat());
                assert!(names.contains(&backend.kernel()));
                assert!(debian.iter().all(|release| recipe(release.root()).unwrap().release == Some(*release)));
                assert!(debian.iter().all(|release| names.contains(&release.root())));
            }
        }
    }

    #[test]
    fn a_changed_input_changes_the_keys_of_all_that_use_it() {
        let (a, b) = (recipe("bundle").unwrap(), recipe("images").unwrap());
        assert_ne!(a.key(), b.key());
        assert_eq!(a.key().len(), 16);
        assert_ne!(a.key(), of("bundle", &[], &["kubernetes"]).key());
        // One script, two releases.
        assert_ne!(recipe("root-bookworm").unwrap().key(), recipe("root-trixie").unwrap().key());
    }
}

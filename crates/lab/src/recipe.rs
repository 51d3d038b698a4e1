//! What the lab is made of, and from what: each recipe is a shell script; its key is the sha256 of its text and of all that it uses.

use sha2::{Digest, Sha256};

use crate::spec::Backend;

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
);

/// One thing to build.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    /// Files that its script reads beside itself.
    pub(crate) uses: &'static [&'static str],
    /// Recipes whose outputs it takes as arguments, in this order.
    pub(crate) after: &'static [&'static str],
}

/// All recipes, the longest first, so that they begin first.
pub(crate) const RECIPES: &[Recipe] = &[
    Recipe { name: "kernel", uses: &["apt.sh", "kernel.options", "clock.h", "clock-user.c", "clock-kernel.c"], after: &[] },
    Recipe { name: "kubernetes", uses: &["go.sh"], after: &[] },
    Recipe { name: "containerd", uses: &["go.sh"], after: &[] },
    Recipe { name: "flannel", uses: &["go.sh"], after: &[] },
    Recipe { name: "etcd", uses: &["go.sh"], after: &[] },
    Recipe { name: "coredns", uses: &["go.sh"], after: &[] },
    Recipe { name: "cni", uses: &["go.sh"], after: &[] },
    Recipe { name: "cloud", uses: &["apt.sh", "cloud-start"], after: &[] },
    Recipe { name: "root", uses: &["apt.sh", "lab-net", "lab-net.service"], after: &[] },
    Recipe { name: "images", uses: &["apt.sh", "pause.c", "flannel-cni"], after: &["kubernetes", "etcd", "coredns", "flannel"] },
    Recipe { name: "bundle", uses: &[], after: &["kubernetes", "containerd", "etcd", "cni", "images"] },
    Recipe { name: "packages", uses: &[], after: &["kubernetes", "cni"] },
];

/// The recipes that a lab on that backend needs: all but the other backend's kernel.
pub(crate) fn recipes(backend: Backend) -> impl Iterator<Item = &'static Recipe> {
    RECIPES.iter().filter(move |r| !matches!(r.name, "kernel" | "cloud") || r.name == backend.kernel())
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
    /// The first 16 hex digits of the sha256 of everything that it is made from.
    pub(crate) fn key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(text(&format!("{}.sh", self.name)));
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

    #[test]
    fn every_recipe_and_its_files_are_there() {
        for recipe in RECIPES {
            assert!(!text(&format!("{}.sh", recipe.name)).is_empty(), "{}", recipe.name);
            for used in recipe.uses {
                assert!(!text(used).is_empty(), "{used}");
                assert!(
                    text(&format!("{}.sh", recipe.name)).contains(used.trim_end_matches(".service")),
                    "{} does not use {used}",
                    recipe.name
                );
            }
            assert!(recipe.after.iter().all(|name| super::recipe(name).is_some()));
        }
    }

    #[test]
    fn each_backend_has_one_kernel() {
        for backend in [Backend::Uml, Backend::Qemu, Backend::QemuTcg] {
            let names: Vec<&str> = recipes(backend).map(|r| r.name).collect();
            assert_eq!(names.len(), RECIPES.len() - 1);
            assert!(names.contains(&backend.kernel()) && names.contains(&"root"));
        }
    }

    #[test]
    fn a_changed_input_changes_the_keys_of_all_that_use_it() {
        let (a, b) = (recipe("bundle").unwrap(), recipe("images").unwrap());
        assert_ne!(a.key(), b.key());
        assert_eq!(a.key().len(), 16);
        let fewer = Recipe { name: "bundle", uses: &[], after: &["kubernetes"] };
        assert_ne!(a.key(), fewer.key());
    }
}

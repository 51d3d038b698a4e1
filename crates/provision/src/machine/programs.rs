//! The programs that scripts on nodes call, and the packages that bring them.

/// A program, and the package of it on each distribution.
pub(super) struct Need {
    /// Its name in PATH, or its place.
    pub(super) program: &'static str,
    package: &'static str,
    /// Where the package is called otherwise: ID and VERSION_ID of os-release(5), and the package.
    elsewhere: &'static [(&'static str, &'static str, &'static str)],
}

impl Need {
    /// The package on a distribution.
    pub(super) fn package(&self, id: &str, version: &str) -> &'static str {
        let other = self.elsewhere.iter().find(|(i, v, _)| *i == id && *v == version);
        other.map_or(self.package, |(_, _, package)| package)
    }
}

const fn of(program: &'static str, package: &'static str) -> Need {
    Need { program, package, elsewhere: &[] }
}

/// systemd's part that opens volumes became a package of its own in systemd 256.
const CRYPTSETUP: &[(&str, &str, &str)] = &[("debian", "13", "systemd-cryptsetup")];

/// All of them; a test compares this with the scripts. Programs of Kubernetes and containerd are not here: kubestead installs them.
pub(super) const NEEDS: &[Need] = &[
    of("apt-cache", "apt"),
    of("apt-config", "apt"),
    of("apt-get", "apt"),
    of("apt-mark", "apt"),
    of("awk", "mawk"),
    of("base64", "coreutils"),
    of("basename", "coreutils"),
    of("blkid", "util-linux"),
    of("blockdev", "util-linux"),
    of("cat", "coreutils"),
    of("chattr", "e2fsprogs"),
    of("chmod", "coreutils"),
    of("chown", "coreutils"),
    of("cmp", "diffutils"),
    of("comm", "coreutils"),
    of("cp", "coreutils"),
    of("cryptsetup", "cryptsetup"),
    of("curl", "curl"),
    of("cut", "coreutils"),
    of("date", "coreutils"),
    of("dd", "coreutils"),
    of("df", "coreutils"),
    of("diff", "diffutils"),
    of("dirname", "coreutils"),
    of("dmsetup", "dmsetup"),
    of("dpkg", "dpkg"),
    of("dpkg-query", "dpkg"),
    of("find", "findutils"),
    of("findmnt", "util-linux"),
    of("flock", "util-linux"),
    of("grep", "grep"),
    of("gzip", "gzip"),
    of("head", "coreutils"),
    of("id", "coreutils"),
    of("ip", "iproute2"),
    of("ln", "coreutils"),
    of("ls", "coreutils"),
    of("lsblk", "util-linux"),
    of("lvchange", "lvm2"),
    of("lvcreate", "lvm2"),
    of("lvextend", "lvm2"),
    of("lvm", "lvm2"),
    of("lvremove", "lvm2"),
    of("lvs", "lvm2"),
    of("md5sum", "coreutils"),
    of("mkdir", "coreutils"),
    of("mkfs.ext4", "e2fsprogs"),
    of("mkfs.xfs", "xfsprogs"),
    of("mktemp", "coreutils"),
    of("modprobe", "kmod"),
    of("mount", "mount"),
    of("mv", "coreutils"),
    of("nft", "nftables"),
    of("od", "coreutils"),
    of("openssl", "openssl"),
    of("pvcreate", "lvm2"),
    of("pvs", "lvm2"),
    of("readlink", "coreutils"),
    of("resize2fs", "e2fsprogs"),
    of("rm", "coreutils"),
    of("rmdir", "coreutils"),
    of("sed", "sed"),
    of("seq", "coreutils"),
    of("sha256sum", "coreutils"),
    of("shred", "coreutils"),
    of("sleep", "coreutils"),
    of("sort", "coreutils"),
    of("ss", "iproute2"),
    of("ssh", "openssh-client"),
    of("ssh-keygen", "openssh-client"),
    of("stat", "coreutils"),
    of("swapoff", "mount"),
    of("sync", "coreutils"),
    of("sysctl", "procps"),
    of("systemctl", "systemd"),
    of("systemd-escape", "systemd"),
    of("tail", "coreutils"),
    of("timeout", "coreutils"),
    of("touch", "coreutils"),
    of("tr", "coreutils"),
    of("udevadm", "udev"),
    of("umount", "mount"),
    of("uname", "coreutils"),
    of("uniq", "coreutils"),
    of("unshare", "util-linux"),
    of("vgcreate", "lvm2"),
    of("vgextend", "lvm2"),
    of("vgs", "lvm2"),
    of("wc", "coreutils"),
    of("wipefs", "util-linux"),
    of("xfs_growfs", "xfsprogs"),
    Need { program: "/usr/lib/systemd/systemd-cryptsetup", package: "systemd", elsewhere: CRYPTSETUP },
    Need { program: "/usr/lib/systemd/system-generators/systemd-cryptsetup-generator", package: "systemd", elsewhere: CRYPTSETUP },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::super::shell;
    use super::*;

    /// What kubestead installs itself.
    const OURS: [&str; 8] =
        ["/usr/local/lib/kubestead/stop-pods", "containerd", "ctr", "etcdctl", "etcdutl", "kubeadm", "kubectl", "kubelet"];

    /// What a script of the doctor looks for by itself, and does without.
    const OPTIONAL: [&str; 4] = ["ethtool", "journalctl", "ping", "timedatectl"];

    fn scripts(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // A key server is another machine, and a pod has what its image has.
            if path.is_dir() && !path.ends_with("keyserver") && !path.ends_with("service/built") {
                scripts(&path, found);
            } else if path.extension().is_some_and(|e| e == "sh") {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_program_that_a_script_calls_is_looked_for() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut files = Vec::new();
        for folder in ["core", "storage", "backend", "provision"] {
            scripts(&crates.join(folder).join("src"), &mut files);
        }
        let mut texts: Vec<(String, String)> =
            files.iter().map(|f| (f.display().to_string(), std::fs::read_to_string(f).unwrap())).collect();
        let mut sections = super::super::sections();
        sections.extend(crate::kubeadm::sections());
        sections.extend(crate::keyserver::node_sections());
        sections.extend(crate::node::sections(&crate::node::fixture()));
        texts.extend(sections.into_iter().map(|s| (s.name, s.script)));
        texts.push(("as_admin".to_owned(), crate::admin::ADMIN.to_owned()));
        // A function of one file is called in another: they are put together.
        let mut functions: BTreeSet<String> = texts.iter().flat_map(|(_, text)| shell::functions(text)).collect();
        functions.insert("copy_header".to_owned()); // storage puts it ahead of wipe.sh
        let known: BTreeSet<&str> = NEEDS.iter().map(|n| n.program).chain(OURS).chain(OPTIONAL).collect();
        let (mut called, mut missing) = (0, Vec::new());
        for (name, text) in &texts {
            for program in shell::commands(text).into_iter().filter(|p| !functions.contains(p)) {
                called += 1;
                if !known.contains(program.as_str()) {
                    missing.push(format!("{name} calls {program}"));
                }
            }
        }
        assert!(missing.is_empty(), "not in NEEDS: {missing:?}");
        assert!(called > 100, "{called}");
    }

    #[test]
    fn no_program_is_listed_twice_and_packages_follow_the_distribution() {
        assert_eq!(NEEDS.iter().map(|n| n.program).collect::<BTreeSet<_>>().len(), NEEDS.len());
        let need = NEEDS.iter().find(|n| n.program.ends_with("/systemd-cryptsetup")).unwrap();
        assert_eq!((need.package("debian", "12"), need.package("debian", "13")), ("systemd", "systemd-cryptsetup"));
        assert_eq!(need.package("ubuntu", "24.04"), "systemd");
    }
}

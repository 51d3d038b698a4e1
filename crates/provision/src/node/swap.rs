//! Sources of swap: what is on, and what would be at the next boot.

use kubestead_core::claim;
use kubestead_core::fact::Gap;
use kubestead_core::name::Name;
use kubestead_core::plan::Held;
use kubestead_core::probe::Section;
use kubestead_core::procedure::Procedure;
use kubestead_core::put::{self, Files};
use serde::{Deserialize, Serialize};

/// Defines the shell function `swap_sources`.
const SOURCES: &str = include_str!("scripts/swap-sources.sh");
/// What pulls in the swap of generators and of units: without it none of them starts at boot.
const TARGET: &str = "swap.target";
/// Its lines of swap become comments: it is replaced whole, so that a link would become a file.
const FSTAB: &str = "/etc/fstab";

/// A source of swap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Swap {
    /// What it is.
    pub kind: SwapKind,
    /// A device, a unit, or the first field of a line of fstab.
    pub name: String,
    /// The file that asks for it; empty for a partition.
    pub file: String,
}

/// What a source of swap is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SwapKind {
    /// A device or file that is in use.
    Active,
    /// A line of fstab.
    Fstab,
    /// A unit of a package or of a generator.
    Unit,
    /// An enabled service of a package that turns swap on, such as zramswap.service.
    Service,
    /// The configuration of systemd's zram-generator.
    Zram,
    /// A partition of the type swap, which systemd-gpt-auto-generator(8) takes.
    Partition,
    /// An enabled unit that somebody wrote.
    Own,
}

impl std::fmt::Display for Swap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, name, file } = self;
        match kind {
            SwapKind::Active => write!(f, "{name} (in use)"),
            SwapKind::Fstab => write!(f, "{name} ({file}, whose line becomes a comment)"),
            SwapKind::Unit | SwapKind::Service => write!(f, "{name} ({file}, masked)"),
            SwapKind::Zram => write!(f, "{name} ({file}, {TARGET} masked)"),
            SwapKind::Partition => write!(f, "{name} (a partition of the type swap, {TARGET} masked)"),
            SwapKind::Own => write!(f, "{name} ({file})"),
        }
    }
}

/// The section of the probe.
pub(super) fn section() -> Section {
    Section::script("node/swap", include_str!("scripts/probe-swap.sh")).after(SOURCES)
}

/// Reads its answer.
pub(super) fn read(text: &str) -> Result<Vec<Swap>, Gap> {
    let one = |line: &str| {
        let gap = || Gap::new(format!("what is said of swap was not understood: {line:?}"));
        let [kind, name, file] = line.split('\t').collect::<Vec<_>>()[..] else { return Err(gap()) };
        let kind = match kind {
            "active" => SwapKind::Active,
            "fstab" => SwapKind::Fstab,
            "unit" => SwapKind::Unit,
            "service" => SwapKind::Service,
            "zram" => SwapKind::Zram,
            "partition" => SwapKind::Partition,
            "own" => SwapKind::Own,
            _ => return Err(gap()),
        };
        Ok(Swap { kind, name: name.to_owned(), file: file.to_owned() })
    };
    text.lines().map(one).collect()
}

/// What keeps swap from being turned off: units that somebody wrote are not masked.
pub(super) fn obstacles(node: &Name, swap: &[Swap], files: &Files) -> Vec<Held> {
    let own = swap.iter().filter(|s| s.kind == SwapKind::Own);
    let edited = swap.iter().any(|s| s.kind == SwapKind::Fstab).then_some(FSTAB);
    let own = own.map(|unit| {
        let reason = format!("{} turns swap on at boot, which the kubelet refuses, and kubestead did not write {}", unit.name, unit.file);
        Held::on(node, "swap", reason, format!("systemctl disable --now {}", unit.name))
    });
    own.chain(claim::obstacles(node.as_str(), files, edited)).collect()
}

/// What is masked so that none of the sources comes back.
pub(super) fn masks(swap: &[Swap]) -> Vec<String> {
    let pulled = |s: &Swap| matches!(s.kind, SwapKind::Unit | SwapKind::Zram | SwapKind::Partition);
    let target = swap.iter().any(pulled).then(|| TARGET.to_owned());
    let named = swap.iter().filter(|s| matches!(s.kind, SwapKind::Unit | SwapKind::Service)).map(|s| s.name.clone());
    target.into_iter().chain(named).collect()
}

/// Turns swap off, now and at boot; lines of fstab stay there as comments.
pub(super) fn off(units: &[String]) -> Procedure {
    put::with_manifest(include_str!("scripts/swap-off.sh")).list("units", units).after(SOURCES)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;

    /// A machine in a folder: /etc, /proc/swaps, and a systemctl, lsblk and swapoff that answer from files. `systemctl mask` does what the real
    /// one does.
    fn machine(root: &Path, show: &str, partitions: &str) {
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        write("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1000 0 -2\n/dev/zram0 partition 1000 0 100\n");
        write("etc/systemd/system/placeholder", "");
        write("usr/lib/systemd/system-generators/systemd-gpt-auto-generator", "");
        write("show", &show.replace("=/etc/fstab", &format!("={}/etc/fstab", root.display())));
        write("partitions", partitions);
        // A masked unit says so.
        write(
            "bin/systemctl",
            "#!/bin/bash\nr=$(dirname \"$0\")/..; echo \"$*\" >> $r/asked\ncase \" $* \" in\n\
             *' list-units '*) sed -n 's/^Id=\\(.*\\.swap\\)$/\\1 loaded active active x/p' $r/show ;;\n\
             *' show '*) awk -v r=$r '/^Id=/ { id = substr($0, 4) } /^LoadState=/ && system(\"test -L '\"'\"'\" r \"/etc/systemd/system/\" id \"'\"'\"'\") == 0 { print \"LoadState=masked\"; next } { print }' $r/show ;;\n\
             *' mask '*) for u in \"${@:3}\"; do ln -sfn /dev/null $r/etc/systemd/system/$u; done ;;\nesac\n",
        );
        write("bin/lsblk", "#!/bin/bash\ncat \"$(dirname \"$0\")/../partitions\"\n");
        write("bin/swapoff", "#!/bin/bash\nsed -i 1q \"$(dirname \"$0\")/../proc/swaps\"\n");
    }

    fn placed(root: &Path, script: &str) -> String {
        let root = root.to_str().unwrap();
        ["/etc/", "/proc/swaps", "/run/kubestead.act", "/usr/lib/systemd"]
            .iter()
            .fold(script.to_owned(), |script, path| script.replace(path, &format!("{root}{path}")))
            .replace("sync /etc\n", &format!("sync {root}/etc\n"))
            .replace("PATH=/usr/local/sbin:", &format!("PATH={root}/bin:/usr/local/sbin:"))
    }

    fn look(root: &Path) -> Vec<Swap> {
        let script = format!("export PATH={}/bin:$PATH\n{}", root.display(), placed(root, &section().script));
        let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        read(std::str::from_utf8(&out.stdout).unwrap()).unwrap()
    }

    fn turn_off(root: &Path, swap: &[Swap]) -> (Option<i32>, String) {
        std::fs::create_dir_all(root.join("run")).unwrap();
        let script = placed(root, &off(&masks(swap)).command().script());
        let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    }

    const SHOW: &str = "Id=dev-disk-by\\x2ddiskseq-1\\x2dpart3.swap\nLoadState=loaded\nFragmentPath=/run/systemd/generator.late/dev-sda3.swap\nSourcePath=\nWantedBy=swap.target\nRequiredBy=\n\n\
        Id=dev-zram0.swap\nLoadState=loaded\nFragmentPath=/run/systemd/generator/dev-zram0.swap\nSourcePath=/etc/systemd/zram-generator.conf\nWantedBy=swap.target\nRequiredBy=\n\n\
        Id=dev-sda2.swap\nLoadState=loaded\nFragmentPath=/run/systemd/generator/dev-sda2.swap\nSourcePath=/etc/fstab\nWantedBy=\nRequiredBy=swap.target\n\n\
        Id=dev-sdz.swap\nLoadState=loaded\nFragmentPath=\nSourcePath=/proc/swaps\nWantedBy=\nRequiredBy=\n\n\
        Id=zramswap.service\nLoadState=loaded\nFragmentPath=/lib/systemd/system/zramswap.service\nSourcePath=\nWantedBy=multi-user.target\nRequiredBy=\n";

    /// fstab (clastix/yaki#12), GPT and units (KubeOperator/ansible#6, deckhouse/deckhouse#8644), zram (kubernetes/kubernetes#34726).
    #[test]
    fn every_source_is_named_and_none_comes_back() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        machine(root, SHOW, "/dev/sda \n/dev/sda1 c12a7328-f81f-11d2-ba4b-00a0c93ec93b\n/dev/sda3 0657FD6D-A4AB-43C4-84E5-0933C84B4F4F\n");
        let fstab = "UUID=1 / ext4 defaults 0 1\n/swap.img none swap sw 0 0\n# /old none swap sw 0 0\n/later none swap noauto 0 0\n";
        std::fs::write(root.join("etc/fstab"), fstab).unwrap();
        let swap = look(root);
        let names: Vec<(SwapKind, &str)> = swap.iter().map(|s| (s.kind, s.name.as_str())).collect();
        let wanted = [
            (SwapKind::Active, "/dev/sda2"),
            (SwapKind::Active, "/dev/zram0"),
            (SwapKind::Fstab, "/swap.img"),
            (SwapKind::Unit, "dev-disk-by\\x2ddiskseq-1\\x2dpart3.swap"),
            (SwapKind::Unit, "dev-zram0.swap"),
            (SwapKind::Service, "zramswap.service"),
            (SwapKind::Partition, "/dev/sda3"),
        ];
        assert_eq!(names, wanted);
        assert_eq!(masks(&swap), ["swap.target", wanted[3].1, "dev-zram0.swap", "zramswap.service"]);
        let (status, said) = turn_off(root, &swap);
        assert_eq!(status, Some(0), "{said}");
        assert!(look(root).is_empty());
        let text = std::fs::read_to_string(root.join("etc/fstab")).unwrap();
        assert_eq!(text, fstab.replace("/swap.img none", "# kubestead: no swap: /swap.img none"));
        assert_eq!(std::fs::read_to_string(root.join("etc/fstab.before-kubestead")).unwrap(), fstab);
        assert!(std::fs::read_to_string(root.join("asked")).unwrap().contains("stop zramswap.service"));
        assert_eq!(turn_off(root, &[]).0, Some(0), "again");
        assert!(!root.join("etc/fstab.before-kubestead.1").exists());
    }

    #[test]
    fn what_would_come_back_is_not_called_done() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        machine(root, SHOW, "");
        let some: Vec<Swap> = look(root).into_iter().filter(|s| s.kind == SwapKind::Active).collect();
        let (status, said) = turn_off(root, &some);
        assert!(status == Some(92) && said.contains("dev-zram0.swap"), "{said}");
        assert!(!root.join("etc/fstab").exists(), "none is made");
    }

    #[test]
    fn an_fstab_that_is_a_link_is_held_and_not_made_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        machine(root, "", "");
        std::fs::write(root.join("real"), "/swap.img none swap sw 0 0\n").unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("etc/fstab")).unwrap();
        let found = look(root);
        let mut files = Files::default();
        assert!(obstacles(&Name::new("kube1").unwrap(), &found, &files).is_empty());
        files.found.insert("/etc/fstab".into(), kubestead_core::put::Found::Other);
        let held = obstacles(&Name::new("kube1").unwrap(), &found, &files);
        assert!(held.len() == 1 && held[0].reason.contains("/etc/fstab is a link"), "{held:?}");
        assert!(obstacles(&Name::new("kube1").unwrap(), &[], &files).is_empty(), "nothing of it is edited");
        let (status, said) = turn_off(root, &found);
        assert!(status == Some(90) && said.contains("is a link") && root.join("etc/fstab").is_symlink(), "{said}");
    }

    #[test]
    fn a_unit_that_somebody_wrote_is_held_and_not_masked() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        machine(
            root,
            "Id=swapfile.swap\nLoadState=loaded\nFragmentPath=/etc/systemd/system/swapfile.swap\nSourcePath=\nWantedBy=swap.target\nRequiredBy=\n",
            "",
        );
        let swap = look(root);
        assert_eq!(swap.last().map(|s| (s.kind, s.name.as_str())), Some((SwapKind::Own, "swapfile.swap")));
        let held = obstacles(&Name::new("kube1").unwrap(), &swap, &Files::default());
        assert!(held.len() == 1 && held[0].hint == "systemctl disable --now swapfile.swap", "{held:?}");
        assert!(masks(&swap).is_empty());
    }

    #[test]
    fn zram_by_its_generator_is_seen_before_it_runs() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        machine(root, "", "");
        std::fs::write(root.join("usr/lib/systemd/system-generators/zram-generator"), "").unwrap();
        std::fs::write(root.join("etc/systemd/zram-generator.conf"), "# c\n[zram0]\nzram-size = ram / 2\n").unwrap();
        let swap = look(root);
        let found = swap.iter().find(|s| s.kind == SwapKind::Zram).unwrap();
        assert!(found.name == "zram0" && found.file.ends_with("/etc/systemd/zram-generator.conf"));
        assert_eq!(turn_off(root, &swap).0, Some(0));
        assert!(look(root).is_empty());
    }

    #[test]
    fn an_answer_that_is_not_understood_is_a_gap() {
        for bad in ["swap", "other\ta\tb", "fstab\ta", "\t\t\t"] {
            assert!(read(bad).is_err());
        }
        assert_eq!(read("").unwrap(), []);
    }
}

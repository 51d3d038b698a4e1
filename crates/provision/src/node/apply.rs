//! One action: guard, act, verify.

use std::path::Path;

use kubestead_core::command::{Source, Stdin, quote};
use kubestead_core::host::Host;
use kubestead_core::outcome::Done;
use kubestead_core::procedure::{Procedure, ProcedureError};
use kubestead_core::put::{Put, puts};
use kubestead_storage::apply::{write_files, written};
use kubestead_storage::observe::PENDING;

use super::plan::Action;
use super::spec::SYSCTL_FILE;
use super::{INSTALLED, apt};
use crate::bundle::BundleFile;

/// Where an image archive lies while it is imported: not on the file system that the import has written out, so it seldom reaches a disk.
const SPOOL: &str = "/var/lib/kubestead/image";

/// Carries an action out on its host. An error's cause names the object.
pub async fn apply(action: &Action, host: &dyn Host) -> Result<Done, ProcedureError> {
    match action {
        Action::Kernel { files } => {
            // Built into the kernel they are no modules; whether they are there shows in what follows.
            let load = format!(
                "modprobe -qa overlay br_netfilter 2>/dev/null || true
\
                 grep -qw overlay /proc/filesystems || {{ echo 'the kernel has no overlay filesystem' >&2; exit 1; }}
sysctl -q -p {SYSCTL_FILE}"
            );
            write_files(files, &load, host).await
        }
        Action::SwapOff => swap_off().run(host).await,
        Action::Install { bundle, files } => install(bundle, files).run(host).await,
        // The list itself is read when packages are installed: what a cut leaves unread is read then.
        Action::Source { files } => write_files(files, "", host).await,
        Action::Packages { version, address } => apt::install(version, address).run(host).await,
        Action::Containerd { files } => {
            let load = "systemctl -q enable --no-reload containerd\nsystemctl daemon-reload\nsystemctl restart containerd";
            let mut procedure = written(files, load);
            // On a machine that was just booting when it was looked at, it has come up by itself since.
            let runs = format!("if fits && [ ! -e {PENDING} ] && systemctl -q is-active containerd; then already; fi");
            procedure.guard = format!("{}\n{runs}", procedure.guard);
            procedure.run(host).await
        }
        Action::Images { bundle, files } => import(bundle, files).run(host).await,
        Action::Kubelet { files } => {
            write_files(files, "systemctl -q enable --no-reload kubelet kubestead-pods\nsystemctl daemon-reload", host).await
        }
    }
}

/// The lines of fstab stay there as comments.
fn swap_off() -> Procedure {
    Procedure::new(
        "",
        "t=$(mktemp /etc/fstab.XXXXXX); awk '$1 !~ /^#/ && $3 == \"swap\" { print \"# kubestead: no swap: \" $0; next } { print }' /etc/fstab > \"$t\"\n\
         chmod --reference=/etc/fstab \"$t\"; sync \"$t\"; mv -fT \"$t\" /etc/fstab; sync /etc\n\
         systemctl daemon-reload\nswapoff -a",
        "[ -z \"$(tail -n +2 /proc/swaps)\" ] || unverified \"still in use: $(tail -n +2 /proc/swaps)\"",
    )
}

fn sources(bundle: &Path, files: &[BundleFile]) -> Stdin {
    Stdin::Files(files.iter().map(|f| Source { path: bundle.join(&f.path), size: f.size, sha256: f.sha256.clone() }).collect())
}

/// All programs come, or none does; a running one keeps its old file until it is started again. Then they are recorded.
fn install(bundle: &Path, files: &[BundleFile]) -> Procedure {
    let targets = files.iter().filter_map(|f| Some((f, f.target()?)));
    let programs: Vec<Put> = targets.map(|(f, path)| Put { path, mode: 0o755, size: f.size, sha256: f.sha256.clone() }).collect();
    let lines: String = programs.iter().map(|f| format!("echo \"{} $(stat -c '%s %Y %n' {})\"\n", f.sha256, quote(&f.path))).collect();
    let mut procedure = puts(&programs);
    procedure.guard = format!(
        "{}\nrecord() {{\nmkdir -p \"$(dirname {INSTALLED})\"; touch {INSTALLED}; local r; r=$(mktemp {INSTALLED}.XXXXXX)\n\
         {{ printf '%s\\n' \"${{paths[@]}}\" | awk 'NR == FNR {{ own[$0]; next }} !($4 in own)' - {INSTALLED}\n{lines}}} > \"$r\"\n\
         sync \"$r\"; mv -fT \"$r\" {INSTALLED}\n}}\nif fits; then record; already; fi",
        procedure.guard
    );
    // Their sums were compared where they were sent from: to read them again here takes seconds.
    let sizes: String = programs.iter().map(|f| format!("{:o} {}\n", f.mode, f.size)).collect();
    procedure.verify =
        format!("[ \"$(stat -c '%a %s' \"${{paths[@]}}\")\" = '{}' ] || unverified 'a program is not there'\nrecord", sizes.trim_end());
    procedure.stdin(sources(bundle, files))
}

/// An archive lies whole in a file before it is imported, and is read from there in large pieces: from a pipe ctr hands on what it gets at
/// once, a message for each 32 KiB.
fn import(bundle: &Path, files: &[BundleFile]) -> Procedure {
    let references: Vec<String> = files.iter().map(|f| quote(f.image.as_deref().unwrap_or_default())).collect();
    let imports: String = files.iter().zip(&references).map(|(f, i)| format!("import {i} {} {}\n", f.size, quote(&f.path))).collect();
    Procedure::new(
        format!(
            "ctr='ctr -n k8s.io images' images=({}) spool={SPOOL}\n\
             missing() {{ comm -23 <(printf '%s\\n' \"${{images[@]}}\" | sort -u) <($ctr ls -q | sort); }}\n\
             there=$($ctr ls -q)\n[ -n \"$(missing)\" ] || already",
            references.join(" ")
        ),
        format!(
            "mkdir -p \"${{spool%/*}}\"; trap 'rm -f \"$spool\"' EXIT\numask 077\nimport() {{\nhead -c \"$2\" > \"$spool\"\n\
             [ \"$(stat -c %s \"$spool\")\" = \"$2\" ] || {{ echo \"$3 was cut off\" >&2; exit 1; }}\n\
             if ! grep -qxF -- \"$1\" <<< \"$there\"; then $ctr import --local --sync-fs --label io.cri-containerd.pinned=pinned \"$spool\" > /dev/null; fi\n}}\n{imports}"
        ),
        "left=$(missing); [ -z \"$left\" ] || unverified \"not among the images: $left\"",
    )
    .stdin(sources(bundle, files))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Kind;

    #[test]
    fn every_script_is_one_that_bash_can_read_and_files_are_streamed() {
        let file = |kind, name: &str| BundleFile {
            path: format!("x/{name}"),
            kind,
            name: name.into(),
            version: "1".into(),
            sha256: "ab".into(),
            size: 1,
            roles: vec![],
            image: Some("r/x:1".into()),
        };
        let dir = Path::new("/b");
        let programs = [file(Kind::Binary, "kubelet"), file(Kind::Cni, "bridge")];
        for procedure in [swap_off(), install(dir, &programs), import(dir, &[file(Kind::Image, "x")])] {
            let command = procedure.command();
            let status = std::process::Command::new("bash").args(["-n", "-c", &*command.script()]).status().unwrap();
            assert!(status.success(), "{}", command.script());
        }
        let Stdin::Files(sources) = install(dir, &programs).stdin else { panic!("a program is not streamed") };
        assert_eq!(sources.iter().map(|s| s.path.to_str().unwrap()).collect::<Vec<_>>(), ["/b/x/kubelet", "/b/x/bridge"]);
    }

    /// The real script on files of a folder.
    #[test]
    fn programs_come_together_and_are_recorded_beside_those_of_before() {
        let root = tempfile::tempdir().unwrap();
        let place = |path: &str| format!("{}{path}", root.path().display());
        let file = |kind, name: &str, text: &str| BundleFile {
            path: name.into(),
            kind,
            name: name.into(),
            version: "1".into(),
            sha256: kubestead_core::put::digest(text),
            size: text.len() as u64,
            roles: vec![],
            image: None,
        };
        let files = [file(Kind::Binary, "kubelet", "one"), file(Kind::Cni, "bridge", "two")];
        let script = install(Path::new("/b"), &files).command().script().into_owned();
        let script = ["/usr/local/bin/kubelet", "/opt/cni/bin/bridge", INSTALLED, "/run/kubestead.act"]
            .iter()
            .fold(script, |script, path| script.replace(path, &place(path)));
        std::fs::create_dir_all(place("/run")).unwrap();
        std::fs::create_dir_all(place("/var/lib/kubestead")).unwrap();
        std::fs::write(place(INSTALLED), format!("aa 1 2 /usr/local/bin/other\nbb 1 2 {}\n", place("/opt/cni/bin/bridge"))).unwrap();
        let run = |stdin: &[u8]| {
            let mut child = std::process::Command::new("bash").args(["-c", &script]).stdin(std::process::Stdio::piped()).spawn().unwrap();
            let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin);
            child.wait().unwrap().code()
        };
        assert_eq!(run(b"onetw"), Some(90), "a cut takes nothing");
        assert!(!Path::new(&place("/usr/local/bin/kubelet")).exists());
        assert_eq!(run(b"onetwo"), Some(0));
        assert_eq!(std::fs::read_to_string(place("/opt/cni/bin/bridge")).unwrap(), "two");
        let record = std::fs::read_to_string(place(INSTALLED)).unwrap();
        assert!(record.starts_with("aa 1 2 /usr/local/bin/other\n") && record.lines().count() == 3, "{record}");
        assert!(record.contains(&format!("{} 3 ", files[1].sha256)) && !record.contains("bb 1 2"), "{record}");
        assert_eq!(run(b""), Some(91));
        assert_eq!(std::fs::read_to_string(place(INSTALLED)).unwrap(), record);
    }
}

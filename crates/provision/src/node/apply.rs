//! One action: guard, act, verify.

use std::path::Path;

use kubestead_core::command::{Source, Stdin};
use kubestead_core::host::Host;
use kubestead_core::outcome::Done;
use kubestead_core::procedure::{Procedure, ProcedureError};
use kubestead_core::put::{Owned, PENDING, Put, puts};
use kubestead_core::reload::{self, written};

use super::action::Action;
use super::apt;
use super::spec::SYSCTL_FILE;
use super::swap;
use super::{proxy, runtime, sources};
use crate::bundle::{Arch, BundleFile};

/// Where image archives come before they are imported: in memory where it holds them, else not on the file system that the import has written out, so that
/// they seldom reach the disk.
const MEMORY: &str = "/run/kubestead-image";
const DISK: &str = "/var/lib/kubestead/image";

/// Carries an action out on its host. An error's cause names the object.
pub async fn apply(action: &Action, host: &dyn Host) -> Result<Done, ProcedureError> {
    match action {
        Action::Adoption(adoption) => adoption.procedure().run(host).await,
        Action::Kernel { files } => kernel(files).run(host).await,
        Action::SwapOff { mask } => swap::off(mask).run(host).await,
        Action::Install { bundle, files } => install(bundle, files).run(host).await,
        // The list itself is read when packages are installed: what a cut leaves unread is read then.
        Action::Source { files } => reload::write(files, "", host).await,
        Action::Packages { version, address } => apt::install(version, address).run(host).await,
        Action::Containerd { files, package } => containerd(files, package.as_ref()).run(host).await,
        Action::Images { bundle, files } => import(bundle, files).run(host).await,
        Action::Kubelet { files } => kubelet(files).run(host).await,
    }
}

fn kernel(files: &[Owned]) -> Procedure {
    let load = Procedure::script(include_str!("scripts/kernel.sh"));
    written(files, &load.act).var("settings", SYSCTL_FILE)
}

/// A kubelet that runs is started again for another environment alone: its unit's other files were there before it.
fn kubelet(files: &[Owned]) -> Procedure {
    let environment = files.iter().any(|file| file.path == proxy::KUBELET);
    written(files, include_str!("scripts/load-kubelet.sh")).var("environment", if environment { "yes" } else { "" })
}

fn containerd(files: &[Owned], package: Option<&runtime::Package>) -> Procedure {
    let own = Procedure::script(include_str!("scripts/containerd.sh"));
    let functions = if package.is_some() { include_str!("scripts/apt.sh") } else { "" };
    let mut procedure = sources::with_runtime(written(files, &own.act).var("pending", PENDING), package).after(functions);
    procedure.guard = format!("{}\n{}", procedure.guard, own.guard);
    procedure.verify = format!("{}\n{}", procedure.verify, own.verify);
    procedure
}

fn sources(bundle: &Path, files: &[BundleFile]) -> Stdin {
    Stdin::Files(files.iter().map(|f| Source { path: bundle.join(&f.path), size: f.size, sha256: f.sha256.clone() }).collect())
}

/// What programs of a bundle are for, as uname(1) says it, by the first that tells; nothing if that is not known.
fn machine(bundle: &Path, files: &[BundleFile]) -> &'static str {
    files.iter().find_map(|file| Arch::of_program(&bundle.join(&file.path))).map(Arch::machine).unwrap_or_default()
}

/// All programs come, or none does; a running one keeps its old file until it is started again. Then they are recorded. It touches nothing that another
/// step writes, and most of its time is the operator's line: it runs beside the others.
fn install(bundle: &Path, files: &[BundleFile]) -> Procedure {
    let targets = files.iter().filter_map(|f| Some((f, f.target()?)));
    let programs: Vec<Put> = targets.map(|(f, path)| Put { path, mode: 0o755, size: f.size, sha256: f.sha256.clone() }).collect();
    let own = Procedure::script(include_str!("scripts/install.sh"));
    let mut procedure = puts(&programs).var("machine", machine(bundle, files));
    procedure.guard = format!("{}\n{}", procedure.guard, own.guard);
    procedure.verify = own.verify;
    procedure.stdin(sources(bundle, files)).beside()
}

fn import(bundle: &Path, files: &[BundleFile]) -> Procedure {
    Procedure::script(include_str!("scripts/import.sh"))
        .var("memory", MEMORY)
        .var("disk", DISK)
        .list("images", files.iter().map(|f| f.image.as_deref().unwrap_or_default()))
        .list("sizes", files.iter().map(|f| f.size.to_string()))
        .list("archives", files.iter().map(|f| &f.path))
        .stdin(sources(bundle, files))
}

#[cfg(test)]
mod tests {
    use kubestead_core::put::{self, INSTALLED};

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
            arch: None,
            roles: vec![],
            image: Some("r/x:1".into()),
        };
        let dir = Path::new("/b");
        let programs = [file(Kind::Binary, "kubelet"), file(Kind::Cni, "bridge")];
        for procedure in [
            kernel(&[]),
            containerd(&[], None),
            kubelet(&[]),
            swap::off(&["swap.target".into()]),
            put::adopt("/a", "b"),
            put::record(&[]),
            install(dir, &programs),
            import(dir, &[file(Kind::Image, "x")]),
        ] {
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
            arch: None,
            roles: vec![],
            image: None,
        };
        let files = [file(Kind::Binary, "kubelet", "one"), file(Kind::Cni, "bridge", "two")];
        let placed = |procedure: &Procedure| {
            ["/usr/local/bin/kubelet", "/opt/cni/bin/bridge", INSTALLED, "/run/kubestead.act", put::MANIFEST]
                .iter()
                .fold(procedure.command().script().into_owned(), |script, path| script.replace(path, &place(path)))
        };
        let script = placed(&install(Path::new("/b"), &files));
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
        // Somebody's own program took the place of one: it goes by consent only, and is kept.
        let theirs = place("/usr/local/bin/kubelet");
        std::fs::write(&theirs, "their own").unwrap();
        assert_eq!(run(b"onetwo"), Some(90));
        assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "their own");
        let adopt = placed(&put::adopt("/usr/local/bin/kubelet", &put::digest("their own")));
        assert!(std::process::Command::new("bash").args(["-c", &adopt]).status().unwrap().success());
        assert_eq!(run(b"onetwo"), Some(0));
        assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "one");
        assert_eq!(std::fs::read_to_string(format!("{theirs}.before-kubestead")).unwrap(), "their own");
    }

    /// The real script, with a `ctr` that keeps what it was given; an archive holds the name of its image.
    #[test]
    fn archives_are_imported_whole_from_memory_or_disk_and_no_file_of_them_stays() {
        let root = tempfile::tempdir().unwrap();
        let place = |path: &str| format!("{}{path}", root.path().display());
        for folder in ["/run", "/proc", "/bin"] {
            std::fs::create_dir_all(place(folder)).unwrap();
        }
        let ctr = format!(
            "#!/bin/bash\nT={}\nif [ \"$4\" = ls ]; then cat $T/there; else readlink \"${{!#}}\" >> $T/from; cat \"${{!#}}\" >> $T/there; fi\n",
            root.path().display()
        );
        std::fs::write(place("/bin/ctr"), ctr).unwrap();
        std::fs::set_permissions(place("/bin/ctr"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let names = ["r/one:1\n", "r/two:12\n", "r/three:3\n"];
        let files = names.map(|name| BundleFile {
            path: format!("{}.tar", name.trim()),
            kind: Kind::Image,
            name: name.trim().into(),
            version: "1".into(),
            sha256: put::digest(name),
            size: name.len() as u64,
            arch: None,
            roles: vec![],
            image: Some(name.trim().into()),
        });
        let script = [MEMORY, DISK, "/proc/meminfo", "/run/kubestead.act"]
            .iter()
            .fold(import(Path::new("/b"), &files).command().script().into_owned(), |script, path| script.replace(path, &place(path)))
            .replace(" PATH=/usr/local/sbin", &format!(" PATH={}:/usr/local/sbin", place("/bin")));
        let run = |there: &str, free: u64, stdin: &str| {
            std::fs::write(place("/there"), there).unwrap();
            std::fs::write(place("/from"), "").unwrap();
            std::fs::write(place("/proc/meminfo"), format!("MemTotal: 9 kB\nMemAvailable: {free} kB\n")).unwrap();
            let mut child = std::process::Command::new("bash").args(["-c", &script]).stdin(std::process::Stdio::piped()).spawn().unwrap();
            let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes());
            let status = child.wait().unwrap().code();
            for gone in [MEMORY, DISK] {
                assert!(!Path::new(&place(gone)).exists(), "{gone} stays");
            }
            let read = |path: &str| std::fs::read_to_string(place(path)).unwrap();
            (status, read("/there"), read("/from"))
        };
        let (all, gibibyte) = (names.concat(), 1 << 20);
        let (status, there, from) = run("", gibibyte, &all);
        assert_eq!((status, there.as_str()), (Some(0), all.as_str()));
        assert!(from.lines().all(|from| from.starts_with(&place(MEMORY))) && from.lines().count() == 3, "{from}");
        let (status, there, from) = run("", gibibyte / 2, &all);
        assert_eq!((status, there.as_str()), (Some(0), all.as_str()));
        assert!(from.lines().all(|from| from.starts_with(&place(DISK))) && from.lines().count() == 3, "{from}");
        assert_eq!(run(&all, gibibyte, "").0, Some(91));
        let (status, there, from) = run(names[1], gibibyte, &all);
        assert_eq!((status, from.lines().count()), (Some(0), 2), "what is there is not imported again");
        assert!(there.lines().count() == 3, "{there}");
        let (status, there, _) = run("", gibibyte, &all[..names[0].len() + 3]);
        assert_eq!((status.is_some_and(|status| status != 0), there.as_str()), (true, names[0]), "what was cut off is not imported");
    }

    /// The real script on programs of each architecture, of which one is this computer's.
    #[test]
    fn programs_of_another_architecture_take_no_place() {
        let root = tempfile::tempdir().unwrap();
        let place = |path: &str| format!("{}{path}", root.path().display());
        std::fs::create_dir_all(place("/run")).unwrap();
        let run = |name: &str, machine: u8| {
            let mut bytes = [0; 64];
            bytes[..5].copy_from_slice(b"\x7fELF\x02");
            bytes[18] = machine;
            std::fs::write(place(&format!("/{name}")), bytes).unwrap();
            let sha256 = kubestead_core::put::digest(bytes);
            let file = BundleFile {
                path: name.into(),
                kind: Kind::Binary,
                name: name.into(),
                version: "1".into(),
                sha256,
                size: 64,
                arch: None,
                roles: vec![],
                image: None,
            };
            let script = ["/usr/local/bin/", INSTALLED, "/run/kubestead.act", put::MANIFEST]
                .iter()
                .fold(install(root.path(), &[file]).command().script().into_owned(), |script, path| script.replace(path, &place(path)));
            let mut bash = std::process::Command::new("bash");
            let mut child =
                bash.args(["-c", &script]).stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
            let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), &bytes);
            let ended = child.wait_with_output().unwrap();
            assert_eq!(ended.status.success(), Path::new(&place(&format!("/usr/local/bin/{name}"))).exists());
            (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
        };
        let (own, other, name) = if cfg!(target_arch = "aarch64") { (183, 62, "x86_64") } else { (62, 183, "aarch64") };
        let (status, said) = run("other", other);
        assert!(status == Some(90) && said.contains(&format!("are for {name}, and this machine is ")), "{status:?} {said}");
        assert_eq!(run("own", own).0, Some(0));
    }

    /// The real script with a systemctl that starts a process of the program that is there.
    #[test]
    fn containerd_is_restarted_for_another_file_or_configuration_and_not_else() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let place = |path: &str| format!("{}{path}", root.path().display());
        for folder in ["/run", "/bin", "/etc/kubestead"] {
            std::fs::create_dir_all(place(folder)).unwrap();
        }
        let program = |name: &str, text: &[u8]| {
            std::fs::write(place("/new"), text).unwrap();
            std::fs::set_permissions(place("/new"), std::fs::Permissions::from_mode(0o755)).unwrap();
            std::fs::rename(place("/new"), place(&format!("/bin/{name}"))).unwrap();
        };
        let sleep = std::fs::read("/bin/sleep").unwrap();
        program("containerd", &sleep);
        let systemctl = "#!/bin/bash\nr=${0%/*}/..\ncase \" $* \" in\n*' restart '*) kill $(cat $r/pid) 2> /dev/null; echo restart >> $r/asked\n\
            $r/bin/containerd 60 > /dev/null 2>&1 < /dev/null 8>&- & echo $! > $r/pid\n\
            until [ /proc/$!/exe -ef $r/bin/containerd ]; do :; done ;;\n*' is-active '*) kill -0 $(cat $r/pid) 2> /dev/null ;;\n\
            *' show '*) cat $r/pid ;;\nesac\n";
        program("systemctl", systemctl.as_bytes());
        let run = |text: &str| {
            let file = Owned { path: place("/etc/containerd/config.toml"), text: text.to_owned(), mode: 0o644 };
            let procedure = containerd(&[file], None);
            let script = [put::MANIFEST, PENDING, "/etc/kubestead;", "/run/kubestead.act"]
                .iter()
                .fold(procedure.command().script().into_owned(), |script, path| script.replace(path, &place(path)))
                .replace("PATH=/usr/local/sbin:", &format!("PATH={}:/usr/local/sbin:", place("/bin")));
            let mut child = std::process::Command::new("bash")
                .args(["-c", &script])
                .stdin(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), procedure.stdin.bytes());
            let out = child.wait_with_output().unwrap();
            (
                out.status.code(),
                std::fs::read_to_string(place("/asked")).unwrap_or_default().lines().count(),
                String::from_utf8_lossy(&out.stderr).into_owned(),
            )
        };
        let same = |got: (Option<i32>, usize, String), status: i32, restarts: usize| {
            assert!(got.0 == Some(status) && got.1 == restarts, "{got:?}");
        };
        same(run("# ours\n"), 0, 1);
        same(run("# ours\n"), 91, 1);
        same(run("# ours, next\n"), 0, 2);
        // A new program whose start was cut off.
        program("containerd", &sleep);
        same(run("# ours, next\n"), 0, 3);
        std::fs::write(place("/etc/containerd/config.toml"), "# somebody's\n").unwrap();
        same(run("# ours\n"), 90, 3);
        let pid = std::fs::read_to_string(place("/pid")).unwrap();
        assert!(std::process::Command::new("kill").arg(pid.trim()).status().unwrap().success());
    }
}

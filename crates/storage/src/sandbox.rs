//! For tests: the real scripts over a folder, with stubs of the programs that need real devices.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use kubestead_core::procedure::Procedure;

/// Paths that scripts use, which stand below the folder.
const PLACES: [&str; 9] = [
    "/etc/crypttab",
    "/etc/fstab",
    "/etc/kubestead",
    "/etc/systemd/",
    "/run/kubestead",
    "/sys/class/block",
    "/dev/mapper",
    "/dev/vg01",
    "/dev/disk",
];

/// A folder that stands for a machine.
pub(crate) struct Sandbox(tempfile::TempDir);

impl Sandbox {
    pub(crate) fn new() -> Self {
        let sandbox = Self(tempfile::tempdir().unwrap());
        for folder in ["etc", "run", "bin", "dev/mapper", "sys/class/block"] {
            std::fs::create_dir_all(sandbox.0.path().join(folder)).unwrap();
        }
        sandbox.program("findmnt", "exit 1");
        sandbox.program("blockdev", "stat -L -c %s \"${@: -1}\"");
        for quiet in ["systemctl", "systemd-escape", "udevadm", "pvcreate", "vgcreate", "vgextend", "lvcreate", "lvremove", "lvchange"] {
            sandbox.program(quiet, "true");
        }
        for silent in ["vgs", "pvs", "lvs", "cryptsetup", "blkid"] {
            sandbox.program(silent, "exit 5");
        }
        sandbox
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), content).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// A program that writes its arguments to `calls`, then does this.
    pub(crate) fn program(&self, name: &str, body: &str) {
        let calls = self.path("calls");
        let text = format!("#!/bin/bash\necho \"{name} $*\" >> {}\n{}\n", calls.display(), self.place(body));
        self.put(&format!("bin/{name}"), text);
        std::fs::set_permissions(self.path(&format!("bin/{name}")), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What programs were called with, of those with this name.
    pub(crate) fn calls(&self, name: &str) -> Vec<String> {
        let text = self.read("calls");
        text.lines()
            .filter_map(|line| line.strip_prefix(name))
            .map(|line| line.trim().replace(self.0.path().to_str().unwrap(), ""))
            .collect()
    }

    /// A block device of this name and number, with that content; `/dev/NAME` is a link to it.
    pub(crate) fn device(&self, path: &str, kernel: &str, number: &str, content: &[u8]) {
        self.put(&format!("dev/{kernel}"), content);
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(self.path(&format!("dev/{kernel}")), self.path(path)).unwrap();
        self.put(&format!("sys/class/block/{kernel}/dev"), format!("{number}\n"));
        self.put(&format!("sys/class/block/{kernel}/size"), format!("{}\n", content.len() / 512));
        std::fs::create_dir_all(self.path(&format!("sys/class/block/{kernel}/holders"))).unwrap();
    }

    /// A text of a script, with its paths below the folder.
    pub(crate) fn place(&self, text: &str) -> String {
        let root = self.0.path().to_str().unwrap();
        let placed = PLACES.iter().fold(text.to_owned(), |text, place| text.replace(place, &format!("{root}{place}")));
        // The path of the volume of the tests, and not its name in a device's.
        let placed = placed.replace("=/data\n", &format!("={root}/data\n")).replace("(/data)", &format!("({root}/data)"));
        let placed = placed.replace("PATH=", &format!("PATH={root}/bin:")).replace("sync /etc\n", "");
        placed.replace("[ -b ", "[ -e ").replace("[ ! -b ", "[ ! -e ").replace("[ -c ", "[ -e ")
    }

    /// Runs a text: its status, what it printed, and what it said on standard error.
    pub(crate) fn bash(&self, text: &str, arguments: &[&str], stdin: &[u8]) -> (Option<i32>, String, String) {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["-c", &self.place(text), "script"]).args(arguments).env("PATH", path).env("LC_ALL", "C");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that refuses does not read to the end.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let out = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace(self.0.path().to_str().unwrap(), "");
        (out.status.code(), text(out.stdout), text(out.stderr))
    }

    /// Runs a procedure: its status and what it said.
    pub(crate) fn run(&self, procedure: &Procedure) -> (Option<i32>, String) {
        let command = procedure.command();
        let (status, _, said) = self.bash(&command.script(), &[], command.stdin.bytes());
        (status, said)
    }
}

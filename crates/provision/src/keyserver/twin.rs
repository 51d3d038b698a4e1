//! A key server and a node in a folder: the real scripts, with the programs that need a whole machine in place of which small ones stand.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use kubestead_core::command::Output;
use kubestead_core::procedure::Procedure;

use super::spec::{IDENTITY, KEYS, SERVE};

/// `getent` reads files of the folder, `useradd` and `usermod` write them; `ss` says what a file says; owners are not changed.
const PROGRAMS: [(&str, &str); 8] = [
    ("getent", "if [ $# = 1 ]; then cat \"$T/$1\"; else grep \"^$2:\" \"$T/$1\"; fi"),
    (
        "useradd",
        "u=${!#}; echo \"$u:x:998:998::$T/k:/bin/sh\" >> \"$T/passwd\"; echo \"$u:!:1::::::\" >> \"$T/shadow\"; echo \"useradd $u\" >> \"$T/log\"",
    ),
    ("usermod", "sed -i \"s/^$3:[^:]*:/$3:$2:/\" \"$T/shadow\"; echo \"usermod $*\" >> \"$T/log\""),
    ("id", "case $1 in -g) echo 998 ;; *) exec /usr/bin/id \"$@\" ;; esac"),
    ("chown", "true"),
    ("ss", "cat \"$T/ss\" 2> /dev/null"),
    (
        "systemctl",
        "case $* in *is-active*sshd*) false ;; *is-active*) true ;; *) echo \"systemctl $*\" >> \"$T/log\"; [ ! -e \"$T/dead\" ] ;; esac",
    ),
    ("install", "mkdir -p \"${!#}\" && chmod 0700 \"${!#}\""),
];

/// The folder; it goes with the value.
pub(super) struct Server(PathBuf);

impl Server {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("kubestead-keyserver-{}-{number}", std::process::id()));
        for folder in ["programs", "k", "node", "etc/sshd_config.d", "run"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        for (name, text) in PROGRAMS {
            let path = root.join("programs").join(name);
            std::fs::write(&path, format!("#!/bin/bash\nT={}\n{text}\n", root.display())).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        for file in ["keys", "passwd", "shadow", "group"] {
            std::fs::write(root.join(file), "").unwrap();
        }
        Self(root)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A program of the machine, instead of what is installed here.
    pub(super) fn program(&self, name: &str, text: &str) {
        self.write(&format!("programs/{name}"), &format!("#!/bin/bash\nT={}\n{text}\n", self.0.display()));
        std::fs::set_permissions(self.0.join("programs").join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The script as it runs here.
    fn here(&self, script: &str) -> String {
        let at = |path: &str| self.0.join(path).display().to_string();
        script
            .replace("PATH=/usr/local/sbin", &format!("PATH={}:/usr/local/sbin", at("programs")))
            .replace("/run/kubestead", &at("run/kubestead"))
            .replace("directory=/k", &format!("directory={}", at("k")))
            .replace("::/k:", &format!("::{}:", at("k")))
            .replace(&format!("identity={IDENTITY}"), &format!("identity={}", at("node/id_ed25519")))
            .replace(&format!("keys={KEYS}"), &format!("keys={}", at("keys")))
            .replace(&format!("serve={SERVE}"), &format!("serve={}", at("lib/serve")))
            .replace("base=/etc/ssh", &format!("base={}", at("etc")))
            .replace("rules=/etc/ssh", &format!("rules={}", at("etc")))
            .replace("pending=/etc/kubestead", &format!("pending={}", at("etc")))
            .replace("manifest=/etc/kubestead", &format!("manifest={}", at("etc")))
            // Nobody is the owner of anything here.
            .replace("stat -c '%a %U' \"$directory\"", "printf '700 %s' \"$user\"; true")
    }

    /// Its status, and what it said.
    pub(super) fn run(&self, procedure: &Procedure) -> (i32, String) {
        self.run_as(procedure, "")
    }

    /// The same, come by through `sudo` from this account.
    pub(super) fn run_as(&self, procedure: &Procedure, login: &str) -> (i32, String) {
        let command = procedure.command();
        let script = format!("SUDO_USER={login}\n{}", self.here(&command.script()));
        let (status, _, stderr) = self.bash(&script, command.stdin.bytes());
        (status, Output { stderr, ..Output::default() }.tail())
    }

    /// A look: status, standard output and error.
    pub(super) fn look(&self, command: &kubestead_core::command::Command) -> (i32, Vec<u8>, Vec<u8>) {
        // As the loader of a host does.
        let path = "export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n";
        self.bash(&self.here(&format!("{path}{}", command.script())), command.stdin.bytes())
    }

    /// Status, standard output and error of a script as it stands.
    pub(super) fn bash(&self, script: &str, stdin: &[u8]) -> (i32, Vec<u8>, Vec<u8>) {
        // A file, as a script may be longer than what an argument may be.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let file = self.0.join(format!("script-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        std::fs::write(&file, script).unwrap();
        let mut command = Command::new("bash");
        command.arg(&file).env_remove("SUDO_USER").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // One that refuses does not read to the end.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let output = child.wait_with_output().unwrap();
        std::fs::remove_file(file).unwrap();
        (output.status.code().unwrap(), output.stdout, output.stderr)
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        self.replace(path, text.replace("::/k:", &format!("::{}/k:", self.0.display())).as_bytes());
    }

    pub(super) fn replace(&self, path: &str, bytes: &[u8]) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mode = path.metadata().map_or(0o644, |m| m.mode());
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn remove(&self, path: &str) {
        std::fs::remove_file(self.0.join(path)).unwrap();
    }

    pub(super) fn bytes(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.0.join(path)).unwrap()
    }

    pub(super) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.join(path)).unwrap_or_default()
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }

    pub(super) fn mode(&self, path: &str) -> u32 {
        self.0.join(path).metadata().unwrap().mode() & 0o777
    }

    /// How many files and folders lie in a folder.
    pub(super) fn names(&self, path: &str) -> usize {
        std::fs::read_dir(self.0.join(path)).unwrap().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

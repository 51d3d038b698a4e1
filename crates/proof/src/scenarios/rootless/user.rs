//! An ordinary user of this computer, made for a proof, and what runs as that user.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::stage::{Call, Claim, Done, Ran, Stage, all, is};

/// The folder of all that the user has: root's home stays closed.
const FOLDER: &str = "u";
/// Holds the user as long as it runs.
const HOLD: &str = include_str!("../../scripts/user.sh");

pub(super) struct User<'a> {
    s: &'a Stage,
    pub(super) name: String,
    pub(super) number: u32,
    group: u32,
}

impl<'a> User<'a> {
    /// Makes the user, who goes with the process that holds it, and gives it a folder with the command and the lab's parts.
    pub(super) fn make(s: &'a Stage) -> Result<Self, String> {
        for folder in ["home", "tmp", "cache/lab/artifacts", "labs/lab"] {
            s.folder(&format!("{FOLDER}/{folder}"))?;
        }
        let name = format!("kubestead{}", std::process::id());
        let (home, ready) = (s.word(&format!("{FOLDER}/home")), s.word("user-is-there"));
        s.program("bash", &["-c", HOLD, "user", &name, &home, &ready]).start()?;
        s.eventually(30, || is(Path::new(&ready).exists(), || format!("the user {name} could not be made")))?;
        let number = |option: &str| -> Result<u32, String> {
            let answer = s.program("id", &[option, &name]).run().answer()?;
            answer.parse().map_err(|error| format!("{answer}: {error}"))
        };
        let user = Self { s, number: number("-u")?, group: number("-g")?, name };
        user.equip()?;
        Ok(user)
    }

    fn equip(&self) -> Done {
        let s = self.s;
        s.program("install", &["-m", "755", &s.kubestead_path(), &self.word("kubestead")]).run().ok()?;
        let made = s.kubestead(&["lab", "build", "--internet"]).run().answer()?;
        let parts = Path::new(&made).parent().ok_or("the lab's parts have no folder")?;
        let to = self.word("cache/lab/artifacts");
        for entry in std::fs::read_dir(parts).map_err(|error| format!("{}: {error}", parts.display()))?.flatten() {
            let part = entry.path();
            if part.is_dir() && part.extension().is_none_or(|kind| kind != "part") {
                let part = part.to_string_lossy().into_owned();
                // Another file system takes a copy.
                let linked = s.program("cp", &["-al", &part, &to]).run().ok();
                linked.or_else(|_| s.program("cp", &["-a", "--sparse=always", &part, &to]).run().ok())?;
            }
        }
        // The numbers that the user is given unpack a root file system there.
        s.program("chmod", &["1777", &self.word("tmp")]).run().ok()?;
        self.owns(&["", "home", "tmp", "cache", "cache/lab", "cache/lab/artifacts", "labs", "labs/lab"])
    }

    /// Gives the user files of its folder.
    pub(super) fn owns(&self, names: &[&str]) -> Done {
        all(names, |name| self.s.program("chown", &[&format!("{}:", self.name), &self.word(name)]).run().ok())
    }

    /// A path below the user's folder, in the scenario's.
    pub(super) fn file(name: &str) -> String {
        format!("{FOLDER}/{name}")
    }

    /// The same, as an argument.
    pub(super) fn word(&self, name: &str) -> String {
        self.s.word(&Self::file(name))
    }

    fn call(&self, options: &[&str], words: &[&str]) -> Call<'a> {
        let folder = |name: &str, at: &str| format!("{name}={}", self.word(at));
        let settings = [
            folder("HOME", "home"),
            format!("USER={}", self.name),
            folder("TMPDIR", "tmp"),
            format!("PATH={}", std::env::var("PATH").unwrap_or_default()),
            folder("KUBESTEAD_CACHE", "cache"),
            folder("KUBESTEAD_LAB_DIR", "labs"),
            folder("KUBESTEAD_AGE_KEY_FILE", "age.txt"),
            folder("XDG_STATE_HOME", "state"),
            folder("KUBESTEAD_FILE", "cluster.yaml"),
        ];
        let (number, group) = (self.number.to_string(), self.group.to_string());
        let login = ["--reuid", &number, "--regid", &group, "--clear-groups"];
        let settings = settings.iter().map(String::as_str);
        let all: Vec<&str> =
            login.iter().chain(options).copied().chain(["--", "env", "-i"]).chain(settings).chain(words.iter().copied()).collect();
        self.s.program("setpriv", &all)
    }

    /// A program as the user, who gets no other rights by it.
    pub(super) fn run(&self, words: &[&str]) -> Call<'a> {
        self.call(&["--no-new-privs"], words)
    }

    /// The same, where newuidmap may give the user its range of numbers: it is setuid.
    pub(super) fn run_with_helpers(&self, words: &[&str]) -> Call<'a> {
        self.call(&[], words)
    }

    /// The command, as the user.
    pub(super) fn kubestead(&self, words: &[&str]) -> Call<'a> {
        self.run(&[&[self.word("kubestead").as_str()], words].concat())
    }

    pub(super) fn lab(&self, words: &[&str]) -> Call<'a> {
        self.kubestead(&[&["lab"], words].concat())
    }

    /// A line on the machine kube1 of the user's lab.
    pub(super) fn on(&self, line: &str) -> Call<'a> {
        let config = self.word("labs/lab/ssh_config");
        self.run(&["ssh", "-F", &config, "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "kube1", line])
    }

    /// The processes of the user, and of the numbers from this one on that were given to it.
    pub(super) fn left(&self, first: Option<u32>) -> Vec<String> {
        let mine = |number: u32| number == self.number || first.is_some_and(|first| (first..first + 65536).contains(&number));
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            // Of those that have ended meanwhile there is none.
            let Ok(status) = std::fs::read_to_string(entry.path().join("status")) else { continue };
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            let effective = field("Uid:").split_whitespace().nth(1).and_then(|number| number.parse().ok());
            // One that has ended and waits for its parent to look holds nothing.
            if effective.is_some_and(mine) && !field("State:").trim_start().starts_with('Z') {
                found.push(format!("{} {}", entry.file_name().to_string_lossy(), field("Name:").trim()));
            }
        }
        found
    }

    /// No process of the user, and no mount in its folder.
    pub(super) fn nothing_left(&self, first: Option<u32>) -> Claim {
        let left = self.left(first);
        is(left.is_empty(), || format!("left: {}", left.join(", ")))?;
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
        let mine: Vec<&str> = mounts.lines().filter(|line| line.contains(&self.word(""))).collect();
        is(mine.is_empty(), || mine.join("\n"))
    }

    /// Whose a file of its folder is, and with which permissions.
    pub(super) fn is_closed(&self, name: &str) -> Claim {
        let found = std::fs::metadata(self.word(name)).map_err(|error| format!("{name}: {error}"))?;
        let (owner, mode) = (found.uid(), found.mode() & 0o7777);
        is(owner == self.number && mode == 0o600, || format!("{name} is of {owner}, with {mode:o}"))
    }

    /// Begins something and gives it a signal when a process of the user's with these words on its command line is there, and a while after.
    pub(super) fn interrupted(&self, begun: Call<'a>, (seconds, words): (u64, &str), after: Duration, signal: &str) -> Result<Ran, String> {
        let running = begun.start()?;
        let number = self.number.to_string();
        let seen = self.s.eventually(seconds, || self.s.program("pgrep", &["-u", &number, "-f", words]).run().ok());
        std::thread::sleep(after);
        self.s.program("kill", &[&format!("-{signal}"), &running.id().to_string()]).run().ok()?;
        let ran = running.ended();
        seen.map_err(|why| format!("{why}\n{}", ran.said)).map(|()| ran)
    }
}

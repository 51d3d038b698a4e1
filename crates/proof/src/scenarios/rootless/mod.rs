//! A lab of an ordinary user: it needs no root, and nothing is left of it, whatever ends it. The user is made for it, so that whatever it has running is
//! what was left; only root can make one.

mod user;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::scenario::Scenario;
use crate::stage::{Claim, Done, Stage, is};
use crate::worker::say;

use user::User;

pub(super) static SCENARIOS: &[Scenario] =
    &[Scenario::own("a lab needs no root, and nothing is left of it, whatever ends it", &["R4"], (300, 1800), rootless)];

const LAB: &str = r#"{"internet": true, "machines": [
  {"name": "kube1", "address": "10.77.0.21", "memory": 768, "disks": [{"serial": "kube1-data", "size": 1024}]},
  {"name": "masterlock", "address": "10.77.0.5", "memory": 320, "disks": []}
]}
"#;
const CLUSTER: &str = "apiVersion: kubestead/v1
kind: Cluster
name: disks
ssh: {config: SSH}
nodes: [{name: kube1, address: 10.77.0.21, roles: [control-plane]}]
disks: {vg01: {devices: {kube1: [/dev/disk/by-id/ubd-kube1-data]}}}
volumes: {volkube: {on: [all], group: vg01, size: 512MiB, path: /var/lib/kubestead/volumes}}
keys: {servers: [{host: masterlock, address: 10.77.0.5}], recovery: age}
";
const MOUNT: &str = "/var/lib/kubestead/volumes";
const KERNEL_CLOCK: &str = include_str!("../../scripts/kernel_clock.pl");
const SNAPSHOTS: &str = "labs/.snapshots/lab";

/// The user, and the first number of the range that it was given.
struct Lab<'a> {
    s: &'a Stage,
    user: User<'a>,
    first: u32,
}

fn rootless(s: &Stage) -> Done {
    if !s.is_root() {
        say("      not made: only root can make a user for it; the other proofs of the lab run without root here");
        return Ok(());
    }
    let user = User::make(s)?;
    let first = one_clear_error(s, &user)?;
    let shared = user.run(&["unshare", "-Urn", "true"]).run();
    if shared.ok().is_err() {
        let refused = user.lab(&["up"]).run();
        s.claim("what to allow is named", refused.fails().and(refused.says("run this as root")));
        say(&format!("      not made as an ordinary user: {}; root's own lab is what the other proofs show", shared.said.trim()));
        return Ok(());
    }
    let lab = Lab { s, user, first };
    lab.machines()?;
    lab.snapshot()?;
    lab.ended()?;
    lab.build_ended()
}

/// Says all that is missing at once, and how the user gets a range of numbers, whose first one is the answer.
fn one_clear_error(s: &Stage, user: &User) -> Result<u32, String> {
    let cache = format!("KUBESTEAD_CACHE={}", user.word("empty"));
    let missing = || user.run_with_helpers(&["env", "PATH=/nowhere", &cache, &user.word("kubestead"), "lab", "up"]).run();
    let told = missing();
    let no_range = format!("/etc/subuid has no line for {}", user.name);
    let all = ["openssh-client", "mmdebstrap", "golang", &no_range, "/etc/subgid"];
    s.claim("all that is missing is named at once", told.fails().and(all.iter().try_for_each(|text| told.says(text))));
    let advice: Vec<&str> = told.said.lines().filter_map(|line| line.split_once("as root, ")).map(|(_, advice)| advice).collect();
    let advice: Vec<&str> = advice.into_iter().filter(|line| line.starts_with("usermod --add-sub")).collect();
    s.write("advice", &advice.join("\n"))?;
    let followed = is(advice.len() == 2, || told.said.clone()).and(s.program("bash", &["-e", "advice"]).run().ok());
    s.claim("what it says gives the user a range of numbers", followed);
    s.claim("which is no longer missed", missing().lacks("has no line"));
    let ranges = std::fs::read_to_string("/etc/subuid").map_err(|error| format!("/etc/subuid: {error}"))?;
    let mine = ranges.lines().find_map(|line| line.strip_prefix(&format!("{}:", user.name)));
    let first = mine.and_then(|rest| rest.split(':').next()).and_then(|first| first.parse().ok());
    first.ok_or_else(|| format!("{} has no range in /etc/subuid", user.name))
}

impl Lab<'_> {
    fn nothing_left(&self) -> Claim {
        self.user.nothing_left(Some(self.first))
    }

    /// Tells how long something of the lab took.
    fn timed(&self, words: &[&str]) -> Claim {
        let begin = Instant::now();
        let claim = self.user.lab(words).run().ok();
        say(&format!("      after {} s", begin.elapsed().as_secs()));
        claim
    }

    /// The volume is mounted from dm-crypt, and has the file.
    fn kept(&self) -> Claim {
        let source = self.user.on(&format!("findmnt -no SOURCE -M {MOUNT}")).run().answer()?;
        is(source.starts_with("/dev/mapper/luks-"), || source.clone())?;
        self.user.on(&format!("grep -q canary {MOUNT}/file")).run().ok()
    }

    fn kept_soon(&self) -> Claim {
        self.s.eventually(60, || self.kept())
    }

    fn empty(&self) -> Claim {
        self.user.kubestead(&["plan"]).run().status(0)
    }

    fn supervisor(&self) -> Result<String, String> {
        let text = self.s.read(&User::file("labs/lab/supervisor.json"))?;
        let told: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        told["pid"].as_u64().map(|pid| pid.to_string()).ok_or_else(|| format!("no pid is in {text}"))
    }

    /// The lab is in a namespace of its own of each of these kinds.
    fn in_its_own(&self) -> Claim {
        let supervisor = self.supervisor()?;
        ["user", "net"].into_iter().try_for_each(|kind| {
            let of = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/{kind}")).map_err(|error| error.to_string());
            let (theirs, ours) = (of(&supervisor)?, of("self")?);
            is(theirs != ours, || format!("{kind}: it is ours, {}", ours.display()))
        })
    }

    fn same_time(&self) -> Claim {
        self.user.on("perl -").input(KERNEL_CLOCK).run().ok()
    }

    fn machines(&self) -> Done {
        let Self { s, user, .. } = self;
        s.write(&User::file("labs/lab/lab.json"), LAB)?;
        user.owns(&["labs/lab/lab.json"])?;
        s.claim("lab up", user.lab(&["up"]).run().ok());
        s.claim("they are in a user namespace and a network namespace of their own", self.in_its_own());
        let mine = user.left(Some(self.first));
        s.claim("and all of it is the user's", is(mine.len() >= 3, || mine.join(", ")));
        let answers = ["https://registry.k8s.io/v2/", "https://dl.k8s.io/release/stable.txt"];
        let answered = answers.into_iter().try_for_each(|address| user.on(&format!("curl -fsS {address}")).run().ok());
        s.claim("the lab's internet answers its machines, by an authority that they trust", answered);
        s.claim("its key is the user's alone", user.is_closed("labs/lab/internet/server.key"));
        s.claim("a program's clock is the kernel's", self.same_time());
        s.claim("when it was set, too", user.on("date -s '+1 hour'").run().ok());
        s.claim("it is still", self.same_time());
        s.claim("and set back", user.on("date -s '-1 hour'").run().ok());
        s.write(&User::file("cluster.yaml"), &CLUSTER.replace("SSH", &user.word("labs/lab/ssh_config")))?;
        s.claim("init", user.kubestead(&["init", "--dir", &user.word("")]).run().ok());
        s.claim("up makes an encrypted volume", user.kubestead(&["up"]).run().ok());
        let written = user.on(&format!("tee {MOUNT}/file")).input("canary\n").run().ok();
        s.claim("a file on it", written.and_then(|()| user.on("sync").run().ok()));
        s.claim("reboot", user.lab(&["reboot", "kube1"]).run().ok());
        s.claim("the volume comes back, and the file is there", self.kept_soon());
        s.claim("the plan is empty", self.empty());
        s.claim("lab down", user.lab(&["down"]).run().ok());
        s.claim("it leaves no process and no mount", self.nothing_left());
        let disk = std::fs::metadata(user.word("labs/lab/machines/kube1/disk-kube1-data.img")).map_err(|error| error.to_string());
        s.claim("and keeps the disks", disk.and_then(|disk| is(disk.len() > 0, || "the disk is empty".to_owned())));
        s.claim("lab up again", self.timed(&["up"]));
        s.claim("the file is there", self.kept_soon());
        Ok(())
    }

    fn snapshot(&self) -> Done {
        let Self { s, user, .. } = self;
        let save = || user.lab(&["save", "whole"]).run();
        let refused = save();
        s.claim("a lab that runs is not saved", refused.fails().and(refused.says("stop it first")));
        s.claim("lab down", user.lab(&["down"]).run().ok());
        s.folder(&User::file(SNAPSHOTS))?;
        user.owns(&["labs/.snapshots", SNAPSHOTS])?;
        let place = user.word(SNAPSHOTS);
        // As a disk that is full.
        s.program("mount", &["-t", "tmpfs", "-o", "size=4m,mode=0777", "tmpfs", &place]).run().ok()?;
        let full = save();
        let kept = s.program("ls", &["-A", &place]).run();
        s.program("umount", &[&place]).run().ok()?;
        s.claim("a disk that is full is told", full.fails().and(full.says("No space left")));
        s.claim("and nothing is left of the snapshot", kept.ok().and(kept.is("")));
        s.claim("lab save", self.timed(&["save", "whole"]));
        s.claim("it is listed", user.lab(&["snapshots"]).run().says("uml"));
        s.claim("lab down --wipe", user.lab(&["down", "--wipe"]).run().ok());
        s.claim("lab restore", self.timed(&["restore", "whole"]));
        let twice = user.lab(&["restore", "whole"]).run();
        s.claim("disks are not replaced without a word", twice.fails().and(twice.says("--replace")));
        s.claim("lab up", user.lab(&["up"]).run().ok());
        s.claim("the volume is unlocked, and the file is there", self.kept_soon());
        s.claim("the plan is empty", self.empty());
        Ok(())
    }

    /// What ends a lab ends all of it.
    fn ended(&self) -> Done {
        let Self { s, user, .. } = self;
        let boots = (60, "umid=kube1");
        let at_once = Duration::ZERO;
        s.program("kill", &["-9", &self.supervisor()?]).run().ok()?;
        s.claim("kill -9 of the supervisor: nothing is left", s.eventually(10, || self.nothing_left()));
        s.claim("the machines are said to be off", user.lab(&["status"]).run().status(1));
        let killed = user.interrupted(user.lab(&["up"]), boots, at_once, "KILL");
        s.claim("kill -9 of lab up while machines boot", killed.map(|_| ()));
        s.claim("nothing is left", s.eventually(10, || self.nothing_left()));
        let interrupted = user.interrupted(user.lab(&["up"]), boots, at_once, "INT")?;
        s.claim("Ctrl-C while machines boot", interrupted.fails());
        s.claim("it says so", interrupted.says("no machine was left running"));
        s.claim("nothing is left when it has ended", self.nothing_left());
        s.claim("lab up after all of this", user.lab(&["up"]).run().ok());
        s.claim("the file is there", self.kept_soon());
        // The machines are there before it begins.
        user.interrupted(user.lab(&["up"]), boots, Duration::from_millis(300), "INT")?;
        s.claim("Ctrl-C of a second lab up leaves the machines running", user.lab(&["status"]).run().status(0));
        s.claim("lab down --wipe", user.lab(&["down", "--wipe"]).run().ok());
        s.claim("it leaves no process and no mount", self.nothing_left());
        let disks = std::path::Path::new(&user.word("labs/lab")).exists();
        s.claim("and no disk", is(!disks, || "the folder of the lab is there".to_owned()));
        Ok(())
    }

    /// What ends a build ends all of it: mmdebstrap runs in a user namespace with the user's range of numbers.
    fn build_ended(&self) -> Done {
        let Self { s, user, .. } = self;
        let artifacts = s.path(&User::file("cache/lab/artifacts"));
        // The root file systems are missing.
        for entry in std::fs::read_dir(&artifacts).map_err(|error| error.to_string())?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("root-") {
                s.program("mv", &[&entry.path().to_string_lossy(), &user.word("tmp")]).run().ok()?;
            }
        }
        let command = user.word("kubestead");
        let build = |signal: &str| {
            let begun = user.run_with_helpers(&[&command, "lab", "build"]);
            user.interrupted(begun, (120, "mmdebstrap"), Duration::from_secs(3), signal).map(|_| ())
        };
        s.claim("kill -9 of lab build", build("KILL"));
        s.claim("nothing is left", s.eventually(10, || self.nothing_left()));
        s.claim("Ctrl-C of lab build", build("INT"));
        s.claim("nothing is left", s.eventually(10, || self.nothing_left()));
        Ok(())
    }
}

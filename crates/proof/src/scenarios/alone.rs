//! One machine alone, with volumes that no key server unlocks, and what waits for them after a boot; without Kubernetes.

use crate::scenario::Scenario;
use crate::stage::{Claim, Done, Ran, Stage};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    core: true,
    ..Scenario::own(
        "volumes of a machine alone are opened by hand after each boot, grow while they are mounted, and change to a key server and back",
        &["F02", "F24", "R1", "R2", "R3", "no way to unlock a volume goes before the recovery key"],
        (300, 1800),
        alone,
    )
}];

const LAB: &str = r#"{"machines": [
  {"name": "solo", "address": "10.77.0.21", "memory": 640, "disks": [{"serial": "solo-data", "size": 1024}]},
  {"name": "masterlock", "address": "10.77.0.5", "memory": 320, "disks": []}
]}
"#;
const CLUSTER: &str = "apiVersion: kubestead/v1
kind: Cluster
name: home
ssh: {config: SSH}
nodes: [{name: solo, address: 10.77.0.21, roles: [control-plane, worker]}]
disks: {vg01: {devices: {solo: [/dev/disk/by-id/ubd-solo-data]}}}
volumes:
  data: {on: [all], group: vg01, size: DATA, filesystem: xfs, path: /data}
  inner: {on: [all], group: vg01, size: INNER, path: /data/inner}
keys: {KEYS}
";
const BY_HAND: &str = "unlock: [recovery], recovery: age";
const BOTH_WAYS: &str = "unlock: [ssh, recovery], servers: [{host: masterlock, address: 10.77.0.5}]";
const SMALL: (&str, &str) = ("400MiB", "200MiB");
const GROWN: (&str, &str) = ("440MiB", "240MiB");

fn file(s: &Stage, keys: &str, (data, inner): (&str, &str)) -> Done {
    let text = CLUSTER.replace("SSH", &s.word("labs/lab/ssh_config")).replace("KEYS", keys);
    s.write("cluster.yaml", &text.replace("DATA", data).replace("INNER", inner))
}

fn solo(s: &Stage, words: &[&str]) -> Claim {
    s.at("solo", words).run().ok()
}

fn power(s: &Stage, verb: &str, machine: &str) -> Done {
    s.kubestead(&["lab", verb, machine]).run().ok()
}

fn unlock(s: &Stage) -> Ran {
    s.kubestead(&["volume", "unlock", "solo"]).run()
}

/// Both volumes are mounted, with their files.
fn all_there(s: &Stage) -> Claim {
    solo(s, &["canaries_there", "/data", "/data/inner"])
}

fn closed(s: &Stage) -> Claim {
    s.on("solo", &["test", "!", "-e", "/dev/mapper/luks-data"]).run().ok()
}

fn slots(s: &Stage) -> Ran {
    s.at("solo", &["slots", "data", "inner"]).run()
}

fn alone(s: &Stage) -> Done {
    from_nothing(s)?;
    after_a_boot(s)?;
    by_hand(s)?;
    another_way(s)?;
    and_back(s)?;
    s.claim("down leaves no process", s.down());
    Ok(())
}

fn from_nothing(s: &Stage) -> Done {
    s.claim("lab up", s.lab(LAB, &["solo", "masterlock"]));
    power(s, "kill", "masterlock")?;
    file(s, "unlock: [ssh], recovery: age", SMALL)?;
    let check = s.kubestead(&["check"]).run();
    s.claim("without a key server the next step is told", check.status(2).and(check.says("keys: {unlock: [recovery]}")));
    file(s, BY_HAND, SMALL)?;
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    solo(s, &["put_canaries", "/data", "/data/inner"])?;
    solo(s, &["waiting_service", "/data/inner"])?;
    s.claim("each volume has the recovery slot alone", slots(s).is("7 7"));
    let nothing = solo(s, &["no_key_servers"]).and(solo(s, &["no_key_of_its_own"]));
    s.claim("nothing on it is about key servers", nothing);
    let again = unlock(s);
    s.claim("a second unlock has nothing to do", again.status(0).and(again.says("nothing to do")));
    Ok(())
}

fn after_a_boot(s: &Stage) -> Done {
    s.claim("reboot", power(s, "reboot", "solo"));
    s.claim("sshd is up, and the volumes are closed", solo(s, &["volumes_closed"]));
    s.claim("an ordinary login is not held back", solo(s, &["logins_not_held_back"]));
    s.claim("nothing asks on the console", solo(s, &["nothing_asks"]));
    s.claim("what needs them waits, and has not failed", solo(s, &["service_waits"]));
    s.claim("nothing can be written below the mount point", solo(s, &["takes_no_file", "/data"]));
    let plan = s.plan(&[]);
    s.claim("the plan says what to type", plan.status(4).and(plan.says("kubestead volume unlock solo")));
    let status = s.kubestead(&["status"]).run();
    s.claim("status too", status.status(4).and(status.says("locked: kubestead volume unlock solo")));
    s.claim("up does not open them", s.kubestead(&["up"]).run().status(4));
    s.claim("they are still closed", closed(s));
    let none = s.kubestead(&["volume", "unlock", "solo"]).setting("KUBESTEAD_AGE_KEY_FILE", s.path("no-age.txt")).run();
    s.claim("without the age key nothing is opened", none.fails().and(none.says("age")).and(closed(s)));
    s.claim("another node is none of the file", s.kubestead(&["volume", "unlock", "other"]).run().status(2));
    s.claim("unlock", unlock(s).says("open and mounted"));
    s.claim("all is there", all_there(s));
    s.claim("what waited runs, with no hands", s.eventually(30, || solo(s, &["service_runs_and_no_job_is_left"])));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    let again = unlock(s);
    s.claim("a second time there is nothing to do", again.status(0).and(again.says("nothing to do")));
    s.claim("the keys are in no log of the machine", s.at("solo", &["keys_in_the_journal"]).run().status(1));
    file(s, BY_HAND, GROWN)?;
    let up = s.kubestead(&["up"]).run();
    s.claim("mounted volumes grow with the recovery key, xfs and ext4, and nothing is left to do", up.ok());
    s.claim("they are that large", solo(s, &["larger", "/data", "390"]).and(solo(s, &["larger", "/data/inner", "190"])));
    s.claim("the next plan is empty", s.kubestead(&["plan"]).run().ok());
    Ok(())
}

/// A power cut, and one of two by hand.
fn by_hand(s: &Stage) -> Done {
    power(s, "kill", "solo")?;
    power(s, "start", "solo")?;
    s.claim("closed again", closed(s));
    let recovery = s.kubestead(&["volume", "recovery", "solo", "data"]).run().answer()?;
    s.at("solo", &["open_by_hand", "data"]).input(recovery).run().ok()?;
    s.claim("what is opened by hand mounts itself", s.eventually(30, || s.on("solo", &["findmnt", "-M", "/data"]).run().ok()));
    s.claim("unlock opens the other", unlock(s).says("open and mounted"));
    s.claim("all is there", all_there(s));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

/// A key server as another way.
fn another_way(s: &Stage) -> Done {
    power(s, "start", "masterlock")?;
    file(s, BOTH_WAYS, GROWN)?;
    let plan = s.plan(&[]);
    s.claim("the plan adds a key", plan.status(3).and(plan.says("+ solo/data/add-way")));
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    s.claim("each volume has both slots", slots(s).is("0 7 0 7"));
    let kit = s.kubestead(&["recovery", "kit", "--shares", "2", "--threshold", "2", "--out", "kit"]).run();
    s.claim("the recovery keys still open them", kit.ok());
    let verify = s.kubestead(&["recovery", "verify", "kit/share-1-of-2.txt", "kit/share-2-of-2.txt", "--nodes"]).run();
    s.claim("on the machine too", verify.says("opens slot 7 of /dev/vg01/data"));
    s.claim("all is as it must be", s.kubestead(&["key", "doctor"]).run().status(0));
    s.claim("reboot", power(s, "reboot", "solo"));
    s.claim("it comes back with no hands", s.eventually(60, || all_there(s)));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    power(s, "kill", "masterlock")?;
    s.claim("reboot without the key server", power(s, "reboot", "solo"));
    s.claim("the volumes are closed", closed(s));
    s.claim("the recovery keys open them all the same", unlock(s).says("open and mounted"));
    s.claim("all is there", all_there(s));
    s.claim("what waited runs", s.eventually(30, || s.on("solo", &["systemctl", "-q", "is-active", "waits"]).run().ok()));
    power(s, "start", "masterlock")?;
    s.claim("nothing fails when the key server comes back", solo(s, &["no_job_and_no_failure"]));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

fn and_back(s: &Stage) -> Done {
    file(s, BY_HAND, GROWN)?;
    let plan = s.plan(&[]);
    s.claim("the plan removes the key", plan.status(3).and(plan.says("solo/data/remove-way")));
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("each volume has the recovery slot alone", slots(s).is("7 7"));
    s.claim("no unit and no line of it is left", solo(s, &["no_key_servers"]));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    s.claim("all is there", all_there(s));
    s.claim("reboot", power(s, "reboot", "solo"));
    s.claim("the volumes are closed", closed(s));
    s.claim("unlock", unlock(s).says("open and mounted"));
    s.claim("all is there", all_there(s));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

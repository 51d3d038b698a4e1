//! One machine alone, whose volumes are not encrypted; without Kubernetes.

use crate::scenario::Scenario;
use crate::stage::{Claim, Done, Stage};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario::own(
    "a volume is not encrypted by its own word alone, is named so at each look, comes back after a boot, grows, and never changes from or to it",
    &["R1", "R2", "R3", "a volume is not encrypted by its own word alone", "a volume is wiped only by its name"],
    (180, 1200),
    plain,
)];

const LAB: &str = r#"{"machines": [
  {"name": "solo", "address": "10.77.0.21", "memory": 640, "disks": [{"serial": "solo-data", "size": 1536}]}
]}
"#;
const CLUSTER: &str = "apiVersion: kubestead/v1
kind: Cluster
name: home
ssh: {config: SSH}
nodes: [{name: solo, address: 10.77.0.21, roles: [control-plane, worker]}]
disks: {vg01: {devices: {solo: [/dev/disk/by-id/ubd-solo-data]}}}
volumes:
  data: {on: [all], group: vg01, size: DATA, filesystem: xfs, path: /data, encryption: PLAIN}
  my-inner: {on: [all], group: vg01, size: INNER, path: /data/inner, encryption: PLAIN}
  sealed: {on: [all], group: vg01, size: 200MiB, path: /sealed, encryption: SEALED}
keys: {unlock: [recovery], recovery: age}
";
const AS_MADE: (&str, &str) = ("none", "luks");
const SMALL: (&str, &str) = ("400MiB", "200MiB");
const GROWN: (&str, &str) = ("440MiB", "240MiB");

fn file(s: &Stage, (plain, sealed): (&str, &str), (data, inner): (&str, &str)) -> Done {
    let text = CLUSTER.replace("SSH", &s.word("labs/lab/ssh_config")).replace("PLAIN", plain).replace("SEALED", sealed);
    s.write("cluster.yaml", &text.replace("DATA", data).replace("INNER", inner))
}

fn solo(s: &Stage, words: &[&str]) -> Claim {
    s.at("solo", words).run().ok()
}

/// Both are mounted, with their files.
fn all_there(s: &Stage) -> Claim {
    solo(s, &["canaries_there", "/data", "/data/inner"])
}

fn is_held(s: &Stage, why: &str) -> Claim {
    let plan = s.plan(&[]);
    plan.status(4).and(plan.says(why))
}

fn plain(s: &Stage) -> Done {
    from_nothing(s)?;
    after_boots(s)?;
    never_changed(s)?;
    wiped(s);
    s.claim("down leaves no process", s.down());
    Ok(())
}

fn from_nothing(s: &Stage) -> Done {
    s.claim("lab up", s.lab(LAB, &["solo"]));
    file(s, AS_MADE, SMALL)?;
    let check = s.kubestead(&["check"]).run();
    s.claim("check names them, and finds no mistake", check.ok().and(check.says("warning: volume my-inner is not encrypted")));
    let plan = s.plan(&[]);
    let told = plan.says("warning: volume data is not encrypted").and(plan.says("make the xfs filesystem, which is not encrypted"));
    s.claim("the plan too", plan.status(3).and(told));
    let up = s.kubestead(&["up"]).run();
    s.claim("up", up.ok().and(up.says("warning: volume data is not encrypted")));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    solo(s, &["put_canaries", "/data", "/data/inner"])?;
    let status = s.kubestead(&["status"]).run();
    s.claim("status says what they are", status.ok().and(status.says("mounted, not encrypted")).and(status.says("open and mounted")));
    let on = |words: &[&str]| s.on("solo", words).run();
    s.claim("the filesystem lies on the LV itself", on(&["blkid", "-p", "-o", "value", "-s", "TYPE", "/dev/vg01/data"]).is("xfs"));
    let tags = on(&["lvs", "--noheadings", "-o", "lv_tags", "vg01/my-inner"]);
    s.claim("a tag of ours names the volume", tags.says("kubestead:plain=my-inner").and(tags.lacks("kubestead:new")));
    s.claim(
        "what is mounted is what findmnt calls it",
        on(&["findmnt", "-rn", "-M", "/data/inner", "-o", "SOURCE"]).is("/dev/mapper/vg01-my--inner"),
    );
    let keys = s.program("ls", &[&s.word("secrets/escrow")]).run();
    s.claim("only what is encrypted has a recovery key", keys.says("recovery.solo.sealed.age").and(keys.lacks("recovery.solo.data")));
    Ok(())
}

fn after_boots(s: &Stage) -> Done {
    s.claim("reboot", s.kubestead(&["lab", "reboot", "solo"]).run().ok());
    s.claim("they are mounted with no hands", s.eventually(60, || all_there(s)));
    let plan = s.plan(&[]);
    s.claim("the encrypted one waits for its key", plan.status(4).and(plan.says("kubestead volume unlock solo")));
    s.claim("unlock opens that one alone", s.kubestead(&["volume", "unlock", "solo"]).run().says("open and mounted"));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    for verb in ["kill", "start"] {
        s.kubestead(&["lab", verb, "solo"]).run().ok()?;
    }
    s.claim("after a power cut too", s.eventually(60, || all_there(s)));
    s.claim("unlock", s.kubestead(&["volume", "unlock", "solo"]).run().ok());
    file(s, AS_MADE, GROWN)?;
    s.claim("mounted volumes grow, xfs and ext4", s.kubestead(&["up"]).run().ok());
    s.claim("they are that large", solo(s, &["larger", "/data", "410"]).and(solo(s, &["larger", "/data/inner", "210"])));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

fn never_changed(s: &Stage) -> Done {
    file(s, ("luks", "luks"), GROWN)?;
    s.claim("one that was made so is not encrypted by an edit", is_held(s, "/dev/vg01/data was made without encryption"));
    s.claim("up does nothing of it", s.kubestead(&["up"]).run().status(4));
    s.claim("all is there", all_there(s));
    file(s, ("none", "none"), GROWN)?;
    s.claim("and none loses its encryption by one", is_held(s, "/dev/vg01/sealed has a LUKS header, and the file says `encryption: none`"));
    s.claim("up does nothing of that either", s.kubestead(&["up"]).run().status(4));
    file(s, AS_MADE, GROWN)?;
    s.claim("the plan is empty", s.plan(&[]).status(0));
    s.on("solo", &["lvchange", "-q", "--deltag", "kubestead:plain=data", "vg01/data"]).run().ok()?;
    s.claim("without its tag it is somebody else's", is_held(s, "no tag says that kubestead made it without encryption"));
    s.on("solo", &["lvchange", "-q", "--addtag", "kubestead:plain=data", "vg01/data"]).run().ok()?;
    s.claim("all is there", all_there(s).and(s.plan(&[]).status(0)));
    Ok(())
}

fn wiped(s: &Stage) {
    let wipe = |volume: &str| s.kubestead(&["reset", "--yes-reset", "home", "--wipe", volume]).run();
    let shown = s.kubestead(&["reset", "--wipe", "solo/my-inner"]).run();
    let told = shown.says("! solo/my-inner/wipe").and(shown.says("can be read from the disk until it is written over"));
    s.claim("a wipe is shown first, and what it leaves", shown.status(3).and(told).and(all_there(s)));
    s.claim("the named one goes", wipe("solo/my-inner").ok());
    let gone = s.on("solo", &["lvs", "--noheadings", "-o", "lv_name", "vg01"]).run();
    s.claim("with its LV, and the others stay", gone.lacks("my-inner").and(gone.says("data")).and(gone.says("sealed")));
    s.claim("and its line of the boot", s.on("solo", &["grep", "my--inner", "/etc/fstab"]).run().status(1));
    s.claim("the other is as it was", solo(s, &["canaries_there", "/data"]));
    s.claim("a second time there is nothing to do", wipe("solo/my-inner").says("Nothing to do"));
    s.claim("up makes it anew", s.kubestead(&["up"]).run().ok());
    s.claim("it is empty", s.on("solo", &["test", "!", "-e", "/data/inner/file"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
}

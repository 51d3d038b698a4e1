//! What is about key servers, on machines without Kubernetes: what refuses the nodes' account, a node that leaves the file, their copies, two of them, and a volume that is wiped by its name.

use crate::scenario::Scenario;
use crate::stage::{Claim, Done, Ran, Stage};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    core: true,
    ..Scenario::own(
        "key servers give each node its own share, shut a node out, are copied and restored, and a volume is wiped by its name alone",
        &[
            "F24",
            "R1",
            "R2",
            "a share is made once",
            "a volume is wiped only by its name",
            "lines on a key server that kubestead did not write",
        ],
        (280, 1800),
        keyserver,
    )
}];

const LAB: &str = r#"{"machines": [
  {"name": "kube1", "address": "10.77.0.21", "memory": 640, "disks": [{"serial": "kube1-data", "size": 1024}]},
  {"name": "kube2", "address": "10.77.0.22", "memory": 640, "disks": [{"serial": "kube2-data", "size": 1024}]},
  {"name": "masterlock", "address": "10.77.0.5", "memory": 320, "disks": []},
  {"name": "spare", "address": "10.77.0.6", "memory": 320, "disks": []}
]}
"#;
const CLUSTER: &str = "apiVersion: kubestead/v1
kind: Cluster
name: home
ssh: {config: SSH}
nodes:
NODESdisks: {vg01: {devices: {DEVICES}}}
volumes:
  data: {on: [all], group: vg01, size: 200MiB, path: /data}
  keep: {on: [all], group: vg01, size: 200MiB, path: /keep}
keys:
  servers: [SERVERS]
";
const KUBE1: (&str, &str, &str) = ("kube1", "10.77.0.21", "control-plane");
const KUBE2: (&str, &str, &str) = ("kube2", "10.77.0.22", "worker");
const MASTERLOCK: (&str, &str) = ("masterlock", "10.77.0.5");
const SPARE: (&str, &str) = ("spare", "10.77.0.6");

/// The cluster file with these nodes and key servers.
fn file(s: &Stage, nodes: &[(&str, &str, &str)], servers: &[(&str, &str)]) -> Done {
    let lines: String = nodes.iter().map(|(name, at, role)| format!("  - {{name: {name}, address: {at}, roles: [{role}]}}\n")).collect();
    let devices: Vec<String> = nodes.iter().map(|(name, ..)| format!("{name}: [/dev/disk/by-id/ubd-{name}-data]")).collect();
    let servers: Vec<String> = servers.iter().map(|(name, at)| format!("{{host: {name}, address: {at}}}")).collect();
    let text = CLUSTER.replace("SSH", &s.word("labs/lab/ssh_config")).replace("NODES", &lines);
    s.write("cluster.yaml", &text.replace("DEVICES", &devices.join(", ")).replace("SERVERS", &servers.join(", ")))
}

/// A plan that holds something, and says why.
fn held(s: &Stage, why: &str) -> Claim {
    let plan = s.plan(&[]);
    plan.status(4).and(plan.says(why))
}

fn power(s: &Stage, verb: &str, machine: &str) -> Done {
    s.kubestead(&["lab", verb, machine]).run().ok()
}

fn keyserver(s: &Stage) -> Done {
    s.claim("lab up", s.lab(LAB, &["kube1", "kube2", "masterlock", "spare"]));
    file(s, &[KUBE1, KUBE2], &[MASTERLOCK])?;
    s.claim("up", s.kubestead(&["up"]).run().ok());
    for (node, ..) in [KUBE1, KUBE2] {
        s.at(node, &["put_canaries", "/data", "/keep"]).run().ok()?;
    }
    s.claim("the plan is empty", s.plan(&[]).status(0));
    refused(s)?;
    leaves(s)?;
    restored(s)?;
    two(s)?;
    wiped(s)?;
    s.claim("down leaves no process", s.down());
    Ok(())
}

/// What refuses the nodes' account, and a key that a power cut tore.
fn refused(s: &Stage) -> Done {
    let cause = "sshd lets in root only (AllowUsers): add masterlock";
    s.at("masterlock", &["only_root"]).run().ok()?;
    s.claim("the plan holds and names it", held(s, cause));
    let doctor = s.kubestead(&["key", "doctor"]).run();
    s.claim("doctor tells the one cause", doctor.says(&format!("it lets the node in ({cause}")));
    s.at("masterlock", &["all_users"]).run().ok()?;
    s.on("masterlock", &["usermod", "-L", "masterlock"]).run().ok()?;
    s.on("kube1", &["truncate", "-s", "0", "/etc/kubestead/id_ed25519.pub"]).run().ok()?;
    s.claim("a locked account and a torn public key are mended", s.kubestead(&["up"]).run().ok());
    s.claim("all is as it must be", s.kubestead(&["key", "doctor"]).run().status(0));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

const SHARE: &str = "/var/lib/kubestead-keys/kube2/data";
const OTHER_SHARE: &str = "/var/lib/kubestead-keys/kube2/keep";
const ENROL: [&str; 3] = ["up", "--yes", "masterlock/kube2/enrol"];

fn leaves(s: &Stage) -> Done {
    let server = |words: &[&str]| s.on("masterlock", words).run().ok();
    s.kubestead(&["key", "export", "masterlock", "--to", "before.age"]).run().ok()?;
    file(s, &[KUBE1], &[MASTERLOCK])?;
    let plan = s.plan(&[]);
    s.claim("the plan says so", plan.status(3).and(plan.says("~ masterlock/kube2/revoke")));
    s.claim("up shuts it out", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    s.claim("it gets nothing", s.at("kube2", &["gets_nothing", "data"]).run().ok());
    s.claim("its shares stay", server(&["test", "-s", SHARE]));
    server(&["cp", "-rp", "/var/lib/kubestead-keys/kube2", "/root/kube2"])?;
    s.claim("a share is wiped by its name", s.kubestead(&["key", "revoke", "kube2", "--wipe", "data"]).run().ok());
    s.claim("that one alone", server(&["test", "!", "-e", SHARE]).and(server(&["test", "-s", OTHER_SHARE])));
    let restore = s.kubestead(&["key", "restore", "before.age", "masterlock"]).run();
    s.claim("an older export does not bring it back", restore.says("left out: the share of kube2/data"));
    server(&["cp", "-p", "/root/kube2/data", SHARE])?;
    file(s, &[KUBE1, KUBE2], &[MASTERLOCK])?;
    s.claim("back in the file it asks", s.kubestead(&["up"]).run().status(4));
    s.claim("and is let in by consent", s.kubestead(&ENROL).run().ok());
    Ok(())
}

/// An export, and its restore on another host.
fn restored(s: &Stage) -> Done {
    let export = || s.kubestead(&["key", "export", "masterlock", "--to", "server.age"]).run();
    let restore = || s.kubestead(&["key", "restore", "server.age", "spare"]).run();
    s.claim("export", export().says("4 shares and"));
    let share = s.on("masterlock", &["base64", "-w0", "/var/lib/kubestead-keys/kube1/data"]).run().answer()?;
    let closed = super::cluster::mode(&s.path("server.age"), 0o600);
    let begin = share.get(..40).ok_or("the share is too short")?;
    let hidden = s.program("grep", &["-qaF", "-f", "-", "server.age"]).input(begin).run().status(1);
    s.claim("the share is not in it in the clear", closed.and(hidden));
    s.claim("it is not replaced", export().status(2));
    power(s, "kill", "masterlock")?;
    file(s, &[KUBE1, KUBE2], &[SPARE])?;
    let none = held(s, "has no share of its key, and a new one would not open it");
    s.claim("a new server without the shares is held, and no share is made anew", none);
    s.claim("up does not either", s.kubestead(&["up"]).run().status(4));
    s.claim("restore", restore().says("4 shares of masterlock: put back"));
    s.claim("again it changes nothing", restore().says("there already"));
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    s.claim("reboot, with the new server alone", power(s, "reboot", "kube1"));
    s.claim("the volumes come back", s.eventually(60, || s.at("kube1", &["canaries_there", "/data", "/keep"]).run().ok()));
    s.at("spare", &["other_share", "kube1", "data"]).run().ok()?;
    let other = restore();
    s.claim("a share that is there is never replaced", other.fails().and(other.says("holds another share")));
    s.at("spare", &["share_again", "kube1", "data"]).run().ok()?;
    s.write("other.yaml", &s.read("cluster.yaml")?.replace("name: home", "name: work"))?;
    let other = s.kubestead(&["key", "restore", "server.age", "spare", "-f", "other.yaml"]).run();
    s.claim("an export of another cluster is not taken", other.status(2));
    Ok(())
}

fn two(s: &Stage) -> Done {
    let revoke = || s.kubestead(&["key", "revoke", "kube2"]).run();
    power(s, "start", "masterlock")?;
    s.on("masterlock", &["rm", "-r", "/var/lib/kubestead-keys/kube2"]).run().ok()?;
    file(s, &[KUBE1, KUBE2], &[MASTERLOCK, SPARE])?;
    s.claim("up gives both the same shares", s.kubestead(&["up"]).run().ok());
    let sums = |server: &str| s.at(server, &["share_sums"]).run();
    s.claim("they are", sums("spare").answer().and_then(|of_spare| sums("masterlock").is(&of_spare)));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    power(s, "kill", "spare")?;
    s.claim("reboot without the one", power(s, "reboot", "kube2"));
    let back = || s.at("kube2", &["canaries_there", "/data", "/keep"]).run().ok();
    s.claim("its volumes come back from the other", s.eventually(60, back));
    s.claim("a revocation that does not reach all servers says so", revoke().status(5));
    power(s, "start", "spare")?;
    power(s, "kill", "masterlock")?;
    s.claim("it is run again", revoke().status(5));
    power(s, "start", "masterlock")?;
    s.claim("and is whole then", revoke().ok());
    let enrol = [&ENROL[..], &["--yes", "spare/kube2/enrol"]].concat();
    s.claim("let in again", s.kubestead(&enrol).run().ok());
    s.at("spare", &["other_share", "kube1", "data"]).run().ok()?;
    s.claim("two that differ are held", held(s, "masterlock and spare have different shares"));
    let doctor = s.kubestead(&["key", "doctor"]).run();
    s.claim("doctor tells which one opens nothing", doctor.says("WRONG     kube1 at spare: the two shares together open data"));
    s.at("spare", &["share_again", "kube1", "data"]).run().ok()
}

fn reset(s: &Stage, words: &[&str]) -> Ran {
    s.kubestead(&[&["reset", "--yes-reset", "home"], words].concat()).run()
}

/// One volume is wiped by its name.
fn wiped(s: &Stage) -> Done {
    let wipe = || reset(s, &["--wipe", "kube2/data"]);
    let tag = |option: &str| s.on("kube2", &["lvchange", "-q", option, "kubestead:volume", "vg01/data"]).run().ok();
    let has = |path: &str| s.on("kube2", &["grep", "-q", "canary", path]).run().ok();
    let shown = s.kubestead(&["reset", "--wipe", "kube2/data"]).run();
    s.claim("reset shows it and touches nothing", shown.status(3).and(shown.says("! kube2/data/wipe")));
    s.claim("a name that is none", reset(s, &["--wipe", "kube2/other"]).status(2));
    s.claim("without a name nothing is wiped", reset(s, &[]).says("Nothing to do"));
    tag("--deltag")?;
    let refused = wipe();
    let why = "no tag that says that kubestead made it";
    s.claim("a volume without our tag is not", refused.fails().and(refused.says(why)));
    tag("--addtag")?;
    s.at("kube2", &["use_folder", "/data"]).run().ok()?;
    let refused = wipe();
    s.claim("a volume in use is not", refused.fails().and(refused.says("/data is in use")));
    s.claim("it is as it was", has("/data/file"));
    s.at("kube2", &["use_no_more"]).run().ok()?;
    s.claim("the named one goes", wipe().ok());
    s.claim("with its LV, its share and its units", s.at("kube2", &["wiped", "data"]).run().ok());
    s.claim("the others stay", has("/keep/file"));
    s.claim("a second time there is nothing to do", wipe().says("Nothing to do"));
    s.claim("up makes it anew", s.kubestead(&["up"]).run().ok());
    s.claim("it is empty", s.at("kube2", &["mounted_and_empty", "/data"]).run().ok());
    s.at("kube2", &["kill_recovery_slot", "data"]).run().ok()?;
    s.kubestead(&["recovery", "kit", "--shares", "2", "--threshold", "2", "--out", "kit"]).run().ok()?;
    let verify = s.kubestead(&["recovery", "verify", "kit/share-1-of-2.txt", "kit/share-2-of-2.txt", "--nodes"]).run();
    let told = verify.status(1).and(verify.says("WRONG  recovery.kube2.data"));
    s.claim("verify tells a volume whose recovery slot is gone", told);
    Ok(())
}

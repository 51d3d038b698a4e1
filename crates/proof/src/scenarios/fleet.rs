//! What a fleet meets, without Kubernetes: a disk behind multipath, Debian 13 beside Debian 12, as a node and as a key server, a key server whose disk hangs.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;

use crate::scenario::Scenario;
use crate::stage::{Claim, Done, Stage, all, is};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario::own(
    "nodes and key servers of two releases of Debian, and a disk behind multipath, go on with a key server that hangs",
    &["F17", "F24", "a group or a mapping of our name on another device", "a key server that hangs costs a node one limit"],
    // The root file system of Debian 13 may have to be made.
    (400, 3600),
    fleet,
)];

const LAB: &str = r#"{"machines": [
  {"name": "kube1", "address": "10.77.0.21", "memory": 640, "disks": [{"serial": "kube1-data", "size": 512}]},
  {"name": "kube2", "address": "10.77.0.22", "memory": 640, "debian": "trixie", "disks": [{"serial": "kube2-data", "size": 512}]},
  {"name": "masterlock", "address": "10.77.0.5", "memory": 320, "disks": [{"serial": "shares", "size": 512}]},
  {"name": "spare", "address": "10.77.0.6", "memory": 320, "debian": "trixie", "disks": []}
]}
"#;
const RELEASES: [(&str, &str); 4] = [("kube1", "12"), ("kube2", "13"), ("masterlock", "12"), ("spare", "13")];
const CLUSTER: &str = "apiVersion: kubestead/v1
kind: Cluster
name: home
ssh: {config: SSH}
nodes:
  - {name: kube1, address: 10.77.0.21, roles: [control-plane]}
  - {name: kube2, address: 10.77.0.22}
disks:
  vg01: {devices: {kube1: [MULTIPATH], kube2: [/dev/disk/by-id/ubd-kube2-data]}}
volumes:
  data: {on: [all], group: vg01, size: 128MiB, path: /data}
keys:
  servers:
    - {host: masterlock, address: 10.77.0.5}
    - {host: spare, address: 10.77.0.6}
";
const NODES: [&str; 2] = ["kube1", "kube2"];
const SERVERS: [&str; 2] = ["masterlock", "spare"];
/// The name that multipath gives the disk of kube1, and the map itself.
const MULTIPATH: &str = "/dev/disk/by-id/dm-uuid-mpath-lab-kube1";
const MAP: &str = "/dev/mapper/mpatha";

fn fleet(s: &Stage) -> Done {
    s.claim("lab up", s.lab(LAB, &RELEASES.map(|(machine, _)| machine)));
    for (machine, release) in RELEASES {
        s.claim(&format!("{machine} is Debian {release}"), s.at(machine, &["is_debian", release]).run().ok());
    }
    made(s)?;
    what_servers_give(s)?;
    server_hangs(s)?;
    s.claim("down leaves no process", s.down());
    Ok(())
}

fn made(s: &Stage) -> Done {
    s.at("kube1", &["map_by_multipath", "/dev/disk/by-id/ubd-kube1-data"]).run().ok()?;
    s.claim("the map has the link of multipath", s.at("kube1", &["same_device", MULTIPATH, MAP]).run().ok());
    s.at("masterlock", &["shares_on", "/dev/disk/by-id/ubd-shares"]).run().ok()?;
    s.write("cluster.yaml", &CLUSTER.replace("SSH", &s.word("labs/lab/ssh_config")).replace("MULTIPATH", MULTIPATH))?;
    s.at("kube2", &["no_cryptsetup"]).run().ok()?;
    let plan = s.plan(&[]);
    s.claim("what Debian 13 lacks is named with its package", plan.status(4).and(plan.says("apt-get install systemd-cryptsetup")));
    s.at("kube2", &["cryptsetup_again"]).run().ok()?;
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    s.claim("up changes nothing", s.kubestead(&["up"]).run().says("Nothing to do"));
    s.claim("the physical volume is the map, not the disk below it", s.at("kube1", &["physical_volume_is", MAP]).run().ok());
    all(NODES, |node| s.at(node, &["put_canaries", "/data"]).run().ok())
}

/// On Debian 12 and 13, from many addresses of each node.
fn what_servers_give(s: &Stage) -> Done {
    s.claim("sshd of Debian 13 punishes sources", s.at("spare", &["sshd_says", "^persourcepenalties .*authfail"]).run().ok());
    for (node, begin) in [("kube1", "100"), ("kube2", "200")] {
        s.at(node, &["more_addresses", "12", begin]).run().ok()?;
    }
    let mut last = String::new();
    for turn in [1, 2] {
        let doctor = s.kubestead(&["key", "doctor", "--output", "json"]).run();
        s.claim(&format!("doctor, for the {turn}. time: all is as it must be"), doctor.ok());
        last = doctor.text();
    }
    s.claim("it tried both servers from both nodes, and nothing was left out", whole(&last));
    s.claim("no node was punished", s.at("spare", &["no_penalties"]).run().ok());
    s.claim("the plan is empty at once", s.plan(&[]).status(0));
    Ok(())
}

/// All checks are good, and there are many of each server from each node.
fn whole(checks: &str) -> Claim {
    let checks: Vec<Value> = serde_json::from_str(checks).map_err(|error| error.to_string())?;
    let bad: Vec<&Value> = checks.iter().filter(|check| check["verdict"] != "good").collect();
    is(bad.is_empty(), || format!("not good: {bad:?}"))?;
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for check in &checks {
        *counts.entry((check["host"].as_str().unwrap_or_default(), check["server"].as_str().unwrap_or_default())).or_default() += 1;
    }
    let pairs = || NODES.into_iter().flat_map(|node| SERVERS.map(|server| (node, server)));
    is(pairs().all(|pair| counts.get(&pair).is_some_and(|count| *count > 20)), || format!("{counts:?}"))
}

/// The disk below the shares of the first key server.
fn server_hangs(s: &Stage) -> Done {
    s.at("masterlock", &["hang_shares"]).run().ok()?;
    let begin = Instant::now();
    s.claim("a node fetches its key from the second", s.at("kube1", &["fetches", "data"]).run().ok());
    let took = begin.elapsed().as_secs();
    s.claim("after the limit of the first", is((29..45).contains(&took), || format!("after {took} s")));
    s.claim("both nodes reboot", both_reboot(s));
    for node in NODES {
        let back =
            || s.at(node, &["mounted_from_crypt", "/data"]).run().ok().and_then(|()| s.at(node, &["canaries_there", "/data"]).run().ok());
        s.claim(&format!("the volume of {node} comes back"), s.eventually(60, back));
        let why = "fetch: 10.77.0.5: status 124: no answer within 30 seconds";
        s.claim(&format!("it was told why it took so long on {node}"), s.at(node, &["in_the_journal", why]).run().ok());
    }
    let (begin, status) = (Instant::now(), s.kubestead(&["status"]).start()?);
    let (why, plan) = ("masterlock: no answer for 60 s at: keyserver/", s.plan(&[]));
    s.claim("the plan names the server and what is waited for", plan.status(5).and(plan.says(why)));
    let (status, took) = (status.ended(), begin.elapsed().as_secs());
    s.claim("that cost one limit", is(took < 100, || format!("{took} s")));
    let spared = |node: &&str| plan.lacks(&format!("{node}: no answer")).and(status.lacks(&format!("{node}: no answer")));
    s.claim("and no node", all(NODES, spared));
    s.claim("status names it too", status.says(why));
    s.on("masterlock", &["dmsetup", "resume", "shares"]).run().ok()?;
    s.claim("the plan is empty again", s.eventually(60, || s.plan(&[]).status(0)));
    Ok(())
}

fn both_reboot(s: &Stage) -> Claim {
    let reboot = |node: &str| s.kubestead(&["lab", "reboot", node]).start();
    let (first, second) = (reboot("kube1")?, reboot("kube2")?);
    let (first, second) = (first.ended(), second.ended());
    first.ok().and(second.ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_is_not_good_or_not_made_is_found() {
        let check = |host: &str, server: &str, verdict: &str| serde_json::json!({"host": host, "server": server, "verdict": verdict});
        let made =
            |pairs: &[(&str, &str)]| pairs.iter().flat_map(|(host, server)| vec![check(host, server, "good"); 21]).collect::<Vec<_>>();
        let mut checks = made(&[("kube1", "masterlock"), ("kube1", "spare"), ("kube2", "masterlock"), ("kube2", "spare")]);
        assert!(whole(&Value::from(checks.clone()).to_string()).is_ok());
        checks.push(check("kube1", "spare", "leftOut"));
        assert!(whole(&Value::from(checks).to_string()).is_err());
        let some = made(&[("kube1", "masterlock"), ("kube2", "masterlock"), ("kube2", "spare")]);
        assert!(whole(&Value::from(some).to_string()).is_err() && whole("[]").is_err());
    }
}

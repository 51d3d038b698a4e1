//! Many hosts behind one jump host, whose sshd drops some of the logins that begin at once.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::scenario::Scenario;
use crate::stage::{Claim, Done, Running, Stage, is};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario::own(
    "a look at 24 hosts behind one jump host misses none, where plain ssh loses some",
    &["a login that sshd drops because many begin at once"],
    (90, 900),
    jump,
)];

const LAB: &str = r#"{"machines": [
  {"name": "kube1", "address": "10.77.0.21", "memory": 640, "disks": []},
  {"name": "kube2", "address": "10.77.0.22", "memory": 640, "disks": []},
  {"name": "masterlock", "address": "10.77.0.5", "memory": 320, "disks": []}
]}
"#;

/// The last numbers of the hosts' addresses, and which machine each of them is.
fn hosts() -> impl Iterator<Item = (u8, &'static str)> {
    (101..=112).map(|number| (number, "kube1")).chain((201..=212).map(|number| (number, "kube2")))
}

fn jump(s: &Stage) -> Done {
    s.claim("lab up", s.lab(LAB, &["kube1", "kube2", "masterlock"]));
    for (machine, begin) in [("kube1", "100"), ("kube2", "200")] {
        s.at(machine, &["more_addresses", "12", begin]).run().ok()?;
    }
    // From ten logins under way on it drops some.
    s.claim("the jump host's sshd is as it is shipped", s.at("masterlock", &["sshd_says", "^maxstartups 10:30:100$"]).run().ok());
    configured(s)?;
    s.claim("plain ssh to all at once loses some", s.eventually(60, || loses_some(s)));
    for turn in [1, 2, 3] {
        s.claim(&format!("plan sees all of them, for the {turn}. time"), sees_all(s));
    }
    s.claim("down leaves no process", s.down());
    Ok(())
}

/// ssh's configuration, in which each host is behind the jump host; and a cluster file in which each lacks its disk.
fn configured(s: &Stage) -> Done {
    let mut ssh = format!("Include {}\n", s.word("labs/lab/ssh_config"));
    let (mut nodes, mut devices) = (String::new(), String::new());
    for (number, machine) in hosts() {
        let _ = write!(
            ssh,
            "Host 10.77.0.{number}\n  User root\n  HostKeyAlias {machine}\n  ProxyJump masterlock\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n",
            s.word("labs/lab/id"),
            s.word("labs/lab/known_hosts"),
        );
        let role = if number == 101 { "control-plane" } else { "worker" };
        let _ = writeln!(nodes, "  - {{name: h{number}, address: 10.77.0.{number}, roles: [{role}]}}");
        let _ = writeln!(devices, "      h{number}: [/dev/disk/by-id/of-h{number}]");
    }
    s.write("jump", &ssh)?;
    s.write(
        "cluster.yaml",
        &format!(
            "apiVersion: kubestead/v1\nkind: Cluster\nname: home\nssh: {{config: {}}}\nnodes:\n{nodes}disks:\n  vg02:\n    devices:\n{devices}\
             volumes:\n  more: {{on: [all], group: vg02, size: 128MiB, path: /more}}\nkeys:\n  servers: [{{host: masterlock, address: 10.77.0.5}}]\n",
            s.word("jump")
        ),
    )
}

fn loses_some(s: &Stage) -> Claim {
    let config = s.word("jump");
    let login = |number: u8| s.program("ssh", &["-F", &config, "-o", "BatchMode=yes", &format!("10.77.0.{number}"), "true"]).start();
    let logins = hosts().map(|(number, _)| login(number)).collect::<Result<Vec<_>, _>>()?;
    // All of them are waited for.
    let ended: Vec<_> = logins.into_iter().map(Running::ended).collect();
    is(ended.iter().any(|ran| ran.says("onnection closed").is_ok()), || "none was lost".to_owned())
}

/// A host that was seen lacks its disk.
fn sees_all(s: &Stage) -> Claim {
    let plan = s.kubestead(&["plan", "--trust-ssh-config"]).run();
    let seen: BTreeSet<&str> = plan.said.split_whitespace().filter(|word| word.starts_with("/dev/disk/by-id/of-h")).collect();
    let others = || plan.said.lines().filter(|line| !line.ends_with("is not there")).collect::<Vec<_>>().join("\n");
    is(seen.len() == hosts().count(), || format!("{} of them: {}", seen.len(), others()))
}

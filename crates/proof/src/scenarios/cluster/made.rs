//! From bare machines to a cluster, through kills and a power cut.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, all, is};

use super::{NODES, mounted, ready};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "bare machines become a cluster through five kills and a power cut, and a second run changes nothing",
    shows: &["F00", "F01", "F02", "F25", "R2", "R3", "R4", "R5"],
    fixture: Fixture::Machines,
    leaves: Leaves::Made(Fixture::Cluster),
    limit: 1800,
    takes: 300,
    core: true,
    run: made,
}];

const MACHINES: [&str; 4] = ["cp1", "kube1", "kube2", "masterlock"];

fn made(s: &Stage) -> Done {
    s.claim("a second lab up changes nothing", s.kubestead(&["lab", "up"]).run().ok());
    s.claim("plan says what it will do", s.plan(&[]).status(3));
    s.claim("the machines are untouched by plan", s.on("kube1", &["vgs", "vg01"]).run().fails());

    s.claim("killed while a volume group is made", s.kill_at("kube1/vg01/group", 0));
    s.claim("killed in a format", s.killed_once_in("kube1/kubelet/format", 2000));
    s.claim("killed in an installation", s.killed_once_in("kube2/software/install", 5000));
    s.claim("killed in kubeadm init", s.killed_once_in("cp1/kubeadm/init", 6000));
    s.claim("killed in kubeadm join", s.killed_once_in("kube1/kubeadm/join", 2000));
    s.claim("the power of a node is cut", cut_power(s));
    s.claim("the next up finishes", s.kubestead(&["up"]).run().ok());
    s.claim("all volumes are mounted from dm-crypt", mounted(s));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    all(MACHINES, |machine| s.at(machine, &["ssh_verbose"]).run().ok())?;
    s.claim("an empty plan is one command on each machine", one_command_each(s));
    all(MACHINES, |machine| s.at(machine, &["ssh_quiet"]).run().ok())?;
    s.claim("up changes nothing", s.kubestead(&["up"]).run().says("Nothing to do"));
    from_python(s)?;
    s.claim("volume list shows them", s.kubestead(&["volume", "list"]).run().says("open and mounted"));
    s.claim(
        "no header was made twice: each has two key slots and one token",
        s.at("kube1", &["one_token", "kubelet", "containerd", "volkube"]).run().ok(),
    );
    s.claim("all nodes are Ready", ready(s, &NODES));
    Ok(())
}

fn cut_power(s: &Stage) -> Claim {
    s.kill_at("cluster/nodes/ready", 2000)?;
    s.kubestead(&["lab", "kill", "kube2"]).run().ok()?;
    s.kubestead(&["lab", "start", "kube2"]).run().ok()
}

/// sshd tells of each command; asking for the number is one more.
fn one_command_each(s: &Stage) -> Claim {
    let count = |machine: &&str| -> Result<u64, String> {
        let answer = s.at(machine, &["ssh_commands"]).run().answer()?;
        answer.parse().map_err(|error| format!("{answer}: {error}"))
    };
    let before = MACHINES.iter().map(count).collect::<Result<Vec<_>, _>>()?;
    s.kubestead(&["plan"]).run().ok()?;
    let after = MACHINES.iter().map(count).collect::<Result<Vec<_>, _>>()?;
    let made: Vec<u64> = before.iter().zip(&after).map(|(before, after)| after - before - 1).collect();
    is(made == [1; 4], || format!("commands on {MACHINES:?}: {made:?}"))
}

/// From Python: the same values.
fn from_python(s: &Stage) -> Done {
    let folder = s.path("python");
    let target = std::env::var_os("CARGO_TARGET_DIR").ok_or("CARGO_TARGET_DIR tells where the Python module is, and is not set")?;
    let module = std::path::Path::new(&target).join("debug/libkubestead_py.so");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::copy(&module, folder.join("kubestead.so")))
        .map_err(|error| format!("{}: {error}", module.display()))?;
    s.write("from_python.py", include_str!("../../scripts/from_python.py"))?;
    let python = |verb: &str| s.program("python3", &["from_python.py", verb]).setting("PYTHONPATH", &folder).run().ok();
    s.claim("the plan is empty, from Python", python("plan"));
    s.claim("up changes nothing, from Python", python("up"));
    Ok(())
}

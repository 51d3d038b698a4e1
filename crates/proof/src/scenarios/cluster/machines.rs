//! Machines that are not as they should be.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Done, Stage};

pub(super) static SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a machine with a wrong clock, system, name or disk, of another cluster, or that refuses the login is named, and not touched",
        shows: &["F15", "F17", "R5", "a machine of another cluster"],
        fixture: Fixture::Machines,
        leaves: Leaves::AsFound,
        limit: 600,
        takes: 50,
        core: true,
        run: as_they_should_not_be,
    },
    Scenario {
        name: "a host key that is not the known one stops everything on that host",
        shows: &["R1", "a host key that changed or is revoked"],
        fixture: Fixture::Machines,
        leaves: Leaves::AsFound,
        limit: 300,
        takes: 5,
        core: true,
        run: wrong_host_key,
    },
];

fn as_they_should_not_be(s: &Stage) -> Done {
    let on = |words: &[&str]| s.on("kube2", words).run().ok();
    s.claim("as they are they would be set up", s.plan(&[]).status(3));
    on(&["date", "-s", "+1 hour"])?;
    let plan = s.plan(&[]);
    s.claim("a clock that is off", plan.status(4).and(plan.says("ahead of ours")));
    on(&["date", "-s", "-1 hour"])?;
    s.at("kube2", &["os_release"]).run().ok()?;
    s.claim("an operating system that is not supported", s.plan(&[]).says("debian 9 is not supported"));
    on(&["umount", "/etc/os-release"])?;
    s.at("kube2", &["fill_root"]).run().ok()?;
    s.claim("a full disk", s.plan(&[]).says("bytes are free on the file system of /"));
    on(&["rm", "/root/full"])?;
    on(&["hostname", "other"])?;
    s.claim("a hostname that is another", s.plan(&[]).says("its hostname is other"));
    on(&["hostname", "kube2"])?;
    on(&["mkdir", "-p", "/etc/kubernetes", "/etc/kubestead"])?;
    on(&["touch", "/etc/kubernetes/kubelet.conf"])?;
    s.claim("a node of a cluster that kubestead did not make", s.plan(&[]).says("that kubestead did not make"));
    s.on("kube2", &["tee", "/etc/kubestead/cluster"]).input("work\n").run().ok()?;
    s.claim("a node of another cluster", s.plan(&[]).says("it belongs to the cluster work"));
    on(&["rm", "-r", "/etc/kubernetes", "/etc/kubestead"])?;

    let file = s.read("cluster.yaml")?;
    s.write("ops.yaml", &file.replace("ssh: {config", "ssh: {user: ops, config"))?;
    let ops = s.word("ops.yaml");
    s.claim("another login than root, with sudo", s.plan(&["-f", &ops]).status(3));
    on(&["mv", "/etc/sudoers.d/ops", "/root/ops"])?;
    s.claim("sudo that asks for a password", s.plan(&["-f", &ops]).says("sudo refused: sudo: a password is required"));
    on(&["mv", "/root/ops", "/etc/sudoers.d/ops"])?;
    // It comes back by itself: whatever cleans up comes in by the same way.
    s.at("kube2", &["refuse_logins_for", "20"]).run().ok()?;
    let plan = s.plan(&[]);
    s.claim("a key that is refused", plan.status(5).and(plan.says("login refused")));
    s.claim("it is reached again", s.eventually(60, || on(&["true"])));
    s.claim("all would be set up again", s.plan(&[]).status(3));
    Ok(())
}

fn wrong_host_key(s: &Stage) -> Done {
    let known = s.read("labs/lab/known_hosts")?;
    s.program("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "other"]).run().ok()?;
    let other = s.read("other.pub")?.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let hosts = "kube2,10.77.0.22 ";
    let changed: Vec<String> =
        known.lines().map(|line| if line.starts_with(hosts) { format!("{hosts}{other}") } else { line.to_owned() }).collect();
    s.write("labs/lab/known_hosts", &format!("{}\n", changed.join("\n")))?;
    let plan = s.plan(&[]);
    s.claim("a wrong host key stops everything on that host", plan.status(5).and(plan.says("host key")));
    s.write("labs/lab/known_hosts", &known)?;
    s.claim("with the known one all goes on", s.plan(&[]).status(3));
    Ok(())
}

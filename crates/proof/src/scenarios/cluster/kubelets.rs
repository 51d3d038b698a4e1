//! Settings of kubelets on a cluster that runs: what a kubelet says of itself is what counts.

use serde_json::Value;

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, all, is};

use super::{NODES, kubectl, ready};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "an edit of `kubelet:` reaches each kubelet, which says so itself, also after a kill and kubeadm's own writing, and goes when it leaves the file",
    shows: &["F35", "R2", "R3", "R4", "R5", "an invalid setting never reaches a kubelet"],
    fixture: Fixture::Cluster,
    leaves: Leaves::AsFound,
    limit: 1200,
    takes: 200,
    core: false,
    run: settings,
}];

/// The eviction thresholds that a kubelet says that it runs with.
fn thresholds(s: &Stage, node: &str) -> Result<Value, String> {
    let answer = kubectl(s, &["get", "--raw", &format!("/api/v1/nodes/{node}/proxy/configz")]).run().answer()?;
    let mut found: Value = serde_json::from_str(&answer).map_err(|error| format!("{node}: {error}"))?;
    Ok(found["kubeletconfig"]["evictionHard"].take())
}

/// Of all signals the defaults, but for that of the image store.
fn evicts(s: &Stage, images: &str) -> Claim {
    all(NODES, |node| {
        let found = thresholds(s, node)?;
        let wanted =
            [("imagefs.available", images), ("memory.available", "100Mi"), ("nodefs.available", "10%"), ("nodefs.inodesFree", "5%")];
        is(wanted.iter().all(|(signal, value)| found[signal] == *value), || format!("{node}: {found}"))
    })
}

fn settings(s: &Stage) -> Done {
    let file = s.read("cluster.yaml")?;
    s.claim("each kubelet has its own thresholds", evicts(s, "15%"));
    s.edit("cluster.yaml", "lab: true}", "lab: true, kubelet: {evictionHard: {imagefs.available: 0%}}}")?;
    let plan = s.plan(&[]);
    let tells = ["kube1/kubelet/settings", "kube2/kubelet/settings", "cp1/kubelet/settings", "evictionHard"];
    s.claim("the plan tells each kubelet that starts again", plan.status(3).and(tells.iter().try_for_each(|word| plan.says(word))));
    s.claim("up is killed while the first of them does", s.kill_at("kube1/kubelet/settings", 1000));
    s.claim("the next up finishes", s.kubestead(&["up"]).run().ok());
    s.claim("each kubelet says that a full image store evicts nobody, and all else does as before", evicts(s, "0%"));
    s.claim("the plan is empty", s.plan(&[]).status(0));

    // As `kubeadm upgrade node` does.
    s.on("kube1", &["kubeadm", "upgrade", "node", "phase", "kubelet-config"]).run().ok()?;
    s.on("kube1", &["systemctl", "restart", "kubelet"]).run().ok()?;
    s.claim("what kubeadm writes anew takes nothing of it away", s.eventually(120, || evicts(s, "0%")));
    s.claim("all nodes are Ready", s.eventually(120, || ready(s, &NODES)));

    s.edit("cluster.yaml", "{imagefs.available: 0%}}", "{imagefs.available: 0%}, other: {maxParallelImagePulls: 0}}")?;
    let refused = s.kubestead(&["up"]).run();
    s.claim(
        "what the kubelet refuses is not written, and its words are told",
        refused.fails().and(refused.says("maxParallelImagePulls 0")),
    );
    s.claim("and each runs with what it had", evicts(s, "0%"));

    s.write("cluster.yaml", &file)?;
    s.claim("without it in the file the plan takes it away", s.plan(&[]).says("cp1/kubelet/unset"));
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("each kubelet has its own thresholds again", evicts(s, "15%"));
    let left = all(NODES, |node| s.on(node, &["ls", "/etc/kubernetes/kubelet.conf.d/50-kubestead.conf"]).run().fails());
    s.claim("and nothing of ours lies there", left);
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

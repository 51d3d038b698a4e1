//! A cluster that is taken apart and made again.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Done, Stage};

use super::secrets::live;
use super::{NODES, mounted, pod, ready};
use crate::stage::is;

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "a reset removes the cluster alone: volumes, and whatever is mounted below the kubelet's folder, survive, and it is made anew on them",
    shows: &["F01", "F43", "R1", "a reset deletes nothing that is mounted"],
    fixture: Fixture::Cluster,
    leaves: Leaves::AsFound,
    limit: 1200,
    takes: 190,
    core: false,
    run: reset,
}];

fn reset(s: &Stage) -> Done {
    let pod = pod(s)?;
    let before = live(s, "kept", "word")?;
    s.claim("reset without the name touches nothing", s.kubestead(&["reset"]).run().status(3));
    s.claim("reset with another name touches nothing", s.kubestead(&["reset", "--yes-reset", "other"]).run().status(2));
    s.at(&pod.node, &["bind_below_kubelet"]).run().ok()?;
    s.claim("the cluster goes", s.kubestead(&["reset", "--yes-reset", "home"]).run().ok());
    let node = |words: &[&str]| s.on(&pod.node, words).run();
    s.claim("a file on a bind mount below kubelet's folder survives", node(&["grep", "-q", "canary", "/root/bound/file"]).ok());
    s.claim("a file on a tmpfs mount below kubelet's folder survives", node(&["grep", "-q", "canary", "/run/kept/file"]).ok());
    s.claim("the pod's file survives", pod.wrote(s));
    s.claim("the volumes are still mounted", mounted(s));
    s.claim("nothing of the cluster is left", s.at("cp1", &["nothing_of_the_cluster"]).run().ok());
    let second = s.kubestead(&["reset", "--yes-reset", "home"]).run();
    s.claim("a second reset has nothing to do", second.says("Nothing to do"));
    s.claim("up makes it anew", s.kubestead(&["up"]).run().ok());
    let again = live(s, "kept", "word").and_then(|now| is(now == before, || "the value is another one".to_owned()));
    s.claim("the Secrets are there again", again);
    s.claim("the tokens of the joins are gone", s.at("cp1", &["no_join_tokens"]).run().ok());
    s.claim("all nodes are Ready", ready(s, &NODES));
    s.claim("the file is still there", pod.wrote(s));
    s.at(&pod.node, &["unbind"]).run().ok()
}

//! Reboots, power cuts, and a key server that is away.

use serde_json::Value;

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, all, is};

use super::{NODES, kubectl, mounted, pod, pod_runs, ready};

pub(super) static SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "after a reboot of each node volumes, nodes and pods come back with nobody's hands",
        shows: &["F02", "F04", "F24", "F32"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 1200,
        takes: 150,
        core: true,
        run: reboot,
    },
    Scenario {
        name: "when the power of all machines is cut, `up` ends when what it says is so again",
        shows: &["F02", "F25", "R2", "`up` does not end on what the API heard before"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 1200,
        takes: 140,
        core: false,
        run: power_cut,
    },
    Scenario {
        name: "a node whose key server is away answers ssh, starts nothing on bare mount points, and heals by itself when it is back",
        shows: &["F02", "F24", "F29", "a service never writes below an unmounted volume"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 1200,
        takes: 150,
        core: true,
        run: key_server_away,
    },
    Scenario {
        name: "the key server gives a node its own shares and nothing else",
        shows: &["F24"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 300,
        takes: 15,
        core: true,
        run: own_shares,
    },
];

fn reboot(s: &Stage) -> Done {
    let pod = pod(s)?;
    let (file, word) = ("/var/lib/kubestead/volumes/pool-s-0001/canary", "canary-before-the-reboot");
    s.on("kube1", &["tee", file]).input(word).run().ok()?;
    s.on("kube1", &["sync"]).run().ok()?;
    for machine in NODES {
        s.claim(&format!("reboot {machine}"), s.kubestead(&["lab", "reboot", machine]).run().ok());
    }
    s.claim("all volumes come back", s.eventually(60, || mounted(s)));
    s.claim("all nodes are Ready", s.eventually(240, || ready(s, &NODES)));
    s.claim("the pod's file is still there", pod.wrote(s));
    s.claim("the pod runs again", s.eventually(120, || pod_runs(s)));
    s.claim("the file is still there", s.on("kube1", &["cat", file]).run().is(word));
    s.claim("the plan is empty after reboots", s.eventually(180, || s.plan(&[]).status(0)));
    s.on("kube1", &["rm", file]).run().ok()
}

/// Every container of the cluster's own pods began after a time (RFC 3339, UTC), and every such pod is ready.
fn pods_since(s: &Stage, time: &str) -> Claim {
    let mut count = 0;
    for namespace in ["kube-system", "kube-flannel"] {
        let answer = kubectl(s, &["-n", namespace, "get", "pods", "-o", "json"]).run().answer()?;
        let pods: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
        for pod in pods["items"].as_array().into_iter().flatten() {
            count += 1;
            since(pod, time)?;
        }
    }
    is(count >= 12, || format!("only {count} pods are there"))
}

fn since(pod: &Value, time: &str) -> Claim {
    let list = |name: &str| pod["status"][name].as_array().cloned().unwrap_or_default();
    // Both times are of the same form, so that the order of letters is that of time.
    let began: Vec<String> =
        list("containerStatuses").iter().map(|c| c["state"]["running"]["startedAt"].as_str().unwrap_or_default().to_owned()).collect();
    let is_ready = list("conditions").iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
    let is_new = !began.is_empty() && began.iter().all(|at| at.as_str() >= time);
    is(is_ready && is_new, || format!("{}: ready {is_ready}, began {began:?}, and the power was cut at {time}", pod["metadata"]["name"]))
}

fn power_cut(s: &Stage) -> Done {
    s.kubestead(&["lab", "kill", "kube2"]).run().ok()?;
    s.claim("a machine that is off is said", s.plan(&[]).status(5));
    // All machines mount their volumes, and the API server reads who may what, while `up` looks.
    for machine in ["cp1", "kube1", "masterlock"] {
        s.kubestead(&["lab", "kill", machine]).run().ok()?;
    }
    let time = s.program("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]).run().answer()?;
    s.claim("the power of all is cut, and comes back at once", s.kubestead(&["lab", "up"]).run().ok());
    s.claim("up meanwhile ends, and what it says is so", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty at once", s.kubestead(&["plan"]).run().status(0));
    s.claim("all volumes are back", mounted(s));
    s.claim("all nodes are Ready", ready(s, &NODES));
    s.claim("their pods run since then, and are ready", pods_since(s, &time));
    Ok(())
}

fn key_server_away(s: &Stage) -> Done {
    s.kubestead(&["lab", "kill", "masterlock"]).run().ok()?;
    s.claim("reboot without a key server: ssh answers", s.kubestead(&["lab", "reboot", "kube1"]).run().ok());
    s.claim("nothing is mounted", s.on("kube1", &["findmnt", "-M", "/var/lib/kubelet"]).run().fails());
    s.claim("the bare mount point takes no file", s.at("kube1", &["takes_no_file", "/var/lib/kubelet"]).run().ok());
    s.claim("a service that needs the mount does not start", s.at("kube1", &["probe_service"]).run().ok());
    let kubelet = s.on("kube1", &["systemctl", "is-active", "-q", "kubelet"]).run();
    s.claim("the kubelet does not start on the bare mount point", kubelet.fails());
    s.claim("status says why", s.kubestead(&["status"]).run().says("waiting for its key"));
    s.claim("key server back", s.kubestead(&["lab", "start", "masterlock"]).run().ok());
    let healed = || all(["/var/lib/kubelet", "/var/lib/kubestead/volumes"], |path| s.on("kube1", &["findmnt", "-M", path]).run().ok());
    s.claim("the node heals by itself", s.eventually(90, healed));
    s.claim("and is Ready", s.eventually(240, || ready(s, &["kube1"])));
    s.claim("and the service starts", s.eventually(30, || s.at("kube1", &["probe_service_starts"]).run().ok()));
    s.at("kube1", &["no_probe_service"]).run().ok()
}

#[expect(clippy::unnecessary_wraps, reason = "the form of every scenario")]
fn own_shares(s: &Stage) -> Done {
    let node = |words: &[&str]| s.at("kube1", words).run().ok();
    s.claim("its own key has 64 bytes", node(&["share_is_whole", "volkube"]));
    for bad in ["id", "get ../kube2/volkube", "get *", "get volkube; id", ""] {
        s.claim(&format!("refused: '{bad}'"), node(&["refused", "64", bad]));
    }
    s.claim("no key of another name", node(&["refused", "66", "get etcd"]));
    s.claim("no sftp", node(&["no_sftp"]));
    s.claim("no forwarding", node(&["no_forwarding"]));
    s.claim("the server's share alone opens nothing", s.at("kube1", &["share_alone_opens", "volkube"]).run().fails());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_began_before_or_is_not_ready_is_found() {
        let pod = |began: &str, ready: &str| {
            serde_json::json!({"metadata": {"name": "p"}, "status": {
                "containerStatuses": [{"state": {"running": {"startedAt": began}}}], "conditions": [{"type": "Ready", "status": ready}]}})
        };
        let time = "2026-11-28T02:00:00Z";
        assert!(since(&pod("2026-11-28T02:00:01Z", "True"), time).is_ok());
        assert!(since(&pod("2026-11-28T01:59:59Z", "True"), time).is_err());
        assert!(since(&pod("2026-11-28T02:00:01Z", "False"), time).is_err());
        assert!(since(&serde_json::json!({}), time).is_err());
    }
}

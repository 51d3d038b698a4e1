//! One node and a key server: what proofs of a node's software make for themselves.

use crate::stage::{Claim, Stage};

/// A machine that is no node, with little memory and without a disk of its own.
const OTHER: &str = r#"{"name": "NAME", "address": "ADDRESS", "memory": MEMORY, "disks": []}"#;
const NODE: &str = r#"{"name": "cp1", "address": "10.77.0.11", "memory": 2560, "disks": [{"serial": "cp1-data", "size": 4096}]}"#;
const CLUSTER: &str = "apiVersion: kubestead/v1
kind: Cluster
name: home
kubernetes: {KUBERNETES}
ssh: {config: SSH}
nodes:
  - {name: cp1, address: 10.77.0.11, roles: [control-plane, worker]}
disks:
  vg01: {devices: {cp1: [/dev/disk/by-id/ubd-cp1-data]}}
volumes:
  kubernetes: {on: [all], group: vg01, size: 128MiB, path: /etc/kubernetes}
  kubelet: {on: [all], group: vg01, size: 1GiB, path: /var/lib/kubelet}
keys:
  servers: [{host: masterlock, address: 10.77.0.5}]
";

/// Starts the lab: the node cp1, the key server masterlock, and the operator's computer where it is asked for.
pub(super) fn lab(s: &Stage, internet: bool, operator: bool) -> Claim {
    let other = |name: &str, address: &str, memory: &str| OTHER.replace("NAME", name).replace("ADDRESS", address).replace("MEMORY", memory);
    let mut machines = vec![NODE.to_owned(), other("masterlock", "10.77.0.5", "320")];
    machines.extend(operator.then(|| other("operator", "10.77.0.2", "640")));
    s.lab(&format!("{{\"internet\": {internet}, \"machines\": [\n{}\n]}}\n", machines.join(",\n")), &["cp1"])
}

/// The cluster file of that lab; what is said of Kubernetes stands between the braces of its line.
pub(super) fn file(s: &Stage, kubernetes: &str) -> String {
    CLUSTER.replace("KUBERNETES", kubernetes).replace("SSH", &s.word("labs/lab/ssh_config"))
}

//! What was promised, in plain sentences: what must stay true of kubestead whatever it does, and the features that its users come for.

/// A promise, and what shows it beside scenarios.
#[derive(Debug)]
pub struct Promise {
    /// Its id, for good.
    pub id: &'static str,
    /// What is promised.
    pub text: &'static str,
    /// Test programs that show it without a machine.
    pub tests: &'static [&'static str],
    /// What of it is not shown by anything; empty if all of it is, or nothing.
    pub lacks: &'static str,
}

const fn promise(id: &'static str, text: &'static str, tests: &'static [&'static str], lacks: &'static str) -> Promise {
    Promise { id, text, tests, lacks }
}

/// What must stay true, the more important first.
pub const RULES: [Promise; 6] = [
    promise(
        "R1",
        "It never destroys what it did not make.",
        &["crates/storage/tests/scenarios.rs", "crates/provision/tests/compose.rs", "crates/provision/tests/answers_fuzz.rs"],
        "",
    ),
    promise("R2", "It never says done when it is not.", &["crates/provision/tests/compose.rs"], ""),
    promise(
        "R3",
        "Running it twice changes nothing the second time.",
        &["crates/storage/tests/scenarios.rs", "crates/provision/tests/compose/cuts.rs"],
        "",
    ),
    promise("R4", "It can be stopped at any instant and run again.", &["crates/provision/tests/compose/cuts.rs"], ""),
    promise(
        "R5",
        "It tells what it will do, exactly, before it does it.",
        &["crates/provision/tests/saved_facts.rs", "crates/cli/tests/cluster_file.rs"],
        "",
    ),
    promise("R6", "It is fast.", &["benches/up.sh", "benches/fleet.sh", "benches/scale.sh"], ""),
];

/// The features.
pub const FEATURES: [Promise; 49] = [
    promise("F00", "One command makes a real cluster of several empty Linux machines, and a second run changes nothing.", &[], ""),
    promise(
        "F01",
        "kubeadm makes the control plane and joins the nodes; the token of a join is made for it, its hash is verified, and it is gone afterwards.",
        &["crates/provision/tests/compose.rs"],
        "a join with a wrong hash",
    ),
    promise(
        "F02",
        "Volumes are LVM, LUKS2 and a file system at any path, etcd's, containerd's and the kubelet's included; they come back after a reboot with nobody's hands, and nothing starts on a bare mount point.",
        &["crates/storage/tests/scenarios.rs"],
        "",
    ),
    promise(
        "F03",
        "Pods get only the rights that their namespace and account were given: Pod Security everywhere, paths of the host by a list, capabilities by account.",
        &["crates/provision/tests/pods.rs"],
        "",
    ),
    promise(
        "F04",
        "Pools of volumes and named volumes on the nodes' own encrypted disks are there as PersistentVolumes, and are taken back when they are released.",
        &["crates/provision/tests/objects.rs"],
        "taking back a released volume; quotas",
    ),
    promise(
        "F05",
        "A dashboard that has no rights of its own: its user brings a token that ends.",
        &["crates/provision/tests/built.rs"],
        "Headlamp itself: a stand-in serves in the lab; a token after its end",
    ),
    promise(
        "F06",
        "A namespace of the users' own, with an account that may do everything in it and only read a little elsewhere.",
        &["crates/provision/tests/objects.rs"],
        "",
    ),
    promise("F07", "Helm works with a user's own rights, and nothing of it runs in the cluster.", &[], ""),
    promise(
        "F08",
        "Secrets lie encrypted in git in the format of sops, are decrypted in memory alone, and what is applied is what the file says, to the byte.",
        &[
            "crates/secrets/tests/sops_interop.rs",
            "crates/secrets/tests/sops_corpus.rs",
            "crates/secrets/tests/sops_tamper.rs",
            "crates/cli/tests/secret.rs",
        ],
        "",
    ),
    promise(
        "F09",
        "Secrets are encrypted in etcd from the first minute, and the key is replaced while the cluster runs, until no value under the old one is left.",
        &["crates/provision/tests/encryption.rs"],
        "",
    ),
    promise(
        "F10",
        "Pods of all nodes reach each other by flannel, with a backend of the operator's choice.",
        &[],
        "other backends than that of the file's own default",
    ),
    promise(
        "F11",
        "Requests from outside reach services by host name and path, over the Gateway API.",
        &["crates/provision/tests/gateway.rs"],
        "UDP",
    ),
    promise(
        "F12",
        "Copies of a volume on several nodes are kept the same, and no failure of one empties the others.",
        &["crates/provision/tests/sync.rs"],
        "rounds between nodes of a cluster: the hub and the spokes of the proof are containers of one computer; the image of examples/sync, for which the same packages of Debian stand in",
    ),
    promise(
        "F13",
        "Certificates of an ACME authority are asked for, served and renewed.",
        &["crates/provision/tests/gateway.rs"],
        "DNS-01; cert-manager's own image: its controllers run under a main of the tests",
    ),
    promise(
        "F14",
        "Manifests of the user's own may name variables; one that is not defined is an error, and nothing is applied.",
        &["crates/provision/tests/services.rs", "crates/provision/tests/render.rs", "crates/cli/tests/services.rs"],
        "",
    ),
    promise(
        "F15",
        "What a machine must be is looked at before anything is changed, all findings at once; one, three or five control planes.",
        &["crates/provision/tests/survey.rs"],
        "several control planes; the speed of the disk below etcd",
    ),
    promise("F16", "containerd runs the pods, with runc and systemd's cgroups, and only after its volume is mounted.", &[], ""),
    promise("F17", "Debian and Ubuntu of the supported releases are set up; another one is held before anything changes.", &[], "Ubuntu"),
    promise("F18", "Images come from a registry of the operator's choice, with credentials where it asks for them.", &[], ""),
    promise("F19", "One command per thing and plain YAML; no other tool is learnt for it.", &["crates/cli/tests/init.rs"], ""),
    promise(
        "F20",
        "The cluster file, secrets and manifests are a private folder apart from the tool, and `init` lays it out.",
        &["crates/cli/tests/init.rs"],
        "",
    ),
    promise(
        "F21",
        "One file names machines and their roles, and inventories of Ansible are read.",
        &["crates/provision/tests/broken_files.rs"],
        "reading inventories",
    ),
    promise("F22", "Variables of the old kit are mapped, and each effective value tells where it comes from.", &[], ""),
    promise("F23", "Values of an ansible-vault are taken over.", &["crates/cli/tests/secret.rs"], ""),
    promise(
        "F24",
        "A key server of plain OpenSSH gives a node its own share and nothing else, at each boot; without it ssh answers and services wait.",
        &["crates/backend/tests/ssh.rs"],
        "",
    ),
    promise(
        "F25",
        "All phases are one graph of steps, machines side by side; one that is killed goes on, and a machine that is not there costs only itself.",
        &["crates/provision/tests/compose/cuts.rs"],
        "",
    ),
    promise(
        "F26",
        "What a cluster needs on top of kubeadm is installed by the same command, each part when what it waits for is there.",
        &["crates/provision/tests/objects.rs"],
        "gateway, certificates, logs, dashboard, metrics",
    ),
    promise(
        "F27",
        "Labels of nodes are as the file says, and what leaves the file leaves the node.",
        &["crates/provision/tests/objects.rs"],
        "",
    ),
    promise(
        "F28",
        "kubeconfig has a user's context with few rights and an administrator's for hours; foreign entries stay.",
        &["crates/backend/tests/hostile_kubeconfig.rs"],
        "",
    ),
    promise("F29", "`status` tells each thing that is not as it should be, and what to read or do.", &[], "each of the cluster's own pods"),
    promise(
        "F30",
        "Logs of every container of every node arrive at a receiver, once and whole.",
        &["crates/provision/tests/built.rs"],
        "the journals of kubelet and containerd",
    ),
    promise("F31", "Shares over NFS and SMB are volumes too, and a server that is away harms no node.", &[], ""),
    promise("F32", "Pods of a StatefulSet keep their node and their data by volumes of a pool.", &[], ""),
    promise("F33", "Backups of etcd are made, verified, kept apart and restored.", &[], ""),
    promise(
        "F34",
        "DNS and UDP between nodes work, also where two interfaces or a broken checksum offload stand in the way.",
        &[],
        "a card that gets checksums wrong: what is shown is that lost DNS is found and told",
    ),
    promise(
        "F35",
        "A full image store evicts no pods that did not fill it, and every other eviction signal keeps its default.",
        &["crates/provision/tests/compose/kubelets.rs"],
        "an image store that is full",
    ),
    promise("F36", "Thin pools and volume groups grow before they are full, or alarm.", &[], ""),
    promise("F37", "The API has one address that outlives any one control plane.", &[], ""),
    promise(
        "F38",
        "A Service of type LoadBalancer gets an address that answers from outside.",
        &["crates/provision/tests/load_balancer.rs"],
        "",
    ),
    promise(
        "F39",
        "Writes reach the primary of a replicated database, and reads the others.",
        &[],
        "a primary that fails over by itself; the image docker.io/library/mariadb, for which Debian's MariaDB is the stand-in",
    ),
    promise("F40", "Containers without limits get the namespace's.", &["crates/provision/tests/objects.rs"], ""),
    promise(
        "F41",
        "Metrics of nodes and pods are there, over certificates of the cluster's authority.",
        &["crates/provision/tests/built.rs"],
        "an autoscaler that goes by them",
    ),
    promise("F42", "On a single node pods run beside the control plane; elsewhere none of the users' do.", &[], ""),
    promise(
        "F43",
        "A reset keeps whatever is mounted below the kubelet's folder, and a cluster is made again on the same volumes.",
        &[],
        "",
    ),
    promise("F44", "The kernel's settings and modules are there after a reboot, and swap stays off.", &[], ""),
    promise("F45", "What of the old kit is out of scope is named where its users look for it.", &[], ""),
    promise(
        "F46",
        "Upgrades go one minor at a time, certificates are renewed in time, versions are pinned.",
        &["crates/provision/tests/releases.rs"],
        "upgrades and renewal; what is shown is pinning",
    ),
    promise("F47", "Users may come from an OIDC provider, and the API server writes an audit log.", &[], ""),
    promise("F48", "The cluster is Kubernetes: its own conformance tests pass.", &[], "those that docs/conformance.md leaves out"),
];

//! kubeadm's configuration, `kubeadm.k8s.io/v1beta4`, and the kubelet's and kube-proxy's that go with it, as types. JSON is YAML, so
//! the documents are written as JSON. Source: the published reference of the three API groups.

use std::borrow::Cow;

use kubestead_core::name::Name;
use serde::Serialize;

use super::components::{Arguments, host};
use super::served;
use super::spec::{ADMISSION, ENCRYPTION, KubeadmSpec};
use crate::file::{Effect, Taint};

const KUBEADM: &str = "kubeadm.k8s.io/v1beta4";
const SOCKET: &str = "unix:///run/containerd/containerd.sock";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitConfiguration {
    api_version: &'static str,
    kind: &'static str,
    #[serde(rename = "localAPIEndpoint")]
    local_api_endpoint: Endpoint,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bootstrap_tokens: Vec<Token>,
    node_registration: Registration,
    timeouts: Option<Timeouts>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    advertise_address: String,
    bind_port: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    token: String,
    ttl: &'static str,
    description: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registration {
    name: String,
    cri_socket: &'static str,
    /// Nothing keeps the control plane's own taint; a list without it takes it away.
    #[serde(skip_serializing_if = "Option::is_none")]
    taints: Option<Vec<Taint>>,
    kubelet_extra_args: Vec<Argument>,
    image_pull_policy: &'static str,
    ignore_preflight_errors: Vec<String>,
}

#[derive(Serialize)]
struct Argument {
    name: Cow<'static, str>,
    value: String,
}

impl Argument {
    fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }

    /// Those of the file.
    fn all(arguments: &Arguments) -> impl Iterator<Item = Self> {
        let of = |(name, values): (&String, &Vec<String>)| {
            let one = |value: &String| Self { name: name.clone().into(), value: value.clone() };
            values.iter().map(one).collect::<Vec<_>>()
        };
        arguments.iter().flat_map(of)
    }
}

/// Slow machines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Timeouts {
    control_plane_component_health_check: &'static str,
    kubelet_health_check: &'static str,
    #[serde(rename = "kubernetesAPICall")]
    kubernetes_api_call: &'static str,
    #[serde(rename = "etcdAPICall")]
    etcd_api_call: &'static str,
    tls_bootstrap: &'static str,
    discovery: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterConfiguration {
    api_version: &'static str,
    kind: &'static str,
    kubernetes_version: String,
    cluster_name: String,
    control_plane_endpoint: String,
    networking: Networking,
    encryption_algorithm: &'static str,
    api_server: Component,
    controller_manager: Component,
    scheduler: Component,
    #[serde(skip_serializing_if = "Option::is_none")]
    etcd: Option<Etcd>,
}

#[derive(Serialize)]
struct Etcd {
    local: Component,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Networking {
    pod_subnet: String,
    service_subnet: String,
    dns_domain: String,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Component {
    #[serde(skip_serializing_if = "Vec::is_empty", rename = "certSANs")]
    cert_sans: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extra_args: Vec<Argument>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extra_volumes: Vec<Mount>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    name: String,
    host_path: String,
    mount_path: String,
    read_only: bool,
    path_type: &'static str,
}

impl Mount {
    fn new(name: String, path: &str, read_only: bool, path_type: &'static str) -> Self {
        Self { name, host_path: path.to_owned(), mount_path: path.to_owned(), read_only, path_type }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools)] // the kubelet's own fields
struct KubeletConfiguration {
    api_version: &'static str,
    kind: &'static str,
    cgroup_driver: &'static str,
    rotate_certificates: bool,
    seccomp_default: bool,
    fail_swap_on: bool,
    merge_default_eviction_settings: bool,
    container_log_max_size: &'static str,
    container_log_max_files: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KubeProxyConfiguration {
    api_version: &'static str,
    kind: &'static str,
    mode: &'static str,
    conntrack: Conntrack,
}

/// Empty means kube-proxy's own defaults.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Conntrack {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JoinConfiguration {
    api_version: &'static str,
    kind: &'static str,
    discovery: Discovery,
    node_registration: Registration,
    timeouts: Option<Timeouts>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Discovery {
    bootstrap_token: BootstrapToken,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BootstrapToken {
    token: String,
    api_server_endpoint: String,
    ca_cert_hashes: [String; 1],
}

fn timeouts(lab: bool) -> Option<Timeouts> {
    let ten = "10m0s";
    lab.then_some(Timeouts {
        control_plane_component_health_check: ten,
        kubelet_health_check: ten,
        kubernetes_api_call: "5m0s",
        etcd_api_call: ten,
        tls_bootstrap: ten,
        discovery: ten,
    })
}

fn registration(spec: &KubeadmSpec, node: &Name, address: &str, ignore: &[&str]) -> Registration {
    let mut errors = spec.ignore_preflight.clone();
    if spec.lab {
        errors.extend(["NumCPU", "Mem"].map(str::to_owned));
    }
    errors.extend(ignore.iter().map(|e| (*e).to_owned()));
    errors.sort();
    errors.dedup();
    Registration {
        name: spec.hostname(node).to_string(),
        cri_socket: SOCKET,
        taints: taints(spec, node),
        kubelet_extra_args: vec![Argument::new("node-ip", address)],
        image_pull_policy: "IfNotPresent",
        ignore_preflight_errors: errors,
    }
}

/// What a node is registered with. kubeadm's own taint of a control plane goes with a list that does not name it.
fn taints(spec: &KubeadmSpec, node: &Name) -> Option<Vec<Taint>> {
    let own = spec.added.taints.get(node).cloned().unwrap_or_default();
    let is_first = *node == spec.first;
    let plane = || Taint { key: "node-role.kubernetes.io/control-plane".into(), value: String::new(), effect: Effect::NoSchedule };
    match (is_first, spec.pods_here) {
        (true, true) => Some(own),
        (true, false) if !own.is_empty() => Some(std::iter::once(plane()).chain(own).collect()),
        (false, _) if !own.is_empty() => Some(own),
        (true | false, _) => None,
    }
}

/// The documents of `kubeadm init`. `@TOKEN@` is replaced on the node, so that its token never leaves it.
pub(super) fn init(spec: &KubeadmSpec, address: &str, ignore: &[&str]) -> Result<String, serde_json::Error> {
    let plugins: Vec<String> = spec.encryption.entry.socket_folder().map(str::to_owned).into_iter().collect();
    let token = Token { token: "@TOKEN@".into(), ttl: "15m0s", description: "kubestead init" };
    documents(spec, &spec.first, address, ignore, &plugins, vec![token])
}

/// The documents that make a control plane's API server what it is: the same as at its beginning, without a token, and with these folders of
/// KMS plugins.
pub fn control_plane(spec: &KubeadmSpec, node: &Name, address: &str, plugins: &[String]) -> Result<String, serde_json::Error> {
    documents(spec, node, address, &[], plugins, Vec::new())
}

fn documents(
    spec: &KubeadmSpec,
    node: &Name,
    address: &str,
    ignore: &[&str],
    plugins: &[String],
    bootstrap_tokens: Vec<Token>,
) -> Result<String, serde_json::Error> {
    // Leader election restarts controllers on a machine that stalls; a rehearsal has one of each anyway.
    let leader = |arguments: &Arguments| Component {
        extra_args: spec.lab.then(|| Argument::new("leader-elect", "false")).into_iter().chain(Argument::all(arguments)).collect(),
        ..Component::default()
    };
    let added = &spec.added.components;
    let own = |name: &str, path: &str| Mount::new(name.to_owned(), path, true, "Directory");
    let mut extra_volumes = vec![own("enc", "/etc/kubernetes/enc"), own("adm", "/etc/kubernetes/adm")];
    extra_volumes.extend(plugins.iter().enumerate().map(|(index, folder)| {
        let name = if index == 0 { "kms".to_owned() } else { format!("kms-{}", index + 1) };
        // To speak to a socket is to write to it. A folder below /run is gone after a boot, and its plugin perhaps for ever: an API server
        // that did not start for want of it would be a high price for a mount that nobody took away.
        Mount::new(name, folder, false, "DirectoryOrCreate")
    }));
    if served::logs(added) {
        extra_volumes.push(Mount::new("audit".to_owned(), served::LOGS, false, "DirectoryOrCreate"));
    }
    let own_args = [
        Argument::new("encryption-provider-config", ENCRYPTION),
        Argument::new("encryption-provider-config-automatic-reload", "true"),
        Argument::new("admission-control-config-file", ADMISSION),
    ];
    let host = host(&spec.endpoint);
    let init = InitConfiguration {
        api_version: KUBEADM,
        kind: "InitConfiguration",
        local_api_endpoint: Endpoint { advertise_address: address.to_owned(), bind_port: 6443 },
        bootstrap_tokens,
        node_registration: registration(spec, node, address, ignore),
        timeouts: timeouts(spec.lab),
    };
    let cluster = ClusterConfiguration {
        api_version: KUBEADM,
        kind: "ClusterConfiguration",
        kubernetes_version: format!("v{}", spec.version),
        cluster_name: spec.name.to_string(),
        control_plane_endpoint: spec.endpoint.clone(),
        networking: Networking {
            pod_subnet: spec.pods.clone(),
            service_subnet: spec.services.clone(),
            dns_domain: spec.dns_domain.clone(),
        },
        encryption_algorithm: "ECDSA-P256",
        api_server: Component {
            cert_sans: std::iter::once(host.to_owned()).chain(added.names.iter().filter(|name| *name != host).cloned()).collect(),
            extra_args: own_args.into_iter().chain(Argument::all(&added.api_server)).collect(),
            extra_volumes,
        },
        controller_manager: leader(&added.controller_manager),
        scheduler: leader(&added.scheduler),
        etcd: (!added.etcd.is_empty())
            .then(|| Etcd { local: Component { extra_args: Argument::all(&added.etcd).collect(), ..Component::default() } }),
    };
    let kubelet = KubeletConfiguration {
        api_version: "kubelet.config.k8s.io/v1beta1",
        kind: "KubeletConfiguration",
        cgroup_driver: "systemd",
        rotate_certificates: true,
        seccomp_default: true,
        fail_swap_on: true,
        merge_default_eviction_settings: true,
        container_log_max_size: "50Mi",
        container_log_max_files: 3,
    };
    let proxy = KubeProxyConfiguration {
        api_version: "kubeproxy.config.k8s.io/v1alpha1",
        kind: "KubeProxyConfiguration",
        mode: "nftables",
        conntrack: Conntrack {},
    };
    let documents = [
        serde_json::to_string_pretty(&init)?,
        serde_json::to_string_pretty(&cluster)?,
        serde_json::to_string_pretty(&kubelet)?,
        serde_json::to_string_pretty(&proxy)?,
    ];
    Ok(documents.join("\n---\n") + "\n")
}

/// The document of `kubeadm join`. `@TOKEN@` is replaced on the node.
pub(super) fn join(spec: &KubeadmSpec, node: &Name, address: &str, ca: &str, ignore: &[&str]) -> Result<String, serde_json::Error> {
    let join = JoinConfiguration {
        api_version: KUBEADM,
        kind: "JoinConfiguration",
        discovery: Discovery {
            bootstrap_token: BootstrapToken {
                token: "@TOKEN@".into(),
                api_server_endpoint: spec.endpoint.clone(),
                ca_cert_hashes: [format!("sha256:{ca}")],
            },
        },
        node_registration: registration(spec, node, address, ignore),
        timeouts: timeouts(spec.lab),
    };
    Ok(serde_json::to_string_pretty(&join)? + "\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kubestead_core::name::HostName;
    use serde_json::Value;

    use super::super::components::Added;
    use super::*;
    use crate::encryption::{EncryptionSpec, Entry};

    fn spec(lab: bool) -> KubeadmSpec {
        KubeadmSpec {
            name: Name::new("home").unwrap(),
            version: "1.37.1".into(),
            endpoint: "api.example.com:6443".into(),
            first: Name::new("cp1").unwrap(),
            hostnames: BTreeMap::new(),
            pods: "10.244.0.0/16".into(),
            services: "10.96.0.0/12".into(),
            dns_domain: "cluster.local".into(),
            pods_here: false,
            encryption: EncryptionSpec::default(),
            added: Box::default(),
            ignore_preflight: vec![],
            lab,
        }
    }

    fn documents(text: &str) -> Vec<Value> {
        text.split("\n---\n").map(|d| serde_json::from_str(d).unwrap()).collect()
    }

    #[test]
    fn production_ignores_nothing_that_the_user_did_not_name() {
        let found = documents(&init(&spec(false), "10.0.0.11", &[]).unwrap());
        assert_eq!(found[0]["nodeRegistration"]["ignorePreflightErrors"], serde_json::json!([]));
        assert!(found[0]["timeouts"].is_null() && found[1]["scheduler"]["extraArgs"].is_null());
        assert!(found[0]["nodeRegistration"].get("taints").is_none(), "the control plane keeps its taint");
        assert_eq!(found[1]["apiServer"]["certSANs"], serde_json::json!(["api.example.com"]));
        let kinds: Vec<&str> = found.iter().filter_map(|d| d["kind"].as_str()).collect();
        assert_eq!(kinds, ["InitConfiguration", "ClusterConfiguration", "KubeletConfiguration", "KubeProxyConfiguration"]);
    }

    #[test]
    fn kubernetes_calls_a_node_by_its_host_name() {
        let long = HostName::new("cp1.example.com").unwrap();
        let spec = KubeadmSpec { hostnames: BTreeMap::from([(Name::new("cp1").unwrap(), long)]), pods_here: true, ..spec(false) };
        let found = documents(&init(&spec, "10.0.0.11", &[]).unwrap());
        assert_eq!(found[0]["nodeRegistration"]["name"], "cp1.example.com");
        assert_eq!(found[0]["nodeRegistration"]["taints"], serde_json::json!([]), "it is the first all the same");
        let found = documents(&join(&spec, &Name::new("kube1").unwrap(), "10.0.0.21", "ab", &[]).unwrap());
        assert_eq!(found[0]["nodeRegistration"]["name"], "kube1");
    }

    #[test]
    fn what_the_file_adds_comes_after_what_is_kubesteads_own() {
        let of = |all: &[(&str, &[&str])]| -> Arguments {
            all.iter().map(|(name, values)| ((*name).to_owned(), values.iter().map(|v| (*v).to_owned()).collect())).collect()
        };
        let components = super::super::components::Components {
            api_server: of(&[("profiling", &["false"]), ("tls-sni", &["a", "b"])]),
            scheduler: of(&[("v", &["2"])]),
            etcd: of(&[("quota-backend-bytes", &["1000"])]),
            names: ["api2.example.com".to_owned(), "api.example.com".to_owned()].into(),
            ..Default::default()
        };
        let found = documents(
            &init(&KubeadmSpec { added: Box::new(Added { components, ..Added::default() }), ..spec(true) }, "10.0.0.11", &[]).unwrap(),
        );
        let names = |value: &Value| value.as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        let server = &found[1]["apiServer"];
        assert_eq!(names(&server["extraArgs"])[3..], ["profiling", "tls-sni", "tls-sni"]);
        assert_eq!(server["certSANs"], serde_json::json!(["api.example.com", "api2.example.com"]), "the endpoint is named once");
        assert_eq!(names(&found[1]["scheduler"]["extraArgs"]), ["leader-elect", "v"]);
        assert_eq!(found[1]["etcd"]["local"]["extraArgs"], serde_json::json!([{"name": "quota-backend-bytes", "value": "1000"}]));
        assert!(documents(&init(&spec(true), "10.0.0.11", &[]).unwrap())[1].get("etcd").is_none());
    }

    #[test]
    fn a_node_has_its_taints_from_when_it_is_registered() {
        let taint = Taint { key: "example.com/for".into(), value: "db".into(), effect: Effect::NoExecute };
        let all = ["cp1", "kube1"].map(|node| (Name::new(node).unwrap(), vec![taint.clone()]));
        let spec = KubeadmSpec { added: Box::new(Added { taints: all.into(), ..Added::default() }), ..spec(false) };
        let written = serde_json::json!({"key": "example.com/for", "value": "db", "effect": "NoExecute"});
        let found = documents(&join(&spec, &Name::new("kube1").unwrap(), "10.0.0.21", "ab", &[]).unwrap());
        assert_eq!(found[0]["nodeRegistration"]["taints"], serde_json::json!([written]));
        let own = |spec: &KubeadmSpec| documents(&init(spec, "10.0.0.11", &[]).unwrap())[0]["nodeRegistration"]["taints"].clone();
        let plane = serde_json::json!({"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"});
        assert_eq!(own(&spec), serde_json::json!([plane, written]), "a control plane keeps its own");
        assert_eq!(own(&KubeadmSpec { pods_here: true, ..spec }), serde_json::json!([written]));
    }

    #[test]
    fn the_folder_of_a_kms_plugin_is_mounted() {
        let entry = Entry::Kms { name: "vault".into(), endpoint: "unix:///run/kms/vault.sock".into(), timeout: "3s".into() };
        let encryption = EncryptionSpec { entry, ..EncryptionSpec::default() };
        let found = documents(&init(&KubeadmSpec { encryption, ..spec(false) }, "10.0.0.11", &[]).unwrap());
        let mounts = found[1]["apiServer"]["extraVolumes"].as_array().unwrap();
        assert_eq!((mounts.len(), &mounts[2]["mountPath"], &mounts[2]["readOnly"]), (3, &Value::from("/run/kms"), &Value::from(false)));
    }

    /// Else kubeadm would make another manifest of them than the one that runs, and nothing could be mounted later.
    #[test]
    fn a_control_plane_is_described_as_at_its_beginning_but_for_the_token() {
        let cp = Name::new("cp1").unwrap();
        let entry = Entry::Kms { name: "vault".into(), endpoint: "unix:///run/kms/vault.sock".into(), timeout: "3s".into() };
        let begun = KubeadmSpec { encryption: EncryptionSpec { entry, ..EncryptionSpec::default() }, ..spec(true) };
        for (begun, plugins) in [(spec(true), vec![]), (spec(false), vec![]), (begun, vec!["/run/kms".to_owned()])] {
            let mut first = documents(&init(&begun, "10.0.0.11", &[]).unwrap());
            let later = control_plane(&begun, &cp, "10.0.0.11", &plugins).unwrap();
            first[0].as_object_mut().unwrap().remove("bootstrapTokens").unwrap();
            assert!(first == documents(&later) && !later.contains("TOKEN"));
        }
        let two = control_plane(&spec(true), &cp, "10.0.0.11", &["/run/kms".to_owned(), "/run/new".to_owned()]).unwrap();
        let mounts = documents(&two)[1]["apiServer"]["extraVolumes"].clone();
        assert_eq!((&mounts[2]["name"], &mounts[3]["name"], &mounts[3]["hostPath"]), (&"kms".into(), &"kms-2".into(), &"/run/new".into()));
        assert_eq!((&mounts[0]["pathType"], &mounts[3]["pathType"]), (&"Directory".into(), &"DirectoryOrCreate".into()));
    }

    #[test]
    fn a_join_pins_the_ca_and_holds_no_token() {
        let found = documents(&join(&spec(true), &Name::new("kube1").unwrap(), "10.0.0.21", "ab", &["Port-10250"]).unwrap());
        assert_eq!(found[0]["discovery"]["bootstrapToken"]["caCertHashes"], serde_json::json!(["sha256:ab"]));
        assert_eq!(found[0]["discovery"]["bootstrapToken"]["token"], "@TOKEN@");
        assert_eq!(found[0]["nodeRegistration"]["ignorePreflightErrors"], serde_json::json!(["Mem", "NumCPU", "Port-10250"]));
        let single = KubeadmSpec { pods_here: true, ..spec(false) };
        assert_eq!(documents(&init(&single, "10.0.0.11", &[]).unwrap())[0]["nodeRegistration"]["taints"], serde_json::json!([]));
    }
}

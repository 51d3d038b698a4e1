//! The pod network: flannel, its rules in nftables as kube-proxy's are. Fields as in flannel's own deployment notes.

use serde_json::{Value, json};

use super::super::namespaces::NETWORK as NAMESPACE;
use super::super::spec::ObjectsSpec;

const NAME: &str = "flannel";
/// Its image and that of its plugin, when no bundle says which.
pub const IMAGES: (&str, &str) = ("ghcr.io/flannel-io/flannel:v0.28.7", "ghcr.io/flannel-io/flannel-cni-plugin:v1.9.1-flannel1");

/// The manifests, in the order in which they are applied. The images are those of the bundle; of the interfaces each node takes the first
/// that it has, and the one of its default route where none is named. It reaches the API by the control plane's endpoint, as kubelets do: the address
/// of the Service leads nowhere until kube-proxy is at work, and a daemon that ends by that waits for its next start. The plugin's configuration goes to
/// /run, from where a unit of the node brings it to containerd when the daemon has its subnet (`node`).
pub(super) fn manifests(spec: &ObjectsSpec) -> Vec<Value> {
    let cni = json!({"name": "cbr0", "cniVersion": "1.0.0", "plugins": [
        {"type": "flannel", "delegate": {"hairpinMode": true, "isDefaultGateway": true}},
        {"type": "portmap", "capabilities": {"portMappings": true}}]});
    let mut backend = json!({"Type": spec.backend.word()});
    if let Some(mtu) = spec.backend.mtu() {
        backend["MTU"] = mtu.into();
    }
    let net = json!({"Network": spec.pods, "EnableNFTables": true, "Backend": backend});
    let meta = |name: &str| json!({"name": name, "namespace": NAMESPACE, "labels": {"app": NAME}});
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(NAME)}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": NAME}, "rules": [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]}]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": NAME},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}]}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("kube-flannel-cfg"),
            "data": {"cni-conf.json": cni.to_string(), "net-conf.json": net.to_string()}}),
        daemon_set(&spec.endpoint, &spec.interfaces, &spec.images.0, &spec.images.1),
    ]
}

fn daemon_set(endpoint: &str, interfaces: &[String], image: &str, plugin: &str) -> Value {
    let named = interfaces.iter().map(|name| format!("--iface={name}"));
    let args: Vec<String> = ["--ip-masq", "--kube-subnet-mgr"].map(str::to_owned).into_iter().chain(named).collect();
    // An IPv6 address is in brackets before its port, and without them where it is alone.
    let (api, port) = endpoint.rsplit_once(':').unwrap_or((endpoint, "6443"));
    let api = api.trim_matches(['[', ']']);
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let host = |name: &str, path: &str, kind: &str| json!({"name": name, "hostPath": {"path": path, "type": kind}});
    let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path});
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "kube-flannel-ds", "namespace": NAMESPACE, "labels": {"app": NAME}},
        "spec": {"selector": {"matchLabels": {"app": NAME}}, "template": {"metadata": {"labels": {"app": NAME}}, "spec": {
            "hostNetwork": true, "priorityClassName": "system-node-critical", "serviceAccountName": NAME,
            "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}],
            "initContainers": [
                {"name": "install-cni-plugin", "image": plugin, "command": ["cp"], "args": ["-f", "/flannel", "/opt/cni/bin/flannel"],
                    "volumeMounts": [mount("cni-plugin", "/opt/cni/bin")]},
                {"name": "install-cni", "image": image, "command": ["/opt/bin/install-conf"],
                    "args": ["/etc/kube-flannel/cni-conf.json", "/run/flannel/10-flannel.conflist"],
                    "volumeMounts": [mount("run", "/run/flannel"), mount("flannel-cfg", "/etc/kube-flannel/")]}],
            "containers": [{"name": "kube-flannel", "image": image, "command": ["/opt/bin/flanneld"],
                "args": args,
                "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
                "securityContext": {"privileged": false, "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
                "env": [field("POD_NAME", "metadata.name"), field("POD_NAMESPACE", "metadata.namespace"),
                    {"name": "KUBERNETES_SERVICE_HOST", "value": api}, {"name": "KUBERNETES_SERVICE_PORT", "value": port},
                    {"name": "EVENT_QUEUE_DEPTH", "value": "5000"}, {"name": "CONT_WHEN_CACHE_NOT_READY", "value": "false"}],
                "volumeMounts": [mount("run", "/run/flannel"), mount("flannel-cfg", "/etc/kube-flannel/"), mount("xtables-lock", "/run/xtables.lock")]}],
            "volumes": [host("run", "/run/flannel", "DirectoryOrCreate"), host("cni-plugin", "/opt/cni/bin", "DirectoryOrCreate"),
                host("xtables-lock", "/run/xtables.lock", "FileOrCreate"),
                {"name": "flannel-cfg", "configMap": {"name": "kube-flannel-cfg"}}]}}}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Backend;

    fn spec(change: impl FnOnce(&mut ObjectsSpec)) -> ObjectsSpec {
        let mut spec = super::super::super::plan::tests::spec();
        change(&mut spec);
        spec
    }

    #[test]
    fn the_daemon_looks_for_the_named_interfaces_in_their_order() {
        let args = |interfaces: &[&str]| {
            let names = interfaces.iter().map(|name| (*name).to_owned()).collect();
            manifests(&spec(|s| s.interfaces = names))[5]["spec"]["template"]["spec"]["containers"][0]["args"].clone()
        };
        assert_eq!(args(&[]), json!(["--ip-masq", "--kube-subnet-mgr"]));
        assert_eq!(args(&["eth1", "eno2"]), json!(["--ip-masq", "--kube-subnet-mgr", "--iface=eth1", "--iface=eno2"]));
    }

    /// As flannel's documentation of backends has it.
    #[test]
    fn packets_go_as_the_file_says() {
        for (backend, wanted) in [
            (Backend::Vxlan { mtu: None }, json!({"Type": "vxlan"})),
            (Backend::Vxlan { mtu: Some(1400) }, json!({"Type": "vxlan", "MTU": 1400})),
            (Backend::HostGw, json!({"Type": "host-gw"})),
            (Backend::Wireguard { mtu: Some(1420) }, json!({"Type": "wireguard", "MTU": 1420})),
        ] {
            let text = manifests(&spec(|s| s.backend = backend))[4]["data"]["net-conf.json"].clone();
            let net: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
            assert_eq!((&net["Backend"], &net["EnableNFTables"]), (&wanted, &json!(true)));
        }
    }

    #[test]
    fn the_daemon_asks_the_control_plane_itself() {
        for (endpoint, host, port) in [
            ("10.0.0.1:6443", "10.0.0.1", "6443"),
            ("[fd00::1]:8443", "fd00::1", "8443"),
            ("api.home.example:443", "api.home.example", "443"),
        ] {
            let env = manifests(&spec(|s| s.endpoint = endpoint.to_owned()))[5]["spec"]["template"]["spec"]["containers"][0]["env"].clone();
            let value = |name: &str| env.as_array().unwrap().iter().find(|e| e["name"] == name).unwrap()["value"].clone();
            assert_eq!((value("KUBERNETES_SERVICE_HOST"), value("KUBERNETES_SERVICE_PORT")), (json!(host), json!(port)));
        }
    }
}

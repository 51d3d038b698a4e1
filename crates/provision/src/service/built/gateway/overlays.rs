//! What of the gateway's objects depends on how many hosts, ports and nodes it has: parts that are put over the manifests beside this file.

use serde_json::{Value, json};

use super::{Gateway, Reach, Tcp};
use crate::file::{Cluster, Node};
use crate::service::built::nodes::{named, tolerations};
use crate::service::patch::Patch;

/// The part of an object that is named by these.
fn part(api_version: &str, kind: &str, namespace: Option<&str>, name: &str, spec: Value) -> Value {
    let mut meta = json!({"name": name});
    if let Some(namespace) = namespace {
        meta["namespace"] = namespace.into();
    }
    let mut part = json!({"apiVersion": api_version, "kind": kind, "metadata": meta});
    part["spec"] = spec;
    part
}

/// All of them.
pub(super) fn overlays(gateway: &Gateway, cluster: &Cluster) -> Vec<Patch> {
    let home = Some("gateway");
    let mut more = json!({});
    put(&mut more, "listeners", listeners(gateway));
    let mut found = vec![
        part("apps/v1", "Deployment", home, "traefik", json!({"template": {"spec": pod(gateway, cluster)}})),
        service(gateway),
        part("gateway.networking.k8s.io/v1", "Gateway", home, "gateway", more),
    ];
    if gateway.redirect {
        let hosts: Vec<&str> = gateway.hosts.keys().map(String::as_str).collect();
        found.push(part("gateway.networking.k8s.io/v1", "HTTPRoute", home, "to-https", json!({"hostnames": hosts})));
    }
    if gateway.tcp.values().any(|tcp| !tcp.tls) {
        // Traefik 3.7 asks for TCPRoutes by the name of this version, which the standard channel has and does not serve. Both have the same fields.
        let versions = json!([{"name": "v1alpha2", "served": true}]);
        let name = "tcproutes.gateway.networking.k8s.io";
        found.push(part("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, name, json!({"versions": versions})));
    }
    found.iter().filter_map(Patch::of).collect()
}

/// Adds the items of a list, if there are any: a list without items would take the place of the one that is there.
fn put(part: &mut Value, list: &str, items: Vec<Value>) {
    if !items.is_empty() {
        part[list] = items.into();
    }
}

/// The ports that the gateway listens at, by their names: its own, and those of TCP.
fn ports(gateway: &Gateway) -> impl Iterator<Item = (&str, u16)> {
    let tcp = gateway.tcp.iter().map(|(name, tcp)| (name.as_str(), tcp.port));
    Gateway::PORTS.into_iter().chain(tcp)
}

fn pod(gateway: &Gateway, cluster: &Cluster) -> Value {
    let set = |name: String, value: &str| json!({"name": name, "value": value});
    let mut settings: Vec<Value> = Vec::new();
    for Tcp { port, .. } in gateway.tcp.values() {
        settings.push(set(format!("TRAEFIK_ENTRYPOINTS_TCP{port}_ADDRESS"), &format!(":{port}")));
    }
    if gateway.tcp.values().any(|tcp| !tcp.tls) {
        settings.push(set("TRAEFIK_PROVIDERS_KUBERNETESGATEWAY_EXPERIMENTALCHANNEL".into(), "true"));
    }
    if let Some(class) = &gateway.ingress_class {
        let nginx = |name: &str| format!("TRAEFIK_PROVIDERS_KUBERNETESINGRESSNGINX{name}");
        settings.push(set(nginx(""), "true"));
        settings.push(set(nginx("_INGRESSCLASS"), class.as_str()));
        settings.push(set(nginx("_INGRESSCLASSBYNAME"), "true"));
        // Otherwise they would be served at the ports of TCP too.
        settings.push(set(nginx("_HTTPENTRYPOINT"), "http"));
        settings.push(set(nginx("_HTTPSENTRYPOINT"), "https"));
    }
    let mut open: Vec<Value> = gateway.tcp.iter().map(|(name, tcp)| json!({"name": name.as_str(), "containerPort": tcp.port})).collect();
    let mut pod = json!({});
    match &gateway.reach {
        Reach::Nodes(nodes) => {
            open = ports(gateway).map(|(name, port)| json!({"name": name, "containerPort": port, "hostPort": port})).collect();
            let chosen: Vec<&Node> = cluster.nodes.iter().filter(|node| nodes.contains(&node.name)).collect();
            let there = json!([{"matchExpressions": [named(&chosen)]}]);
            pod["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": there}}});
            pod["tolerations"] = tolerations(&chosen).into();
        }
        Reach::Address(address) => {
            let status = "TRAEFIK_PROVIDERS_KUBERNETESGATEWAY_STATUSADDRESS_IP".to_owned();
            settings.push(set(status, &address.to_string()));
            if gateway.ingress_class.is_some() {
                let status = "TRAEFIK_PROVIDERS_KUBERNETESINGRESSNGINX_PUBLISHSTATUSADDRESS".to_owned();
                settings.push(set(status, &address.to_string()));
            }
        }
        Reach::NodePorts(_) => {}
    }
    let mut container = json!({"name": "traefik"});
    for (list, items) in [("env", settings), ("ports", open)] {
        put(&mut container, list, items);
    }
    pod["containers"] = json!([container]);
    pod
}

fn service(gateway: &Gateway) -> Value {
    let mut ports: Vec<Value> = ports(gateway).map(|(name, port)| json!({"name": name, "port": port, "targetPort": name})).collect();
    let mut spec = json!({});
    let mut annotations = None;
    match &gateway.reach {
        Reach::Nodes(_) => {}
        Reach::Address(address) => {
            let address = address.to_string();
            // MetalLB gives nothing where the Service's own field says it too.
            spec = json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false});
            annotations = Some(json!({"kube-vip.io/loadbalancerIPs": address, "metallb.io/loadBalancerIPs": address}));
        }
        Reach::NodePorts(nodes) => {
            spec = json!({"type": "NodePort"});
            for port in &mut ports {
                if let Some(at) = port["name"].as_str().and_then(|name| nodes.get(name)) {
                    port["nodePort"] = (*at).into();
                }
            }
        }
    }
    spec["ports"] = ports.into();
    let mut service = part("v1", "Service", Some("gateway"), "traefik", spec);
    if let Some(annotations) = annotations {
        service["metadata"]["annotations"] = annotations;
    }
    service
}

/// A listener for each host, called as the host is, so that one whose certificate is missing keeps no other from being served; and one for each port of TCP.
fn listeners(gateway: &Gateway) -> Vec<Value> {
    let all = json!({"namespaces": {"from": "All"}});
    let hosts = gateway.hosts.iter().map(|(host, certificate)| {
        let certificate = json!({"group": "", "kind": "Secret", "name": certificate.secret(host)});
        json!({"name": Gateway::listener(host), "protocol": "HTTPS", "port": 443, "hostname": host, "allowedRoutes": all,
            "tls": {"mode": "Terminate", "certificateRefs": [certificate]}})
    });
    let tcp = gateway.tcp.iter().map(|(name, tcp)| {
        let mut listener = json!({"name": name.as_str(), "protocol": "TCP", "port": tcp.port, "allowedRoutes": all});
        if tcp.tls {
            listener["protocol"] = "TLS".into();
            listener["tls"] = json!({"mode": "Passthrough"});
        }
        listener
    });
    hosts.chain(tcp).collect()
}

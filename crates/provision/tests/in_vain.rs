//! What objects of users ask for in vain, by what the cluster file says: each is told before anything is applied, with its place.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::path::Path;

use kubestead_provision::file::load;
use kubestead_provision::service::{Beside, Local, read_files};

const HEAD: &str = "apiVersion: kubestead/v1\nkind: Cluster\nname: home\nkubernetes: {version: 1.37.1, bundle: /b}\nnodes:\n\
    - {name: cp1, address: 192.0.2.11, roles: [control-plane, worker]}\n- {name: kube1, address: 192.0.2.21}\nmanifests: {own: {path: own.yaml}}\n";
/// Definitions of one kind of each of both, which stand for all.
const DEFINITIONS: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: tcproutes.gateway.networking.k8s.io}\nspec:\n  \
    group: gateway.networking.k8s.io\n  scope: Namespaced\n  names: {plural: tcproutes, kind: TCPRoute}\n  versions:\n  - {name: v1, served: true, storage: true}\n  \
    - {name: v1alpha2, served: false, storage: false}\n";
const POOLS: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: bgppeers.metallb.io}\nspec:\n  group: metallb.io\n  \
    scope: Namespaced\n  names: {plural: bgppeers, kind: BGPPeer}\n  versions: [{name: v1beta2, served: true, storage: true}]\n";

/// What is told of a file of manifests beside a cluster file with these sections. Of images by a tag nothing.
fn told(sections: &str, own: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let own = own.trim_end_matches("---\n");
    for (name, text) in [("definitions.yaml", DEFINITIONS), ("pools.yaml", POOLS), ("own.yaml", own)] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let cluster = load("cluster.yaml", &format!("{HEAD}{sections}"), dir.path()).unwrap();
    let shown = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let programs = Local::default();
    let beside = Beside { shown: &shown, taken: Vec::new(), version: Some("1.37.1"), cluster: Some(&cluster), programs: &programs };
    let found = read_files(&cluster.manifests, &beside);
    found.findings.iter().map(ToString::to_string).filter(|told| !told.contains("images ")).collect()
}

/// One finding of each: where it stands, and words of it.
fn assert_told(found: &[String], expected: &[(&str, &str)]) {
    let as_said = found.len() == expected.len()
        && expected
            .iter()
            .all(|(place, words)| found.iter().any(|told| told.starts_with(&format!("own.yaml:{place}: ")) && told.contains(words)));
    assert!(as_said, "{found:#?}");
}

fn workload(kind: &str, namespace: &str, spec: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: web, namespace: {namespace}}}\nspec:\n  selector: {{matchLabels: {{a: b}}}}\n  template:\n    \
         metadata: {{labels: {{a: b}}}}\n    spec:\n{spec}---\n"
    )
}

const CONTAINER: &str = "      containers: [{name: web, image: i}]\n";

#[test]
fn pods_that_the_level_of_their_namespace_refuses_are_told_and_what_is_granted_is_not() {
    let pods = |namespace: &str| {
        let spec = format!("      hostNetwork: true\n      volumes: [{{name: v, hostPath: {{path: /srv/share}}}}]\n{CONTAINER}");
        workload("DaemonSet", namespace, &spec)
    };
    let namespace = |labels: &str| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop{labels}}}\n---\n");
    let words = "Pod Security lets no such pod into the namespace shop: hostPath /srv/share to read, hostNetwork";
    assert_told(&told("", &format!("{}{}", pods("shop"), namespace(""))), &[("9:7: warning", words)]);
    let restricted = namespace(", labels: {pod-security.kubernetes.io/enforce: restricted}");
    assert_told(&told("", &format!("{}{restricted}", pods("shop"))), &[("9:7: warning", words)]);
    let open = namespace(", labels: {pod-security.kubernetes.io/enforce: privileged}");
    assert_told(&told("", &format!("{}{open}", pods("shop"))), &[]);
    assert_told(&told("", &pods("elsewhere")), &[]);
    assert_told(&told("", &pods("default")), &[("9:7: warning", "into the namespace default")]);
    let apps = "namespace: {name: apps}\n";
    assert_told(&told(apps, &pods("apps")), &[("9:7: warning", "into the namespace apps: hostPath /srv/share to read, hostNetwork")]);
    assert!(told(apps, &pods("apps"))[0].contains("grant it in namespace.podSecurity"), "its label is not the users' to write");
    let granted = "namespace: {name: apps, podSecurity: {hostNetwork: true, hostPaths: [{path: /srv/share}]}}\n";
    assert_told(&told(granted, &pods("apps")), &[]);
    let half = "namespace: {name: apps, podSecurity: {hostNetwork: true}}\n";
    assert_told(&told(half, &pods("apps")), &[("9:7: warning", "hostPath /srv/share")]);
}

#[test]
fn a_request_above_the_limit_that_a_container_gets_is_told() {
    let apps = "namespace: {name: apps, limits: {max: {memory: 2GiB}}}\n";
    let with =
        |resources: &str| workload("Deployment", "apps", &format!("      containers: [{{name: web, image: i, resources: {resources}}}]\n"));
    let above = told(apps, &with("{requests: {cpu: '1', memory: 128Mi}}"));
    assert_told(&above, &[("9:70: warning", "asks for cpu 1, and namespace.limits gives one that names no limit no more than 500m")]);
    assert_told(
        &told(apps, &with("{limits: {memory: 3Gi}}")),
        &[("9:71: warning", "the limit 3Gi of memory, and namespace.limits allows 2Gi")],
    );
    assert_told(&told(apps, &with("{requests: {cpu: '1'}, limits: {cpu: '1'}}")), &[]);
    assert_told(&told("", &with("{requests: {cpu: '1'}}")), &[]);
    let range =
        "apiVersion: v1\nkind: LimitRange\nmetadata: {name: r, namespace: apps}\nspec: {limits: [{type: Container, max: {cpu: 100m}}]}\n";
    let found = told("", &format!("{}{range}", with("{requests: {cpu: 200m}}")));
    assert_told(&found, &[("9:70: warning", "LimitRange apps/r gives one that names no limit no more than 100m")]);
}

#[test]
fn a_port_of_nodes_that_the_gateway_has_is_told() {
    let gateway = "services: {gateway: {nodes: [kube1], tcp: {git: {port: 2222}}, definitions: {path: definitions.yaml}}}\n";
    let ports = |ports: &str, more: &str| {
        workload("DaemonSet", "shop", &format!("{more}      containers: [{{name: web, image: i, ports: [{ports}]}}]\n"))
    };
    let found = told(gateway, &ports("{containerPort: 8080, hostPort: 80}, {containerPort: 1, hostPort: 2222}, {containerPort: 443}", ""));
    assert_told(&found, &[("9:82: warning", "port 80 (http) of kube1"), ("9:116: warning", "port 2222 (git) of kube1")]);
    let network = told(gateway, &ports("{containerPort: 443}", "      hostNetwork: true\n"));
    assert_told(&network, &[("10:66: warning", "port 443 (https) of kube1")]);
    assert_told(&told(gateway, &ports("{containerPort: 53, hostPort: 80, protocol: UDP}", "")), &[]);
}

fn service(name: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{type: NodePort, ports: [{{port: 80, {more}}}]}}\n---\n"
    )
}

#[test]
fn a_port_of_all_nodes_is_asked_for_once_and_within_the_range() {
    let gateway = "services: {gateway: {nodePorts: {http: 30080, https: 30443}, definitions: {path: definitions.yaml}}}\n";
    let own =
        [service("a", "nodePort: 30080"), service("b", "nodePort: 31000"), service("c", "nodePort: 31000"), service("d", "nodePort: 464")];
    let expected = [
        ("4:53: error", "30080 is taken by services.gateway.nodePorts"),
        ("14:53: error", "31000 is taken by Service shop/b (own.yaml:9)"),
        ("19:53: error", "464 is none of 30000-32767"),
    ];
    assert_told(&told(gateway, &own.concat()), &expected);
    assert_told(&told("", &[service("a", "nodePort: 30053"), service("b", "nodePort: 30053, protocol: UDP")].concat()), &[]);
}

fn balanced(name: &str, annotations: &str, spec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop, annotations: {{{annotations}}}}}\nspec: {{type: LoadBalancer{spec}, ports: \
         [{{port: 80}}]}}\n---\n"
    )
}

#[test]
fn an_address_that_the_load_balancer_does_not_give_is_told() {
    let services = "services:\n  loadBalancer: {addresses: [192.0.2.80-192.0.2.99], definitions: {path: pools.yaml}}\n  \
        gateway: {address: 192.0.2.80, definitions: {path: definitions.yaml}}\n";
    let own = [
        balanced("a", "metallb.io/loadBalancerIPs: 192.0.2.7", ""),
        balanced("b", "metallb.io/loadBalancerIPs: 192.0.2.85", ""),
        balanced("c", "metallb.io/loadBalancerIPs: 192.0.2.85", ""),
        balanced("d", "metallb.io/loadBalancerIPs: 192.0.2.86", ", loadBalancerIP: 192.0.2.86"),
        balanced("e", "metallb.universe.tf/loadBalancerIPs: 192.0.2.87", ""),
        balanced("f", "metallb.io/loadBalancerIPs: 192.0.2.80", ""),
    ];
    let expected = [
        ("3:", "192.0.2.7 is none of services.loadBalancer.addresses"),
        ("13:", "192.0.2.85 is asked for by Service shop/b too"),
        ("19:", "MetalLB gives no address"),
        ("23:", "write metallb.io/loadBalancerIPs"),
        ("28:", "192.0.2.80 is kept for the gateway"),
    ];
    let found = told(services, &own.concat());
    let as_said = found.len() == expected.len()
        && expected.iter().zip(&found).all(|((line, words), told)| told.starts_with(&format!("own.yaml:{line}")) && told.contains(words));
    assert!(as_said, "{found:#?}");
    let shared = "metallb.io/loadBalancerIPs: 192.0.2.85, metallb.io/allow-shared-ip: k";
    assert_told(&told(services, &[balanced("b", shared, ""), balanced("c", shared, "")].concat()), &[]);
    assert_told(&told("", &own.concat()), &[]);
}

#[test]
fn a_route_to_a_listener_that_there_is_not_is_told() {
    let gateway = "services:\n  gateway:\n    nodes: [kube1]\n    hosts: {shop.example.org: {secret: s}}\n    tcp: {git: {port: 2222}, mail: {port: 993, tls: true}}\n    \
        definitions: {path: definitions.yaml}\n";
    let route = |kind: &str, listener: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\nmetadata: {{name: r-{listener}, namespace: shop}}\nspec:\n  parentRefs: [{{name: gateway, namespace: \
             gateway, sectionName: {listener}}}]\n---\n"
        )
    };
    let own = [
        route("HTTPRoute", "shops.example.org"),
        route("HTTPRoute", "http"),
        route("TCPRoute", "mail"),
        route("HTTPRoute", "shop.example.org"),
        route("TCPRoute", "git"),
        route("TLSRoute", "mail"),
        route("TLSRoute", "other").replace("name: gateway, ", "name: internal, "),
    ];
    let expected = [
        ("5:65: warning", "no listener \"shops.example.org\": nothing is served by this route"),
        ("11:65: warning", "port 80 serves no other namespace"),
        ("17:65: warning", "the listener mail takes no TCPRoute"),
    ];
    let found = told(gateway, &own.concat());
    assert_told(&found, &expected);
    assert!(found[0].contains("known are http, shop.example.org, git, mail"), "{found:?}");
}

#[test]
fn variables_that_are_not_declared_are_told_all_with_the_lines_that_name_them() {
    let own = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\ndata:\n  run.sh: |\n    #!/bin/sh\n    echo ${ONE} ${TWO}\n    echo ${ONE} \
        $${THREE}\n    echo ${FOUR}\n";
    let expected =
        [("7:10: error", "ONE is not declared"), ("7:17: error", "TWO is not declared"), ("9:10: error", "FOUR is not declared")];
    assert_told(&told("", own), &expected);
}

#[test]
fn what_sops_or_kustomize_reads_is_told_as_that() {
    let sealed = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: shop}\nstringData: {password: 'ENC[AES256_GCM,data:abcd]'}\nsops: {version: 3.9.0, mac: 'ENC[x]'}\n";
    let found = told("", sealed);
    assert!(found[0].starts_with("own.yaml:5:1: error: sops encrypted this file") && found[0].contains("folder of secrets"), "{found:?}");
    assert!(!found.iter().any(|told| told.contains("in the clear")), "{found:?}");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("kustomization.yaml"), "resources: [a.yaml]\n").unwrap();
    let cluster = load("cluster.yaml", &HEAD.replace("own.yaml", "."), dir.path()).unwrap();
    let programs = Local::default();
    let shown = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = Beside { shown: &shown, taken: Vec::new(), version: None, cluster: Some(&cluster), programs: &programs };
    let found: Vec<String> = read_files(&cluster.manifests, &beside).findings.iter().map(ToString::to_string).collect();
    let expected =
        "kustomization.yaml:1:1: error: a kustomization is no object\n  hint: name its folder with `kustomize` instead of `path`";
    assert_eq!(found, [expected]);
}

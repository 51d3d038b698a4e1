//! What gives Services addresses, from the cluster file to its objects; and what is wrong with it, with its place.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::path::Path;

use kubestead_provision::file::{load, load_or};
use kubestead_provision::service::{Beside, Local, ServicesWanted, read_files};
use serde_json::{Value, json};

const HEAD: &str = "apiVersion: kubestead/v1\nkind: Cluster\nname: home\nkubernetes: {version: 1.37.1, bundle: /b}\nnodes:\n\
    - {name: cp1, address: 10.0.0.1, roles: [control-plane]}\n- {name: kube1, address: 10.0.0.2, taints: ['for=edge:NoSchedule']}\n\
    - {name: kube2, address: 10.0.0.3}\n- {name: kube3, address: 10.0.0.4}\n";
/// As a release has it: definitions among all else.
const RELEASE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: metallb-system}\n---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
    metadata: {name: bgppeers.metallb.io}\nspec:\n  group: metallb.io\n  scope: Namespaced\n  names: {plural: bgppeers, kind: BGPPeer}\n  conversion:\n    strategy: Webhook\n    \
    webhook: {clientConfig: {service: {name: w, namespace: metallb-system}}, conversionReviewVersions: [v1]}\n  versions:\n  - {name: v1beta2, served: true, storage: true}\n---\n\
    apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: controller, namespace: metallb-system}\nspec: {template: {spec: {containers: [{name: c, image: theirs}]}}}\n";

/// What a file with these services asks for.
fn wanted(services: &str) -> ServicesWanted {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("metallb.yaml", RELEASE), ("gateway.yaml", &RELEASE.replace("metallb", "other"))] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let cluster = load("cluster.yaml", &format!("{HEAD}{services}"), dir.path()).unwrap();
    let shown = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let programs = Local::default();
    let beside = Beside { shown: &shown, taken: Vec::new(), version: Some("1.37.1"), cluster: Some(&cluster), programs: &programs };
    read_files(&cluster.manifests, &beside)
}

fn errors(wanted: &ServicesWanted) -> Vec<String> {
    wanted.findings.iter().map(ToString::to_string).filter(|told| !told.contains("warning")).collect()
}

fn object<'a>(wanted: &'a ServicesWanted, kind: &str, name: &str) -> &'a Value {
    let mut all = wanted.services.iter().flat_map(|service| &service.manifests);
    all.find(|manifest| manifest["kind"] == kind && manifest["metadata"]["name"] == name).unwrap_or(&Value::Null)
}

fn answering(wanted: &ServicesWanted) -> &Value {
    &object(wanted, "L2Advertisement", "nodes")["spec"]["nodeSelectors"][0]["matchExpressions"][0]["values"]
}

#[test]
fn what_the_file_says_of_addresses_is_in_its_objects_and_of_a_release_the_definitions_alone_are_taken() {
    let text = "services:\n  loadBalancer:\n    addresses: [10.0.0.64/28, 10.0.0.100-10.0.0.109, 10.0.0.120]\n    definitions: {path: metallb.yaml}\n";
    let found = wanted(text);
    assert_eq!(errors(&found), Vec::<String>::new());
    let pool = &object(&found, "IPAddressPool", "addresses")["spec"];
    assert_eq!(pool["addresses"], json!(["10.0.0.64-10.0.0.79", "10.0.0.100-10.0.0.109", "10.0.0.120-10.0.0.120"]));
    assert_eq!((&pool["autoAssign"], object(&found, "IPAddressPool", "gateway")), (&json!(true), &Value::Null));
    // Pods begin on neither a control plane nor a node that a taint keeps them from.
    assert_eq!(answering(&found), &json!(["kube2", "kube3"]));
    let answers = &object(&found, "L2Advertisement", "nodes")["spec"];
    assert_eq!((&answers["ipAddressPools"], &answers["interfaces"]), (&json!(["addresses"]), &Value::Null));
    let definition = &object(&found, "CustomResourceDefinition", "bgppeers.metallb.io")["spec"];
    assert_eq!(definition["conversion"], json!({"strategy": "None"}), "no webhook is asked");
    assert_eq!(object(&found, "Namespace", "metallb-system"), &Value::Null);
    let homes: Vec<&Value> = found.services[0].manifests.iter().map(|manifest| &manifest["metadata"]["namespace"]).collect();
    assert!(homes.iter().all(|home| home.is_null() || **home == json!("metallb")), "{homes:?}");
    assert!(!found.findings.iter().any(|told| told.to_string().contains("theirs")), "what is left out has no images");

    let text = "services:\n  loadBalancer:\n    addresses: [10.0.0.64/28]\n    default: false\n    nodes: [cp1, kube1]\n    interfaces: [eth0, eth1]\n    \
        images: {speaker: 'example.org/speaker:v1'}\n    definitions: {path: metallb.yaml}\n";
    let found = wanted(text);
    assert_eq!(errors(&found), Vec::<String>::new());
    assert_eq!(object(&found, "IPAddressPool", "addresses")["spec"]["autoAssign"], false);
    assert_eq!(answering(&found), &json!(["cp1", "kube1"]));
    assert_eq!(object(&found, "L2Advertisement", "nodes")["spec"]["interfaces"], json!(["eth0", "eth1"]));
    let pod = &object(&found, "DaemonSet", "speaker")["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["image"], "example.org/speaker:v1");
    assert_eq!(pod["containers"][0]["securityContext"]["capabilities"], json!({"drop": ["ALL"], "add": ["NET_RAW"]}));
    assert_eq!(object(&found, "Secret", "memberlist"), &Value::Null, "no key of anybody is in a file");
}

#[test]
fn the_address_of_the_gateway_is_kept_for_it() {
    let text = |addresses: &str| {
        format!(
            "services:\n  gateway: {{address: 10.0.0.66, definitions: {{path: gateway.yaml}}}}\n  loadBalancer:\n    addresses: {addresses}\n    \
             definitions: {{path: metallb.yaml}}\n"
        )
    };
    let found = wanted(&text("[10.0.0.64/28, 10.0.0.100-10.0.0.109]"));
    assert_eq!(errors(&found), Vec::<String>::new());
    let spec = |name: &str| object(&found, "IPAddressPool", name)["spec"].clone();
    assert_eq!(spec("addresses")["addresses"], json!(["10.0.0.64-10.0.0.65", "10.0.0.67-10.0.0.79", "10.0.0.100-10.0.0.109"]));
    let kept = json!({"addresses": ["10.0.0.66/32"], "autoAssign": false, "serviceAllocation": {"namespaces": ["gateway"]}});
    assert_eq!(spec("gateway"), kept);
    assert_eq!(object(&found, "L2Advertisement", "nodes")["spec"]["ipAddressPools"], json!(["gateway", "addresses"]));
    // Where it is the only one, there is no pool of none.
    let found = wanted(&text("[10.0.0.66]"));
    assert_eq!(object(&found, "IPAddressPool", "addresses"), &Value::Null);
    assert_eq!(object(&found, "L2Advertisement", "nodes")["spec"]["ipAddressPools"], json!(["gateway"]));
}

#[test]
fn every_mistake_of_addresses_has_its_place() {
    let of = |fields: &str| format!("services: {{loadBalancer: {{definitions: {{path: x}}, {fields}}}}}\n");
    let addresses = |list: &str| of(&format!("addresses: [{list}]"));
    let keys = "services: {loadBalancer: {definitions: {path: x}, addresses: [10.0.0.48-10.0.0.60]}}\nkeys: {servers: [{host: locks, address: 10.0.0.50}]}\n".to_owned();
    let endpoint =
        "services: {loadBalancer: {definitions: {path: x}, addresses: [10.0.0.64/28]}}\nendpoint: {address: 10.0.0.70}\n".to_owned();
    let mut missed = Vec::new();
    for (text, at, words) in [
        ("services: {loadBalancer: {addresses: [10.0.0.64/28], definitions: {}}}\n".to_owned(), 67, "has no sum"),
        (of("nodes: [kube1]"), 26, "needs \"addresses\""),
        (addresses(""), 62, "names none"),
        (
            addresses("10.0.0.64/29, 10.0.0.71-10.0.0.80"),
            77,
            "10.0.0.71-10.0.0.80 and 10.0.0.64-10.0.0.71 (line 10) have addresses in common",
        ),
        (addresses("10.0.0.9-10.0.0.8"), 63, "is empty: its last address is before its first"),
        (addresses("10.0.0.65/28"), 63, "does not begin where its range begins"),
        (addresses("10.0.0.65/33"), 63, "not a number of bits"),
        (addresses("10.0.0.x"), 63, "is not an IPv4 address"),
        (addresses("'fd00::1-fd00::9'"), 63, "IPv6"),
        (addresses("'fd00::/64'"), 63, "IPv6"),
        (addresses("127.0.0.8"), 63, "every machine itself"),
        (addresses("223.255.255.0-224.0.0.9"), 63, "multicast"),
        (addresses("10.244.255.0-10.245.0.9"), 63, "has addresses of the range of pods, 10.244.0.0/16"),
        (addresses("10.96.0.0/24"), 63, "has addresses of the range of services, 10.96.0.0/12"),
        (addresses("10.0.0.2-10.0.0.9"), 63, "has the address of kube1, 10.0.0.2 (line 7)"),
        (addresses("10.0.0.0/29"), 63, "has the address of kube3, 10.0.0.4 (line 9)"),
        (keys, 63, "has the address of locks, 10.0.0.50"),
        (endpoint, 63, "has the address of the API, 10.0.0.70"),
        (of("addresses: [10.0.0.64/28], nodes: [kube9]"), 86, "no node is called kube9"),
        (of("addresses: [10.0.0.64/28], nodes: [kube1, kube1]"), 93, "names twice kube1"),
        (of("addresses: [10.0.0.64/28], interfaces: [cni0]"), 91, "cni0 leads to no other machine"),
        (of("addresses: [10.0.0.64/28], interfaces: [eth0, eth0]"), 97, "names twice eth0"),
        (of("addresses: [10.0.0.64/28], interfaces: []"), 90, "names none"),
        (of("addresses: [10.0.0.64/28], adresses: [x]"), 78, "has no field \"adresses\""),
        (
            of("addresses: [10.0.0.64/28]}, gateway: {definitions: {path: x}, nodes: [kube1], tcp: {m: {port: 7946}}"),
            145,
            "program listens at 7946",
        ),
        (
            of("addresses: [10.0.0.64/28]}, gateway: {definitions: {path: x}, address: 10.0.0.81"),
            122,
            "is none of services.loadBalancer.addresses",
        ),
    ] {
        let refused = load_or("cluster.yaml", &format!("{HEAD}{text}"), Path::new("/x"));
        let told: Vec<String> = refused.map_or_else(|refused| refused.found.iter().map(ToString::to_string).collect(), |_| Vec::new());
        if !told.iter().any(|line| line.contains(words) && line.contains(&format!("cluster.yaml:10:{at}:"))) {
            missed.push(format!("{text} {at} {words}: {told:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

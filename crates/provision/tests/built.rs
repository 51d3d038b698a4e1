//! The services that kubestead brings itself, from the cluster file to their objects: what they ask for, what the operator puts over it, and what is wrong.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

use std::path::Path;

use kubestead_core::kube::ObjectRef;
use kubestead_provision::file::{Cluster, load, load_or};
use kubestead_provision::service::{Beside, Local, ServicesWanted, read_files};
use serde_json::Value;

const HEAD: &str = "apiVersion: kubestead/v1\nkind: Cluster\nname: home\nnodes: [{name: kube1, address: 10.0.0.1, roles: [control-plane]}]\n\
    kubernetes: {version: 1.37.1, bundle: /b}\n";

fn cluster(text: &str) -> Cluster {
    load("cluster.yaml", &format!("{HEAD}{text}"), Path::new("/x")).unwrap_or_else(|found| panic!("{found:?}"))
}

fn read(cluster: &Cluster, programs: &Local) -> ServicesWanted {
    let shown = |path: &Path| path.display().to_string();
    read_files(&cluster.manifests, &Beside { shown: &shown, taken: Vec::new(), version: Some("1.37.1"), cluster: Some(cluster), programs })
}

fn wanted(text: &str) -> ServicesWanted {
    read(&cluster(text), &Local::default())
}

fn errors(wanted: &ServicesWanted) -> Vec<String> {
    wanted.findings.iter().map(ToString::to_string).filter(|told| !told.contains("warning")).collect()
}

fn told(text: &str) -> String {
    let refused = load_or("cluster.yaml", &format!("{HEAD}{text}"), Path::new("/x")).unwrap_err();
    refused.found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn object<'a>(wanted: &'a ServicesWanted, kind: &str, name: &str) -> &'a Value {
    let mut all = wanted.services.iter().flat_map(|service| &service.manifests);
    all.find(|manifest| manifest["kind"] == kind && manifest["metadata"]["name"] == name).unwrap()
}

/// All services that there are, with nothing said of them.
const ALL: &str = "services: {metrics: {}, dashboard: {}, logs: {}, dnsCache: {}}\n";
/// Those that read what is root's alone, or listen where only root may.
const ROOTS: [&str; 2] = ["logs", "dns-cache"];

#[test]
fn every_service_is_one_of_its_own_namespace_whose_containers_may_nothing_and_are_bounded() {
    let wanted = wanted(ALL);
    assert_eq!(errors(&wanted), Vec::<String>::new());
    assert!(wanted.services.iter().all(|service| service.whole && !service.manifests.is_empty()));
    for service in &wanted.services {
        let namespaces: Vec<&Value> = service.manifests.iter().filter(|manifest| manifest["kind"] == "Namespace").collect();
        assert!(namespaces.len() == 1, "{}", service.name);
        assert!(namespaces[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"].is_string(), "{}", service.name);
        for manifest in &service.manifests {
            let (object, spec) = (ObjectRef::of(manifest), &manifest["spec"]["template"]["spec"]);
            if spec.is_null() {
                continue;
            }
            let context = &spec["securityContext"];
            assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{object}");
            assert_eq!(context["runAsNonRoot"] == true, !ROOTS.contains(&service.name.as_str()), "{object}");
            for container in spec["containers"].as_array().unwrap() {
                let context = &container["securityContext"];
                assert!(context["readOnlyRootFilesystem"] == true && context["allowPrivilegeEscalation"] == false, "{object}");
                assert!(
                    context["capabilities"]["drop"][0] == "ALL" && container["resources"]["requests"]["memory"].is_string(),
                    "{object}"
                );
            }
        }
    }
}

#[test]
fn values_images_and_patches_reach_the_objects() {
    let digest = format!("registry.example.com:5000/ms:v1@sha256:{}", "0".repeat(64));
    let text = format!(
        "services:\n  metrics:\n    replicas: 2\n    image: {digest}\n    patches:\n    - apiVersion: apps/v1\n      kind: Deployment\n      \
         metadata: {{name: metrics-server, namespace: metrics-server, labels: {{team: ops}}}}\n      spec:\n        template:\n          spec:\n            \
         priorityClassName: null\n            containers:\n            - name: metrics-server\n              resources: {{requests: {{cpu: 10m}}}}\n"
    );
    let wanted = wanted(&text);
    assert_eq!(wanted.findings, [], "an image by its digest is no cause for a warning");
    let deployment = object(&wanted, "Deployment", "metrics-server");
    let spec = &deployment["spec"]["template"]["spec"];
    assert_eq!((&deployment["spec"]["replicas"], &deployment["metadata"]["labels"]["team"]), (&2.into(), &"ops".into()));
    assert!(spec["priorityClassName"].is_null() && spec["containers"].as_array().unwrap().len() == 1);
    let container = &spec["containers"][0];
    assert_eq!((container["image"].as_str().unwrap(), &container["resources"]["requests"]["cpu"]), (digest.as_str(), &"10m".into()));
    assert_eq!(container["resources"]["requests"]["memory"], "200Mi", "what the patch does not say stays");
}

#[test]
fn mistakes_are_told_with_their_places_in_the_cluster_file() {
    for (text, place, words) in [
        ("services: {metric: {}}\n", "6:12", "services has no field \"metric\""),
        ("services: {metrics: {replicas: 9}}\n", "6:32", "must be 1 to 5"),
        ("services: {metrics: {replica: 1}}\n", "6:22", "has no field \"replica\""),
        ("services: {metrics: {image: 'a b'}}\n", "6:29", "no reference of an image"),
        ("services: {metrics: {patches: [{kind: Service}]}}\n", "6:32", "does not say of which object"),
        ("services: {logs: {folder: srv}}\n", "6:27", "no absolute path"),
        ("services: {logs: {folder: /srv/../etc}}\n", "6:27", "no absolute path"),
        ("services: {logs: {syslog: {}}}\n", "6:27", "address"),
        ("services: {logs: {syslog: {address: 'logs.example.com'}}}\n", "6:37", "no name with a port"),
        ("services: {logs: {syslog: {address: 'logs.example.com:0'}}}\n", "6:37", "no name with a port"),
        ("services: {logs: {syslog: {address: 'a\\\"b:6514'}}}\n", "6:37", "no name with a port"),
        ("services: {logs: {syslog: {address: 'a:1', ca: none.crt}}}\n", "6:48", "cannot be read"),
        ("services: {dnsCache: {address: 169.254.1.1}}\n", "6:23", "has no field \"address\""),
        ("services: {dnsCach: {}}\n", "6:12", "no field \"dnsCach\""),
        ("services: {dnsCache: {}}\nnetwork: {podSubnet: 169.254.0.0/16}\n", "7:22", "which mean one link"),
        ("services: {dnsCache: {}}\nnetwork: {serviceSubnet: 169.254.16.0/20}\n", "7:26", "which mean one link"),
        ("services: {dnsCache: {}}\nmanifests: {dns-cache: {path: m}}\n", "7:13", "a service that `services` asks for"),
        ("services: {metrics: {}}\nmanifests: {metrics: {path: m}}\n", "7:13", "a service that `services` asks for"),
        ("manifests: {a: {path: m, needs: [metrics]}}\n", "6:34", "no service is called metrics"),
        ("manifests: {a: {release: {url: 'https://e.org/x.yaml'}}}\n", "6:26", "no sum"),
        ("manifests: {a: {release: {url: 'http://e.org/x.yaml', sha256: x}}}\n", "6:32", "not an address of https"),
        ("manifests: {a: {release: {path: x, sha256: x}}}\n", "6:26", "what is downloaded"),
    ] {
        let all = told(text);
        let at = format!("cluster.yaml:{place}:");
        assert!(all.lines().any(|line| line.starts_with(&at) && line.contains(words)), "{text}: {all}");
    }
    assert!(told("services: {metric: {}}\n").contains("did you mean \"metrics\""));
    let with = |patch: &str| wanted(&format!("services: {{metrics: {{patches: [{patch}]}}}}\n"));
    for (patch, words) in [
        ("{apiVersion: v1, kind: Service, metadata: {name: other, namespace: metrics-server}}", "no object of this service"),
        ("{apiVersion: v1, kind: Service, metadata: {name: metrics-server, namespace: metrics-server}, status: {a: b}}", "a status is"),
        (
            "{apiVersion: v1, kind: Service, metadata: {name: metrics-server, namespace: metrics-server, labels: {kubestead.io/x: 'v'}}}",
            "kubestead's to write",
        ),
        (
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: kubestead-metrics-server, namespace: kube-system}, \
             roleRef: {name: other}}",
            "are for the cluster itself",
        ),
        (
            "{apiVersion: apps/v1, kind: Deployment, metadata: {name: metrics-server, namespace: metrics-server}, \
             spec: {template: {spec: {containers: [{name: metric-server, args: [--v=2]}]}}}}",
            "the container \"metric-server\" has no image",
        ),
    ] {
        let found = with(patch);
        let errors = errors(&found);
        assert!(errors.len() == 1 && errors[0].contains(words), "{patch}: {errors:?}");
        assert!(!found.services[0].whole, "nothing of it is applied");
    }
    assert!(
        errors(&with("{apiVersion: v1, kind: Service, metadata: {name: other, namespace: metrics-server}}"))[0]
            .starts_with("cluster.yaml:6:")
    );
}

#[test]
fn a_service_of_ones_own_may_need_one_that_kubestead_brings_and_none_may_bind_itself_in_kube_system() {
    let dir = tempfile::tempdir().unwrap();
    let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a, namespace: kube-system}\n\
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: extension-apiserver-authentication-reader}\n";
    std::fs::write(dir.path().join("a.yaml"), binding).unwrap();
    let text = format!("{HEAD}services: {{metrics: {{}}}}\nmanifests: {{a: {{path: a.yaml, needs: [metrics]}}}}\n");
    let cluster = load("cluster.yaml", &text, dir.path()).unwrap();
    let names: Vec<&str> = cluster.manifests.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["metrics", "a"]);
    let wanted = read(&cluster, &Local::default());
    assert!(errors(&wanted).len() == 1 && errors(&wanted)[0].contains("are for the cluster itself"), "{:?}", wanted.findings);
}

#[test]
fn a_release_is_read_from_a_file_and_one_that_was_downloaded_is_taken_by_its_sum() {
    let dir = tempfile::tempdir().unwrap();
    // Tools write a status that says nothing, and an annotation with ${NAME} that is none of ours.
    let text =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop, annotations: {a: '${NAME}'}}\nstatus: {conditions: []}\n";
    std::fs::write(dir.path().join("a.yaml"), text).unwrap();
    let sum = kubestead_core::put::digest(text);
    let programs = Local { cache: Some(dir.path().join("cache")), ..Local::default() };
    let read = |release: &str| {
        let text = format!("{HEAD}manifests: {{a: {{release: {{{release}}}}}}}\n");
        read(&load("cluster.yaml", &text, dir.path()).unwrap(), &programs)
    };
    assert_eq!(errors(&read("path: a.yaml")), Vec::<String>::new());
    // 127.0.0.1:9 answers nothing: what is kept is not asked for.
    let url = format!("url: 'https://127.0.0.1:9/a.yaml', sha256: '{sum}'");
    assert!(errors(&read(&url))[0].contains("curl"), "{:?}", errors(&read(&url)));
    std::fs::create_dir(dir.path().join("cache")).unwrap();
    std::fs::write(dir.path().join(format!("cache/{sum}.yaml")), text).unwrap();
    let found = read(&url);
    assert!(
        found.findings.is_empty() && found.services[0].manifests[0]["metadata"]["annotations"]["a"] == "${NAME}",
        "{:?}",
        found.findings
    );
    std::fs::write(dir.path().join(format!("cache/{sum}.yaml")), "changed").unwrap();
    assert!(!read(&url).services[0].whole, "what was kept is compared each time");
}

#[test]
fn the_cache_of_names_asks_the_clusters_own_service_by_tcp_and_starts_again_when_that_is_elsewhere() {
    let of = |text: &str| {
        let wanted = wanted(text);
        let settings = object(&wanted, "ConfigMap", "cache")["data"]["Corefile"].as_str().unwrap().to_owned();
        (settings, object(&wanted, "DaemonSet", "cache")["spec"]["template"].clone())
    };
    let (settings, pod) = of("services: {dnsCache: {}}\n");
    let lines: Vec<&str> = settings.lines().map(str::trim).collect();
    assert_eq!(lines[0], "cluster.local in-addr.arpa ip6.arpa {");
    assert_eq!(lines.iter().filter(|line| **line == "bind 169.254.20.10").count(), 2, "it listens nowhere else: {settings}");
    assert!(lines.windows(2).any(|two| two == ["forward . 10.96.0.10 {", "force_tcp"]), "{settings}");
    assert!(pod["spec"]["hostNetwork"] == true && pod["spec"]["automountServiceAccountToken"] == false);
    let container = &pod["spec"]["containers"][0];
    assert!(container["image"] == "registry.k8s.io/coredns/coredns:v1.14.6" && container["ports"].is_null(), "no port of a node is taken");
    assert_eq!(container["securityContext"]["capabilities"]["add"], serde_json::json!(["NET_BIND_SERVICE"]));
    let (elsewhere, other) = of("services: {dnsCache: {}}\nnetwork: {serviceSubnet: 10.100.0.0/16, dnsDomain: k8s.example.com}\n");
    assert!(elsewhere.contains("k8s.example.com in-addr.arpa") && elsewhere.contains("forward . 10.100.0.10 {"), "{elsewhere}");
    assert_ne!(pod["metadata"]["annotations"], other["metadata"]["annotations"]);
}

#[test]
fn a_kubelet_that_names_other_resolvers_and_the_cache_of_names_are_a_mistake() {
    let head = HEAD.replace("version: 1.37.1", "version: 1.37.1, kubelet: {other: {clusterDNS: [10.96.0.10]}}");
    let all = head.replace("roles:", "kubelet: {other: {clusterDNS: [10.0.0.2]}}, roles:");
    let refused = load_or("cluster.yaml", &format!("{all}services: {{dnsCache: {{}}}}\n"), Path::new("/x")).unwrap_err();
    let told: Vec<String> = refused.found.iter().map(ToString::to_string).collect();
    for (line, who) in told.iter().zip(["kubernetes.kubelet", "the kubelet of kube1"]) {
        assert!(line.starts_with("cluster.yaml:6:22:") && line.contains(who), "{told:?}");
    }
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(load("cluster.yaml", &all, Path::new("/x")).is_ok());
}

/// The settings of the collector.
fn settings(wanted: &ServicesWanted) -> (String, String) {
    let of = |name, key: &str| object(wanted, "ConfigMap", name)["data"][key].as_str().unwrap().to_owned();
    (of("collector", "read.yaml"), of("sink", "send.yaml"))
}

#[test]
fn logs_go_to_a_server_or_into_a_file_and_the_collector_starts_again_when_its_settings_change() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=logs"])
        .args(["-keyout", &path("key"), "-out", &path("ca.crt"), "-days", "30"])
        .output()
        .unwrap();
    assert!(made.status.success());
    let pem = std::fs::read_to_string(dir.path().join("ca.crt")).unwrap();
    let with = |fields: &str| wanted(&format!("services: {{logs: {{{fields}}}}}\n"));
    let note = |wanted: &ServicesWanted| {
        object(wanted, "DaemonSet", "collector")["spec"]["template"]["metadata"]["annotations"]["settings/sha256"]
            .as_str()
            .unwrap()
            .to_owned()
    };

    let file = with("folder: /srv/logs");
    assert_eq!(errors(&file), Vec::<String>::new());
    let volumes = &object(&file, "DaemonSet", "collector")["spec"]["template"]["spec"]["volumes"];
    assert_eq!(volumes[2]["hostPath"]["path"], "/srv/logs");
    let (read, send) = settings(&file);
    assert!(send.contains("path: /data/logs.json") && read.contains("${env:NODE}"), "what is the collector's to fill in stays: {read}");

    let server = with(&format!("syslog: {{address: 'logs.example.com:6514', ca: {}}}", path("ca.crt")));
    assert_eq!(errors(&server), Vec::<String>::new());
    let (_, send) = settings(&server);
    for line in ["endpoint: \"logs.example.com\"", "port: 6514", "tls: {ca_file: \"/etc/collector/ca.crt\", max_version: \"1.2\"}"] {
        assert!(send.contains(line), "{line}: {send}");
    }
    assert_eq!(object(&server, "ConfigMap", "collector")["data"]["ca.crt"], pem.as_str());
    let trusted = with("syslog: {address: 'logs.example.com:6514'}");
    assert!(settings(&trusted).1.contains("tls: {ca_file: \"\", max_version: \"1.2\"}"));
    let notes = [note(&file), note(&server), note(&trusted), note(&with("syslog: {address: 'logs.example.com:6515'}"))];
    assert_eq!(notes.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "{notes:?}");
    assert_eq!(note(&file), note(&with("folder: /srv/logs")));
}

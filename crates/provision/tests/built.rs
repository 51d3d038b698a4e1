//! The services that kubestead brings itself, from the cluster file to their objects: what they ask for, what the operator puts over it, and what is wrong.
#![allow(clippy::unwrap_used)] // a test fails by it

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
const ALL: &str = "services: {metrics: {}, dashboard: {}}\n";

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
            assert_eq!(
                (&spec["securityContext"]["runAsNonRoot"], &spec["securityContext"]["seccompProfile"]["type"]),
                (&true.into(), &"RuntimeDefault".into()),
                "{object}"
            );
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

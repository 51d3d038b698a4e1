//! What pods may, by the rules of this program: each pod that is tried on a real API server, without one.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

#[path = "api/pods.rs"]
mod pods;

use std::path::Path;

use kubestead_provision::file::{self, PodSecurity};
use kubestead_provision::objects;
use pods::{GRANTS, baseline, granted, pod};

fn policy(section: &str) -> PodSecurity {
    let text = format!(
        "apiVersion: kubestead/v1\nkind: Cluster\nname: c\nnodes: [{{name: n, address: 192.0.2.1, roles: [control-plane]}}]\n\
         namespace:\n  name: pods\n  podSecurity: {section}"
    );
    file::load("c.yaml", &text, Path::new("/x")).unwrap().namespace.unwrap().pod_security.unwrap()
}

#[test]
fn a_pod_that_is_granted_what_it_takes_is_refused_nothing() {
    let policy = policy(GRANTS);
    for (name, account, more, refusal) in granted() {
        let found = objects::beyond(&pod("pods", name, account, &more));
        let refused: Vec<String> = found.iter().flat_map(|found| found.refused(&policy)).map(ToString::to_string).collect();
        assert_eq!(!refused.is_empty(), refusal.is_some(), "{name}: {refused:?}");
    }
}

#[test]
fn without_grants_nothing_beyond_the_baseline_is_taken() {
    let none = policy("{}");
    for (name, more) in baseline() {
        let found = objects::beyond(&pod("pods", "p", "default", &more));
        assert_eq!(found.as_ref().map(|found| found.uses.len()), found.as_ref().map(|found| found.refused(&none).len()), "{name}");
    }
    assert!(policy(GRANTS).is_baseline() != none.is_baseline());
}

#[test]
fn no_shape_of_a_pod_is_a_panic() {
    use serde_json::{Value, json};
    let shapes = [json!(null), json!(7), json!("x"), json!([[]]), json!({}), json!({"hostPort": -1}), json!([{"hostPort": 99_999_999}])];
    for shape in &shapes {
        for key in ["metadata", "spec", "status"] {
            objects::beyond(&json!({key: shape}));
        }
        for key in ["containers", "volumes", "hostNetwork", "securityContext", "serviceAccountName"] {
            objects::beyond(&json!({"spec": {key: shape}}));
            objects::beyond(&json!({"spec": {"containers": [{key: shape, "ports": shape, "volumeMounts": shape}]}}));
        }
        objects::beyond(shape);
    }
    let odd = objects::beyond(&json!({"metadata": {"name": "x".repeat(9999)}, "spec": {"hostNetwork": "yes"}})).unwrap();
    assert!(odd.pod.len() == 256 && odd.uses.len() == 1, "{odd:?}");
    let _: Value = serde_json::to_value(odd).unwrap();
}

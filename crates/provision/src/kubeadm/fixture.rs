//! A cluster for tests.

use std::collections::BTreeMap;

use kubestead_core::name::Name;

use super::spec::KubeadmSpec;
use crate::encryption::EncryptionSpec;

/// A cluster with all that a file may leave out.
pub(super) fn spec() -> KubeadmSpec {
    KubeadmSpec {
        name: Name::new("home").unwrap(),
        version: "1.37.1".into(),
        endpoint: "10.0.0.11:6443".into(),
        first: Name::new("cp1").unwrap(),
        hostnames: BTreeMap::new(),
        pods: "10.244.0.0/16".into(),
        services: "10.96.0.0/12".into(),
        dns_domain: "cluster.local".into(),
        pods_here: false,
        encryption: EncryptionSpec::default(),
        added: Box::default(),
        ignore_preflight: vec![],
        lab: false,
    }
}

//! metrics-server (v0.9.0), which asks kubelets what their pods use and answers for `metrics.k8s.io`.

use std::collections::BTreeMap;

use super::{Made, users};
use crate::file::Cluster;

/// metrics-server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// How many of it run.
    pub replicas: u64,
}

impl Metrics {
    /// The image that it usually has.
    pub const IMAGE: &str = "registry.k8s.io/metrics-server/metrics-server:v0.9.0";

    pub(super) fn made(&self, cluster: &Cluster) -> Made {
        let own =
            [("metrics: access.yaml", include_str!("access.yaml").into()), ("metrics: server.yaml", include_str!("server.yaml").into())];
        let readers = users::bound(cluster, "ClusterRoleBinding", "kubestead:metrics-reader", None);
        Made {
            manifests: own.into_iter().chain(readers.map(|text| ("metrics: readers", text.into()))).collect(),
            variables: BTreeMap::from([("REPLICAS", self.replicas.to_string())]),
            images: &[("IMAGE", Self::IMAGE)],
            releases: Vec::new(),
            parts: Vec::new(),
        }
    }
}

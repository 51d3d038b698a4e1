//! Headlamp: the cluster in a browser. It has no rights of its own: whoever logs in brings a token, and may what that may.

use std::collections::BTreeMap;

use super::{Made, users};
use crate::file::Cluster;

/// Headlamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dashboard;

impl Dashboard {
    /// The image that it usually has.
    pub const IMAGE: &str = "ghcr.io/headlamp-k8s/headlamp:v0.43.0";

    pub(super) fn made(cluster: &Cluster) -> Made {
        Made {
            manifests: [("dashboard: headlamp.yaml", include_str!("headlamp.yaml").into())]
                .into_iter()
                .chain(users::bound(cluster, "RoleBinding", "visitors", Some("headlamp")).map(|text| ("dashboard: visitors", text.into())))
                .collect(),
            variables: BTreeMap::new(),
            images: &[("IMAGE", Self::IMAGE)],
            releases: Vec::new(),
            parts: Vec::new(),
        }
    }
}

//! The end of the cluster.

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::{BadPlan, Plan};

use super::domains::{self, kinds};
use super::{Action, Seen};
use crate::file::Cluster;

/// The plan that ends the cluster and keeps its machines' volumes, software and keys, but for the volumes that are named, as node and
/// volume: those are wiped.
pub fn reset(cluster: &Cluster, seen: &Seen, wipe: &[(Name, Name)]) -> Result<Plan<Action>, BadPlan> {
    let mut part = domains::kubeadm::reset(cluster, seen).map(Action::Kubeadm);
    for (node, volume) in wipe {
        let stays = part.held.iter().any(|held| held.on_host() == Some(node.as_str()));
        if let (false, Some(found)) = (stays, seen.nodes.get(node).and_then(Fact::known)) {
            part.extend(domains::storage::wipe(cluster, node, volume, found));
        }
    }
    Plan::new(cluster.digest.clone(), String::new(), part.without_idle(&kinds()))
}

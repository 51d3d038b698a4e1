//! Volumes that are opened with their recovery keys, as nothing else opened them.

use kubestead_core::fact::Fact;
use kubestead_core::key::KeyRef;
use kubestead_core::plan::{BadPlan, Held, Part, Plan};
use kubestead_storage::action::Action as Deed;
use kubestead_storage::plan as planner;

use super::domains::{self, kinds};
use super::{Action, Seen};
use crate::file::Cluster;

/// The plan that opens and mounts the closed volumes of all nodes of the file. Empty if none is closed.
pub fn unlock(cluster: &Cluster, seen: &Seen) -> Result<Plan<Action>, BadPlan> {
    let mut part = Part::default();
    for node in &cluster.nodes {
        match seen.nodes.get(&node.name) {
            Some(Fact::Known(found)) => {
                let spec = domains::storage::spec(cluster, &node.name);
                let mut own = planner::unlock(&spec, &found.storage);
                let lost = |action: &Deed| match action {
                    Deed::Unlock { volume } => Some(volume.name.clone()).filter(|volume| {
                        let KeyRef(key) = KeyRef::recovery(node.name.as_str(), volume.as_str());
                        !seen.escrow.contains(&key)
                    }),
                    _ => None,
                };
                for volume in own.steps.iter().filter_map(|step| lost(&step.action)) {
                    let hint = "restore it from the repository's history (secrets/escrow), or open the volume by another key of yours";
                    own.held.push(Held::on(&node.name, volume, "its recovery key is not in the escrow", hint));
                }
                let whole = own.held.is_empty();
                own.steps.retain(|step| lost(&step.action).is_none() && (whole || step.action != Deed::Resume));
                part.extend(own.map(Action::Storage));
            }
            Some(Fact::Unknown(gap)) => {
                let mut held = Held::host(&node.name, gap.to_string(), "nothing is unlocked on a machine that is not seen");
                held.unreachable = seen.unreachable.contains(&node.name);
                part.held.push(held);
            }
            Some(Fact::Absent) | None => part.held.push(Held::host(&node.name, "it was not looked at", "try again")),
        }
    }
    Plan::new(cluster.digest.clone(), String::new(), part.without_idle(&kinds()))
}

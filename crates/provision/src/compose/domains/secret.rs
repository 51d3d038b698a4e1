//! Kubernetes Secrets of the folder.

use kubestead_core::fact::Fact;
use kubestead_core::plan::Part;
use kubestead_core::probe::Answers;

use super::super::{Seen, order};
use super::Wanted;
use crate::file::Cluster;
use crate::kubeadm::KubeadmSpec;
use crate::secret::{self, SecretFacts, SecretsWanted};

/// What the folder of secrets asks for; empty if the file asks for no Kubernetes. `shown` is the folder as messages name it.
pub fn wish(cluster: &Cluster, shown: &str) -> SecretsWanted {
    if cluster.kubernetes.is_some() { secret::read_folder(&cluster.secrets, shown) } else { SecretsWanted::default() }
}

pub(in super::super) fn read(wanted: &Wanted<'_>, answers: &Answers) -> Fact<SecretFacts> {
    super::if_there(secret::read(answers, wanted.wish))
}

/// `fresh`: the cluster has yet to begin.
pub(in super::super) fn plan(cluster: &Cluster, spec: &KubeadmSpec, seen: &Seen, fresh: bool) -> Part<secret::Action> {
    let facts = if fresh { &Fact::Absent } else { &seen.secrets };
    let made = cluster.namespace.as_ref().map(|namespace| &namespace.name);
    secret::plan(&seen.wish, facts, made, &order::before_asking(spec))
}

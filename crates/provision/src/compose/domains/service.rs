//! Services, the users' own and kubestead's.

use std::path::Path;

use kubestead_core::fact::{Fact, Gap};
use kubestead_core::plan::Part;

use super::super::{Seen, order};
use super::{kubeadm as membership, node, objects};
use crate::file::Cluster;
use crate::fleet::Fleet;
use crate::kubeadm::KubeadmSpec;
use crate::objects::ApiFacts;
use crate::secret::{SecretSpec, SecretsWanted};
use crate::service::{self, Around, Beside, Programs, ServiceFacts, ServicesWanted};

/// What services ask for, read and rendered; nothing if the cluster file asks for no Kubernetes. `secrets` is what the folder of secrets asks for,
/// `shown` a path as messages name it.
pub fn services(cluster: &Cluster, secrets: &SecretsWanted, programs: &dyn Programs, shown: &dyn Fn(&Path) -> String) -> ServicesWanted {
    let Some(kubernetes) = &cluster.kubernetes else { return ServicesWanted::default() };
    let own = objects::names(cluster).into_iter().map(|object| (object, "kubestead makes it itself".to_owned()));
    let of_folder = secrets.secrets.iter().map(|secret| (secret.object(), format!("{} of the folder of secrets does so too", secret.file)));
    let taken = own.chain(of_folder).collect();
    let beside = Beside { shown, taken, version: Some(&kubernetes.version), cluster: Some(cluster), programs };
    let mut wanted = service::read_files(&cluster.manifests, &beside);
    wanted.findings.extend(node::files(kubernetes, &wanted.images, shown));
    wanted
}

/// Looks through the API, where there is something to look for: a cluster without services is asked for nothing.
pub(in super::super) async fn look(cluster: &Cluster, fleet: &Fleet, wanted: &ServicesWanted, api: &Fact<ApiFacts>) -> Fact<ServiceFacts> {
    let api = match api {
        Fact::Known(api) if api.answers => api,
        // That nothing is known is said of the API itself.
        Fact::Known(_) | Fact::Unknown(_) | Fact::Absent => return Fact::Absent,
    };
    let records = service::records(&api.objects);
    if wanted.services.is_empty() && records.is_empty() {
        return Fact::Known(ServiceFacts::default());
    }
    let seen = async {
        let first = membership::first(cluster).ok_or_else(|| Gap::new("the file has no control plane"))?;
        let kube = fleet.kube(first).await.ok_or_else(|| Gap::new(format!("{first} is not connected")))?;
        let kube = kube.map_err(|error| Gap::new(format!("services: {error}")))?;
        service::observe(kube.as_ref(), wanted, &records).await
    };
    Fact::from_result(seen.await)
}

/// Whether what a service runs was seen to be ready.
pub(in super::super) fn answers(seen: &Seen, service: &str) -> bool {
    seen.services.known().is_some_and(|facts| {
        let own: Vec<_> =
            facts.objects.iter().map(|found| &found.live).filter(|live| live.ours && live.service() == Some(service)).collect();
        let unready = |object| facts.unready.iter().any(|(other, _)| other == object);
        !own.is_empty() && !own.iter().any(|live| unready(&live.object))
    })
}

/// `fresh`: the cluster has yet to begin.
pub(in super::super) fn plan(cluster: &Cluster, spec: &KubeadmSpec, seen: &Seen, fresh: bool) -> Part<service::Action> {
    let facts = if fresh { &Fact::Absent } else { &seen.services };
    let records = seen.api.known().filter(|_| !fresh).map(|api| service::records(&api.objects)).unwrap_or_default();
    let own = objects::names(cluster);
    let namespaces = own.iter().filter(|object| object.kind == "Namespace").map(|object| object.name.clone()).collect();
    let asked = own.into_iter().chain(seen.wish.secrets.iter().map(SecretSpec::object)).collect();
    let around = Around { after: order::before_asking(spec), namespaces, asked };
    service::plan(&seen.asked, facts, &records, &around)
}

//! What the API server is asked in the one probe, by name: what is asked and what is read of the answers go by the same list.

use std::collections::BTreeMap;

use kubestead_core::kube::ObjectRef;
use kubestead_core::name::Name;

use super::marks::selector;
use super::namespaces::WORKLOADS;

/// Marks the end of an answer, before its HTTP status.
const MARK: &str = "\n@@status ";

/// A kind of our objects, and where the API lists it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub version: &'static str,
    pub kind: &'static str,
    path: &'static str,
}

const fn kind(version: &'static str, kind: &'static str, path: &'static str) -> Kind {
    Kind { version, kind, path }
}

const RBAC: &str = "rbac.authorization.k8s.io/v1";
/// Volumes are many: they are never asked for one by one.
const VOLUME: Kind = kind("v1", "PersistentVolume", "/api/v1/persistentvolumes");
const ADMISSION: &str = "admissionregistration.k8s.io/v1";
pub(super) static KINDS: [Kind; 14] = [
    kind("v1", "Namespace", "/api/v1/namespaces"),
    VOLUME,
    kind("v1", "ServiceAccount", "/api/v1/serviceaccounts"),
    kind("v1", "ConfigMap", "/api/v1/configmaps"),
    kind("v1", "LimitRange", "/api/v1/limitranges"),
    kind("v1", "ResourceQuota", "/api/v1/resourcequotas"),
    kind(RBAC, "Role", "/apis/rbac.authorization.k8s.io/v1/roles"),
    kind(RBAC, "RoleBinding", "/apis/rbac.authorization.k8s.io/v1/rolebindings"),
    kind(RBAC, "ClusterRole", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    kind(RBAC, "ClusterRoleBinding", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
    kind("storage.k8s.io/v1", "StorageClass", "/apis/storage.k8s.io/v1/storageclasses"),
    kind("apps/v1", "DaemonSet", "/apis/apps/v1/daemonsets"),
    kind(ADMISSION, "ValidatingAdmissionPolicy", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"),
    kind(ADMISSION, "ValidatingAdmissionPolicyBinding", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"),
];

/// A list that is asked for at every look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum List {
    /// Whether the API server is ready.
    Ready,
    /// The nodes.
    Nodes,
    /// DaemonSets that kubeadm made; a topic's are among ours.
    DaemonSets,
    /// Deployments that kubeadm made.
    Deployments,
    /// The pods of the cluster's own workloads in a namespace.
    Pods(&'static str),
    /// Which version answers.
    Version,
    /// Our objects of a kind.
    Ours(&'static Kind),
}

/// How many lists are asked for before those of Secrets. After those come the objects that are asked for by name.
pub const LISTS: usize = 5 + WORKLOADS.len() + KINDS.len();

impl List {
    /// All, in the order in which they are asked for.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let first = [Self::Ready, Self::Nodes, Self::DaemonSets, Self::Deployments];
        first.into_iter().chain(WORKLOADS.map(Self::Pods)).chain([Self::Version]).chain(KINDS.iter().map(Self::Ours))
    }

    /// Where the API has it.
    pub(super) fn path(self) -> String {
        match self {
            Self::Ready => "/readyz".to_owned(),
            Self::Nodes => "/api/v1/nodes".to_owned(),
            Self::DaemonSets => "/apis/apps/v1/namespaces/kube-system/daemonsets".to_owned(),
            Self::Deployments => "/apis/apps/v1/namespaces/kube-system/deployments".to_owned(),
            Self::Pods(namespace) => format!("/api/v1/namespaces/{namespace}/pods"),
            Self::Version => "/version".to_owned(),
            Self::Ours(kind) => kind.path.to_owned(),
        }
    }

    /// What of it is asked for.
    fn query(self) -> String {
        let path = self.path();
        if matches!(self, Self::Ours(_)) { format!("{path}?{}", selector()) } else { path }
    }
}

/// What is asked for by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// kubeadm's record of the cluster.
    Record,
    /// An object that the file asks for, whoever made it; of volumes, all that do not carry our label.
    Objects(&'static Kind),
    /// The pods of the users' namespace.
    Pods,
}

/// The most pods of it: a page, and no more pages are asked for.
const PODS: usize = 1000;

/// kubeadm's record of the cluster.
const RECORD: &str = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config";

/// Where the API has an object of a kind that we apply; `None` for other kinds.
fn path(object: &ObjectRef) -> Option<(Named, String)> {
    let kind = KINDS.iter().find(|kind| kind.version == object.api_version && kind.kind == object.kind)?;
    let (group, plural) = kind.path.rsplit_once('/')?;
    let path = match object.namespace.as_str() {
        "" => format!("{}/{}", kind.path, object.name),
        namespace => format!("{group}/namespaces/{namespace}/{plural}/{}", object.name),
    };
    Some((Named::Objects(kind), path))
}

/// What is asked for by name, and where the API has it; `pods`: the namespace whose pods are asked for.
pub(super) fn by_name(names: &[ObjectRef], pods: Option<&Name>) -> Vec<(Named, String)> {
    let is_volume = |name: &&ObjectRef| name.kind == VOLUME.kind;
    let strangers = || (Named::Objects(&VOLUME), format!("{}?{}", VOLUME.path, selector().replace("%3D", "%21%3D")));
    let named = names.iter().filter(|name| !is_volume(name)).filter_map(path);
    let pods = pods.map(|namespace| (Named::Pods, format!("/api/v1/namespaces/{namespace}/pods?limit={PODS}")));
    let record = std::iter::once((Named::Record, RECORD.to_owned()));
    record.chain(named).chain(names.iter().find(is_volume).map(|_| strangers())).chain(pods).collect()
}

/// The paths of all that is asked for, in the order of the answers.
pub(super) fn paths(secrets: &[String], names: &[ObjectRef], pods: Option<&Name>) -> Vec<String> {
    let whole = |path: String| format!("{path}{}includeObject=Object", if path.contains('?') { '&' } else { '?' });
    let named = by_name(names, pods).into_iter().map(|(_, path)| whole(path));
    List::all().map(|list| whole(list.query())).chain(secrets.iter().cloned()).chain(named).collect()
}

/// An answer with its HTTP status, `000` for none.
pub(crate) type Body<'a> = (&'a str, &'a str);

/// The answers of a section that asks the API server, each with its status.
pub(crate) fn bodies(text: &str) -> Vec<Body<'_>> {
    let mut bodies = Vec::new();
    let mut rest = text;
    while let Some((body, after)) = rest.split_once(MARK) {
        let (status, after) = after.split_once('\n').unwrap_or((after, ""));
        bodies.push((body, status));
        rest = after;
    }
    bodies
}

/// The answers to so many paths of Secrets.
pub(crate) fn of_secrets(text: &str, count: usize) -> Vec<Body<'_>> {
    bodies(text).into_iter().skip(LISTS).take(count).collect()
}

/// The answers of the API server by what was asked.
pub(super) struct Told<'a> {
    lists: BTreeMap<List, &'a str>,
    /// Those to [`by_name`], in its order; `None` if they were cut off.
    pub named: Option<Vec<Body<'a>>>,
}

/// Why there are no answers to all lists.
pub(super) enum Refused<'a> {
    /// A list is answered with another status than 200.
    Status(List, &'a str),
    /// The answers end before the last list.
    Cut,
}

impl<'a> Told<'a> {
    /// Reads the answers for so many paths of Secrets and so many names.
    pub(super) fn read(text: &'a str, secrets: usize, names: usize) -> Result<Self, Refused<'a>> {
        let all = bodies(text);
        let mut lists = BTreeMap::new();
        for (list, (body, status)) in List::all().zip(&all) {
            if *status != "200" {
                return Err(Refused::Status(list, status));
            }
            lists.insert(list, *body);
        }
        if lists.len() != LISTS {
            return Err(Refused::Cut);
        }
        let named = all.get(LISTS + secrets..).filter(|tail| tail.len() == names).map(<[Body<'a>]>::to_vec);
        Ok(Self { lists, named })
    }

    pub(super) fn list(&self, list: List) -> &'a str {
        self.lists.get(&list).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_list_is_asked_for_once_and_counted() {
        let paths: std::collections::BTreeSet<String> = List::all().map(List::query).collect();
        assert_eq!((paths.len(), List::all().count()), (LISTS, LISTS), "what is asked for later begins where these end");
    }

    #[test]
    fn an_answer_is_found_by_what_was_asked_and_not_by_its_place() {
        let text: String = List::all().map(|list| format!("{list:?}\n@@status 200\n")).collect();
        let told = Told::read(&text, 0, 0).unwrap_or_else(|_| unreachable!());
        assert!(List::all().all(|list| told.list(list) == format!("{list:?}")));
        let refused = text.replacen("Version\n@@status 200", "Version\n@@status 403", 1);
        assert!(matches!(Told::read(&refused, 0, 0), Err(Refused::Status(List::Version, "403"))));
    }
}

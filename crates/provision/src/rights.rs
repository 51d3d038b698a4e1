//! Who may what in the API of a cluster, as the API server itself decides it (`SubjectAccessReview`): nothing is tried, and nothing changes.

use std::fmt;

use futures::stream::{self, StreamExt, TryStreamExt};
use kubestead_core::kube::{Api, KubeError, Resources};
use kubestead_core::name::Name;
use serde::Serialize;
use serde_json::{Value, json};

use crate::file::Namespace;

/// How many questions are asked side by side.
const AT_ONCE: usize = 8;

/// Somebody who may or may not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// What a person calls it.
    pub name: String,
    /// The user, as the API server knows it; `None` for a group alone.
    pub user: Option<String>,
    /// Its groups.
    pub groups: Vec<String>,
}

impl Subject {
    /// A service account.
    pub fn account(namespace: &str, name: &str) -> Self {
        let groups =
            ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}"), "system:authenticated".to_owned()];
        Self { name: name.to_owned(), user: Some(format!("system:serviceaccount:{namespace}:{name}")), groups: groups.into() }
    }

    /// Whoever is in a group, and in no other.
    pub fn group(name: &str) -> Self {
        Self { name: name.to_owned(), user: None, groups: vec![name.to_owned(), "system:authenticated".to_owned()] }
    }

    /// A user by the name that the API server knows: that of a service account brings its groups.
    pub fn user(name: &str) -> Self {
        match name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':')) {
            Some((namespace, account)) => Self::account(namespace, account),
            None => Self { name: name.to_owned(), user: Some(name.to_owned()), groups: vec!["system:authenticated".to_owned()] },
        }
    }
}

/// The subjects of a namespace: its users, its groups, and the accounts of workloads.
pub fn subjects(namespace: &Namespace) -> Vec<Subject> {
    let account = |name: &Name| Subject::account(namespace.name.as_str(), name.as_str());
    let workloads = namespace.pod_security.iter().flat_map(|policy| policy.accounts.keys());
    let accounts = namespace.users.iter().chain(workloads).map(account);
    accounts.chain(namespace.groups.iter().map(|group| Subject::group(group))).collect()
}

/// What somebody may or may not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Such as `get`.
    pub verb: String,
    /// The group of the kind; empty for that of pods.
    pub group: String,
    /// What paths call the kind.
    pub resource: String,
    /// Such as `exec`; empty for the object itself.
    pub subresource: String,
    /// Where; `None` for all namespaces, or an object of the cluster.
    pub namespace: Option<String>,
}

impl Question {
    /// A question about `RESOURCE[.GROUP][/SUBRESOURCE]`.
    pub fn new(verb: &str, what: &str, namespace: Option<&str>) -> Self {
        let (kind, subresource) = what.split_once('/').unwrap_or((what, ""));
        let (resource, group) = kind.split_once('.').unwrap_or((kind, ""));
        let own = str::to_owned;
        Self { verb: own(verb), group: own(group), resource: own(resource), subresource: own(subresource), namespace: namespace.map(own) }
    }

    /// The same with the group that the server has for a kind that was written without one, and without a namespace where its objects have none; `None` if it
    /// has no such kind.
    pub fn known(mut self, resources: &Resources) -> Option<Self> {
        if self.resource == "*" {
            return Some(self);
        }
        let group = |version: &str| version.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
        let same = |plural: &str, of: &str| plural == self.resource && (self.group.is_empty() || self.group == of);
        let found = resources.known.iter().find(|known| same(&known.plural, &group(&known.api_version)))?;
        self.group = group(&found.api_version);
        self.namespace = self.namespace.filter(|_| found.namespaced);
        Some(self)
    }

    fn asked(&self, subject: &Subject) -> Value {
        let mut attributes = json!({"verb": self.verb, "group": self.group, "resource": self.resource, "subresource": self.subresource});
        if let Some(namespace) = &self.namespace {
            attributes["namespace"] = namespace.as_str().into();
        }
        let mut spec = json!({"resourceAttributes": attributes, "groups": subject.groups});
        if let Some(user) = &subject.user {
            spec["user"] = user.as_str().into();
        }
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec})
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, group, resource, subresource, namespace } = self;
        write!(f, "{verb} {resource}")?;
        if !group.is_empty() {
            write!(f, ".{group}")?;
        }
        if !subresource.is_empty() {
            write!(f, "/{subresource}")?;
        }
        match namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => Ok(()),
        }
    }
}

/// What is worth knowing of the users of a namespace: what they do there every day, what they see of the rest, and what must not be theirs.
pub fn questions(namespace: &str) -> Vec<Question> {
    const INSIDE: [(&str, &str); 15] = [
        ("create", "pods"),
        ("create", "pods/exec"),
        ("create", "pods/portforward"),
        ("create", "deployments.apps"),
        ("update", "deployments.apps/scale"),
        ("create", "jobs.batch"),
        ("get", "secrets"),
        ("create", "persistentvolumeclaims"),
        ("create", "ingresses.networking.k8s.io"),
        ("create", "httproutes.gateway.networking.k8s.io"),
        ("create", "poddisruptionbudgets.policy"),
        ("list", "endpointslices.discovery.k8s.io"),
        ("create", "serviceaccounts/token"),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
        ("update", "resourcequotas"),
    ];
    const CLUSTER: [(&str, &str); 10] = [
        ("list", "nodes"),
        ("list", "namespaces"),
        ("list", "persistentvolumes"),
        ("get", "storageclasses.storage.k8s.io"),
        ("list", "pods"),
        ("list", "secrets"),
        ("delete", "nodes"),
        ("create", "persistentvolumes"),
        ("create", "clusterrolebindings.rbac.authorization.k8s.io"),
        ("update", "validatingadmissionpolicies.admissionregistration.k8s.io"),
    ];
    const ELSEWHERE: [(&str, &str, &str); 4] = [
        ("get", "secrets", "kube-system"),
        ("update", "configmaps", "kube-system"),
        ("create", "pods", "default"),
        ("create", "pods/exec", "kube-system"),
    ];
    let inside = INSIDE.iter().map(|(verb, what)| Question::new(verb, what, Some(namespace)));
    let cluster = CLUSTER.iter().map(|(verb, what)| Question::new(verb, what, None));
    let elsewhere = ELSEWHERE.iter().map(|(verb, what, namespace)| Question::new(verb, what, Some(namespace)));
    inside.chain(cluster).chain(elsewhere).collect()
}

/// The answers: a row for each question, with one for each subject in it.
pub async fn ask(kube: &dyn Api, questions: &[Question], subjects: &[Subject]) -> Result<Vec<Vec<bool>>, KubeError> {
    let cells: Vec<Value> = questions.iter().flat_map(|question| subjects.iter().map(|subject| question.asked(subject))).collect();
    let all: Vec<bool> =
        stream::iter(cells).map(|review| async move { allowed(&kube.review(&review).await?) }).buffered(AT_ONCE).try_collect().await?;
    Ok(all.chunks(subjects.len().max(1)).map(<[bool]>::to_vec).collect())
}

/// What a review says, which is what the server would do.
fn allowed(review: &Value) -> Result<bool, KubeError> {
    let verdict = review["status"]["allowed"].as_bool();
    verdict.ok_or_else(|| KubeError::Connect("the API server's answer to a review has no verdict".to_owned()))
}

/// Makes sure that each question names a kind of the server's, with its group. The first that does not is the error.
pub async fn known(kube: &dyn Api, questions: Vec<Question>) -> Result<Result<Vec<Question>, Question>, KubeError> {
    let resources = kube.resources().await?;
    Ok(questions.into_iter().map(|question| question.clone().known(&resources).ok_or(question)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_with_its_group_and_part() {
        let asked = Question::new("update", "deployments.apps/scale", Some("apps"));
        assert_eq!((asked.group.as_str(), asked.resource.as_str(), asked.subresource.as_str()), ("apps", "deployments", "scale"));
        assert_eq!(asked.to_string(), "update deployments.apps/scale in apps");
        let gateway = Question::new("create", "httproutes.gateway.networking.k8s.io", None);
        assert_eq!(
            (gateway.group.as_str(), gateway.to_string().as_str()),
            ("gateway.networking.k8s.io", "create httproutes.gateway.networking.k8s.io")
        );
    }

    #[test]
    fn an_answer_without_a_verdict_is_no_no() {
        let review = |status: Value| allowed(&json!({"status": status}));
        assert_eq!((review(json!({"allowed": true})), review(json!({"allowed": false, "reason": "x"}))), (Ok(true), Ok(false)));
        assert!(review(json!({})).is_err() && allowed(&json!([])).is_err());
    }

    #[test]
    fn a_service_account_has_its_groups_however_it_is_named() {
        assert_eq!(Subject::user("system:serviceaccount:apps:dev"), Subject::account("apps", "dev"));
        assert_eq!(Subject::user("jane").groups, ["system:authenticated"]);
        let review = Question::new("get", "pods", None).asked(&Subject::group("oidc:team"));
        assert!(review["spec"]["user"].is_null() && review["spec"]["groups"] == json!(["oidc:team", "system:authenticated"]), "{review}");
    }
}

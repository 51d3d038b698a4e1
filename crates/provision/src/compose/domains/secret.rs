//! Kubernetes Secrets of the folder.

use kubestead_core::diagnostic::{Diagnostic, Place, Severity};
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
    let Some(wanted) = &cluster.kubernetes else { return SecretsWanted::default() };
    let mut wish = secret::read_folder(&cluster.secrets, shown);
    // A folder of a name of its own was written down: one that is mistyped asks for nothing, and all would be said to be well.
    if cluster.secrets.file_name().is_none_or(|name| name != "secrets") && !cluster.secrets.exists() {
        let place = Place { file: shown.to_owned(), line: 1, column: 1 };
        let hint = Some("correct secrets.dir of the cluster file, or make the folder".to_owned());
        wish.findings.push(Diagnostic { place, severity: Severity::Error, message: "there is no such folder".to_owned(), hint });
    }
    let logins = wanted.registries.iter().filter_map(|(host, registry)| Some((host, registry.credentials.as_deref()?)));
    let found: Vec<Diagnostic> = logins.filter_map(|(host, name)| login(cluster, host, name, &wish, shown)).collect();
    wish.findings.extend(found);
    wish
}

/// What is wrong with the Secret that the login to a registry is in.
fn login(cluster: &Cluster, host: &str, name: &str, wish: &SecretsWanted, shown: &str) -> Option<Diagnostic> {
    const MAKE: &str = "`kubestead secret new FILE --name NAME --namespace NAMESPACE --type kubernetes.io/dockerconfigjson --key .dockerconfigjson < \
                        ~/.docker/config.json` makes one";
    const LOGIN: &str = "kubernetes.io/dockerconfigjson";
    let what = format!("kubernetes.registries.{host}.credentials");
    let finding = |file: String, message: String, hint: &str| {
        let place = Place { file, line: 1, column: 1 };
        Some(Diagnostic { place, severity: Severity::Error, message: format!("{what}: {message}"), hint: Some(hint.to_owned()) })
    };
    let Some(namespace) = &cluster.namespace else {
        let hint = "write `namespace`: its accounts pull with the login, and nobody else does";
        return finding(shown.to_owned(), "the cluster file has no namespace that could hold the Secret".to_owned(), hint);
    };
    let place = format!("{}/{name}", namespace.name);
    match wish.secrets.iter().find(|secret| secret.namespace == namespace.name.as_str() && secret.name == name) {
        Some(secret) if secret.kind == LOGIN => None,
        Some(secret) => {
            let message = format!("Secret {place} is of type {}, and a login is of type {LOGIN}", secret.kind);
            finding(format!("{shown}/{}", secret.file), message, MAKE)
        }
        None => finding(shown.to_owned(), format!("no file that can be read has the Secret {place}"), MAKE),
    }
}

pub(in super::super) fn read(wanted: &Wanted<'_>, answers: &Answers) -> Fact<SecretFacts> {
    super::if_there(secret::read(answers, wanted.wish))
}

/// `fresh`: the cluster has yet to begin.
pub(in super::super) fn plan(cluster: &Cluster, spec: &KubeadmSpec, seen: &Seen, fresh: bool) -> Part<secret::Action> {
    let facts = if fresh { &Fact::Absent } else { &seen.secrets };
    let made = cluster.namespace.as_ref().map(|namespace| &namespace.name);
    secret::plan(&seen.wish, facts, made, &seen.asked.objects().collect(), &order::before_asking(spec))
}

//! What kubelets say of the settings that they run with (`/configz`), by way of the API server. Files and times of start would tell what they were given;
//! flags, other drop-ins and fields that a kubelet does not know make something else of it.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Gap;
use kubestead_core::name::HostName;
use kubestead_core::probe::{Answers, Section};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::admin::ADMIN;

const NAME: &str = "kubelet/configz";
/// What one kubelet may tell: it is about 5 KiB.
const ANSWER: usize = 64 << 10;

/// By the node's name in Kubernetes, the fields that were asked for, of those kubelets that answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KubeletFacts(pub BTreeMap<String, Map<String, Value>>);

impl KubeletFacts {
    /// Whether nothing was told.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The section for the first control plane, which asks these nodes.
pub fn section(hosts: &[&HostName]) -> Section {
    Section::script(NAME, include_str!("scripts/configz.sh"))
        .after(ADMIN)
        .list("hosts", hosts.iter().map(|host| host.as_str()))
        .expects(ANSWER.saturating_mul(hosts.len()))
}

/// Reads its answer; of each kubelet these fields. A kubelet whose words are not understood counts as one that said nothing.
pub fn read(answers: &Answers, fields: &BTreeSet<&str>) -> Result<KubeletFacts, Gap> {
    let text = answers.text(NAME)?;
    let mut found = BTreeMap::new();
    for part in text.split("@@ ").skip(1) {
        let (host, body) = part.split_once('\n').unwrap_or((part, ""));
        if let (Ok(host), Some(all)) = (HostName::new(host), config(body)) {
            found.insert(host.to_string(), all.into_iter().filter(|(name, _)| fields.contains(name.as_str())).collect());
        }
    }
    Ok(KubeletFacts(found))
}

/// The configuration in what `/configz` answers.
pub(super) fn config(body: &str) -> Option<Map<String, Value>> {
    let mut all: Map<String, Value> = serde_json::from_str(body).ok()?;
    match all.remove("kubeletconfig")? {
        Value::Object(config) => Some(config),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_did_not_answer_or_was_cut_said_nothing() {
        let body = json!({"kubeletconfig": {"maxPods": 110, "port": 10250}});
        let text = format!("@@ cp1\n{body}\n@@ kube1\n@@ kube2\n{}\n@@ kube3\n{{}}\n@@ k e\n{body}\n", &body.to_string()[..20]);
        let read = |text: &str| super::read(&Answers::from_pairs([(NAME, 0, text)]), &BTreeSet::from(["maxPods"])).unwrap();
        assert_eq!(read(&text).0, BTreeMap::from([("cp1".to_owned(), Map::from_iter([("maxPods".to_owned(), json!(110))]))]));
        assert!(read("").is_empty());
    }

    /// The real script with a curl that writes what it is asked for, or fails as the real one does by `-f`.
    #[test]
    fn each_kubelet_is_asked_once_by_its_own_path() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| format!("{}{path}", root.path().display());
        for folder in ["/bin", "/run", "/etc/kubernetes"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        let curl = "#!/bin/bash\nwhile [ $# != 0 ]; do\n  case $1 in\n  -o) to=$2; shift ;;\n  https://*/kube2/*) ;;\n\
                    https://*) echo \"{\\\"kubeletconfig\\\": {\\\"of\\\": \\\"$1\\\"}}\" > \"$to\" ;;\n  esac\n  shift\ndone\nexit 22\n";
        std::fs::write(at("/bin/curl"), curl).unwrap();
        std::fs::set_permissions(at("/bin/curl"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let hosts = ["cp1", "kube1.example.com", "kube2"].map(|name| HostName::new(name).unwrap());
        let look = || {
            let script = kubestead_core::probe::command(&[section(&hosts.iter().collect::<Vec<_>>())], "n1").script().into_owned();
            let script = script.replace("/run/kubestead", &at("/run/kubestead")).replace("/etc/kubernetes", &at("/etc/kubernetes"));
            let script = format!("export PATH={}:$PATH\n{script}", at("/bin"));
            let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
            read(&kubestead_core::probe::parse(&out.stdout, "n1").unwrap(), &BTreeSet::from(["of"])).unwrap().0
        };
        assert!(look().is_empty(), "a machine without a cluster asks nobody");
        std::fs::write(at("/etc/kubernetes/admin.conf"), "x").unwrap();
        let of = |host: &str| json!(format!("https://kubernetes:6443/api/v1/nodes/{host}/proxy/configz"));
        let found = look();
        assert_eq!(
            found.iter().map(|(host, told)| (host.as_str(), told["of"].clone())).collect::<Vec<_>>(),
            [("cp1", of("cp1")), ("kube1.example.com", of("kube1.example.com"))]
        );
        assert_eq!(std::fs::read_dir(at("/run")).unwrap().count(), 0, "nothing of it is left");
    }
}

//! What a step makes of what is there, as texts before and after: for people who compare. No value of a Secret is in them, as none was seen.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::kube::ObjectRef;
use kubestead_core::name::Name;
use kubestead_core::plan::Target;
use kubestead_core::put::{Files, Found, Owned, digest};
use serde_json::{Map, Value};

use crate::compose::{Action, Seen};
use crate::objects::{self, NodeState};
use crate::secret::{self, SecretSpec};
use crate::service;

/// What was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// This text.
    Text(String),
    /// Something whose text is not known, and why not.
    Unknown(&'static str),
}

/// A file or an object that a step changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is changed: a path, or an object as `Kind namespace/name`.
    pub what: String,
    /// What was there.
    pub before: Before,
    /// What is there then; `None` if nothing is.
    pub after: Option<String>,
    /// What else is to know.
    pub note: Option<&'static str>,
}

/// Of files only the digest is read: whatever else is in the place of one of ours never leaves its machine.
const BY_DIGEST: &str = "of the file that is there only the digest was read, so that it is shown as a whole";
const OTHER_THING: &str = "what is there is no regular file";
const UNSEEN: &str = "what is there was not seen";
/// What stands in the place of a Secret's value.
const VALUE: &str = "(its value is not shown)";
const BY_DIGEST_TOO: &str = "values are compared by digest: a changed one shows no line";

/// What was seen, to compare steps with.
pub struct Compare<'a> {
    seen: &'a Seen,
    objects: BTreeMap<&'a ObjectRef, &'a Value>,
}

impl<'a> Compare<'a> {
    /// With what was seen when the plan was made.
    pub fn new(seen: &'a Seen) -> Self {
        let objects = seen.api.known().into_iter().flat_map(|api| &api.objects);
        let services = seen.services.known().into_iter().flat_map(|services| &services.objects).map(|found| &found.live);
        Self { seen, objects: objects.chain(services).map(|live| (&live.object, &live.content)).collect() }
    }

    /// What an action changes in files and objects, each as text before and after; nothing for one that does something else.
    pub fn changes(&self, target: &Target, action: &Action) -> Vec<Change> {
        match action {
            Action::Objects(action) => self.of_objects(action),
            Action::Secret(action) => of_secret(action, self.seen),
            Action::Service(action) => self.of_service(action),
            Action::Keys(_)
            | Action::Storage(_)
            | Action::Node(_)
            | Action::Kubelet(_)
            | Action::Kubeadm(_)
            | Action::Encryption(_)
            | Action::Escrow { .. } => {
                let files = action.writes();
                if files.is_empty() { Vec::new() } else { of_files(&files, there(target, self.seen)) }
            }
        }
    }

    fn of_objects(&self, action: &objects::Action) -> Vec<Change> {
        match action {
            objects::Action::Apply { manifests } => manifests.iter().map(|manifest| self.of_manifest(manifest)).collect(),
            objects::Action::Take { manifest, .. } | objects::Action::Label { manifest, .. } => vec![self.of_manifest(manifest)],
            objects::Action::Delete { objects } => objects.iter().map(|exactly| self.gone(exactly)).collect(),
            objects::Action::Reach | objects::Action::Wait { .. } => Vec::new(),
        }
    }

    fn of_service(&self, action: &service::Action) -> Vec<Change> {
        match action {
            service::Action::Apply { manifests, .. } => manifests.iter().map(|manifest| self.of_manifest(manifest)).collect(),
            service::Action::Record { record: manifest } | service::Action::Take { manifest, .. } => vec![self.of_manifest(manifest)],
            service::Action::Delete { objects } => objects.iter().map(|exactly| self.gone(exactly)).collect(),
            service::Action::Forget { record, .. } => vec![self.gone(record)],
            service::Action::Establish { .. } | service::Action::Ready { .. } => Vec::new(),
        }
    }

    fn gone(&self, exactly: &objects::Exactly) -> Change {
        let before = self.objects.get(&exactly.object).map_or(Before::Unknown(UNSEEN), |content| Before::Text(yaml(content)));
        Change { what: exactly.object.to_string(), before, after: None, note: None }
    }

    fn of_manifest(&self, manifest: &Value) -> Change {
        let object = ObjectRef::of(manifest);
        let change = |before, after: &Value| Change { what: object.to_string(), before, after: Some(yaml(after)), note: None };
        if let (true, Some(node)) = (object.kind == "Node", self.seen.api.known().and_then(|api| api.nodes.get(&object.name))) {
            return change(Before::Text(yaml(&labelled(manifest, node))), manifest);
        }
        let Some(content) = self.objects.get(&object) else { return change(Before::Nothing, manifest) };
        let mut after = (*content).clone();
        overlay(&mut after, manifest);
        change(Before::Text(yaml(content)), &after)
    }
}

/// A node's manifest with the labels that are there, as far as the manifest or kubestead's earlier ones name them.
fn labelled(manifest: &Value, node: &NodeState) -> Value {
    let mut was = manifest.clone();
    let own = &node.annotations;
    for (part, values, owned) in [("labels", &node.labels, &node.owned), ("annotations", &own.values, &own.owned)] {
        let wanted: BTreeSet<&String> = manifest["metadata"][part].as_object().into_iter().flat_map(Map::keys).collect();
        let marks = values.iter().filter(|(key, _)| wanted.contains(key) || owned.contains(*key));
        let marks: Map<_, _> = marks.map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
        if part == "labels" || !marks.is_empty() {
            was["metadata"][part] = marks.into();
        }
    }
    was
}

/// What is where our files belong on a machine; `None` if it was not seen.
fn there<'a>(target: &Target, seen: &'a Seen) -> Option<&'a Files> {
    let Target::Host(host) = target else { return None };
    let name = Name::new(host).ok()?;
    let of_node = seen.nodes.get(&name).and_then(|fact| fact.known()?.storage.files.known());
    of_node.or_else(|| Some(&seen.servers.get(&name)?.known()?.files))
}

fn of_files(files: &[Owned], there: Option<&Files>) -> Vec<Change> {
    let change = |file: &Owned| {
        let before = match there.map(|there| there.found.get(&file.path)) {
            None => Before::Unknown(UNSEEN),
            Some(None) => Before::Nothing,
            Some(Some(Found::File { sum, .. })) if *sum == digest(&file.text) => Before::Text(file.text.clone()),
            Some(Some(Found::File { .. })) => Before::Unknown(BY_DIGEST),
            Some(Some(Found::Other)) => Before::Unknown(OTHER_THING),
        };
        Change { what: file.path.clone(), before, after: Some(file.text.clone()), note: None }
    };
    files.iter().map(change).collect()
}

/// What an object says once a manifest was applied over it: what the manifest does not name stays.
fn overlay(live: &mut Value, manifest: &Value) {
    match (live, manifest) {
        (Value::Object(live), Value::Object(wanted)) => {
            for (key, value) in wanted {
                match live.get_mut(key) {
                    Some(there) => overlay(there, value),
                    // The server leaves these out.
                    None if value.is_null() || *value == Value::Bool(false) || value.as_object().is_some_and(Map::is_empty) => {}
                    None => _ = live.insert(key.clone(), value.clone()),
                }
            }
        }
        (Value::Array(live), Value::Array(wanted)) if live.len() == wanted.len() => {
            live.iter_mut().zip(wanted).for_each(|(there, value)| overlay(there, value));
        }
        (live, wanted) => *live = wanted.clone(),
    }
}

fn of_secret(action: &secret::Action, seen: &Seen) -> Vec<Change> {
    let (namespace, name) = match action {
        secret::Action::Apply { secret, .. } => (&secret.namespace, &secret.name),
        secret::Action::Delete { namespace, name, .. } => (namespace, name),
    };
    let what = format!("Secret {namespace}/{name}");
    let there = seen.secrets.known().and_then(|facts| facts.ours.get(&secret::owner(namespace, name)));
    let before = there.map(|live| outline(live.keys.iter(), live.labels.iter(), live.annotations.iter()));
    let change = match action {
        secret::Action::Apply { secret: SecretSpec { keys, labels, annotations, .. }, on } => {
            let foreign = matches!(on, secret::Expected::Foreign);
            let before = match before {
                Some(text) => Before::Text(text),
                None if foreign => Before::Unknown("somebody else made what is there, and it was not read"),
                None => Before::Nothing,
            };
            let note = matches!(before, Before::Text(_)).then_some(BY_DIGEST_TOO);
            Change { what, before, after: Some(outline(keys.iter(), labels.iter(), annotations.iter())), note }
        }
        secret::Action::Delete { .. } => {
            Change { what, before: before.map_or(Before::Unknown(UNSEEN), Before::Text), after: None, note: None }
        }
    };
    vec![change]
}

/// A Secret without its values.
fn outline<'a>(
    keys: impl Iterator<Item = &'a String>,
    labels: impl Iterator<Item = (&'a String, &'a String)>,
    annotations: impl Iterator<Item = (&'a String, &'a String)>,
) -> String {
    let map = |pairs: Map<String, Value>| Value::from(pairs);
    let text = |(key, value): (&String, &String)| (key.clone(), Value::from(value.as_str()));
    let mut whole = Map::new();
    for (name, part) in [("labels", labels.map(text).collect::<Map<_, _>>()), ("annotations", annotations.map(text).collect())] {
        if !part.is_empty() {
            whole.insert(name.to_owned(), map(part));
        }
    }
    whole.insert("data".to_owned(), map(keys.map(|key| (key.clone(), VALUE.into())).collect()));
    yaml(&Value::from(whole))
}

fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).unwrap_or_else(|_| value.to_string())
}

#[cfg(test)]
mod tests {
    use kubestead_core::put::{Listed, Mark};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_is_new_the_same_or_known_by_its_digest_alone() {
        let file = |path: &str, text: &str| Owned { path: path.into(), text: text.into(), mode: 0o644 };
        let found = |text: &str| Found::File { sum: digest(text), mark: Mark::None, headings: Vec::new() };
        let mut there = Files::default();
        there.found =
            [("/a".to_owned(), found("a\n")), ("/b".to_owned(), found("somebody's password\n")), ("/d".to_owned(), Found::Other)].into();
        let _: &Listed = &there;
        let files = [file("/a", "a\n"), file("/b", "b\n"), file("/c", "c\n"), file("/d", "d\n")];
        let befores: Vec<Before> = of_files(&files, Some(&there)).into_iter().map(|change| change.before).collect();
        let expected = [Before::Text("a\n".into()), Before::Unknown(BY_DIGEST), Before::Nothing, Before::Unknown(OTHER_THING)];
        assert_eq!(befores, expected);
        assert!(of_files(&files, None).iter().all(|change| change.before == Before::Unknown(UNSEEN)));
    }

    #[test]
    fn what_the_server_added_is_no_difference() {
        let mut live = json!({"spec": {"ports": [{"port": 80, "protocol": "TCP"}], "type": "ClusterIP", "x": [1]}});
        overlay(&mut live, &json!({"spec": {"ports": [{"port": 81}], "x": [1, 2], "hostNetwork": false, "labels": {}}}));
        assert_eq!(live, json!({"spec": {"ports": [{"port": 81, "protocol": "TCP"}], "type": "ClusterIP", "x": [1, 2]}}));
    }

    #[test]
    fn a_secret_shows_names_alone() {
        let keys = ["password".to_owned(), "user".to_owned()];
        let labels = [("team".to_owned(), "a".to_owned())];
        let text = outline(keys.iter(), labels.iter().map(|(k, v)| (k, v)), std::iter::empty());
        assert!(text.contains("password: (its value is not shown)") && text.contains("team: a"), "{text}");
    }
}

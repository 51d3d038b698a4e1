//! From documents of YAML to manifests, or what is wrong with them, each with its place. Values are never part of a message.

use std::collections::BTreeMap;

use kubestead_core::diagnostic::{Diagnostic, Place, Severity};
use kubestead_core::kube::{FIELD_MANAGER, ObjectRef};
use kubestead_core::name::is_label;
use serde_json::{Map, Value};

use super::kinds::{group, namespaced};
use super::scalar::{plain, substitute};
use crate::file::{Yaml, YamlKind, documents};
use crate::objects::MANAGED_BY;

/// A manifest, and where it begins.
pub(super) struct Found {
    pub manifest: Value,
    pub place: Place,
}

/// What the API server writes itself.
const SERVERS: [&str; 7] = ["uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "managedFields", "selfLink"];
/// What is written about an object under our own names.
const OWN: &str = "kubestead.io/";

/// The manifests of a file's text.
pub(super) fn manifests(file: &str, text: &str, variables: &BTreeMap<String, String>, out: &mut Vec<Diagnostic>) -> Vec<Found> {
    let (documents, wrong) = documents(file, text);
    let broken = !wrong.is_empty();
    out.extend(wrong);
    if documents.is_empty() && !broken {
        let place = Place { file: file.to_owned(), line: 1, column: 1 };
        error(out, &place, "the file is empty", "write a manifest into it, or delete it");
    }
    let mut decoder = Decoder { variables, out };
    documents.into_iter().flat_map(|document| decoder.document(document)).collect()
}

fn error(out: &mut Vec<Diagnostic>, place: &Place, message: impl Into<String>, hint: &str) {
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    out.push(Diagnostic { place: place.clone(), severity: Severity::Error, message: message.into(), hint });
}

struct Decoder<'a> {
    variables: &'a BTreeMap<String, String>,
    out: &'a mut Vec<Diagnostic>,
}

/// The fields of a map with their places.
type Entries = Vec<(String, Place, Yaml)>;

fn field<'a>(entries: &'a Entries, key: &str) -> Option<&'a (String, Place, Yaml)> {
    entries.iter().find(|(found, ..)| found == key)
}

/// Whether a map is `kind: List`, which holds objects of any kinds.
fn is_list(entries: &Entries) -> bool {
    let is =
        |key: &str, word: &str| matches!(field(entries, key), Some((.., Yaml { kind: YamlKind::Scalar { text, .. }, .. })) if text == word);
    is("apiVersion", "v1") && is("kind", "List")
}

impl Decoder<'_> {
    fn error(&mut self, place: &Place, message: impl Into<String>, hint: &str) {
        error(self.out, place, message, hint);
    }

    fn document(&mut self, document: Yaml) -> Vec<Found> {
        let Yaml { place, kind } = document;
        let entries = match kind {
            YamlKind::Map(entries) => entries,
            YamlKind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null") => {
                self.error(&place, "a document that is empty", "take its `---` away");
                return Vec::new();
            }
            other => {
                self.error(&place, format!("a manifest must be a map, and this is {}", other.word()), "");
                return Vec::new();
            }
        };
        if !is_list(&entries) {
            return self.one(place, entries).into_iter().collect();
        }
        let items = entries.into_iter().find(|(key, ..)| key == "items");
        match items {
            Some((_, _, Yaml { kind: YamlKind::List(items), .. })) => items.into_iter().flat_map(|item| self.document(item)).collect(),
            Some((_, place, _)) => {
                self.error(&place, "items of a List must be a list", "");
                Vec::new()
            }
            None => {
                self.error(&place, "a List without items", "write its objects, or take it away");
                Vec::new()
            }
        }
    }

    /// A manifest; `None` if it is wrong.
    fn one(&mut self, place: Place, entries: Entries) -> Option<Found> {
        let before = self.out.len();
        let api_version = self.word(&place, &entries, "apiVersion", "a manifest");
        let kind = self.word(&place, &entries, "kind", "a manifest");
        if let Some((_, at, _)) = field(&entries, "status") {
            self.error(at, "a status is the cluster's to write", "take it away");
        }
        let object = match field(&entries, "metadata") {
            Some((_, at, Yaml { kind: YamlKind::Map(meta), .. })) => self.metadata(at, meta, api_version.as_deref(), kind.as_deref()),
            Some((_, at, _)) => {
                self.error(at, "metadata must be a map", "");
                None
            }
            None => {
                self.error(&place, "a manifest needs \"metadata\"", "write its name there");
                None
            }
        };
        let mut manifest = self.map(entries);
        // Generators of manifests write these for nothing.
        if let Some(meta) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.retain(|_, value| !value.is_null());
        }
        object.filter(|_| self.out.len() == before).map(|_| Found { manifest: manifest.into(), place })
    }

    /// A field that must be one word, after variables.
    fn word(&mut self, place: &Place, entries: &Entries, key: &str, what: &str) -> Option<String> {
        match field(entries, key) {
            Some((_, _, Yaml { kind: YamlKind::Scalar { text, plain: bare }, .. }))
                if !(*bare && matches!(text.as_str(), "" | "~" | "null")) =>
            {
                // What is wrong with variables in it is told where all values are read.
                substitute(text, self.variables).ok()
            }
            Some((_, at, _)) => {
                self.error(at, format!("{key} must be a string"), "");
                None
            }
            None => {
                self.error(place, format!("{what} needs {key:?}"), "");
                None
            }
        }
    }

    fn metadata(&mut self, place: &Place, meta: &Entries, api_version: Option<&str>, kind: Option<&str>) -> Option<ObjectRef> {
        if let Some((_, at, _)) = field(meta, "generateName") {
            self.error(at, "generateName makes another object each time", "write metadata.name");
            return None;
        }
        let name = self.word(place, meta, "name", "metadata");
        let namespace = field(meta, "namespace").and_then(|_| self.word(place, meta, "namespace", "metadata"));
        let at = |key: &str| field(meta, key).map_or(place, |(_, at, _)| at).clone();
        for (key, at, value) in meta {
            let nothing = matches!(&value.kind, YamlKind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"));
            if SERVERS.contains(&key.as_str()) && !nothing {
                self.error(at, format!("metadata.{key} is the API server's to write"), "take it away");
            }
            if ["labels", "annotations"].contains(&key.as_str()) && !nothing {
                self.marks(key, at, value);
            }
        }
        let (api_version, kind, name) = (api_version?, kind?, name?);
        let object = ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace: namespace.unwrap_or_default(), name };
        if object.name.is_empty()
            || object.name.contains(['/', '%'])
            || object.name.chars().any(char::is_control)
            || object.name.len() > 253
        {
            self.error(&at("name"), format!("{:?} is not the name of an object", object.name), "");
            return None;
        }
        if !object.namespace.is_empty() && !is_label(&object.namespace) {
            self.error(&at("namespace"), format!("{:?} is not the name of a namespace", object.namespace), "");
            return None;
        }
        self.refused(&object, &at);
        Some(object)
    }

    /// Objects that are not anybody's to make by a manifest.
    fn refused(&mut self, object: &ObjectRef, at: &dyn Fn(&str) -> Place) {
        let own_group = group(&object.api_version).is_empty();
        let (own_namespace, of_kubernetes) = (object.kind == "Namespace" && own_group, |name: &str| name.starts_with("kube-"));
        if of_kubernetes(&object.namespace) {
            let message = format!("{object}: namespaces that begin with kube- are for the cluster itself");
            self.error(&at("namespace"), message, "put it into another namespace");
        }
        if own_namespace && (of_kubernetes(&object.name) || object.name == "default") {
            self.error(&at("name"), format!("{object} is the cluster's own"), "write another name");
        }
        if own_group && object.kind == "Secret" {
            let hint = "encrypt it with sops in the folder of secrets (docs/secrets-in-the-cluster.md)";
            self.error(&at("name"), format!("{object} in the clear"), hint);
        }
        if own_group && ["Node", "Event", "Binding"].contains(&object.kind.as_str()) {
            self.error(&at("name"), format!("a {} is no object of a service", object.kind), "labels of nodes stand in `nodes`");
        }
        if object.kind == "Kustomization" && group(&object.api_version) == "kustomize.config.k8s.io" {
            self.error(&at("name"), "kustomize is not read here", "write what `kustomize build` makes of it into the folder");
        }
        match namespaced(object) {
            Some(true) if object.namespace.is_empty() => {
                self.error(
                    &at("name"),
                    format!("{object} says no namespace"),
                    "write metadata.namespace: nothing is put into a namespace unsaid",
                );
            }
            Some(false) if !object.namespace.is_empty() => {
                self.error(&at("namespace"), format!("{object}: a {} is in no namespace", object.kind), "take metadata.namespace away");
            }
            Some(_) | None => {}
        }
    }

    /// Labels or annotations: a map of strings, none of them one of ours.
    fn marks(&mut self, what: &str, place: &Place, value: &Yaml) {
        let YamlKind::Map(entries) = &value.kind else {
            return self.error(place, format!("metadata.{what} must be a map"), "");
        };
        for (key, at, value) in entries {
            let YamlKind::Scalar { text, plain: bare } = &value.kind else {
                self.error(at, format!("{what}: {key:?} must be a string"), "");
                continue;
            };
            if *bare && substitute(text, self.variables).is_ok_and(|text| !plain(&text).is_ok_and(|value| value.is_string())) {
                self.error(&value.place, format!("{what}: {key:?} must be a string"), "put its value in quotes");
            }
            if key.starts_with(OWN) || key == MANAGED_BY && text == FIELD_MANAGER {
                self.error(at, format!("{what}: {key} is kubestead's to write"), "take it away");
            }
        }
    }

    fn map(&mut self, entries: Entries) -> Map<String, Value> {
        entries.into_iter().map(|(key, _, value)| (key, self.value(value))).collect()
    }

    /// A value, after variables. What is wrong is told, and nothing stands in its place.
    fn value(&mut self, node: Yaml) -> Value {
        let Yaml { place, kind } = node;
        match kind {
            YamlKind::Map(entries) => self.map(entries).into(),
            YamlKind::List(items) => items.into_iter().map(|item| self.value(item)).collect(),
            YamlKind::Scalar { text, plain: bare } => match substitute(&text, self.variables) {
                Ok(text) if bare => plain(&text).unwrap_or_else(|hint| {
                    self.error(&place, "a word that is read in more than one way", hint);
                    Value::Null
                }),
                Ok(text) => text.into(),
                Err(name) => {
                    let hint = format!("declare it in `variables` of the service, or write {0}{0}{{{name}}} for the text itself", '$');
                    self.error(&place, format!("the variable {name} is not declared"), &hint);
                    Value::Null
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> (Vec<Value>, Vec<String>) {
        let variables = BTreeMap::from([("HOST".to_owned(), "a.example".to_owned()), ("N".to_owned(), "3".to_owned())]);
        let mut out = Vec::new();
        let found = manifests("m.yaml", text, &variables, &mut out);
        (found.into_iter().map(|found| found.manifest).collect(), out.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn documents_and_lists_become_manifests_with_their_variables() {
        let text = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop, creationTimestamp: null}\nspec:\n  replicas: ${N}\n  \
            host: \"${HOST}\"\n  text: |\n    echo $${HOST} $(HOST) $HOST ${1}\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  \
            metadata: {name: a, namespace: shop}\n  data: {port: \"80\"}\n- {apiVersion: x.org/v1, kind: Db, metadata: {name: b}}\n";
        let (found, wrong) = read(text);
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(found.len(), 3);
        let spec = json!({"replicas": 3, "host": "a.example", "text": "echo ${HOST} $(HOST) $HOST ${1}\n"});
        assert_eq!(
            found[0],
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
        );
        assert_eq!((&found[1]["data"]["port"], &found[2]["kind"]), (&json!("80"), &json!("Db")));
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place_and_no_value() {
        let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n";
        for (text, line, words) in [
            ("", 1, "the file is empty"),
            ("a: [\n", 1, "this is not YAML"),
            ("---\n---\nkind: x\n", 1, "a document that is empty"),
            ("- a\n", 1, "must be a map"),
            ("kind: ConfigMap\nmetadata: {name: a}\n", 1, "needs \"apiVersion\""),
            ("apiVersion: v1\nkind: ConfigMap\n", 1, "needs \"metadata\""),
            ("apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: shop}\n", 3, "metadata needs \"name\""),
            ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: a-\n", 4, "generateName"),
            ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: kube-system\n", 5, "for the cluster itself"),
            ("apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-public}\n", 3, "the cluster's own"),
            (
                "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: shop}\ndata: {a: aGVsbG8=}\n",
                3,
                "docs/secrets-in-the-cluster.md",
            ),
            ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", 3, "says no namespace"),
            ("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a, namespace: b}\n", 3, "in no namespace"),
            (&format!("{head}status: {{}}\n"), 4, "a status"),
            (&format!("{head}data:\n  a: on\n"), 5, "in more than one way"),
            (&format!("{head}data:\n  a: x${{MISSING}}\n"), 5, "MISSING is not declared"),
            ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: b\n  labels:\n    n: 1\n", 7, "in quotes"),
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: b\n  labels:\n    kubestead.io/service: x\n",
                7,
                "kubestead's",
            ),
            ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: b\n  resourceVersion: \"1\"\n", 6, "the API server's"),
            (&format!("{head}data: &a {{}}\nother: *a\n"), 5, "aliases are not read"),
        ] {
            let (found, wrong) = read(text);
            let at = format!("m.yaml:{line}:");
            assert!(wrong.iter().any(|told| told.starts_with(&at) && told.contains(words)), "{text}: {wrong:?}");
            assert!(found.is_empty() && wrong.iter().all(|told| !told.contains("aGVsbG8")), "{text}: {found:?}");
        }
        let (found, wrong) = read(&format!("{head}---\nkind: A\n---\nkind: B\n"));
        assert!(found.len() == 1 && wrong.len() == 4, "{wrong:?}");
    }
}

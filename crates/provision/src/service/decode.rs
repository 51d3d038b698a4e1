//! From documents of YAML to manifests, or what is wrong with them, each with its place. Values are never part of a message.

mod meta;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::diagnostic::{Diagnostic, Place, Severity};
use kubestead_core::kube::ObjectRef;
use serde_json::{Map, Value};

use super::built::annotations;
use super::homes;
use super::images::images;
use super::kinds::group;
use super::patch::{self, Patch};
use super::scalar::{plain, rendered, substitute};
use super::sealed::{Sealed, buried, holds, is_secret};
use super::source::{Source, Written};
use super::typed;
use crate::file::{Yaml, YamlKind, documents};

/// A manifest, and where it begins.
pub(super) struct Found {
    pub manifest: Value,
    pub place: Place,
    /// As it is written, for the places of its fields.
    pub written: Written,
}

/// How the texts of a service are read.
#[derive(Default)]
pub(super) struct Reading {
    /// What stands for each variable; `None` where variables are no matter of these texts.
    pub variables: Option<BTreeMap<String, String>>,
    /// The variables that nothing named yet.
    pub unused: BTreeSet<String>,
    /// The encrypted values, by what stands for each.
    pub sealed: Sealed,
    /// Whether a program made the texts, and nobody can change how it wrote them.
    pub rendered: bool,
    /// Whether all is left out but definitions of kinds.
    pub definitions_alone: bool,
    /// The namespace of objects that name none.
    pub namespace: Option<String>,
    /// The class of Ingresses that the gateway serves in the place of ingress-nginx.
    pub ingress_class: Option<String>,
    /// The images that were named, each with the first place.
    pub images: BTreeMap<String, Place>,
    /// Whether they are kubestead's own, which may make what Kubernetes wants in its own namespace.
    pub built: bool,
    /// What is put over the objects, until it is.
    pub patches: Vec<Patch>,
}

impl Reading {
    /// A text with its variables replaced; the error is the names that nobody declared.
    fn put(&mut self, text: &str) -> Result<String, Vec<String>> {
        let Some(variables) = &self.variables else { return Ok(text.to_owned()) };
        if text.contains('$') {
            self.unused.retain(|name| !text.contains(&format!("{}{{{name}}}", '$')));
        }
        substitute(text, variables)
    }

    /// The value of a word without quotes.
    fn plain(&self, text: &str) -> Result<Value, &'static str> {
        if self.rendered { rendered(text) } else { plain(text) }
    }
}

/// The manifests of a file's text.
pub(super) fn manifests(file: &str, text: &str, reading: &mut Reading, out: &mut Vec<Diagnostic>) -> Vec<Found> {
    let (documents, wrong) = documents(file, text);
    let broken = !wrong.is_empty();
    out.extend(wrong);
    if documents.is_empty() && !broken && !reading.rendered {
        let place = Place { file: file.to_owned(), line: 1, column: 1 };
        error(out, &place, "the file is empty", "write a manifest into it, or delete it");
    }
    let mut decoder = Decoder { reading, out, source: Source::new(text), guarded: true };
    documents.into_iter().flat_map(|document| decoder.document(document)).collect()
}

/// The values of a chart of a file's text: a map, or nothing.
pub(super) fn values(file: &str, text: &str, reading: &mut Reading, out: &mut Vec<Diagnostic>) -> Map<String, Value> {
    let (mut documents, wrong) = documents(file, text);
    out.extend(wrong);
    let mut decoder = Decoder { reading, out, source: Source::new(text), guarded: false };
    if let Some(more) = documents.get(1) {
        decoder.error(&more.place, "a second document: a file of values holds one", "");
    }
    match documents.pop() {
        Some(Yaml { kind: YamlKind::Map(entries), .. }) => decoder.map(&entries),
        Some(Yaml { kind, .. }) if is_nothing(&kind) => Map::new(),
        Some(Yaml { place, kind }) => {
            decoder.error(&place, format!("values must be a map, and this is {}", kind.word()), "");
            Map::new()
        }
        None => Map::new(),
    }
}

fn is_nothing(kind: &YamlKind) -> bool {
    matches!(kind, YamlKind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
}

fn error(out: &mut Vec<Diagnostic>, place: &Place, message: impl Into<String>, hint: &str) {
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    out.push(Diagnostic { place: place.clone(), severity: Severity::Error, message: message.into(), hint });
}

struct Decoder<'a> {
    reading: &'a mut Reading,
    out: &'a mut Vec<Diagnostic>,
    /// The text that is read.
    source: Source<'a>,
    /// Whether nothing may stand for an encrypted value.
    guarded: bool,
}

/// The fields of a map with their places.
type Entries = Vec<(String, Place, Yaml)>;

fn field<'a>(entries: &'a Entries, key: &str) -> Option<&'a (String, Place, Yaml)> {
    entries.iter().find(|(found, ..)| found == key)
}

/// Whether there is no value in it, however it is nested.
fn says_nothing(value: &Yaml) -> bool {
    match &value.kind {
        YamlKind::Map(entries) => entries.iter().all(|(.., value)| says_nothing(value)),
        YamlKind::List(items) => items.iter().all(says_nothing),
        YamlKind::Scalar { text, plain } => text.is_empty() || *plain && matches!(text.as_str(), "~" | "null"),
    }
}

fn is_ingress(object: &ObjectRef) -> bool {
    object.kind == "Ingress" && group(&object.api_version) == "networking.k8s.io"
}

/// Whether a map is `kind: List`, which holds objects of any kinds.
fn is_list(entries: &Entries) -> bool {
    is_of(entries, "v1", "List")
}

fn is_of(entries: &Entries, api_version: &str, kind: &str) -> bool {
    let is =
        |key: &str, word: &str| matches!(field(entries, key), Some((.., Yaml { kind: YamlKind::Scalar { text, .. }, .. })) if text == word);
    is("apiVersion", api_version) && is("kind", kind)
}

impl Decoder<'_> {
    fn error(&mut self, place: &Place, message: impl Into<String>, hint: &str) {
        error(self.out, place, message, hint);
    }

    fn document(&mut self, document: Yaml) -> Vec<Found> {
        let Yaml { place, kind } = self.patched(document);
        let entries = match kind {
            YamlKind::Map(entries) => entries,
            nothing if is_nothing(&nothing) => {
                if !self.reading.rendered {
                    self.error(&place, "a document that is empty", "take its `---` away");
                }
                return Vec::new();
            }
            other => {
                self.error(&place, format!("a manifest must be a map, and this is {}", other.word()), "");
                return Vec::new();
            }
        };
        if let Some((_, at, _)) = field(&entries, "sops").filter(|(.., value)| matches!(&value.kind, YamlKind::Map(_))) {
            self.error(
                at,
                "sops encrypted this file, and nothing here is opened",
                "put it into the folder of secrets (docs/secrets-in-the-cluster.md)",
            );
            return Vec::new();
        }
        if !is_list(&entries) {
            if self.reading.definitions_alone && !is_of(&entries, "apiextensions.k8s.io/v1", "CustomResourceDefinition") {
                return Vec::new();
            }
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

    /// An object with what is put over it.
    fn patched(&mut self, mut document: Yaml) -> Yaml {
        let patches = std::mem::take(&mut self.reading.patches);
        for patch in patches {
            if self.is(&document, &patch.object) {
                patch::merge(&mut document, patch.content);
            } else {
                self.reading.patches.push(patch);
            }
        }
        document
    }

    /// Whether a document is of an object.
    fn is(&mut self, document: &Yaml, object: &ObjectRef) -> bool {
        let YamlKind::Map(entries) = &document.kind else { return false };
        let mut says = |entries: &Entries, key: &str, word: &str| match field(entries, key) {
            Some((.., Yaml { kind: YamlKind::Scalar { text, .. }, .. })) => self.reading.put(text).is_ok_and(|text| text == word),
            Some(_) => false,
            None => word.is_empty(),
        };
        let Some((.., Yaml { kind: YamlKind::Map(meta), .. })) = field(entries, "metadata") else { return false };
        says(entries, "apiVersion", &object.api_version)
            && says(entries, "kind", &object.kind)
            && says(meta, "namespace", &object.namespace)
            && says(meta, "name", &object.name)
    }

    /// A manifest; `None` if it is wrong.
    fn one(&mut self, place: Place, mut entries: Entries) -> Option<Found> {
        let before = self.out.len();
        // Generators of manifests write one that says nothing, those of charts some that do.
        entries.retain(|(key, _, value)| key != "status" || !(self.reading.rendered || says_nothing(value)));
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
        if let Some(object) = object.as_ref().filter(|object| homes::is_forbidden(object, &entries, self.reading.built)) {
            let message = format!("{object}: namespaces that begin with kube- are for the cluster itself");
            self.error(homes::place(&entries).unwrap_or(&place), message, "put it into another namespace");
        }
        images(&entries, &mut |text, at| {
            if let Ok(image) = self.reading.put(text) {
                self.reading.images.entry(image).or_insert_with(|| at.clone());
            }
        });
        let lost = match (&object, &self.reading.ingress_class) {
            (Some(object), Some(class)) if is_ingress(object) => annotations::warnings(&entries, class),
            (Some(_) | None, _) => Vec::new(),
        };
        let data = object.as_ref().filter(|object| is_secret(object)).map(|object| self.data(object, &mut entries));
        let mut manifest = self.map(&entries);
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            manifest.insert("data".into(), data.into());
        }
        // Generators of manifests write these for nothing.
        if let Some(meta) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.retain(|_, value| !value.is_null());
            if let Some(object) = object.as_ref().filter(|object| !object.namespace.is_empty()) {
                meta.insert("namespace".into(), object.namespace.clone().into());
            }
        }
        let (manifest, written) = (Value::from(manifest), Written::new(place.clone(), entries));
        if let Some(object) = object.as_ref().filter(|_| self.out.len() == before) {
            typed::check(object, &manifest, &written, self.out);
        }
        let found = object.filter(|_| self.out.len() == before).map(|_| Found { manifest, place, written });
        self.out.extend(lost);
        found
    }

    /// A field that must be one word, after variables.
    fn word(&mut self, place: &Place, entries: &Entries, key: &str, what: &str) -> Option<String> {
        match field(entries, key) {
            Some((_, _, Yaml { kind: YamlKind::Scalar { text, plain: bare }, .. }))
                if !(*bare && matches!(text.as_str(), "" | "~" | "null")) =>
            {
                // What is wrong with variables in it is told where all values are read.
                self.reading.put(text).ok()
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

    fn map(&mut self, entries: &Entries) -> Map<String, Value> {
        let mut map = Map::new();
        for (key, place, value) in entries {
            self.guard(place, key);
            map.insert(key.clone(), self.value(value));
        }
        map
    }

    /// Refuses what stands for an encrypted value, as it is or in base64.
    fn guard(&mut self, place: &Place, text: &str) {
        if !self.guarded || self.reading.sealed.is_empty() {
            return;
        }
        if holds(text, &self.reading.sealed) || buried(text) {
            let hint = "name it in `stringData` or `data` of a Secret alone";
            self.error(place, "an encrypted value outside of a Secret, where anybody may read it", hint);
        }
    }

    /// A value, after variables. What is wrong is told, and nothing stands in its place.
    fn value(&mut self, node: &Yaml) -> Value {
        let Yaml { place, kind } = node;
        match kind {
            YamlKind::Map(entries) => self.map(entries).into(),
            YamlKind::List(items) => items.iter().map(|item| self.value(item)).collect(),
            YamlKind::Scalar { text, plain: bare } => match self.guarded_text(place, text) {
                Some(text) if *bare => match self.reading.plain(&text) {
                    Ok(value) => {
                        self.number(place, &value);
                        value
                    }
                    Err(hint) => {
                        self.error(place, "a word that is read in more than one way", hint);
                        Value::Null
                    }
                },
                Some(text) => text.into(),
                None => Value::Null,
            },
        }
    }

    /// Warns of a value of a chart that helm prints in another way than it is written: it knows no whole numbers.
    fn number(&mut self, place: &Place, value: &Value) {
        const LEAST: u64 = 1_000_000;
        if !self.guarded && value.as_i64().is_some_and(|number| number.unsigned_abs() >= LEAST) {
            let message = format!("a template that prints {value} gets it as {:e}", value.as_f64().unwrap_or_default());
            let hint = Some("put it in quotes, if the chart takes a string there".to_owned());
            self.out.push(Diagnostic { place: place.clone(), severity: Severity::Warning, message, hint });
        }
    }

    fn guarded_text(&mut self, place: &Place, text: &str) -> Option<String> {
        let text = self.text(place, text)?;
        self.guard(place, &text);
        Some(text)
    }

    /// A text after variables; `None` if one is not declared.
    fn text(&mut self, place: &Place, text: &str) -> Option<String> {
        match self.reading.put(text) {
            Ok(text) => Some(text),
            Err(names) => {
                for name in names {
                    let at = self.source.variable(&name, text, place);
                    let hint = format!("declare it in `variables` of the service, or write {0}{0}{{{name}}} for the text itself", '$');
                    self.error(&at, format!("the variable {name} is not declared"), &hint);
                }
                None
            }
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
        let mut reading = Reading { variables: Some(variables), ..Reading::default() };
        let found = manifests("m.yaml", text, &mut reading, &mut out);
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
            ("apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: shop}\ndata: {a: aGVsbG8=}\n", 4, "the value a in the clear"),
            ("apiVersion: v1\nkind: SecretList\nmetadata: {name: a}\nitems: [{data: {a: aGVsbG8=}}]\n", 3, "is no object"),
            ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", 3, "says no namespace"),
            ("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a, namespace: b}\n", 3, "in no namespace"),
            (&format!("{head}status: {{phase: Bound}}\n"), 4, "a status"),
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

//! What an object is called, and objects that are not anybody's to make by a manifest.

use kubestead_core::diagnostic::Place;
use kubestead_core::kube::{FIELD_MANAGER, ObjectRef};
use kubestead_core::name::{is_label, is_subdomain};

use super::{Decoder, Entries, Yaml, YamlKind, field, is_nothing};
use crate::objects::MANAGED_BY;
use crate::service::kinds::{Naming, group, misplaced, namespaced, naming};

/// What the API server writes itself.
const SERVERS: [&str; 7] = ["uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "managedFields", "selfLink"];
/// What is written about an object under our own names.
const OWN: &str = "kubestead.io/";

/// What an object is that cannot be called so. `None` if it can.
fn misnamed(object: &ObjectRef) -> Option<&'static str> {
    let name = object.name.as_str();
    let path = !name.is_empty() && !name.contains(['/', '%']) && ![".", ".."].contains(&name) && !name.chars().any(char::is_control);
    let (good, what) = match naming(object) {
        Naming::Path => (path && name.len() <= 253, "an object"),
        Naming::Subdomain => (is_subdomain(name), "an object: lower case letters, digits, '-' and '.' are"),
        Naming::Label => (is_label(name), "one: up to 63 lower case letters, digits and '-' are"),
    };
    (!good).then_some(what)
}

impl Decoder<'_> {
    pub(super) fn metadata(&mut self, place: &Place, meta: &Entries, api_version: Option<&str>, kind: Option<&str>) -> Option<ObjectRef> {
        if let Some((_, at, _)) = field(meta, "generateName") {
            self.error(at, "generateName makes another object each time", "write metadata.name");
            return None;
        }
        let name = self.word(place, meta, "name", "metadata");
        let namespace = field(meta, "namespace").and_then(|_| self.word(place, meta, "namespace", "metadata"));
        let at = |key: &str| field(meta, key).map_or(place, |(_, at, _)| at).clone();
        for (key, at, value) in meta {
            let nothing = is_nothing(&value.kind);
            if SERVERS.contains(&key.as_str()) && !nothing {
                self.error(at, format!("metadata.{key} is the API server's to write"), "take it away");
            }
            if ["labels", "annotations"].contains(&key.as_str()) && !nothing {
                self.marks(key, at, value);
            }
        }
        let (api_version, kind, name) = (api_version?, kind?, name?);
        let mut object = ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace: namespace.unwrap_or_default(), name };
        if object.namespace.is_empty() && namespaced(&object) == Some(true) {
            object.namespace = self.reading.namespace.clone().unwrap_or_default();
        }
        if let Some(what) = misnamed(&object) {
            self.error(&at("name"), format!("{:?} is not the name of {what}", object.name), "");
            return None;
        }
        if !object.namespace.is_empty() && !is_label(&object.namespace) {
            self.error(&at("namespace"), format!("{:?} is not the name of a namespace", object.namespace), "");
            return None;
        }
        self.refused(&object, &at);
        if let Some((message, hint)) = misplaced(&object) {
            self.error(&at("name"), format!("{object}: {message}"), &hint);
        }
        Some(object)
    }

    /// Objects that are not anybody's to make by a manifest.
    fn refused(&mut self, object: &ObjectRef, at: &dyn Fn(&str) -> Place) {
        let own_group = group(&object.api_version).is_empty();
        if object.kind == "Namespace" && own_group && (object.name.starts_with("kube-") || object.name == "default") {
            self.error(&at("name"), format!("{object} is the cluster's own"), "write another name");
        }
        if own_group && object.kind.ends_with("List") {
            self.error(&at("name"), format!("{} is no object", object.kind), "write `kind: List`, or each of its objects");
        }
        if own_group && ["Node", "Event", "Binding"].contains(&object.kind.as_str()) {
            self.error(&at("name"), format!("a {} is no object of a service", object.kind), "labels of nodes stand in `nodes`");
        }
        if object.kind == "Kustomization" && group(&object.api_version) == "kustomize.config.k8s.io" {
            self.error(&at("name"), "a kustomization is no object", "name its folder with `kustomize` instead of `path`");
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
            if *bare && self.reading.put(text).is_ok_and(|text| !self.reading.plain(&text).is_ok_and(|value| value.is_string())) {
                self.error(&value.place, format!("{what}: {key:?} must be a string"), "put its value in quotes");
            }
            if key.starts_with(OWN) || key == MANAGED_BY && text == FIELD_MANAGER {
                self.error(at, format!("{what}: {key} is kubestead's to write"), "take it away");
            }
        }
    }
}

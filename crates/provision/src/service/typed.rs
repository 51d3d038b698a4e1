//! What the API server would refuse of an object by the types and names of its fields, once the namespace around it is there already: text where a number
//! stands, numbers where text does, names that lead nowhere. No more is judged here than what it surely refuses.

use std::collections::BTreeSet;

use kubestead_core::diagnostic::{Diagnostic, Severity};
use kubestead_core::kube::ObjectRef;
use serde_json::Value;

use super::kinds::group;
use super::source::{Written, part};
use crate::objects::billionths;

/// The most bytes that the data of a ConfigMap may have together (the API reference).
const MOST_DATA: usize = 1 << 20;

/// How labels of Pod Security begin, and its levels.
const POD_SECURITY: &str = "pod-security.kubernetes.io/";
const LEVELS: [&str; 3] = ["privileged", "baseline", "restricted"];

/// Where each kind has its pod, or the template of its pods.
pub(super) fn pods(object: &ObjectRef) -> Option<&'static str> {
    Some(match (group(&object.api_version), object.kind.as_str()) {
        ("", "Pod") => "",
        ("", "PodTemplate") => "/template",
        ("", "ReplicationController") | ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => {
            "/spec/template"
        }
        ("batch", "CronJob") => "/spec/jobTemplate/spec/template",
        _ => return None,
    })
}

/// Where a pod has its containers.
pub(super) const CONTAINERS: [&str; 2] = ["containers", "initContainers"];

/// The items of a list with their pointers.
pub(super) fn items<'a>(manifest: &'a Value, list: &str) -> Vec<(String, &'a Value)> {
    let found = manifest.pointer(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    found.iter().enumerate().map(|(at, item)| (format!("{list}/{at}"), item)).collect()
}

/// The containers of a pod's template, with their pointers.
pub(super) fn containers<'a>(manifest: &'a Value, template: &str) -> Vec<(String, &'a Value)> {
    CONTAINERS.iter().flat_map(|list| items(manifest, &format!("{template}/spec/{list}"))).collect()
}

struct Check<'a> {
    manifest: &'a Value,
    written: &'a Written,
    out: &'a mut Vec<Diagnostic>,
}

/// Tells what is wrong with an object.
pub(super) fn check(object: &ObjectRef, manifest: &Value, written: &Written, out: &mut Vec<Diagnostic>) {
    let mut check = Check { manifest, written, out };
    if group(&object.api_version).is_empty() && object.kind == "ConfigMap" {
        check.data();
    }
    if group(&object.api_version).is_empty() && object.kind == "Namespace" {
        check.levels();
    }
    if let Some(template) = pods(object) {
        check.template(template);
        if group(&object.api_version) == "apps" {
            check.whole("/spec/replicas");
            check.selector(template);
        }
    }
}

impl Check<'_> {
    fn error(&mut self, pointer: &str, message: String, hint: &str) {
        let place = self.written.at(pointer).clone();
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.out.push(Diagnostic { place, severity: Severity::Error, message, hint });
    }

    /// A value that must be text; nothing is as none.
    fn text(&mut self, pointer: &str, what: &str) {
        let value = self.manifest.pointer(pointer).unwrap_or(&Value::Null);
        match value {
            Value::Null | Value::String(_) => {}
            Value::Number(_) | Value::Bool(_) => self.error(pointer, format!("{what} must be a string"), "put its value in quotes"),
            Value::Array(_) | Value::Object(_) => self.error(pointer, format!("{what} must be a string"), ""),
        }
    }

    /// A map of text.
    fn texts(&mut self, pointer: &str, what: &str) {
        let manifest = self.manifest;
        for key in manifest.pointer(pointer).and_then(Value::as_object).into_iter().flat_map(|map| map.keys()) {
            self.text(&format!("{pointer}/{}", part(key)), &format!("{what}: {key:?}"));
        }
    }

    /// A value that must be a whole number.
    fn whole(&mut self, pointer: &str) {
        let wrong = self.manifest.pointer(pointer).is_some_and(|value| !(value.is_null() || value.is_i64() || value.is_u64()));
        if wrong {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            self.error(pointer, format!("{name} must be a whole number"), "write it without quotes; a variable too");
        }
    }

    fn data(&mut self) {
        self.texts("/data", "data");
        self.texts("/binaryData", "binaryData");
        let length = |value: &Value| value.as_str().map_or(0, str::len);
        let sum = |field: &str| self.manifest[field].as_object().into_iter().flatten().map(|(_, value)| length(value)).sum::<usize>();
        // What is in base64 takes a third more than it holds.
        let bytes = sum("data") + sum("binaryData") / 4 * 3;
        if bytes > MOST_DATA {
            self.error("/data", format!("data of {bytes} bytes, and {MOST_DATA} are the most of a ConfigMap"), "make several of it");
        }
    }

    fn template(&mut self, template: &str) {
        for marks in ["labels", "annotations"] {
            // Those of the object itself are told already.
            if !template.is_empty() {
                self.texts(&format!("{template}/metadata/{marks}"), marks);
            }
        }
        let manifest = self.manifest;
        let mut volumes: BTreeSet<&str> =
            items(manifest, &format!("{template}/spec/volumes")).iter().filter_map(|(_, volume)| volume["name"].as_str()).collect();
        volumes.extend(items(manifest, "/spec/volumeClaimTemplates").iter().filter_map(|(_, claim)| claim["metadata"]["name"].as_str()));
        for (container, value) in containers(manifest, template) {
            let name = value["name"].as_str().unwrap_or_default();
            if value["image"].as_str().is_none_or(str::is_empty) && !value["image"].is_number() {
                let hint = "write it, or the name of the container that a patch is of";
                self.error(&container, format!("the container {name:?} has no image"), hint);
            }
            for resource in ["cpu", "memory"] {
                self.amounts(&container, &value["resources"], resource);
            }
            for (variable, value) in items(manifest, &format!("{container}/env")) {
                let name = value["name"].as_str().unwrap_or_default();
                self.text(&format!("{variable}/value"), &format!("env: the value of {name:?}"));
            }
            for list in ["command", "args"] {
                for (item, _) in items(manifest, &format!("{container}/{list}")) {
                    self.text(&item, &format!("an item of {list}"));
                }
            }
            for (port, _) in items(manifest, &format!("{container}/ports")) {
                self.whole(&format!("{port}/containerPort"));
                self.whole(&format!("{port}/hostPort"));
            }
            for (mount, value) in items(manifest, &format!("{container}/volumeMounts")) {
                if let Some(name) = value["name"].as_str().filter(|name| !volumes.contains(name)) {
                    let known: Vec<&str> = volumes.iter().copied().take(20).collect();
                    let hint =
                        if known.is_empty() { "write it below `volumes`".to_owned() } else { format!("known are {}", known.join(", ")) };
                    self.error(&format!("{mount}/name"), format!("volumeMounts: the pod has no volume {name:?}"), &hint);
                }
            }
        }
    }

    /// A container asks for no more than its own limit.
    fn amounts(&mut self, container: &str, resources: &Value, resource: &str) {
        let amount = |kind: &str| match &resources[kind][resource] {
            Value::String(text) => billionths(text).map(|amount| (amount, text.clone())),
            Value::Number(number) => billionths(&number.to_string()).map(|amount| (amount, number.to_string())),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        if let (Some((request, asked)), Some((limit, most))) = (amount("requests"), amount("limits"))
            && request > limit
        {
            let message = format!("a container asks for {resource} {asked}, which is more than its limit {most}");
            self.error(&format!("{container}/resources/requests/{resource}"), message, "write no more than the limit");
        }
    }

    /// Labels by which Pod Security is told its levels: others are refused.
    fn levels(&mut self) {
        let manifest = self.manifest;
        for (key, value) in manifest["metadata"]["labels"].as_object().into_iter().flatten() {
            let (Some(mode), Some(value)) = (key.strip_prefix(POD_SECURITY), value.as_str()) else { continue };
            let at = format!("/metadata/labels/{}", part(key));
            let minor =
                |value: &str| value.strip_prefix("v1.").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|c| c.is_ascii_digit()));
            if ["enforce", "audit", "warn"].contains(&mode) && !LEVELS.contains(&value) {
                self.error(&at, format!("Pod Security has no level {value:?}"), &format!("known are {}", LEVELS.join(", ")));
            } else if mode.ends_with("-version") && value != "latest" && !minor(value) {
                self.error(&at, format!("{key}: {value:?} is no version of Pod Security"), "write latest, or one such as v1.37");
            }
        }
    }

    /// A workload chooses its own pods.
    fn selector(&mut self, template: &str) {
        let manifest = self.manifest;
        let pointer = "/spec/selector/matchLabels";
        self.texts(pointer, "matchLabels");
        let Some(wanted) = manifest.pointer(pointer).and_then(Value::as_object) else { return };
        let labels = manifest.pointer(&format!("{template}/metadata/labels")).unwrap_or(&Value::Null);
        for (key, value) in wanted.iter().filter(|(key, value)| value.is_string() && labels[key.as_str()] != **value) {
            let message = format!("selector: the pods of its template have no label {key}: {}", value.as_str().unwrap_or_default());
            self.error(&format!("{pointer}/{}", part(key)), message, "write the same label in template.metadata.labels");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::service::decode::{Reading, manifests};

    fn told(text: &str) -> Vec<String> {
        let mut out = Vec::new();
        manifests("m.yaml", text, &mut Reading::default(), &mut out);
        out.sort_by(|a, b| a.place.cmp(&b.place));
        out.iter().map(ToString::to_string).collect()
    }

    const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      volumes: [{name: data, emptyDir: {}}]
      containers:
      - name: web
        image: i
        args: [--port, \"80\"]
        env: [{name: A, value: \"1\"}, {name: B}]
        ports: [{containerPort: 80}]
        volumeMounts: [{name: data, mountPath: /d}]
";

    #[test]
    fn what_the_server_refuses_of_a_workload_is_told_with_its_place() {
        assert_eq!(told(DEPLOYMENT), Vec::<String>::new());
        for (good, bad, at, words) in [
            ("replicas: 2", "replicas: \"2\"", "5:13", "replicas must be a whole number"),
            ("matchLabels: {app: web}", "matchLabels: {app: wep}", "6:33", "no label app: wep"),
            ("labels: {app: web}", "labels: {app: web, n: 1}", "8:38", "labels: \"n\" must be a string"),
            ("--port, \"80\"", "--port, 80", "14:24", "an item of args must be a string"),
            ("value: \"1\"", "value: 80", "15:32", "the value of \"A\" must be a string"),
            ("containerPort: 80", "containerPort: http", "16:33", "containerPort must be a whole number"),
            ("image: i", "command: [a]", "12:9", "the container \"web\" has no image"),
            (
                "image: i",
                "image: i\n        resources: {requests: {cpu: \"1\"}, limits: {cpu: 500m}}",
                "14:37",
                "asks for cpu 1, which is more than its limit 500m",
            ),
            ("{name: data, mountPath", "{name: date, mountPath", "17:31", "no volume \"date\""),
        ] {
            let found = told(&DEPLOYMENT.replacen(good, bad, 1));
            assert!(
                found.len() == 1 && found[0].starts_with(&format!("m.yaml:{at}: error")) && found[0].contains(words),
                "{bad}: {found:?}"
            );
        }
    }

    #[test]
    fn a_config_map_holds_text_and_not_more_than_a_mebibyte() {
        let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n";
        let found = told(&format!("{head}data: {{PORT: 8080, DEBUG: true, GOOD: \"1\", NONE: null}}\n"));
        assert!(found.len() == 2 && found[0].starts_with("m.yaml:4:14: error: data: \"PORT\"") && found[1].contains("DEBUG"), "{found:?}");
        let mut large = format!("{head}data:\n");
        for at in 0..3 {
            let _ = writeln!(large, "  f{at}: \"{}\"", "x".repeat(400_000));
        }
        assert!(matches!(told(&large).as_slice(), [one] if one.contains("1200000 bytes")));
    }

    #[test]
    fn a_label_of_pod_security_has_one_of_its_levels() {
        let labelled = |label: &str| {
            told(&format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: a, labels: {{pod-security.kubernetes.io/{label}}}}}\n"))
        };
        for good in ["enforce: baseline", "warn-version: latest", "audit-version: v1.37", "other: x"] {
            assert_eq!(labelled(good), Vec::<String>::new(), "{good}");
        }
        for (bad, words) in [("enforce: privilegd", "no level \"privilegd\""), ("enforce-version: '1.37'", "no version of Pod Security")] {
            assert!(
                matches!(labelled(bad).as_slice(), [one] if one.starts_with("m.yaml:3:") && one.contains(words)),
                "{:?}",
                labelled(bad)
            );
        }
    }

    #[test]
    fn a_name_is_one_that_the_kind_takes() {
        let named = |kind: &str, name: &str| told(&format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\n"));
        assert!(named("ConfigMap", "Nope_Name")[0].starts_with("m.yaml:3:12: error: \"Nope_Name\" is not the name of"));
        assert!(named("Service", "a.b")[0].contains("up to 63"));
        assert_eq!(named("ConfigMap", "a.b-c"), Vec::<String>::new());
        let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: 'kubestead:A_b', namespace: shop}\n";
        assert_eq!(told(role), Vec::<String>::new());
    }
}

//! `kubelet`: fields of `KubeletConfiguration`, for all nodes or for one. Those that a cluster is seldom run without are judged here, as the kubelet judges
//! them; all others pass under `other`, by their names.

use std::collections::BTreeMap;

use kubestead_core::diagnostic::Place;
use serde_json::{Map, Value};

use super::decode::{boolean, count, entries, parsed, text};
use super::fields::fields;
use super::findings::Findings;
use super::shape::{Bare, Form, Kind, Need};
use super::tree::{Kind as YamlKind, Node};
use crate::kubelet::{Settings, is_duration};

fields! {
    /// The fields of the section.
    struct Written {
        "evictionHard" eviction_hard Need::Optional("the kubelet's own"), Kind::entries("SIGNAL", &SIGNAL, &Kind::Text(&THRESHOLD)),
            "Below which of these pods are evicted at once. Signals that are not named keep the kubelet's thresholds; `0%` is none.";
        "evictionSoft" eviction_soft Need::Optional("none"), Kind::entries("SIGNAL", &SIGNAL, &Kind::Text(&THRESHOLD)),
            "Below which of these pods are evicted after the time in `evictionSoftGracePeriod`.";
        "evictionSoftGracePeriod" eviction_soft_grace_period Need::Optional("none"), Kind::entries("SIGNAL", &SIGNAL, &Kind::Text(&DURATION)),
            "The time for each signal of `evictionSoft`.";
        "evictionMinimumReclaim" eviction_minimum_reclaim Need::Optional("none"), Kind::entries("SIGNAL", &SIGNAL, &Kind::Text(&THRESHOLD)),
            "How much is reclaimed at least when pods are evicted.";
        "systemReserved" system_reserved Need::Optional("nothing"), Kind::entries("RESOURCE", &RESOURCE, &Kind::Text(&QUANTITY)),
            "What pods do not get, for the machine's own programs.";
        "kubeReserved" kube_reserved Need::Optional("nothing"), Kind::entries("RESOURCE", &RESOURCE, &Kind::Text(&QUANTITY)),
            "What pods do not get, for the kubelet and containerd.";
        "containerLogMaxSize" container_log_max_size Need::Optional("`50Mi`"), Kind::Text(&QUANTITY),
            "The size at which a container's log is rotated.";
        "containerLogMaxFiles" container_log_max_files Need::Optional("`3`"), Kind::Count { least: 2, most: LARGE },
            "How many files of a container's log there are.";
        "imageGCHighThresholdPercent" image_gc_high Need::Optional("`85`"), Kind::Count { least: 1, most: 100 },
            "How full the image store is when images are removed; with `imageGCLowThresholdPercent`, which is less.";
        "imageGCLowThresholdPercent" image_gc_low Need::Optional("`80`"), Kind::Count { least: 1, most: 99 },
            "Down to where images are removed; with `imageGCHighThresholdPercent`.";
        "imageMinimumGCAge" image_minimum_age Need::Optional("`2m`"), Kind::Text(&DURATION),
            "How old an unused image is at least when it is removed.";
        "imageMaximumGCAge" image_maximum_age Need::Optional("none goes by its age"), Kind::Text(&DURATION),
            "How old an unused image is at most.";
        "maxPods" max_pods Need::Optional("`110`"), Kind::Count { least: 1, most: PODS },
            "How many pods a node has at most; it has 254 addresses for them.";
        "podPidsLimit" pod_pids_limit Need::Optional("none"), Kind::Count { least: 1, most: PIDS },
            "How many processes a pod has at most.";
        "seccompDefault" seccomp_default Need::Optional("`true`"), Kind::Boolean,
            "Whether a pod that says nothing has the runtime's own seccomp profile.";
        "shutdownGracePeriod" shutdown Need::Optional("pods end with their machine"), Kind::Text(&DURATION),
            "How long a machine that shuts down waits for its pods; with `shutdownGracePeriodCriticalPods`.";
        "shutdownGracePeriodCriticalPods" shutdown_critical Need::Optional("none"), Kind::Text(&DURATION),
            "The part of it that is kept for critical pods; with `shutdownGracePeriod`.";
        "featureGates" feature_gates Need::Optional("the kubelet's own"), GATES,
            "Feature gates of the kubelet.";
        "other" other Need::Optional("none"), Kind::entries("FIELD", &FIELD, &Kind::Any),
            "Any other field of `KubeletConfiguration`, passed through as it is: none of those above, none that kubestead or kubeadm sets.";
    }
}

const LARGE: u64 = 1000;
/// A node has a /24 for its pods.
const PODS: u64 = 254;
/// The kernel's own limit, `PID_MAX_LIMIT`.
const PIDS: u64 = 4_194_304;

/// Those that somebody may set: `containerfs` follows the other two, `allocatableMemory` follows `memory`.
const SIGNALS: [&str; 6] =
    ["memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree", "pid.available"];
const RESOURCES: [&str; 4] = ["cpu", "memory", "ephemeral-storage", "pid"];
const SUFFIXES: [&str; 15] = ["", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "%"];

const SIGNAL: Form = Form {
    word: "a signal",
    pattern: r"^((memory|nodefs|imagefs|pid)\.available|(nodefs|imagefs)\.inodesFree)$",
    example: "memory.available",
    bare: Bare::String,
};
const RESOURCE: Form = Form { word: "a resource", pattern: "^(cpu|memory|ephemeral-storage|pid)$", example: "memory", bare: Bare::String };
const THRESHOLD: Form =
    Form { word: "a quantity or a share", pattern: r"^[0-9]+(\.[0-9]+)?([mkMGTPE%]|[KMGTPE]i)?$", example: "10%", bare: Bare::Any };
const QUANTITY: Form =
    Form { word: "a quantity", pattern: r"^[0-9]+(\.[0-9]+)?([mkMGTPE]|[KMGTPE]i)?$", example: "500Mi", bare: Bare::Any };
const DURATION: Form = Form { word: "a time", pattern: "^([0-9]+(h|m|s|ms|us|ns|µs))+$", example: "2m", bare: Bare::String };
const GATE: Form = Form { word: "a gate", pattern: "^[A-Z][A-Za-z0-9]{0,99}$", example: "MemoryQoS", bare: Bare::String };
const FIELD: Form = Form { word: "a field", pattern: "^[a-z][A-Za-z0-9]{0,99}$", example: "serializeImagePulls", bare: Bare::String };

/// Fields that are not the file's to set here, and why.
const KEPT: [(&str, &str); 27] = [
    ("apiVersion", "it is written anyway"),
    ("kind", "it is written anyway"),
    ("mergeDefaultEvictionSettings", "it is always true: else a signal that is named would take the place of all others"),
    ("failSwapOn", SWAP),
    ("memorySwap", SWAP),
    ("authentication", RIGHTS),
    ("authorization", RIGHTS),
    ("rotateCertificates", RIGHTS),
    ("serverTLSBootstrap", RIGHTS),
    ("tlsCertFile", RIGHTS),
    ("tlsPrivateKeyFile", RIGHTS),
    ("readOnlyPort", RIGHTS),
    ("enableServer", KUBEADM),
    ("registerNode", KUBEADM),
    ("port", KUBEADM),
    ("address", KUBEADM),
    ("healthzPort", KUBEADM),
    ("healthzBindAddress", KUBEADM),
    ("cgroupDriver", KUBEADM),
    ("containerRuntimeEndpoint", KUBEADM),
    ("imageServiceEndpoint", KUBEADM),
    ("staticPodPath", KUBEADM),
    ("staticPodURL", "what runs on nodes comes from the API"),
    ("staticPodURLHeader", "what runs on nodes comes from the API"),
    ("runOnce", "no kubelet takes it any more"),
    ("clusterDomain", "write network.dnsDomain"),
    ("podCIDR", "write network.podSubnet"),
];
const SWAP: &str = "swap is off on every node: what is swapped out would lie on a disk in the clear";
const RIGHTS: &str = "who may ask a kubelet, and by which certificates, is not weakened here";
const KUBEADM: &str = "kubeadm and kubestead rely on what it is";

/// Feature gates by their names.
pub(super) const GATES: Kind = Kind::entries("GATE", &GATE, &Kind::Boolean);
/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Decodes the section, which is called `what`.
pub(super) fn kubelet(node: Node, what: &str, out: &mut Findings) -> Settings {
    let place = node.place.clone();
    if matches!(&node.kind, YamlKind::Map(entries) if entries.is_empty()) {
        let hint = "write a field of KubeletConfiguration, such as `maxPods: 200`, or leave it out".to_owned();
        out.error(&place, format!("{what} sets nothing"), hint);
    }
    let f = Written::of(node, what, out);
    let mut all = Section { what, out, found: BTreeMap::new() };
    let soft = f.eviction_soft.is_some() || f.eviction_soft_grace_period.is_some();
    all.texts("evictionHard", f.eviction_hard, signal, |text| quantity(text, true));
    all.texts("evictionSoft", f.eviction_soft, signal, |text| quantity(text, true));
    all.texts("evictionSoftGracePeriod", f.eviction_soft_grace_period, signal, duration);
    all.texts("evictionMinimumReclaim", f.eviction_minimum_reclaim, signal, |text| quantity(text, true));
    all.texts("systemReserved", f.system_reserved, resource, |text| quantity(text, false));
    all.texts("kubeReserved", f.kube_reserved, resource, |text| quantity(text, false));
    all.text("containerLogMaxSize", f.container_log_max_size, |text| quantity(text, false));
    all.count("containerLogMaxFiles", f.container_log_max_files, 2..=LARGE);
    let (high, low) = (f.image_gc_high.is_some(), f.image_gc_low.is_some());
    all.count("imageGCHighThresholdPercent", f.image_gc_high, 1..=100);
    all.count("imageGCLowThresholdPercent", f.image_gc_low, 1..=99);
    all.text("imageMinimumGCAge", f.image_minimum_age, duration);
    all.text("imageMaximumGCAge", f.image_maximum_age, duration);
    all.count("maxPods", f.max_pods, 1..=PODS);
    all.count("podPidsLimit", f.pod_pids_limit, 1..=PIDS);
    if let Some(node) = f.seccomp_default
        && let Some(value) = boolean(node, &format!("{what}.seccompDefault"), all.out)
    {
        all.found.insert("seccompDefault".into(), value.into());
    }
    let (whole, critical) = (f.shutdown.is_some(), f.shutdown_critical.is_some());
    all.text("shutdownGracePeriod", f.shutdown, duration);
    all.text("shutdownGracePeriodCriticalPods", f.shutdown_critical, duration);
    all.gates(f.feature_gates);
    all.others(f.other);
    if soft {
        all.soft(&place);
    }
    if high || low {
        all.pair(&place, ("imageGCHighThresholdPercent", high), ("imageGCLowThresholdPercent", low), |high, low| {
            low.as_u64() < high.as_u64()
        });
    }
    if whole || critical {
        let shorter = |whole: &Value, part: &Value| {
            let time = |value: &Value| value.as_str().and_then(crate::kubelet::nanoseconds);
            time(part) <= time(whole)
        };
        all.pair(&place, ("shutdownGracePeriod", whole), ("shutdownGracePeriodCriticalPods", critical), shorter);
    }
    Settings(all.found)
}

type Judge = fn(&str) -> Result<(), String>;

/// What was found of a section.
struct Section<'a> {
    what: &'a str,
    out: &'a mut Findings,
    found: BTreeMap<String, Value>,
}

impl Section<'_> {
    fn text(&mut self, name: &str, node: Option<Node>, judge: Judge) {
        let Some(node) = node else { return };
        if let Some(at) = parsed(node, &format!("{}.{name}", self.what), self.out, |text| judge(text).map(|()| text.to_owned())) {
            self.found.insert(name.to_owned(), at.value.into());
        }
    }

    fn texts(&mut self, name: &str, node: Option<Node>, key: Judge, value: Judge) {
        let Some(node) = node else { return };
        let what = format!("{}.{name}", self.what);
        let mut map = Map::new();
        for (word, place, node) in entries(node, &what, self.out) {
            if let Err(why) = key(&word) {
                self.out.error(&place, format!("{what}: {word:?} {why}"), None);
                continue;
            }
            if let Some(at) = parsed(node, &format!("{what}.{word}"), self.out, |text| value(text).map(|()| text.to_owned())) {
                map.insert(word, at.value.into());
            }
        }
        self.found.insert(name.to_owned(), map.into());
    }

    fn count(&mut self, name: &str, node: Option<Node>, range: std::ops::RangeInclusive<u64>) {
        let Some(node) = node else { return };
        let what = format!("{}.{name}", self.what);
        let Some(at) = count(node, &what, self.out) else { return };
        if range.contains(&at.value) {
            self.found.insert(name.to_owned(), at.value.into());
        } else {
            self.out.error(&at.place, format!("{what} must be {} to {}", range.start(), range.end()), None);
        }
    }

    fn gates(&mut self, node: Option<Node>) {
        let Some(node) = node else { return };
        let what = format!("{}.featureGates", self.what);
        let gates = gates(node, &what, self.out);
        self.found.insert("featureGates".into(), gates.into_iter().map(|(gate, on)| (gate, Value::from(on))).collect::<Map<_, _>>().into());
    }

    /// What is passed through. The kubelet reads names without regard to case, so they are held against ours in the same way.
    fn others(&mut self, node: Option<Node>) {
        let Some(node) = node else { return };
        let what = format!("{}.other", self.what);
        for (name, place, node) in entries(node, &what, self.out) {
            let own = Written::SHAPE.fields.iter().map(|field| field.name).find(|own| own.eq_ignore_ascii_case(&name));
            if let Some(own) = own {
                let hint = format!("write it as {}.{own}", self.what);
                self.out.error(&place, format!("{what}: {name} is a field of its own"), hint);
            } else if let Some((_, why)) = KEPT.iter().find(|(kept, _)| kept.eq_ignore_ascii_case(&name)) {
                self.out.error(&place, format!("{what}: {name} is not set here: {why}"), "leave it out".to_owned());
            } else if !(name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.len() <= 100
                && name.chars().all(|c| c.is_ascii_alphanumeric()))
            {
                let hint = "write it as the reference of kubelet.config.k8s.io/v1beta1 does, such as serializeImagePulls".to_owned();
                self.out.error(&place, format!("{what}: {name:?} is not the name of a field"), hint);
            } else if let Some(value) = json(node, &format!("{what}.{name}"), self.out) {
                self.found.insert(name, value);
            }
        }
    }

    /// Each soft threshold has its time, and no time is for nothing.
    fn soft(&mut self, place: &Place) {
        let keys = |name: &str| {
            let map = self.found.get(name).and_then(Value::as_object);
            map.into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>()
        };
        let (soft, times) = (keys("evictionSoft"), keys("evictionSoftGracePeriod"));
        for (of, other, there) in [(&soft, "evictionSoftGracePeriod", &times), (&times, "evictionSoft", &soft)] {
            for signal in of.iter().filter(|signal| !there.contains(signal)) {
                let message = format!("{}: {signal} has nothing in {other}", self.what);
                self.out.error(place, message, "write a threshold and a time for each soft signal".to_owned());
            }
        }
    }

    /// Two fields that are written together, and fit.
    fn pair(&mut self, place: &Place, one: (&str, bool), two: (&str, bool), fits: impl Fn(&Value, &Value) -> bool) {
        let ((first, has_first), (second, has_second)) = (one, two);
        if has_first != has_second {
            let (written, missing) = if has_first { (first, second) } else { (second, first) };
            let message = format!("{} has {written} and not {missing}: the one is judged by the other", self.what);
            self.out.error(place, message, format!("write {missing} too"));
        } else if let (Some(a), Some(b)) = (self.found.get(first), self.found.get(second))
            && !fits(a, b)
        {
            let message = format!("{}: {second} {b} does not fit {first} {a}", self.what);
            self.out.error(place, message, format!("write a smaller {second}"));
        }
    }
}

/// Decodes feature gates.
pub(super) fn gates(node: Node, what: &str, out: &mut Findings) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    for (gate, place, node) in entries(node, what, out) {
        if !(gate.starts_with(|c: char| c.is_ascii_uppercase()) && gate.len() <= 100 && gate.chars().all(|c| c.is_ascii_alphanumeric())) {
            out.error(&place, format!("{what}: {gate:?} is not the name of a feature gate"), "write one such as MemoryQoS".to_owned());
        } else if let Some(on) = boolean(node, &format!("{what}.{gate}"), out) {
            found.insert(gate, on);
        }
    }
    found
}

fn signal(word: &str) -> Result<(), String> {
    if SIGNALS.contains(&word) { Ok(()) } else { Err(format!("is not a signal: {}", SIGNALS.join(", "))) }
}

fn resource(word: &str) -> Result<(), String> {
    if RESOURCES.contains(&word) { Ok(()) } else { Err(format!("is not a resource that a kubelet reserves: {}", RESOURCES.join(", "))) }
}

fn duration(text: &str) -> Result<(), String> {
    if is_duration(text) { Ok(()) } else { Err(format!("{text:?} is not a time such as 2m or 1h30m")) }
}

/// A quantity of Kubernetes, or a share in percent.
fn quantity(text: &str, share: bool) -> Result<(), String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, part) = number.split_once('.').map_or((number, None), |(whole, part)| (whole, Some(part)));
    let digits = |text: &str| !text.is_empty() && text.len() <= 18 && text.bytes().all(|c| c.is_ascii_digit());
    let is_share = suffix == "%";
    let good = digits(whole) && part.is_none_or(digits) && SUFFIXES.contains(&suffix);
    if !good || (is_share && !share) {
        let words = if share { "a quantity such as 500Mi, or a share such as 10%" } else { "a quantity such as 500Mi" };
        return Err(format!("{text:?} is not {words}"));
    }
    if is_share && number.parse::<f64>().is_ok_and(|n| n > 100.0) {
        return Err(format!("{text:?} is more than all"));
    }
    Ok(())
}

/// A value as JSON, as YAML 1.2 reads it (its core schema): what is not in quotes may be a number or a boolean.
fn json(node: Node, what: &str, out: &mut Findings) -> Option<Value> {
    match node.kind {
        YamlKind::List(items) => {
            let before = items.len();
            let items: Vec<Value> = items.into_iter().filter_map(|item| json(item, what, out)).collect();
            (items.len() == before).then_some(Value::Array(items))
        }
        YamlKind::Map(entries) => {
            let before = entries.len();
            let map: Map<String, Value> = entries
                .into_iter()
                .filter_map(|(key, _, value)| Some((key.clone(), json(value, &format!("{what}.{key}"), out)?)))
                .collect();
            (map.len() == before).then_some(Value::Object(map))
        }
        YamlKind::Scalar { plain, .. } => {
            let at = text(node, what, out)?;
            Some(if plain { scalar(at.value) } else { at.value.into() })
        }
    }
}

fn scalar(text: String) -> Value {
    match text.as_str() {
        "true" => true.into(),
        "false" => false.into(),
        number => match number.parse::<i64>() {
            Ok(whole) if whole.to_string() == number => whole.into(),
            _ => match number.parse::<f64>() {
                Ok(real) if number.contains('.') && number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => real.into(),
                _ => text.into(),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_and_scalars_are_those_of_kubernetes_and_yaml() {
        for good in ["0", "100Mi", "1.5Gi", "200m", "10G"] {
            assert!(quantity(good, false).is_ok(), "{good}");
        }
        for bad in ["", "Mi", "1.Mi", "100MiB", "-1", "10%", "1e3", "1..5"] {
            assert!(quantity(bad, false).is_err(), "{bad}");
        }
        assert!(quantity("10%", true).is_ok() && quantity("101%", true).is_err());
        for (text, value) in
            [("5", Value::from(5)), ("0.5", Value::from(0.5)), ("05", "05".into()), ("1.2.3", "1.2.3".into()), ("on", "on".into())]
        {
            assert_eq!(scalar(text.to_owned()), value);
        }
    }
}

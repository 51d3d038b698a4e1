//! What pods take beyond the level `baseline`, and what of that the file does not grant.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rules::{APPARMOR, At, CAPABILITIES, May, RULES, WRITTEN};
use crate::file::{Grants, HostPath, Mode, PodSecurity, Ports};

/// What a pod takes beyond the level `baseline`, which pod security by grants would have to allow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Beyond {
    /// The pod.
    pub pod: String,
    /// The service account that it runs as.
    pub account: String,
    /// What it takes.
    pub uses: BTreeSet<Use>,
}

/// Something that the level `baseline` does not allow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Use {
    /// A path of the machine.
    HostPath {
        /// Which.
        path: String,
        /// Whether something may be written or made there.
        writes: bool,
    },
    /// A port of the machine.
    HostPort(u16),
    /// A capability.
    Capability(String),
    /// The machine's network.
    HostNetwork,
    /// What cannot be granted alone: its name, and what stands there.
    Other(String),
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostPath { path, writes: true } => write!(f, "hostPath {path} to write"),
            Self::HostPath { path, writes: false } => write!(f, "hostPath {path} to read"),
            Self::HostPort(port) => write!(f, "hostPort {port}"),
            Self::Capability(name) => write!(f, "capability {name}"),
            Self::HostNetwork => f.write_str("hostNetwork"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// The longest name of anything here, in characters: the API's words are bounded before they are kept.
const LONGEST: usize = 256;

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// What a pod takes beyond the level `baseline`; `None` if nothing, or if it has ended.
pub fn beyond(pod: &Value) -> Option<Beyond> {
    if ["Succeeded", "Failed"].iter().any(|phase| pod["status"]["phase"] == **phase) {
        return None;
    }
    let spec = &pod["spec"];
    let mut uses: BTreeSet<Use> = RULES
        .iter()
        .flat_map(|rule| {
            let values = rule.at.iter().flat_map(|at| values(spec, *at));
            values.filter_map(|value| judge(rule.what, rule.may, value, spec))
        })
        .collect();
    uses.extend(paths(spec));
    for (key, value) in pod["metadata"]["annotations"].as_object().into_iter().flatten() {
        let (prefix, words, begin) = APPARMOR;
        let value = value.as_str().unwrap_or_default();
        if key.starts_with(prefix) && !words.contains(&value) && !value.starts_with(begin) {
            uses.insert(Use::Other(format!("appArmorProfile {}", short(value))));
        }
    }
    let text = |value: &Value| short(value.as_str().unwrap_or_default());
    (!uses.is_empty()).then(|| Beyond { pod: text(&pod["metadata"]["name"]), account: text(&spec["serviceAccountName"]), uses })
}

/// All containers of a pod.
fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["containers", "initContainers", "ephemeralContainers"].into_iter().flat_map(|list| spec[list].as_array().into_iter().flatten())
}

/// What stands in a place.
fn values(spec: &Value, at: At) -> Vec<&Value> {
    let mut found = Vec::new();
    match at {
        At::Pod(path) => walk(spec, path, &mut found),
        At::Container(path) => containers(spec).for_each(|container| walk(container, path, &mut found)),
    }
    found
}

fn walk<'a>(value: &'a Value, path: &str, found: &mut Vec<&'a Value>) {
    let (field, rest) = path.split_once('.').map_or((path, None), |(field, rest)| (field, Some(rest)));
    let inner = &value[field.trim_end_matches("[]")];
    let items = if field.ends_with("[]") { inner.as_array().map(Vec::as_slice).unwrap_or_default() } else { std::slice::from_ref(inner) };
    for item in items.iter().filter(|item| !item.is_null()) {
        match rest {
            Some(rest) => walk(item, rest, found),
            None => found.push(item),
        }
    }
}

fn judge(what: &str, may: May, value: &Value, spec: &Value) -> Option<Use> {
    let word = value.as_str().unwrap_or_default();
    let other = || Use::Other(format!("{what} {}", value.as_str().map_or_else(|| short(&value.to_string()), short)));
    match may {
        May::False => (*value != false).then(|| Use::Other(what.to_owned())),
        May::Words(words) => (!words.contains(&word)).then(other),
        May::ProcMount => (word != "Default" && spec["hostUsers"] != false).then(other),
        May::Capability => (!CAPABILITIES.contains(&word)).then(|| Use::Capability(short(word))),
        May::HostPort => (*value != 0).then(|| Use::HostPort(value.as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(u16::MAX))),
        May::HostNetwork => (*value != false).then_some(Use::HostNetwork),
    }
}

/// The paths of the machine that a pod has as volumes. What is made where nothing is, is written.
fn paths(spec: &Value) -> Vec<Use> {
    let volumes = spec["volumes"].as_array().into_iter().flatten().filter(|volume| volume["hostPath"].is_object());
    let to_use = |volume: &Value| {
        let name = volume["name"].as_str().unwrap_or_default();
        let path = short(volume["hostPath"]["path"].as_str().unwrap_or_default());
        let makes = volume["hostPath"]["type"].as_str().is_some_and(|kind| kind.ends_with("OrCreate"));
        let mounts = containers(spec).flat_map(|container| container["volumeMounts"].as_array().into_iter().flatten());
        let writes = makes || mounts.filter(|mount| mount["name"] == name).any(|mount| mount["readOnly"] != true);
        Use::HostPath { path, writes }
    };
    volumes.map(to_use).collect()
}

impl Beyond {
    /// What of it is not granted.
    pub fn refused(&self, policy: &PodSecurity) -> Vec<&Use> {
        // Of one that may anything, nothing is refused.
        let Some(own) = policy.of(&self.account) else { return Vec::new() };
        let grants = || std::iter::once(&policy.everyone).chain(own);
        let granted = |taken: &Use| match taken {
            Use::HostPath { path, writes } => may_mount(path, *writes, policy, own),
            Use::HostPort(port) => {
                grants().any(|g| g.network || g.ports.iter().any(|Ports { first, last }| (first..=last).contains(&port)))
            }
            Use::Capability(name) => grants().any(|g| g.capabilities.contains(name.as_str())),
            Use::HostNetwork => grants().any(|g| g.network),
            Use::Other(_) => false,
        };
        self.uses.iter().filter(|taken| !granted(taken)).collect()
    }
}

fn may_mount(path: &str, writes: bool, policy: &PodSecurity, own: Option<&Grants>) -> bool {
    let named = |mode| std::iter::once(&policy.everyone).chain(own).flat_map(move |grants| grants.paths(mode));
    let is = |other: &str| path == other || path.strip_suffix('/') == Some(other);
    // As it is written, and not where it leads, it is compared with folders below.
    if path.contains("//") || path.split('/').any(|part| part == "." || part == "..") {
        return false;
    }
    if named(Mode::ReadWrite).any(|granted| is(granted.as_str())) {
        return true;
    }
    if writes {
        return false;
    }
    let below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let written = policy.grants().flat_map(|grants| grants.paths(Mode::ReadWrite)).chain(&policy.volumes);
    let in_written = written.map(HostPath::as_str).chain(WRITTEN).any(below);
    named(Mode::ReadOnly).any(|granted| is(granted.as_str()) || (!in_written && below(granted.as_str())))
}

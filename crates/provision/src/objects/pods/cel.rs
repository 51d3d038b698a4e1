//! The rules as a `ValidatingAdmissionPolicy` reads them: expressions in CEL, and the values of a `ConfigMap` that they take as parameters.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::rules::{APPARMOR, At, CAPABILITIES, May, RULES, Rule, WRITTEN};
use crate::file::{Account, Grants, HostPath, Mode, POOL_ROOT, PodSecurity};

/// The key under which folders stand in which pods write, whoever may.
const IN_WRITTEN: &str = "written";
/// The key of the folders of PersistentVolumes.
const FOLDERS: &str = "paths";

/// The parameters of the policy for pods. Each value is a list, one item a line. What is for an account begins with its name and a dot; no other key has one.
pub(crate) fn grants(policy: &PodSecurity) -> BTreeMap<String, String> {
    let mut data = BTreeMap::new();
    let mut put = |prefix: &str, grants: &Grants| {
        let mut list = |key: &str, items: Vec<String>| {
            if !items.is_empty() {
                data.insert(format!("{prefix}{key}"), items.join("\n"));
            }
        };
        list("readWrite", grants.paths(Mode::ReadWrite).map(ToString::to_string).collect());
        list("readOnly", grants.paths(Mode::ReadOnly).map(ToString::to_string).collect());
        list("hostPorts", grants.ports.iter().map(ToString::to_string).collect());
        list("capabilities", grants.capabilities.iter().map(ToString::to_string).collect());
        list("hostNetwork", if grants.network { vec!["true".to_owned()] } else { Vec::new() });
    };
    put("", &policy.everyone);
    for (name, account) in &policy.accounts {
        if let Account::Some(grants) = account {
            put(&format!("{name}."), grants);
        }
    }
    for (name, account) in &policy.accounts {
        if matches!(account, Account::Anything) {
            data.insert(format!("{name}.privileged"), "true".to_owned());
        }
    }
    let written = policy.grants().flat_map(|grants| grants.paths(Mode::ReadWrite)).chain(&policy.volumes).map(ToString::to_string);
    let written: std::collections::BTreeSet<String> = written.chain(WRITTEN.map(str::to_owned)).collect();
    data.insert(IN_WRITTEN.to_owned(), written.into_iter().collect::<Vec<_>>().join("\n"));
    data
}

/// The parameters of the policy for PersistentVolumes.
pub(crate) fn volume_paths(policy: &PodSecurity) -> BTreeMap<String, String> {
    let folders = std::iter::once(POOL_ROOT).chain(policy.volumes.iter().map(HostPath::as_str));
    BTreeMap::from([(FOLDERS.to_owned(), folders.collect::<Vec<_>>().join("\n"))])
}

/// The lines of a parameter, for everyone and for the pod's account. What is no whole line of its kind is left out: a parameter that somebody broke grants
/// less, and never more.
fn lines(key: &str, good: &str) -> Value {
    let of = |key: &str| format!("variables.data[?{key}].orValue('').split('\\n')");
    let both = format!("{} + {}", of(&format!("'{key}'")), of(&format!("variables.account + '.{key}'")));
    json!({"name": key, "expression": format!("({both}).filter(line, {good})")})
}

const A_PATH: &str = "line.startsWith('/') && line.size() > 1";

/// What is worked out once for a pod.
fn variables() -> Value {
    let named = |name: &str, expression: &str| json!({"name": name, "expression": expression});
    let granted = |key: &str| format!("variables.data[?variables.account + '.{key}'].orValue('') == 'true'");
    json!([
        named("data", "params.?data.orValue({})"),
        named("account", "object.spec.?serviceAccountName.orValue('')"),
        named("privileged", &granted("privileged")),
        named("network", &format!("variables.data[?'hostNetwork'].orValue('') == 'true' || {}", granted("hostNetwork"))),
        lines("readWrite", A_PATH),
        lines("readOnly", A_PATH),
        lines("capabilities", "line != ''"),
        lines("hostPorts", "line.matches('^[0-9]{1,5}-[0-9]{1,5}$')"),
        named("written", &format!("variables.data[?'{IN_WRITTEN}'].orValue('').split('\\n').filter(line, {A_PATH})")),
        named(
            "containers",
            "dyn(object.spec.containers) + dyn(object.spec.?initContainers.orValue([])) + dyn(object.spec.?ephemeralContainers.orValue([]))"
        ),
        named("hostVolumes", "object.spec.?volumes.orValue([]).filter(volume, has(volume.hostPath))"),
        named(
            "writing",
            "variables.hostVolumes.filter(volume, volume.hostPath.?type.orValue('').endsWith('OrCreate') || variables.containers.exists(container, \
             container.?volumeMounts.orValue([]).exists(mount, mount.name == volume.name && !mount.?readOnly.orValue(false)))).map(volume, volume.name)"
        ),
        named(
            "badPaths",
            &format!(
                "variables.hostVolumes.filter(volume, !({} && {MOUNTED})).map(volume, volume.hostPath.path)",
                plain("volume.hostPath.path")
            )
        ),
    ])
}

/// Whether the path that is `value` is written plainly: Kubernetes keeps `//` and `/./` as they are written, and text that is compared with folders would
/// miss those that it leads into.
fn plain(value: &str) -> String {
    format!("!{value}.contains('//') && !{value}.split('/').exists(part, part == '.' || part == '..')")
}

/// Whether a volume of a path of the machine, written plainly, may be mounted as it is.
const MOUNTED: &str = "(variables.readWrite.exists(path, volume.hostPath.path == path || volume.hostPath.path == path + '/') || \
    (!(volume.name in variables.writing) && variables.readOnly.exists(path, volume.hostPath.path == path || volume.hostPath.path == path + '/' || \
    (volume.hostPath.path.startsWith(path + '/') && !variables.written.exists(folder, volume.hostPath.path.startsWith(folder + '/'))))))";

/// The `spec` of the policy for pods.
pub(crate) fn pods() -> Value {
    let mut validations = vec![
        validation(
            "size(variables.badPaths) == 0",
            "hostPath: a path of the machine that is not granted",
            Some(said("'hostPath ' + variables.badPaths.join(', ') + ': not granted, or not to write,")),
        ),
        validation(&apparmor(), "appArmorProfile: an annotation that takes the profile away", None),
    ];
    validations.extend(RULES.iter().map(rule));
    json!({
        "failurePolicy": "Fail",
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConstraints": {"resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]},
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods/ephemeralcontainers"]}]},
        "variables": variables(),
        "validations": validations,
    })
}

/// What is said of a thing that can be granted: it begins so, within a word in quotes, and ends with where it is granted.
fn said(begin: &str) -> String {
    format!("{begin} to service account ' + variables.account + '; the cluster file grants by namespace.podSecurity'")
}

/// One expression that must be true, but for an account that may anything.
fn validation(expression: &str, message: &str, said: Option<String>) -> Value {
    let mut found = json!({"expression": format!("variables.privileged || ({expression})"), "message": message, "reason": "Forbidden"});
    if let Some(said) = said {
        found["messageExpression"] = said.into();
    }
    found
}

fn rule(rule: &Rule) -> Value {
    let expression = rule.at.iter().map(|at| place(*at, rule.may)).collect::<Vec<_>>().join(" && ");
    let message = match rule.may {
        May::Words([""]) => format!("{}: it must be left out", rule.what),
        May::Words(words) => {
            format!("{}: only {}", rule.what, words.iter().filter(|w| !w.is_empty()).copied().collect::<Vec<_>>().join(", "))
        }
        May::False => format!("{}: it must be false or left out", rule.what),
        May::ProcMount => format!("{}: only Default, unless hostUsers is false", rule.what),
        May::Capability | May::HostPort | May::HostNetwork => format!("{}: not granted", rule.what),
    };
    validation(&expression, &message, rule.grantable().then(|| said(&format!("'{}: not granted", rule.what))))
}

/// What holds in each of the places.
fn place(at: At, may: May) -> String {
    match at {
        At::Pod(path) => walk("object.spec", path, may, 0),
        At::Container(path) => format!("variables.containers.all(c, {})", walk("c", path, may, 0)),
    }
}

/// From a value on along a path: `depth` lists lie before.
fn walk(root: &str, path: &str, may: May, depth: usize) -> String {
    let fields = |path: &str| path.split('.').map(|field| format!(".?{field}")).collect::<String>();
    let item = format!("x{depth}");
    match path.split_once("[]") {
        None => may_be(&format!("{root}{}.orValue({})", fields(path), nothing(may)), may),
        Some((list, rest)) => {
            let inner = match rest.strip_prefix('.') {
                Some(rest) => walk(&item, rest, may, depth + 1),
                None => may_be(&item, may),
            };
            format!("{root}{}.orValue([]).all({item}, {inner})", fields(list))
        }
    }
}

/// What stands for a field that is not there; it may be so.
fn nothing(may: May) -> String {
    match may {
        May::False | May::HostNetwork => "false".to_owned(),
        May::Words(words) => format!("'{}'", words.first().copied().unwrap_or_default()),
        May::ProcMount => "'Default'".to_owned(),
        May::Capability => format!("'{}'", CAPABILITIES[0]),
        May::HostPort => "0".to_owned(),
    }
}

fn may_be(value: &str, may: May) -> String {
    let words = |words: &[&str]| words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
    match may {
        May::False => format!("{value} == false"),
        May::Words(known) => format!("{value} in [{}]", words(known)),
        May::ProcMount => format!("({value} == 'Default' || object.spec.?hostUsers.orValue(true) == false)"),
        May::Capability => format!("({value} in [{}] || {value} in variables.capabilities)", words(&CAPABILITIES)),
        May::HostPort => format!(
            "({value} == 0 || variables.network || variables.hostPorts.exists(range, int(range.split('-')[0]) <= {value} && {value} <= int(range.split('-')[1])))"
        ),
        May::HostNetwork => format!("({value} == false || variables.network)"),
    }
}

fn apparmor() -> String {
    let (prefix, words, begin) = APPARMOR;
    let words = words.map(|word| format!("value == '{word}'")).join(" || ");
    let values = format!(
        "object.metadata.?annotations.orValue({{}}).filter(key, key.startsWith('{prefix}')).map(key, object.metadata.annotations[key])"
    );
    format!("{values}.all(value, {words} || value.startsWith('{begin}'))")
}

/// The `spec` of the policy for PersistentVolumes: only what is made is looked at, as the path of one never changes.
pub(crate) fn volumes() -> Value {
    let within = "variables.folders.exists(folder, variables.path == folder || variables.path.startsWith(folder + '/'))";
    let path = format!("{} && {within}", plain("variables.path"));
    json!({
        "failurePolicy": "Fail",
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConstraints": {"resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["persistentvolumes"]}]},
        "matchConditions": [{"name": "path-of-a-machine", "expression": "has(object.spec.hostPath) || has(object.spec.local)"}],
        "variables": [
            {"name": "path", "expression": "has(object.spec.hostPath) ? object.spec.hostPath.path : object.spec.local.path"},
            {"name": "folders", "expression": format!("params.?data.orValue({{}})[?'{FOLDERS}'].orValue('').split('\\n').filter(line, {A_PATH})")}],
        "validations": [{
            "expression": path,
            "message": "a PersistentVolume in a folder of the machine that is not granted",
            "messageExpression": "'PersistentVolume in ' + variables.path + ': not below ' + variables.folders.join(', ') + '; the cluster file grants by namespace.podSecurity.volumePaths'",
            "reason": "Forbidden"}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_through_lists_becomes_an_expression_that_takes_what_is_not_there() {
        assert_eq!(place(At::Pod("hostPID"), May::False), "object.spec.?hostPID.orValue(false) == false");
        assert_eq!(
            place(At::Pod("securityContext.sysctls[].name"), May::Words(&["a"])),
            "object.spec.?securityContext.?sysctls.orValue([]).all(x0, x0.?name.orValue('a') in ['a'])"
        );
        assert!(
            place(At::Container("securityContext.capabilities.add[]"), May::Capability).starts_with(
                "variables.containers.all(c, c.?securityContext.?capabilities.?add.orValue([]).all(x0, (x0 in ['AUDIT_WRITE', "
            )
        );
    }
}

//! `kubernetes.audit`: what the API server writes down of requests.

use serde_json::{Map, Value, json};

use crate::file::api_server::Audit;
use crate::file::decode::{boolean, count, list, parsed, text};
use crate::file::fields::fields;
use crate::file::findings::Findings;
use crate::file::shape::{Bare, Form, Kind, Need};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of the section.
    struct Written {
        "rules" rules Need::Optional("who did what to which object, without what is read by Kubernetes itself"), Kind::list(&Kind::Map(&Rule::SHAPE)),
            "Rules of a policy of `audit.k8s.io/v1`; the first that fits decides. Ahead of all: of Secrets, ConfigMaps and tokens never more than `Metadata` is written.";
        "maxAge" max_age Need::Otherwise("30"), Kind::Count { least: 1, most: AGE },
            "How long a file is kept, in days.";
        "maxBackups" max_backups Need::Otherwise("10"), Kind::Count { least: 1, most: FILES },
            "How many files are kept beside the one that is written.";
        "maxSize" max_size Need::Otherwise("100"), Kind::Count { least: 1, most: SIZE },
            "When another file is begun, in megabytes.";
    }
}

fields! {
    /// The fields of a rule.
    struct Rule {
        "level" level Need::Required, Kind::Words(|| LEVELS.to_vec()),
            "How much is written.";
        "users" users Need::Otherwise("[]"), WORDS,
            "Who asks; anybody if nobody is named.";
        "userGroups" user_groups Need::Otherwise("[]"), WORDS,
            "Members of which groups.";
        "verbs" verbs Need::Otherwise("[]"), WORDS,
            "What is done.";
        "namespaces" namespaces Need::Otherwise("[]"), WORDS,
            "In which namespaces.";
        "resources" resources Need::Otherwise("[]"), Kind::list(&Kind::Map(&Resources::SHAPE)),
            "To objects of which kinds.";
        "nonResourceURLs" urls Need::Otherwise("[]"), WORDS,
            "To which paths that are no objects'; not beside `resources` or `namespaces`.";
        "omitStages" omit Need::Otherwise("[]"), Kind::list(&Kind::Words(|| STAGES.to_vec())),
            "At which stages nothing is written, beside `RequestReceived`.";
        "omitManagedFields" managed Need::Otherwise("true"), Kind::Boolean,
            "Whether who owns which field is left out.";
    }
}

fields! {
    /// The fields of kinds.
    struct Resources {
        "group" group Need::Optional("that of Kubernetes' first kinds"), Kind::Text(&GROUP),
            "Their API group; an empty one is that of Kubernetes' first kinds.";
        "resources" resources Need::Otherwise("[]"), WORDS,
            "Their names in the plural, `pods/log` for a part of one; all of the group if none is named.";
        "resourceNames" names Need::Otherwise("[]"), WORDS,
            "Names of objects.";
    }
}

const LEVELS: [&str; 4] = ["None", "Metadata", "Request", "RequestResponse"];
const STAGES: [&str; 3] = ["ResponseStarted", "ResponseComplete", "Panic"];
const AGE: u64 = 3650;
const FILES: u64 = 1000;
const SIZE: u64 = 10_000;
const WORD: Form = Form { word: "a word", pattern: r"^\S{1,253}$", example: "pods", bare: Bare::Any };
const GROUP: Form = Form { word: "a group", pattern: r"^[a-z0-9.-]{0,253}$", example: "apps", bare: Bare::Any };
const WORDS: Kind = Kind::list(&Kind::Text(&WORD));

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Decodes the section.
pub(super) fn audit(node: Yaml, out: &mut Findings) -> Audit {
    let f = Written::of(node, "kubernetes.audit", out);
    let rules = f.rules.map(|node| {
        if matches!(&node.kind, crate::file::tree::Kind::List(rules) if rules.is_empty()) {
            let hint = "name one, or leave `rules` out for kubestead's own".to_owned();
            out.error(&node.place, "kubernetes.audit.rules has no rule: nothing would be written".to_owned(), hint);
        }
        list(node, "kubernetes.audit.rules", out).into_iter().map(|node| rule(node, out)).collect()
    });
    let mut number = |node: Option<Yaml>, name: &str, most: u64, otherwise: u64| {
        let what = format!("kubernetes.audit.{name}");
        let Some(at) = node.and_then(|node| count(node, &what, out)) else { return otherwise };
        if !(1..=most).contains(&at.value) {
            out.error(&at.place, format!("{what} must be 1 to {most}"), None);
        }
        at.value
    };
    let max_age = number(f.max_age, "maxAge", AGE, 30);
    let max_backups = number(f.max_backups, "maxBackups", FILES, 10);
    let max_size = number(f.max_size, "maxSize", SIZE, 100);
    Audit { rules, max_age, max_backups, max_size }
}

fn rule(node: Yaml, out: &mut Findings) -> Value {
    let what = "kubernetes.audit.rules";
    let place = node.place.clone();
    let f = Rule::of(node, what, out);
    let mut rule = Map::new();
    if let Some(level) = f.level.and_then(|node| one_of(node, &format!("{what}.level"), &LEVELS, out)) {
        rule.insert("level".into(), level.into());
    }
    if f.urls.is_some() && (f.resources.is_some() || f.namespaces.is_some()) {
        out.error(&place, format!("{what}: nonResourceURLs are of requests that are about no object"), "make it two rules".to_owned());
    }
    let urls = f.urls.as_ref().map(|node| node.place.clone());
    for (name, node) in
        [("users", f.users), ("userGroups", f.user_groups), ("verbs", f.verbs), ("namespaces", f.namespaces), ("nonResourceURLs", f.urls)]
    {
        put(&mut rule, name, words(node, &format!("{what}.{name}"), out));
    }
    // What Kubernetes takes (ValidatePolicy of audit.k8s.io).
    let is_url = |url: &str| url == "*" || (url.starts_with('/') && url.find('*').is_none_or(|at| at + 1 == url.len()));
    let bad =
        rule.get("nonResourceURLs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).find(|url| !is_url(url));
    if let Some((bad, place)) = bad.zip(urls) {
        let hint = "write a path such as /metrics, /debug/* or * alone".to_owned();
        out.error(&place, format!("{what}.nonResourceURLs: {bad:?} is no path that begins with / and has * at its end alone"), hint);
    }
    let resources = f.resources.map(|node| list(node, &format!("{what}.resources"), out)).unwrap_or_default();
    put(&mut rule, "resources", resources.into_iter().map(|node| kinds(node, out)).collect());
    let stages = f.omit.map(|node| list(node, &format!("{what}.omitStages"), out)).unwrap_or_default();
    let stages = stages.into_iter().filter_map(|node| one_of(node, &format!("{what}.omitStages"), &STAGES, out));
    put(&mut rule, "omitStages", stages.map(Value::from).collect());
    let managed = f.managed.and_then(|node| boolean(node, &format!("{what}.omitManagedFields"), out)).unwrap_or(true);
    rule.insert("omitManagedFields".into(), managed.into());
    rule.into()
}

fn kinds(node: Yaml, out: &mut Findings) -> Value {
    let what = "kubernetes.audit.rules.resources";
    let f = Resources::of(node, what, out);
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    let group = f.group.and_then(|node| {
        parsed(node, &format!("{what}.group"), out, |text| {
            let good = text.len() <= 253 && text.chars().all(plain);
            if good { Ok(text.to_owned()) } else { Err(format!("{text:?} is not the name of an API group")) }
        })
    });
    let group = group.map(|at| at.value).unwrap_or_default();
    let mut found = Map::from_iter([("group".to_owned(), Value::from(group))]);
    let named = f.names.as_ref().map(|node| node.place.clone());
    let (resources, names) = (words(f.resources, &format!("{what}.resources"), out), words(f.names, &format!("{what}.resourceNames"), out));
    if let Some(place) = named.filter(|_| resources.is_empty() && !names.is_empty()) {
        let message = format!("{what}: resourceNames without resources name objects of no kind");
        out.error(&place, message, "name `resources` beside them".to_owned());
    }
    put(&mut found, "resources", resources);
    put(&mut found, "resourceNames", names);
    json!(found)
}

fn put(map: &mut Map<String, Value>, name: &str, values: Vec<Value>) {
    if !values.is_empty() {
        map.insert(name.to_owned(), values.into());
    }
}

fn words(node: Option<Yaml>, what: &str, out: &mut Findings) -> Vec<Value> {
    let nodes = node.map(|node| list(node, what, out)).unwrap_or_default();
    let word = |node| {
        let at = text(node, what, out)?;
        let good = !at.value.is_empty() && at.value.len() <= 253 && !at.value.contains(char::is_whitespace);
        if !good {
            out.error(&at.place, format!("{what}: {:?} is no word", at.value), None);
        }
        good.then(|| Value::from(at.value))
    };
    nodes.into_iter().filter_map(word).collect()
}

fn one_of(node: Yaml, what: &str, all: &[&'static str], out: &mut Findings) -> Option<&'static str> {
    let at = text(node, what, out)?;
    let found = all.iter().find(|word| **word == at.value).copied();
    if found.is_none() {
        out.error(&at.place, format!("{what}: {:?} is none of {}", at.value, all.join(", ")), None);
    }
    found
}

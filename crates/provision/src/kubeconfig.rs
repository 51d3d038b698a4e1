//! Entries put into somebody's own kubeconfig. Its text is edited where the entries stand: comments, order and every value that is not
//! ours stay byte for byte. An edit that would read back as anything else than the old file with our entries is refused.

use std::collections::BTreeSet;

use granit_parser::{Event, Parser, StructureStyle};
use serde_json::Value;

use crate::access::{ADMIN, SUDO};

const LISTS: [&str; 3] = ["clusters", "users", "contexts"];
const CURRENT: &str = "current-context";
const DEPTH: usize = 32;

/// Why a kubeconfig is not changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// It has entries of our names that somebody else made.
    #[error("{}: not made by kubestead, so it is not replaced; rename or remove it, such as `kubectl config rename-context {SUDO} NEW`", .0.join(", "))]
    Foreign(Vec<String>),
    /// Its form is not one that can be edited without touching the rest.
    #[error("it is not edited, because {0}; write to a file of its own: `kubestead kubeconfig > FILE`, and put FILE into KUBECONFIG")]
    Form(String),
}

/// A value, the lines on which it stands (from 0) and its column.
#[derive(Debug)]
struct Node {
    first: usize,
    last: usize,
    column: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, node)| node),
            Kind::Text(_) | Kind::List(_) => None,
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.kind {
            Kind::Text(text) => Some(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    fn items(&self, key: &str) -> &[Self] {
        match self.get(key).map(|node| &node.kind) {
            Some(Kind::List(items)) => items,
            _ => &[],
        }
    }

    fn entry(&self, list: &str, name: &str) -> Option<&Self> {
        self.items(list).iter().find(|item| item.text("name") == Some(name))
    }

    /// The values without their places. Texts are kept as they were written: `0012` stays so.
    fn value(&self) -> Value {
        match &self.kind {
            Kind::Text(text) => text.clone().into(),
            Kind::List(items) => items.iter().map(Self::value).collect(),
            Kind::Map(entries) => Value::Object(entries.iter().map(|(k, v)| (k.clone(), v.value())).collect()),
        }
    }
}

struct Reader<'a>(Parser<'a, granit_parser::StrInput<'a>>);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, granit_parser::Span), String> {
        loop {
            match self.0.next_event() {
                Some(Ok((Event::Comment(..) | Event::StreamStart | Event::DocumentStart(..), _))) => {}
                Some(Ok(event)) => return Ok(event),
                Some(Err(error)) => return Err(format!("line {} is not YAML: {}", error.marker().line(), error.info())),
                None => return Err("it ends too early".to_owned()),
            }
        }
    }

    fn node(&mut self, (event, span): (Event<'a>, granit_parser::Span), depth: usize) -> Result<Node, String> {
        if depth > DEPTH {
            return Err(format!("it is nested more than {DEPTH} deep"));
        }
        let (first, column) = (span.start.line().saturating_sub(1), span.start.col());
        let end = |span: &granit_parser::Span| {
            let line = span.end.line().saturating_sub(1);
            // A text over several lines ends where the next line begins.
            if span.end.col() == 0 && line > first { line - 1 } else { line }
        };
        let (mut last, flow, kind) = match event {
            Event::Scalar(text, ..) => (end(&span), false, Kind::Text(text.into_owned())),
            Event::SequenceStart(style, ..) => {
                let (mut items, mut last) = (Vec::<Node>::new(), first);
                let close = loop {
                    match self.next()? {
                        (Event::SequenceEnd, span) => break span,
                        other => items.push(self.node(other, depth + 1)?),
                    }
                    last = items.last().map_or(last, |item| item.last.max(last));
                };
                (if style == StructureStyle::Flow { end(&close) } else { last }, style == StructureStyle::Flow, Kind::List(items))
            }
            Event::MappingStart(style, ..) => {
                let (mut entries, mut last) = (Vec::<(String, Node)>::new(), first);
                let close = loop {
                    let key = match self.next()? {
                        (Event::MappingEnd, span) => break span,
                        (Event::Scalar(key, ..), _) => key.into_owned(),
                        (_, span) => return Err(format!("line {} has a key that is no word", span.start.line())),
                    };
                    if entries.iter().any(|(known, _)| *known == key) {
                        return Err(format!("{key} is written twice"));
                    }
                    let value = self.next()?;
                    let value = self.node(value, depth + 1)?;
                    last = last.max(value.last);
                    entries.push((key, value));
                };
                (if style == StructureStyle::Flow { end(&close) } else { last }, style == StructureStyle::Flow, Kind::Map(entries))
            }
            _ => return Err(format!("line {} has an alias", span.start.line())),
        };
        if !flow && last < first {
            last = first;
        }
        Ok(Node { first, last, column, kind })
    }
}

/// Reads a kubeconfig of one document; an empty one is an empty map.
fn read(text: &str) -> Result<Node, String> {
    let mut reader = Reader(Parser::new_from_str(text));
    let node = match reader.next()? {
        (Event::StreamEnd | Event::DocumentEnd, _) => return Ok(Node { first: 0, last: 0, column: 0, kind: Kind::Map(Vec::new()) }),
        event => reader.node(event, 0)?,
    };
    loop {
        match reader.next()?.0 {
            Event::DocumentEnd => {}
            Event::StreamEnd => break,
            _ => return Err("it has a second document".to_owned()),
        }
    }
    match &node.kind {
        Kind::Map(_) => Ok(node),
        Kind::Text(text) if text.is_empty() => Ok(Node { kind: Kind::Map(Vec::new()), ..node }),
        Kind::Text(_) | Kind::List(_) => Err("it is no map".to_owned()),
    }
}

/// Puts our entries into the kubeconfigs of `KUBECONFIG`, in their order; `None` for a file that is not there. As kubectl does it: an
/// entry is changed in the first file that has it, and a new one goes into the first file that is there, or into the last of the list.
/// Answers the new text of each file, `None` where nothing is to be written.
pub fn merge(files: &[Option<String>], ours: &Value) -> Result<Vec<Option<String>>, MergeError> {
    let read = |text: &Option<String>| text.as_deref().map(read).transpose().map_err(MergeError::Form);
    let trees = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let foreign = foreign(&trees, ours);
    if !foreign.is_empty() {
        return Err(MergeError::Foreign(foreign));
    }
    let new = trees.iter().position(Option::is_some).unwrap_or(files.len().saturating_sub(1));
    let first = |has: &dyn Fn(&Node) -> bool| trees.iter().position(|tree| tree.as_ref().is_some_and(has)).unwrap_or(new);
    let mut parts = vec![serde_json::json!({}); files.len()];
    for list in LISTS {
        for entry in ours[list].as_array().into_iter().flatten() {
            let name = entry["name"].as_str().unwrap_or_default();
            let part = &mut parts[first(&|tree| tree.entry(list, name).is_some())][list];
            match part.as_array_mut() {
                Some(all) => all.push(entry.clone()),
                None => *part = Value::Array(vec![entry.clone()]),
            }
        }
    }
    parts[first(&|tree| tree.text(CURRENT).is_some_and(|c| !c.is_empty()))][CURRENT] = ours[CURRENT].clone();
    let whole = |text: &Option<String>| text.as_deref().unwrap_or("apiVersion: v1\nkind: Config\n").to_owned();
    let merged = |(text, part): (&Option<String>, &Value)| {
        let new = put(&whole(text), part).map_err(MergeError::Form)?;
        Ok((new != whole(text)).then_some(new))
    };
    files.iter().zip(&parts).map(merged).collect()
}

/// Entries of our names that are not ours: by whom their context logs in, and how their user does.
fn foreign(trees: &[Option<Node>], ours: &Value) -> Vec<String> {
    let users: BTreeSet<&str> = ours["users"].as_array().into_iter().flatten().filter_map(|u| u["name"].as_str()).collect();
    let mine = |user: &str| users.contains(user) || user.ends_with(ADMIN);
    let trees: Vec<&Node> = trees.iter().flatten().collect();
    let contexts = || trees.iter().flat_map(|tree| tree.items("contexts")).filter_map(|item| item.get("context"));
    let mut found = Vec::new();
    for list in LISTS {
        for entry in ours[list].as_array().into_iter().flatten() {
            let name = entry["name"].as_str().unwrap_or_default();
            let Some(old) = trees.iter().find_map(|tree| tree.entry(list, name)) else { continue };
            let known = match list {
                "clusters" => contexts().any(|c| c.text("cluster") == Some(name) && c.text("user").is_some_and(mine)),
                "contexts" => old.get("context").and_then(|c| c.text("user")).is_some_and(mine),
                _ => old.get("user").is_some_and(|user| match (&user.kind, user.get("exec")) {
                    (_, Some(exec)) => exec.items("args").iter().any(|arg| matches!(&arg.kind, Kind::Text(text) if text == "credential")),
                    (Kind::Map(fields), None) => fields.iter().all(|(key, _)| key.starts_with("client-") && key.ends_with("-data")),
                    _ => false,
                }),
            };
            if !known && old.value() != strings(entry) {
                found.push(format!("{} {name}", list.trim_end_matches('s')));
            }
        }
    }
    found
}

/// Every number and word as text, as [`Node::value`] has them.
fn strings(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(strings).collect(),
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), strings(v))).collect()),
        Value::String(text) => text.clone().into(),
        other => other.to_string().into(),
    }
}

/// Puts entries into one text, and reads it back.
fn put(text: &str, part: &Value) -> Result<String, String> {
    let tree = read(text)?;
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    if let Some(last) = lines.last_mut().filter(|last| !last.ends_with('\n')) {
        last.push('\n');
    }
    // From the end of the file to its beginning, so that the lines before keep their numbers.
    let mut edits: Vec<(usize, usize, String)> = Vec::new();
    let (mut expected, mut tail) = (tree.value(), String::new());
    for list in LISTS {
        let entries = part[list].as_array().map_or(&[][..], Vec::as_slice);
        if !entries.is_empty() {
            list_edits(&tree, list, entries, &lines, (&mut edits, &mut tail))?;
        }
        for entry in entries {
            place(&mut expected[list], entry);
        }
    }
    if let Some(current) = part[CURRENT].as_str() {
        expected[CURRENT] = current.into();
        let line = format!("{CURRENT}: {}", yaml(&part[CURRENT])?);
        match tree.get(CURRENT) {
            None => tail.push_str(&line),
            Some(_) if tree.text(CURRENT) == Some(current) => {}
            Some(node) => {
                let old = lines.get(node.first).filter(|l| node.first == node.last && l.starts_with(&format!("{CURRENT}:")));
                let old = old.ok_or_else(|| format!("{CURRENT} does not stand on a line of its own"))?;
                // A comment after it stays.
                let comment = old.find(" #").map_or_else(|| "\n".to_owned(), |at| old[at..].to_owned());
                edits.push((node.first, node.first + 1, format!("{}{comment}", line.trim_end())));
            }
        }
    }
    edits.sort_by_key(|edit| std::cmp::Reverse((edit.0, edit.1)));
    for (from, to, new) in edits {
        lines.splice(from..to, [new]);
    }
    let new = lines.concat() + &tail;
    let back = read(&new)?.value();
    if back == expected { Ok(new) } else { Err("its form is not understood well enough".to_owned()) }
}

/// What has to change for the entries of one list.
fn list_edits(
    tree: &Node,
    list: &str,
    entries: &[Value],
    lines: &[String],
    (edits, tail): (&mut Vec<(usize, usize, String)>, &mut String),
) -> Result<(), String> {
    let items = tree.items(list);
    let shape = |item: &Node| {
        let line = lines.get(item.first).map_or("", String::as_str);
        let dash = line.len() - line.trim_start_matches(' ').len();
        // The item begins with a dash on its own first line.
        if line[dash..].starts_with('-')
            && item.column > dash
            && line[dash + 1..].len() - line[dash + 1..].trim_start().len() + dash + 1 == item.column
        {
            Ok(dash)
        } else {
            Err(format!("{list} is not a list with an entry a line"))
        }
    };
    let mut added = String::new();
    let indent = items.last().map(shape).transpose()?;
    for entry in entries {
        let name = entry["name"].as_str().unwrap_or_default();
        match tree.entry(list, name) {
            Some(old) if old.value() == strings(entry) => {}
            Some(old) => edits.push((old.first, old.last + 1, item(entry, shape(old)?)?)),
            None => added.push_str(&item(entry, indent.unwrap_or(0))?),
        }
    }
    if added.is_empty() {
        return Ok(());
    }
    match (items.last(), tree.get(list)) {
        (Some(last), _) => edits.push((last.last + 1, last.last + 1, added)),
        (None, None) => tail.extend([list, ":\n", &added]),
        // `users: []`, `users: null`, `users:`
        (None, Some(node)) => {
            let empty =
                matches!(&node.kind, Kind::List(_)) || matches!(&node.kind, Kind::Text(t) if matches!(t.as_str(), "" | "~" | "null"));
            let own = |line: &&String| {
                let rest = line.strip_prefix(&format!("{list}:")).map(str::trim);
                rest.is_some_and(|rest| matches!(rest, "" | "~" | "null" | "[]"))
            };
            let at = lines.iter().position(|line| own(&line)).filter(|_| empty);
            let at = at.ok_or_else(|| format!("{list} is neither a list nor empty"))?;
            edits.push((at, at + 1, format!("{list}:\n{added}")));
        }
    }
    Ok(())
}

/// The same in a value: what has its name is replaced where it stands.
fn place(list: &mut Value, entry: &Value) {
    let entry = strings(entry);
    match list.as_array_mut() {
        Some(all) => match all.iter_mut().find(|old| old["name"] == entry["name"]) {
            Some(old) => *old = entry,
            None => all.push(entry),
        },
        None => *list = Value::Array(vec![entry]),
    }
}

fn yaml(value: &Value) -> Result<String, String> {
    serde_saphyr::to_string(value).map_err(|e| e.to_string())
}

/// An item of a list, its dash in a column.
fn item(entry: &Value, column: usize) -> Result<String, String> {
    let text = yaml(entry)?;
    let indent = " ".repeat(column);
    Ok(text.lines().enumerate().map(|(n, line)| format!("{indent}{}{line}\n", if n == 0 { "- " } else { "  " })).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ours() -> Value {
        json!({"apiVersion": "v1", "kind": "Config", "preferences": {},
            "clusters": [{"name": "home", "cluster": {"server": "https://10.0.0.11:6443", "certificate-authority-data": "QUJD".repeat(300)}}],
            "users": [{"name": "me@home-sudo", "user": {"client-certificate-data": "QUJD", "client-key-data": "QUJD".repeat(300)}},
                {"name": "apps@home", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/opt/my tools/kubestead",
                    "args": ["credential", "--file", "/home/me/cluster.yaml", "apps"], "interactiveMode": "Never"}}}],
            "contexts": [{"name": "sudo", "context": {"cluster": "home", "user": "me@home-sudo", "namespace": "kube-system"}},
                {"name": "apps@home", "context": {"cluster": "home", "user": "apps@home", "namespace": "apps"}}],
            "current-context": "apps@home"})
    }

    fn one(text: &str) -> Result<Option<String>, MergeError> {
        merge(&[Some(text.to_owned())], &ours()).map(|mut all| all.remove(0))
    }

    const THEIRS: &str = "# work\napiVersion: v1\nkind: Config\nclusters:\n  # the office\n  - name: office\n    cluster:\n      server: https://o # behind the VPN\n\
        users:\n- name: else\n  user: {token: 0012, password: yes}\n# end of users\ncontexts: [] \ncurrent-context: office # daily\nx-other: |\n  kept\n   as it is\n";

    #[test]
    fn what_is_theirs_stays_byte_for_byte() {
        let new = one(THEIRS).unwrap().unwrap();
        for line in THEIRS.lines().filter(|l| !l.starts_with("contexts") && !l.starts_with("current")) {
            assert!(new.lines().any(|l| l == line), "{line}\n{new}");
        }
        assert!(new.contains("\ncurrent-context: apps@home # daily\n"), "{new}");
        assert_eq!(one(&new).unwrap(), None, "a second merge changes nothing");
        // Another certificate: the entry is replaced where it stands, once.
        let mut later = ours();
        later["users"][0]["user"]["client-certificate-data"] = "REVG".into();
        let again = merge(&[Some(new.clone())], &later).unwrap().remove(0).unwrap();
        assert_eq!(again, new.replace("client-certificate-data: QUJD\n", "client-certificate-data: REVG\n"));
    }

    #[test]
    fn files_of_every_usual_form_get_the_entries() {
        for text in [
            "",
            "# nothing\n",
            "apiVersion: v1\nkind: Config\nusers:\nclusters: null\ncontexts: []\ncurrent-context: \"\"\n",
            "kind: Config",
        ] {
            let new = one(text).unwrap().unwrap();
            let back: Value = serde_saphyr::from_str(&new).unwrap();
            assert_eq!(
                (&back["users"], &back["clusters"], &back["contexts"]),
                (&ours()["users"], &ours()["clusters"], &ours()["contexts"]),
                "{new}"
            );
            assert_eq!(back["current-context"], "apps@home", "{new}");
        }
        let created = merge(&[None, None], &ours()).unwrap();
        assert!(created[0].is_none() && created[1].as_deref().is_some_and(|t| t.starts_with("apiVersion: v1\n")), "kubectl makes the last");
    }

    #[test]
    fn an_entry_is_changed_in_the_file_that_has_it() {
        let mut old = ours();
        old["users"][0]["user"]["client-certificate-data"] = "REVG".into();
        let second = merge(&[None], &old).unwrap().remove(0);
        let new = merge(&[None, Some(THEIRS.to_owned()), second], &ours()).unwrap();
        assert!(new[0].is_none() && new[2].as_deref().is_some_and(|t| t.contains("client-certificate-data: QUJD\n")), "{new:?}");
        let first = new[1].as_deref().unwrap();
        assert_eq!(first, THEIRS.replace("current-context: office", "current-context: apps@home"), "only what kubectl reads first");
    }

    #[test]
    fn what_somebody_else_made_is_not_replaced() {
        let theirs = "contexts:\n- name: sudo\n  context: {cluster: prod, user: boss}\nusers:\n- name: apps@home\n  user: {token: t}\nclusters:\n- name: home\n  cluster: {server: 'https://nas'}\n";
        let expected = ["cluster home", "user apps@home", "context sudo"].map(str::to_owned).to_vec();
        assert_eq!(one(theirs), Err(MergeError::Foreign(expected)));
        // That of another cluster of kubestead is: the context `sudo` is one.
        assert!(one("contexts:\n- name: sudo\n  context: {cluster: lab, user: me@lab-sudo}\n").unwrap().is_some());
    }

    #[test]
    fn forms_that_are_not_edited_are_refused() {
        for text in [
            "{\"clusters\": [{\"name\": \"a\"}], \"users\": []}",
            "clusters: &c\n- name: a\nusers: *c\n",
            "a: 1\na: 2\n",
            "kind: Config\n---\nkind: Config\n",
            "kind: Config\n...\n",
            "users: {}\n",
            "- a\n",
            "users:\n-\n  name: a\n",
        ] {
            assert!(matches!(one(text), Err(MergeError::Form(_))), "{text}: {:?}", one(text));
        }
    }
}

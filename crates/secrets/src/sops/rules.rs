//! The creation rules of `.sops.yaml`.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::meta::Node;
use super::policy::{Policy, Recipient, is_private};
use super::regexp::Pattern;
use super::select::Selector;
use super::tree::{Child, Container, Problem, Tree, line_of};
use super::yaml;

/// Where keys are written in rules, and the kind that they are in files.
const FIELDS: [(&str, &str); 7] = [
    ("age", "age"),
    ("pgp", "pgp"),
    ("kms", "kms"),
    ("gcp_kms", "gcp_kms"),
    ("hckms", "hckms"),
    ("azure_keyvault", "azure_kv"),
    ("hc_vault_transit_uri", "hc_vault"),
];

/// The first rule that matches a file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Matched {
    /// Its place in the file, from 1.
    pub number: usize,
    /// It has a `path_regex`: the file is meant by its name. A rule without one matches whatever somebody wants to encrypt.
    pub named: bool,
    /// How the file is to be encrypted.
    pub policy: Policy,
}

/// A `.sops.yaml`.
#[derive(Clone, Debug)]
pub struct Rules {
    path: PathBuf,
    rules: Vec<Node>,
}

impl Rules {
    /// Reads a file of rules.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::File { what: "read", path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Takes the text of a file of rules.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let syntax = |problem: Problem| Error::Syntax { path: path.to_owned(), line: line_of(text, problem.at), why: problem.why };
        let parsed = yaml::parse(text).map_err(syntax)?;
        let root = parsed.documents.first().map_or(Ok(Node::Null), |root| merged(text, root)).map_err(syntax)?;
        let rules = match root.get("creation_rules") {
            None | Some(Node::Null) => Vec::new(),
            Some(Node::List(rules)) => rules.clone(),
            Some(_) => {
                let why = "creation_rules is no list; write each rule behind a dash".to_owned();
                return Err(Error::Rule { config: path.to_owned(), why });
            }
        };
        let found = Self { path: path.to_owned(), rules };
        // sops uses none of a file when one of its rules is no rule; what is passed over here would encrypt to others, or nothing.
        for (number, rule) in (1..).zip(&found.rules) {
            check_kinds(rule).map_err(|why| found.wrong(number, &why))?;
        }
        Ok(found)
    }

    /// The rules for a file: `.sops.yaml` in its folder, or in the nearest one above. (sops itself begins at the current folder.)
    pub fn find(file: &Path) -> Result<Option<Self>, Error> {
        let whole = std::path::absolute(file).map_err(|source| Error::File { what: "find", path: file.to_owned(), source })?;
        let found = whole.ancestors().skip(1).take(100).map(|folder| folder.join(".sops.yaml")).find(|path| path.is_file());
        found.map(|path| Self::read(&path)).transpose()
    }

    /// Where they were read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The policy of the first rule that matches a file; that none does is an error.
    pub fn policy(&self, file: &Path) -> Result<Policy, Error> {
        let none = || {
            let why = format!("no creation rule matches {}; add one with its path_regex and recipients", self.name(file).display());
            Error::Rule { config: self.path.clone(), why }
        };
        self.matching(file)?.map(|matched| matched.policy).ok_or_else(none)
    }

    /// The first rule that matches a file. Its `path_regex` sees the path below the folder of the rules.
    pub fn matching(&self, file: &Path) -> Result<Option<Matched>, Error> {
        let name = readable(&self.name(file));
        for (index, rule) in self.rules.iter().enumerate() {
            let wrong = |why: String| self.wrong(index + 1, &why);
            let pattern = rule.get("path_regex").and_then(Node::text).unwrap_or_default();
            let regex = Pattern::new(pattern).map_err(|e| wrong(format!("path_regex {pattern:?} cannot be used: {e}")))?;
            if regex.is_match(&name) {
                let policy = policy_of(rule).map_err(wrong)?;
                return Ok(Some(Matched { number: index + 1, named: !pattern.is_empty(), policy }));
            }
        }
        Ok(None)
    }

    /// The policies of all rules with their numbers, from 1.
    pub fn policies(&self) -> impl Iterator<Item = (usize, Result<Policy, Error>)> {
        self.rules.iter().zip(1..).map(|(rule, number)| (number, policy_of(rule).map_err(|why| self.wrong(number, &why))))
    }

    fn wrong(&self, number: usize, why: &str) -> Error {
        Error::Rule { config: self.path.clone(), why: format!("creation rule {number}: {why}") }
    }

    fn name(&self, file: &Path) -> PathBuf {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let whole = absolute(file);
        let folder = absolute(&self.path).parent().map(Path::to_owned).unwrap_or_default();
        whole.strip_prefix(folder).map(Path::to_owned).unwrap_or(whole)
    }
}

/// The name as Go's regular expressions see it: each byte that is no UTF-8 is a character by itself.
fn readable(name: &Path) -> String {
    let mut text = String::new();
    for chunk in name.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// A tree with its merge keys (`<<`) carried out as sops does: what stands in a mapping itself comes first, then what stands earlier in a
/// list of mappings.
fn merged(text: &str, container: &Container) -> Result<Node, Problem> {
    let node = |child: &Child| match &child.node {
        Tree::Container(inner) => merged(text, inner),
        Tree::Leaf(leaf) => Ok(Node::from_value(&leaf.value)),
    };
    if container.list {
        return container.children().map(node).collect::<Result<_, _>>().map(Node::List);
    }
    let (mut entries, mut sources): (Vec<(String, Node)>, Vec<Node>) = (Vec::new(), Vec::new());
    for child in container.children() {
        if !is_merge(text, child) {
            entries.push((child.key.clone(), node(child)?));
            continue;
        }
        match node(child)? {
            Node::List(elements) => sources.extend(elements),
            only => sources.push(only),
        }
        if sources.iter().any(|source| !matches!(source, Node::Map(_))) {
            return Err(Problem::new(child.span.start, "the merge key << needs a mapping, or a list of such, as its value"));
        }
    }
    for source in sources {
        let Node::Map(others) = source else { continue };
        for (key, value) in others {
            if !entries.iter().any(|(known, _)| *known == key) {
                entries.push((key, value));
            }
        }
    }
    Ok(Node::Map(entries))
}

/// In quotes it is a key as any other.
fn is_merge(text: &str, child: &Child) -> bool {
    let written = text.get(child.span.start..).unwrap_or_default();
    child.key == "<<" && !written.starts_with(['"', '\''])
}

/// Whether the fields of a rule are of the kinds that sops reads them as.
fn check_kinds(rule: &Node) -> Result<(), String> {
    let is_text = |key: &str| ["path_regex", "aws_profile"].contains(&key) || Selector::NAMES.contains(&key);
    let Node::Map(entries) = rule else {
        return if *rule == Node::Null { Ok(()) } else { Err("it is no mapping".to_owned()) };
    };
    for (key, value) in entries {
        let wanted = match (key.as_str(), value) {
            (_, Node::Null) => continue,
            (key, Node::List(_) | Node::Map(_)) if is_text(key) => "a string",
            ("mac_only_encrypted", value) if truth(value).is_none() => "true or false",
            ("shamir_threshold", value) if !matches!(value, Node::Word(number) if number.parse::<i64>().is_ok()) => "a number",
            ("key_groups", Node::List(groups)) => {
                groups.iter().try_for_each(check_group)?;
                continue;
            }
            ("key_groups", _) => "a list of key groups",
            _ => continue,
        };
        return Err(format!("{key} is not {wanted}"));
    }
    Ok(())
}

/// As [`check_kinds`], for a key group: lists alone.
fn check_group(group: &Node) -> Result<(), String> {
    let Node::Map(entries) = group else {
        return if *group == Node::Null { Ok(()) } else { Err("a key group is no mapping".to_owned()) };
    };
    for (key, value) in entries {
        let known = key == "merge" || key == "hc_vault" || FIELDS.iter().any(|(field, _)| field == key);
        match value {
            Node::List(inner) if key == "merge" => inner.iter().try_for_each(check_group)?,
            Node::List(_) | Node::Null => {}
            _ if known => return Err(format!("{key} of a key group is no list; write each recipient behind a dash")),
            _ => {}
        }
    }
    Ok(())
}

/// A truth value, in the words of YAML 1.1 too, as sops reads it where it wants one.
fn truth(node: &Node) -> Option<bool> {
    match node {
        Node::Word(word) if word == "true" => Some(true),
        Node::Word(word) if word == "false" => Some(false),
        Node::Text(text) => match text.as_str() {
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn policy_of(rule: &Node) -> Result<Policy, String> {
    let groups = rule.get("key_groups").map_or(&[][..], Node::list);
    let groups = if groups.is_empty() { vec![recipients(rule)?] } else { groups.iter().map(group).collect::<Result<_, _>>()? };
    if groups.iter().any(Vec::is_empty) {
        return Err("it names no recipient, or has an empty key group".to_owned());
    }
    let threshold = rule.get("shamir_threshold").and_then(Node::text).map(str::parse).transpose();
    let threshold = threshold.map_err(|_| "shamir_threshold is no number".to_owned())?;
    let selector = Selector::find(rule)?.unwrap_or_default();
    let mac_only_encrypted = rule.get("mac_only_encrypted").and_then(truth).unwrap_or_default();
    Ok(Policy { groups, threshold, selector, mac_only_encrypted })
}

/// The recipients at the top of a rule: a text with commas, or a list.
fn recipients(rule: &Node) -> Result<Vec<Recipient>, String> {
    let mut found = Vec::new();
    for (field, kind) in FIELDS {
        match rule.get(field) {
            None | Some(Node::Null) => {}
            Some(Node::List(elements)) => {
                for element in elements {
                    let text = element.text().ok_or_else(|| format!("{field} holds something that is no text"))?;
                    add(&mut found, kind, text)?;
                }
            }
            Some(Node::Text(text) | Node::Word(text)) => text.split(',').try_for_each(|one| add(&mut found, kind, one))?,
            Some(Node::Map(_)) => return Err(format!("{field} is neither a string nor a list")),
        }
    }
    Ok(found)
}

/// Adds a recipient, once. An error never quotes the text: it may be a private key, which stands in the clear where everybody reads it.
fn add(found: &mut Vec<Recipient>, kind: &str, text: &str) -> Result<(), String> {
    if is_private(text) {
        return Err(format!(
            "{kind} holds a private key: write the recipient that belongs to it (age1…), and make a new key, as this one was in the clear"
        ));
    }
    // Fingerprints are sometimes written in groups of four.
    let name = if kind == "pgp" { text.split_whitespace().collect() } else { text.trim().to_owned() };
    let recipient = Recipient::of(kind, name);
    if !recipient.name().is_empty() && !found.contains(&recipient) {
        found.push(recipient);
    }
    Ok(())
}

/// A key group: lists, and `merge` of other groups.
fn group(node: &Node) -> Result<Vec<Recipient>, String> {
    let mut found: Vec<Recipient> = Vec::new();
    for inner in node.get("merge").map_or(&[][..], Node::list) {
        for recipient in group(inner)? {
            add(&mut found, recipient.kind(), recipient.name())?;
        }
    }
    for (field, kind) in FIELDS.into_iter().chain([("hc_vault", "hc_vault")]) {
        for element in node.get(field).map_or(&[][..], Node::list) {
            let of = |key: &str| element.get(key).and_then(Node::text);
            let parts = || ["vaultUrl", "key", "version"].into_iter().filter_map(of).collect::<Vec<_>>().join("/");
            let name = element.text().or_else(|| of("arn")).or_else(|| of("resource_id")).or_else(|| of("key_id"));
            add(&mut found, kind, &name.map_or_else(parts, str::to_owned))?;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "creation_rules:
  - path_regex: ^prod/.*\\.yaml$
    shamir_threshold: 2
    encrypted_regex: ^data$
    key_groups:
      - age: [age1a, age1b]
        merge: [{pgp: [F1]}, {age: [age1a]}]
      - pgp: ['AAAA BBBB']
        kms: [{arn: 'arn:aws:kms:x'}]
  - path_regex: both
    encrypted_regex: a
    encrypted_suffix: b
    age: x
  - path_regex: nobody
  - age: 'age1c, age1d,'
    pgp: [F2]
";

    fn policy(file: &str) -> Result<Policy, Error> {
        Rules::parse(Path::new("/repo/.sops.yaml"), TEXT)?.policy(Path::new(file))
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let prod = policy("/repo/prod/x.yaml").unwrap();
        let names = |policy: &Policy| -> Vec<Vec<String>> {
            policy.groups.iter().map(|g| g.iter().map(|r| r.name().to_owned()).collect()).collect()
        };
        assert_eq!(names(&prod), [vec!["F1", "age1a", "age1b"], vec!["AAAABBBB", "arn:aws:kms:x"]]);
        assert_eq!((prod.threshold, prod.selector.entry()), (Some(2), ("encrypted_regex", "^data$")));
        let other = policy("/repo/dev/prod/x.yaml").unwrap();
        assert_eq!(names(&other), [vec!["age1c", "age1d", "F2"]]);
        assert_eq!(other.selector.entry(), ("unencrypted_suffix", "_unencrypted"));
    }

    #[test]
    fn merge_keys_are_carried_out_and_what_cannot_be_merged_is_named() {
        let read = |text: &str| Rules::parse(Path::new("/repo/.sops.yaml"), text);
        let text = "base: &base {age: age1a, encrypted_regex: ^a$}\nprod: &prod\n  <<: *base\n  path_regex: ^prod/\ncreation_rules:\n- <<: \
                    [{encrypted_regex: ^b$}, *prod]\n- \"<<\": *prod\n  age: age1c\n";
        let rules = read(text).unwrap();
        let prod = rules.policy(Path::new("/repo/prod/x")).unwrap();
        assert_eq!((prod.groups[0][0].name(), prod.selector.entry()), ("age1a", ("encrypted_regex", "^b$")));
        // A key in quotes is no merge key.
        let other = rules.policy(Path::new("/repo/x")).unwrap();
        assert_eq!((other.groups[0][0].name(), other.selector.entry().0), ("age1c", "unencrypted_suffix"));
        for value in ["5", "[5]", "~", "[[{age: a}]]"] {
            let error = read(&format!("creation_rules:\n- <<: {value}\n")).unwrap_err().to_string();
            assert!(error.contains(".sops.yaml:2: the merge key <<"), "{value}: {error}");
        }
    }

    /// What sops does not read as the kind that it wants, it refuses; passed over, the rule would hold for other files or people.
    #[test]
    fn a_field_of_another_kind_is_refused_by_its_name() {
        let read = |rule: &str| Rules::parse(Path::new("/repo/.sops.yaml"), &format!("creation_rules:\n- age: age1a\n- {rule}\n"));
        for (rule, words) in [
            ("path_regex: [prod]\n  age: x", "creation rule 2: path_regex is not a string"),
            ("age: x\n  encrypted_regex: [a]", "encrypted_regex is not a string"),
            ("age: x\n  unencrypted_suffix: {a: b}", "unencrypted_suffix is not a string"),
            ("age: x\n  mac_only_encrypted: 1", "mac_only_encrypted is not true or false"),
            ("age: x\n  mac_only_encrypted: \"true\"", "mac_only_encrypted is not true or false"),
            ("key_groups: [{age: [x]}, {age: [y]}]\n  shamir_threshold: \"2\"", "shamir_threshold is not a number"),
            ("key_groups: [{age: x, pgp: [F1]}]", "age of a key group is no list"),
            ("key_groups: [{merge: [{pgp: F1, age: [x]}]}]", "pgp of a key group is no list"),
            ("key_groups: {age: [x]}", "key_groups is not a list of key groups"),
            ("key_groups: [x]", "a key group is no mapping"),
            ("x", "it is no mapping"),
        ] {
            let error = read(rule).unwrap_err().to_string();
            assert!(error.contains(words) && error.starts_with("/repo/.sops.yaml"), "{rule}: {error}");
        }
        assert!(Rules::parse(Path::new("/repo/.sops.yaml"), "creation_rules: {age: x}").unwrap_err().to_string().contains("no list"));
        for (word, expected) in [("yes", true), ("on", true), ("True", true), ("off", false), ("~", false), ("false", false)] {
            let rules = read(&format!("age: x\n  path_regex: b\n  mac_only_encrypted: {word}")).unwrap();
            assert_eq!(rules.policies().nth(1).unwrap().1.unwrap().mac_only_encrypted, expected, "{word}");
        }
        assert!(read("path_regex: 5\n  age: x\n  encrypted_regex:\n  key_groups:\n  unknown: [a]").is_ok(), "as sops reads it");
    }

    #[test]
    fn names_of_any_bytes_are_matched_as_go_matches_them() {
        let rules = Rules::parse(Path::new("/repo/.sops.yaml"), "creation_rules: [{path_regex: '^b..\\.yaml$', age: y}]").unwrap();
        let name = |bytes: &[u8]| Path::new("/repo").join(std::ffi::OsStr::from_bytes(bytes));
        assert!(rules.matching(&name(b"b\xe9\xe8.yaml")).unwrap().is_some());
        assert!(rules.matching(&name("bäö.yaml".as_bytes())).unwrap().is_some());
        assert!(rules.matching(&name(b"b\xe2\x82.yaml")).unwrap().is_some(), "a character that is cut short is two");
    }

    #[test]
    fn rules_that_cannot_be_used_are_named() {
        let private = "creation_rules:\n  - age: age1a,AGE-SECRET-KEY-1CANARY\n";
        let error = Rules::parse(Path::new("/repo/.sops.yaml"), private).unwrap().policy(Path::new("/repo/a")).unwrap_err().to_string();
        assert!(error.contains("creation rule 1: age holds a private key") && !error.contains("CANARY"), "{error}");
        for (file, words) in [("/repo/both", "at most one selector"), ("/repo/nobody", "creation rule 3: it names no recipient")] {
            let error = policy(file).unwrap_err().to_string();
            assert!(error.contains(words) && error.starts_with("/repo/.sops.yaml"), "{error}");
        }
        let none = Rules::parse(Path::new("/repo/.sops.yaml"), "creation_rules: [{path_regex: x, age: y}]").unwrap();
        assert!(none.policy(Path::new("/repo/a")).unwrap_err().to_string().contains("no creation rule matches a"));
    }
}

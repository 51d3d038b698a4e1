//! The metadata of a document, as a tree that keeps what it does not know.

use super::select::Selector;
use super::time::Time;
use super::value::{Kind, Value};

/// A piece of metadata or of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Null,
    /// A text.
    Text(String),
    /// A number or truth value, as it is written.
    Word(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(crate) fn from_value(value: &Value) -> Self {
        let text = value.as_str().unwrap_or_default().to_owned();
        match value.kind() {
            Kind::Null => Self::Null,
            Kind::Int | Kind::Float => Self::Word(text),
            Kind::Bool => Self::Word(text.to_lowercase()),
            Kind::Text | Kind::Time | Kind::Bytes | Kind::Comment => Self::Text(text),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            Self::Null | Self::Text(_) | Self::Word(_) | Self::List(_) => None,
        }
    }

    /// A scalar's text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Word(text) => Some(text),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The elements of a list; none for anything else, as sops writes `[]`, `null` or nothing.
    pub(crate) fn list(&self) -> &[Self] {
        match self {
            Self::List(elements) => elements,
            Self::Null | Self::Text(_) | Self::Word(_) | Self::Map(_) => &[],
        }
    }

    /// True for `true`; INI and dotenv hold everything as text.
    pub(crate) fn is_true(&self) -> bool {
        self.text().is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    fn text_at(&self, key: &str) -> &str {
        self.get(key).and_then(Self::text).unwrap_or_default()
    }

    fn list_at(&self, key: &str) -> &[Self] {
        self.get(key).map_or(&[], Self::list)
    }

    /// Puts an entry in its alphabetical place, as sops writes them.
    fn put(&mut self, key: &str, node: Self) {
        if let Self::Map(entries) = self {
            entries.retain(|(name, _)| name != key);
            let place = entries.iter().position(|(name, _)| name.as_str() > key).unwrap_or(entries.len());
            entries.insert(place, (key.to_owned(), node));
        }
    }

    fn drop_key(&mut self, key: &str) {
        if let Self::Map(entries) = self {
            entries.retain(|(name, _)| name != key);
        }
    }

    /// With all keys of maps in alphabetical order.
    pub(crate) fn sorted(&self) -> Self {
        match self {
            Self::Map(entries) => {
                let mut entries: Vec<_> = entries.iter().map(|(key, node)| (key.clone(), node.sorted())).collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Self::Map(entries)
            }
            Self::List(elements) => Self::List(elements.iter().map(Self::sorted).collect()),
            Self::Null | Self::Text(_) | Self::Word(_) => self.clone(),
        }
    }
}

/// The kinds of recipients in the order in which sops lists them.
pub(crate) const KINDS: [&str; 7] = ["kms", "gcp_kms", "hckms", "azure_kv", "hc_vault", "pgp", "age"];

/// One recipient of a document and what is encrypted to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: String,
    pub(crate) node: Node,
}

impl Entry {
    /// What people call it: the age recipient, the fingerprint, the ARN.
    pub(crate) fn name(&self) -> String {
        let fields: &[&str] = match self.kind.as_str() {
            "age" => &["recipient"],
            "pgp" => &["fp"],
            "kms" => &["arn"],
            "gcp_kms" => &["resource_id"],
            "hckms" => &["key_id"],
            "azure_kv" => &["vault_url", "name", "version"],
            "hc_vault" => &["vault_address", "engine_path", "key_name"],
            // Of a later version: whatever it has beside the key.
            _ => return self.others(),
        };
        fields.iter().map(|field| self.node.text_at(field)).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("/")
    }

    fn others(&self) -> String {
        let Node::Map(entries) = &self.node else { return String::new() };
        let shown = entries.iter().filter(|(key, _)| key != "enc" && key != "created_at").filter_map(|(_, node)| node.text());
        shown.collect::<Vec<_>>().join("/")
    }

    /// What is encrypted to it.
    pub(crate) fn sealed(&self) -> &str {
        self.node.text_at("enc")
    }

    /// An entry for an age recipient.
    pub(crate) fn age(recipient: &str, sealed: String) -> Self {
        let fields = vec![("enc".to_owned(), Node::Text(sealed)), ("recipient".to_owned(), Node::Text(recipient.to_owned()))];
        Self { kind: "age".to_owned(), node: Node::Map(fields) }
    }

    /// An entry for an OpenPGP key.
    pub(crate) fn pgp(fingerprint: &str, sealed: String, now: &str) -> Self {
        let fields = [("created_at", now.to_owned()), ("enc", sealed), ("fp", fingerprint.to_owned())];
        let fields = fields.into_iter().map(|(key, text)| (key.to_owned(), Node::Text(text))).collect();
        Self { kind: "pgp".to_owned(), node: Node::Map(fields) }
    }
}

/// Recipients of which one is enough.
pub(crate) type Group = Vec<Entry>;

/// The kinds of recipients that a group may have: the known ones, and any other list of entries with a key in them.
fn kinds(node: &Node) -> Vec<String> {
    let Node::Map(entries) = node else { return Vec::new() };
    let has_keys = |node: &Node| node.list().iter().any(|entry| entry.get("enc").is_some());
    let others = entries.iter().filter(|(key, node)| !KINDS.contains(&key.as_str()) && has_keys(node)).map(|(key, _)| key.clone());
    KINDS.into_iter().map(str::to_owned).chain(others).collect()
}

fn group_of(node: &Node) -> Group {
    let entries = |kind: String| node.list_at(&kind).iter().map(move |node| Entry { kind: kind.clone(), node: node.clone() }).collect();
    kinds(node).into_iter().flat_map::<Vec<Entry>, _>(entries).collect()
}

fn lists_of(group: &[Entry]) -> Vec<(String, Node)> {
    let mut lists: Vec<(String, Vec<Node>)> = Vec::new();
    for entry in group {
        let node = entry.node.sorted();
        match lists.iter_mut().find(|(kind, _)| *kind == entry.kind) {
            Some((_, list)) => list.push(node),
            None => lists.push((entry.kind.clone(), vec![node])),
        }
    }
    lists.into_iter().map(|(kind, list)| (kind, Node::List(list))).collect()
}

/// As sops takes them: whatever its first versions, 1.x, wrote, and three numbers, perhaps behind a `v`.
fn is_version(text: &str) -> bool {
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let core = text.strip_prefix('v').unwrap_or(text).split(['-', '+']).next().unwrap_or_default();
    text.starts_with("1.") || core.split('.').count() == 3 && core.split('.').all(numeric)
}

/// The `sops` entry of a document.
#[derive(Clone, Debug)]
pub(crate) struct Meta(pub(crate) Node);

impl Meta {
    /// Fresh metadata without recipients, MAC and time.
    pub(crate) fn new(selector: &Selector, mac_only_encrypted: bool) -> Self {
        let mut node = Node::Map(Vec::new());
        let (name, text) = selector.entry();
        node.put(name, Node::Text(text.to_owned()));
        if mac_only_encrypted {
            node.put("mac_only_encrypted", Node::Word("true".to_owned()));
        }
        // The version whose layout this is. Readers use it to know what to expect, so it is not our own.
        node.put("version", Node::Text("3.13.3".to_owned()));
        Self(node)
    }

    /// Checks what every other function relies on.
    pub(crate) fn check(&self) -> Result<(), String> {
        let version = self.0.text_at("version");
        if !is_version(version) {
            return Err(format!("its version {version:?} is none that sops writes or reads"));
        }
        if Time::parse(self.0.text_at("lastmodified"), false).is_none() {
            return Err(format!("its lastmodified {:?} is no time as in RFC 3339", self.0.text_at("lastmodified")));
        }
        if self.groups().iter().all(Vec::is_empty) {
            return Err("it names no recipient, so nobody can open it".to_owned());
        }
        self.selector().map(|_| ())
    }

    pub(crate) fn selector(&self) -> Result<Selector, String> {
        Ok(Selector::find(&self.0)?.unwrap_or_default())
    }

    pub(crate) fn mac_only_encrypted(&self) -> bool {
        self.0.get("mac_only_encrypted").is_some_and(Node::is_true)
    }

    pub(crate) fn mac(&self) -> Option<&str> {
        self.0.get("mac").and_then(Node::text).filter(|text| !text.is_empty())
    }

    /// The time of the last change as the MAC's additional data wants it.
    pub(crate) fn modified(&self) -> String {
        Time::parse(self.0.text_at("lastmodified"), false).map(|time| time.render(false)).unwrap_or_default()
    }

    /// Of the last change, and of recipients that have one.
    pub(crate) fn dates(&self) -> Vec<String> {
        let groups = self.groups().concat();
        let made = groups.iter().map(|entry| entry.node.text_at("created_at")).filter(|text| !text.is_empty());
        made.chain([self.0.text_at("lastmodified")]).map(str::to_owned).collect()
    }

    pub(crate) fn seal(&mut self, mac: String, modified: &str) {
        self.0.put("mac", Node::Text(mac));
        self.0.put("lastmodified", Node::Text(modified.to_owned()));
    }

    /// The key groups; one when the recipients stand at the top.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let top = group_of(&self.0);
        if top.is_empty() { self.0.list_at("key_groups").iter().map(group_of).collect() } else { vec![top] }
    }

    /// How many groups are needed to open it.
    pub(crate) fn threshold(&self) -> usize {
        let groups = self.groups().len();
        match self.0.text_at("shamir_threshold").parse() {
            Ok(0) | Err(_) => groups,
            Ok(threshold) => threshold,
        }
    }

    pub(crate) fn set_groups(&mut self, groups: &[Group], threshold: usize) {
        for key in kinds(&self.0).iter().map(String::as_str).chain(["key_groups", "shamir_threshold"]) {
            self.0.drop_key(key);
        }
        if let [only] = groups {
            for (kind, list) in lists_of(only) {
                self.0.put(&kind, list);
            }
        } else {
            let lists = groups.iter().map(|group| Node::Map(lists_of(group)).sorted()).collect();
            self.0.put("key_groups", Node::List(lists));
            self.0.put("shamir_threshold", Node::Word(threshold.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_taken_that_sops_takes() {
        for good in ["1.14", "1.x", "1.0.0", "2.0.8", "v3.1.0", "3.13.3", "3.0.0-beta.1", "3.1.0+x"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "1", "2.0", "3.7", "v1.2", " 3.1.0", "vv3.1.0", "3.1.0.1", "3.a.0"] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}

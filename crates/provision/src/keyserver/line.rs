//! The lines of `/etc/ssh/kubestead_keys`: those of kubestead are known by their last word, `kubestead:CLUSTER/NODE`, and by their
//! forced command. All others belong to somebody else and stay.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kubestead_core::name::Name;

use super::account::PublicKey;
use super::spec::{SERVE, Site};

/// A line that lets a node in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its cluster; nothing in a line of the first builds, which did not write it.
    pub cluster: Option<Name>,
    /// The node.
    pub node: Name,
    /// The address that it must come from.
    pub address: String,
    /// Its public key, `ssh-ed25519 AAAA…`.
    pub key: PublicKey,
}

/// What a line of the file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It lets a node in.
    Enrolled(Line),
    /// It says that a node was shut out.
    Revoked {
        /// The node's cluster.
        cluster: Name,
        /// The node.
        node: Name,
    },
    /// Somebody else's: it is never touched.
    Foreign,
}

/// The lines of all servers about one node of this cluster or of another, each with its server.
pub(super) type Lines<'a> = BTreeMap<Name, Vec<(&'a Name, &'a str, Entry)>>;

/// The last word of a node's line.
pub(super) fn mark(cluster: &Name, node: &Name) -> String {
    format!("kubestead:{cluster}/{node}")
}

/// The last word that the first builds wrote.
pub(super) fn old_mark(node: &Name) -> String {
    format!("masterlock@{node}")
}

/// The comment that stays when a node is shut out. Letting it in again then needs a consent.
pub(super) fn revoked(cluster: &Name, node: &Name) -> String {
    format!("# {} revoked", mark(cluster, node))
}

/// The line that lets a node in with this key. Every word of it is of a type that holds neither blanks nor quotes nor line ends.
pub(super) fn render(site: &Site, node: &Name, address: IpAddr, key: &PublicKey) -> String {
    format!("restrict,from=\"{address}\",command=\"{SERVE} {node} {}\" {key} {}", site.directory, mark(&site.cluster, node))
}

/// Reads a line. What is not just as kubestead writes it is somebody else's.
pub fn parse(line: &str) -> Entry {
    let named = |text: &str| {
        let (cluster, node) = text.strip_prefix("kubestead:")?.split_once('/')?;
        Some((Name::new(cluster).ok()?, Name::new(node).ok()?))
    };
    if let Some((cluster, node)) = line.strip_prefix("# ").and_then(|rest| named(rest.strip_suffix(" revoked")?)) {
        return Entry::Revoked { cluster, node };
    }
    let read = || {
        let (address, rest) = line.strip_prefix("restrict,from=\"")?.split_once("\",command=\"")?;
        let (command, rest) = rest.split_once("\" ")?;
        let (node, directory) = command.strip_prefix(SERVE)?.strip_prefix(' ')?.split_once(' ')?;
        let (key, last) = rest.rsplit_once(' ')?;
        let node = Name::new(node).ok()?;
        let cluster = match named(last) {
            Some((cluster, named)) => Some(cluster).filter(|_| named == node)?.into(),
            None => (last == old_mark(&node)).then_some(None)?,
        };
        let plain = |text: &str| !text.contains(['"', ' ', '\\']);
        let key = PublicKey::try_from(key.to_owned()).ok()?;
        (plain(address) && plain(directory)).then(|| Line { cluster, node, address: address.to_owned(), key })
    };
    read().map_or(Entry::Foreign, Entry::Enrolled)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{KEY, enrolled, key, name, spec};
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_the_rest_is_somebody_elses() {
        let spec = spec();
        let text = enrolled(&spec, KEY);
        let line = Line { cluster: Some(name("home")), node: name("kube1"), address: "10.77.0.21".into(), key: key(KEY) };
        assert_eq!(parse(&text), Entry::Enrolled(line.clone()));
        let old = text.replace("kubestead:home/kube1", "masterlock@kube1");
        assert_eq!(parse(&old), Entry::Enrolled(Line { cluster: None, ..line }));
        assert_eq!(parse(&revoked(&name("home"), &name("kube1"))), Entry::Revoked { cluster: name("home"), node: name("kube1") });
        let foreign = [
            String::new(),
            "# a comment".to_owned(),
            format!("{KEY} kubestead:home/kube1"),
            text.replace("restrict,", ""),
            text.replace("kubestead:home/kube1", "kubestead:home/kube2"),
            text.replace("kubestead:home/kube1", "somebody@kube1"),
            text.replace("serve kube1", "serve kube1 x"),
            format!("{text} more"),
            format!("#{text}"),
        ];
        for line in foreign {
            assert_eq!(parse(&line), Entry::Foreign, "{line}");
        }
    }
}

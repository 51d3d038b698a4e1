//! `nodes`: the machines of the cluster.

mod labels;
mod taints;

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::diagnostic::Place;
use kubestead_core::name::{HostName, ends_in_number, is_local};

use crate::file::cluster::{Node, NodeSsh, Role};
use crate::file::decode::{list, parsed};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings, Items};
use crate::file::kubelet;
use crate::file::machine;
use crate::file::shape::{ADDRESS, Bare, Form, Kind, LOGIN, NAME, Need};
use crate::file::tree::Node as Yaml;

/// More than are measured (`make bench`).
const MOST: usize = 10_000;

fields! {
    /// The fields of a node.
    struct Written {
        "name" name Need::Required, Kind::Text(&NAME),
            "The machine's name in plans, keys and volumes: not `cluster`, `operator`, `all`, `control-plane`, `worker` or `localhost`.";
        "hostname" hostname Need::Optional("`name`"), Kind::Text(&HOSTNAME),
            "Its host name, which is its name in Kubernetes: at most 63 characters, none that is taken for an address or for `localhost`.";
        "address" address Need::Required, Kind::Text(&ADDRESS),
            "Its address, which packets can be sent to; IPv4 with Kubernetes.";
        "ssh" ssh Need::Optional("as for all"), Kind::Map(&Login::SHAPE),
            "How to log in where it is another way than to the others.";
        "roles" roles Need::Otherwise("[worker]"), Kind::list(&Kind::Words(|| ROLES.map(|(word, _)| word).to_vec())),
            "What it does. One node of the cluster is a control plane at least.";
        "labels" labels Need::Otherwise("{}"), labels::KIND,
            "Its labels in Kubernetes, as the API server takes them: none of the kubelet's, kubeadm's and kubestead's own, none below `kubernetes.io/` \
             and `k8s.io/` themselves.";
        "taints" taints Need::Otherwise("[]"), taints::KIND,
            "Its taints, as `kubectl taint` takes them: it has them from when it joins. Of a node that is in, a missing one is held with what to do.";
        "annotations" annotations Need::Otherwise("{}"), labels::ANNOTATIONS,
            "Its annotations in Kubernetes: none of Kubernetes', flannel's and kubestead's own.";
        "kubelet" kubelet Need::Optional("as for all"), kubelet::KIND,
            "Settings of its kubelet; a field takes the place of the one in `kubernetes.kubelet` as a whole.";
    }
}

fields! {
    /// The fields of a node's login.
    struct Login {
        "user" user Need::Optional("that of `ssh.user`"), Kind::Text(&LOGIN),
            "Who logs in to it.";
        "port" port Need::Optional("ssh's configuration decides"), Kind::Port,
            "The port of its sshd.";
    }
}

/// The words for what a node does.
const ROLES: [(&str, Role); 2] = [("control-plane", Role::ControlPlane), ("worker", Role::Worker)];
const HOSTNAME: Form =
    Form { word: "a host name", pattern: r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$", example: "kube1.example.com", bare: Bare::Any };

/// What may be written.
pub(super) const KIND: Kind = Kind::List { of: &Kind::Map(&Written::SHAPE), least: 1, most: Some(MOST), different: false };

/// A node, and where parts of it are written.
pub(crate) struct NodeDecl {
    pub(crate) node: Node,
    pub(crate) name: Place,
    /// Where the name is, if there is no other host name.
    pub(crate) hostname: Place,
    pub(crate) address: Place,
}

/// Decodes the section.
pub(super) fn decode(node: Option<Yaml>, out: &mut Findings) -> Items<NodeDecl> {
    let Some(node) = node else { return Items { items: Vec::new(), broken: true, wrong: None } };
    let place = node.place.clone();
    let mut written = out.items(|out| nodes(node, out));
    let items = std::mem::take(&mut written.items);
    let all = items.len();
    let mut found = out
        .named(items.into_iter().map(|item| (named(&item), item)), |item, out| one(item, out).into_iter().collect())
        .lost_before(&written);
    // One that was lost to a mistake may be it.
    if found.items.len() == all && !found.items.iter().any(|n| n.node.is_control_plane()) {
        out.error(&place, "no node has the role control-plane", Some("give one node `roles: [control-plane]`".to_owned()));
        found.broken = true;
    }
    out.twice(found.items.iter().map(|n| (&n.node.name, &n.name)), "two nodes are called");
    out.twice(found.items.iter().map(|n| (&n.node.address, &n.address)), "two nodes have the address");
    hostnames(&found.items, out);
    found
}

/// What a node is called, whatever is wrong with it. None if its name is: any may be meant.
fn named(item: &Yaml) -> Option<String> {
    let name = machine::name(item.field("name")?.clone(), "", &mut Findings::default())?;
    Some(name.value.to_string())
}

fn nodes(node: Yaml, out: &mut Findings) -> Vec<Yaml> {
    let mut items = list(node, "nodes", out);
    if let Some(first) = items.get(MOST) {
        out.error(&first.place, format!("{} nodes: {MOST} are the most", items.len()), "make several clusters".to_owned());
        items.truncate(MOST);
    }
    items
}

fn one(item: Yaml, out: &mut Findings) -> Option<NodeDecl> {
    let f = Written::of(item, "a node", out);
    let name = f.name.and_then(|n| machine::name(n, "a node's name", out));
    let written = f.hostname.is_some();
    let hostname = f.hostname.and_then(|n| hostname(n, out));
    // Without one the name is it, and programs would go to 0.0.0.1 for a machine called 1.
    if let Some(name) = name.as_ref().filter(|name| !written && ends_in_number(name.value.as_str())) {
        out.error(&name.place, format!("a node's name: {:?} {LIKE_ADDRESS}", name.value.as_str()), "write a name such as kube1".to_owned());
    }
    let address = f.address.and_then(|n| machine::address(n, "a node's address", out));
    let ssh = f.ssh.map(|n| ssh(n, out)).unwrap_or_default();
    let roles = f.roles.map(|n| list(n, "roles", out)).unwrap_or_default();
    let mut roles: BTreeSet<Role> = roles.into_iter().filter_map(|n| role(n, out)).collect();
    if roles.is_empty() {
        roles.insert(Role::Worker);
    }
    let labels = f.labels.map(|n| labels::labels(n, out)).unwrap_or_default();
    let taints = f.taints.map(|n| taints::taints(n, out)).unwrap_or_default();
    let annotations = f.annotations.map(|n| labels::annotations(n, out)).unwrap_or_default();
    let kubelet = f.kubelet.map(|n| kubelet::kubelet(n, "a node's kubelet", out));
    let (name, address) = (name?, address?);
    let hostname = hostname.unwrap_or_else(|| At { value: HostName::from(&name.value), place: name.place.clone() });
    let node =
        Node { name: name.value, hostname: hostname.value, address: address.value, ssh, roles, labels, taints, annotations, kubelet };
    Some(NodeDecl { node, name: name.place, hostname: hostname.place, address: address.place })
}

fn ssh(node: Yaml, out: &mut Findings) -> NodeSsh {
    let f = Login::of(node, "a node's ssh", out);
    let user = f.user.and_then(|n| machine::login(n, "a node's ssh.user", out));
    let port = f.port.and_then(|n| machine::port(n, "a node's ssh.port", out)).map(|port| port.value);
    NodeSsh { user, port }
}

/// What is wrong with a host name whose last label is a number.
const LIKE_ADDRESS: &str = "may be taken for an IPv4 address";

/// A machine's host name: its name in Kubernetes, and never taken for an address or for every machine itself.
fn hostname(node: Yaml, out: &mut Findings) -> Option<At<HostName>> {
    let found = parsed(node, "a node's hostname", out, |text| HostName::new(text))?;
    let name = found.value.as_str();
    let why = if is_local(name) {
        "is every machine's own"
    } else if ends_in_number(name) {
        LIKE_ADDRESS
    } else {
        return Some(found);
    };
    out.error(&found.place, format!("a node's hostname: {name:?} {why}"), "write a name of its own, such as kube1.example.com".to_owned());
    None
}

fn role(node: Yaml, out: &mut Findings) -> Option<Role> {
    let role = parsed(node, "a role", out, |text| {
        let known = ROLES.iter().find(|(word, _)| *word == text);
        known.map(|(_, role)| *role).ok_or_else(|| format!("{text:?} is neither control-plane nor worker"))
    })?;
    Some(role.value)
}

/// No two nodes share a host name. Where the names themselves are the same, that is an error already.
fn hostnames(nodes: &[NodeDecl], out: &mut Findings) {
    let is_other = |decl: &NodeDecl| decl.node.hostname.as_str() != decl.node.name.as_str();
    let mut seen: BTreeMap<&HostName, &NodeDecl> = BTreeMap::new();
    for decl in nodes {
        let hostname = &decl.node.hostname;
        match seen.get(hostname) {
            Some(first) if is_other(decl) || is_other(first) => {
                let message = format!("two nodes have the hostname {hostname} (first in line {})", first.hostname.line);
                out.error(&decl.hostname, message, "give each its own".to_owned());
            }
            Some(_) => {}
            None => drop(seen.insert(hostname, decl)),
        }
    }
}

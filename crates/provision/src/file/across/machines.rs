//! Nodes beside key servers, and who logs in to them.

use std::collections::BTreeSet;

use crate::file::cluster::Node;
use crate::file::findings::Findings;
use crate::file::sections::Sections;

/// What Kubernetes is built for (its documentation, "Considerations for large clusters").
const LARGE: usize = 5000;

pub(super) fn check(file: &Sections, out: &mut Findings) {
    if let (true, Some(first)) = (file.kubernetes.is_some(), file.nodes.items.get(LARGE)) {
        let message = format!("{} nodes: Kubernetes is built for at most {LARGE} in a cluster", file.nodes.items.len());
        out.warning(&first.name, message, "make several clusters".to_owned());
    }
    apart(file, out);
    logins(file, out);
}

/// No node is a key server: each name begins the ids of one machine's steps.
fn apart(file: &Sections, out: &mut Findings) {
    for decl in &file.keys.servers.items {
        let same = |node: &Node| node.name == decl.server.name || node.address == decl.server.address;
        if file.nodes.items.iter().any(|n| same(&n.node)) {
            let message = format!("{} is a node and a key server: a cluster cannot unlock itself", decl.server.name);
            out.error(&decl.name, message, "take a machine of its own; a small one does".to_owned());
        }
    }
}

/// An account that may do nothing but fetch keys is nobody's way in.
fn logins(file: &Sections, out: &mut Findings) {
    let nodes = file.nodes.items.iter().filter_map(|n| n.node.ssh.user.as_deref());
    let users: BTreeSet<&str> = nodes.chain(file.ssh.user.as_deref()).collect();
    for decl in file.keys.servers.items.iter().filter(|decl| users.contains(decl.server.user.as_str())) {
        let place = decl.user.as_ref().unwrap_or(&decl.name);
        let message = format!("a key server's user: you log in as {}, and this account may only fetch keys", decl.server.user);
        out.error(place, message, "write an account of its own, such as masterlock or keys".to_owned());
    }
}

//! What each action does to the facts: for tests, and to see ahead.

use std::collections::BTreeMap;

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::put::digest;

use super::account::PublicKey;
use super::action::Action;
use super::line::{self, Entry, Line};
use super::login::Rules;
use super::observe::{ClientFacts, ServerFacts};
use super::spec::Site;

/// The facts after an action on a machine that succeeded. What is where files belong is one for all domains, and not changed here.
pub fn model(on: &Name, action: &Action, servers: &mut BTreeMap<Name, Fact<ServerFacts>>, nodes: &mut BTreeMap<Name, Fact<ClientFacts>>) {
    if matches!(action, Action::KeyPair) {
        if let Some(Fact::Known(node)) = nodes.get_mut(on) {
            (node.key, node.torn, node.loose) = (node.key.take().or_else(|| made(on)), false, false);
        }
        return;
    }
    let given = match action {
        Action::Copy { from, node, shares, .. } => shares_of(servers.get(from), node, shares.keys()),
        _ => BTreeMap::new(),
    };
    let Some(Fact::Known(server)) = servers.get_mut(on) else { return };
    match action {
        Action::Setup { site, from } => {
            server.account.entry = Some((998, site.directory.to_string()));
            server.account.groups.insert(site.user.to_string());
            server.sshd = Fact::Known(vec![(*from, Rules::default())]);
        }
        Action::Enrol { site, node, address, key, .. } => {
            strike(server, site, node);
            let own = nodes.get(node).and_then(Fact::known).and_then(|node| node.key.clone());
            server.lines.extend(own.or_else(|| key.clone()).map(|key| line::render(site, node, *address, &key)));
        }
        Action::Shares { node, volumes, .. } => {
            for volume in volumes {
                let path = format!("{node}/{volume}");
                server.damaged.remove(&path);
                server.shares.insert(path.clone(), digest(path));
            }
        }
        Action::Copy { .. } => {
            server.damaged.retain(|path, _| !given.contains_key(path));
            server.shares.extend(given);
        }
        Action::Revoke { site, node, .. } => {
            strike(server, site, node);
            server.lines.push(line::revoked(&site.cluster, node));
        }
        Action::Wipe { node, volume, .. } => _ = server.shares.remove(&format!("{node}/{volume}")),
        Action::KeyPair | Action::Client { .. } | Action::Adoption(_) => {}
    }
}

/// A public key that no other node has.
fn made(node: &Name) -> Option<PublicKey> {
    let own = digest(node.as_str());
    PublicKey::of(&format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{}", &own[..43])).ok()
}

fn shares_of<'a>(from: Option<&Fact<ServerFacts>>, node: &Name, volumes: impl Iterator<Item = &'a Name>) -> BTreeMap<String, String> {
    let has = from.and_then(Fact::known);
    volumes.map(|volume| format!("{node}/{volume}")).filter_map(|path| Some((path.clone(), has?.shares.get(&path)?.clone()))).collect()
}

/// Takes out what is said of a node of this cluster.
fn strike(server: &mut ServerFacts, site: &Site, of: &Name) {
    server.lines.retain(|text| match line::parse(text) {
        Entry::Enrolled(Line { cluster, node, .. }) => node != *of || cluster.is_some_and(|cluster| cluster != site.cluster),
        Entry::Revoked { cluster, node } => node != *of || cluster != site.cluster,
        Entry::Foreign => true,
    });
}

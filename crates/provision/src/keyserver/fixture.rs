//! What the tests of this domain share.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::put::Files;

use super::account::{Account, PublicKey};
use super::line;
use super::login::{AccountFacts, Password, Rules};
use super::observe::ServerFacts;
use super::spec::{EnrolledNode, Folder, KeyServerSpec, Site};

pub(super) const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
pub(super) const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(super) fn key(text: &str) -> PublicKey {
    PublicKey::of(text).unwrap()
}

pub(super) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn site() -> Site {
    Site { cluster: name("home"), user: Account::default(), directory: Folder::new("/k").unwrap() }
}

pub(super) fn spec() -> KeyServerSpec {
    let node = EnrolledNode { name: name("kube1"), address: address("10.77.0.21"), volumes: vec![name("data")] };
    KeyServerSpec { site: site(), server: name("masterlock"), address: address("10.77.0.5"), port: 22, nodes: [node].into() }
}

pub(super) fn second() -> KeyServerSpec {
    KeyServerSpec { server: name("spare"), address: address("10.77.0.6"), ..spec() }
}

/// The line of the first node with this key.
pub(super) fn enrolled(spec: &KeyServerSpec, text: &str) -> String {
    line::render(&spec.site, &spec.nodes[0].name, spec.nodes[0].address, &key(text))
}

pub(super) fn blank() -> ServerFacts {
    let account = AccountFacts { login: "root".into(), ..AccountFacts::default() };
    ServerFacts { account, ..ServerFacts::blank(KEY) }
}

/// The account as it is set up.
pub(super) fn own_account() -> AccountFacts {
    AccountFacts {
        entry: Some((998, "/k".into())),
        groups: BTreeSet::from(["masterlock".into()]),
        password: Password::None,
        login: "root".into(),
        ..AccountFacts::default()
    }
}

/// A server that is set up, with these lines and the share of kube1/data.
pub(super) fn server(spec: &KeyServerSpec, lines: &[String]) -> ServerFacts {
    let files = Files::holding(&spec.site.files());
    ServerFacts {
        account: own_account(),
        sshd: Fact::Known(vec![(spec.origin(), Rules::default())]),
        files,
        lines: lines.to_vec(),
        shares: BTreeMap::from([("kube1/data".to_owned(), "aa".to_owned())]),
        ..blank()
    }
}

/// A node that is in the file.
pub(super) fn members() -> BTreeSet<Name> {
    BTreeSet::from([name("kube1")])
}

/// A volume of the node, made or to be made.
pub(super) fn volumes(volume: &str) -> BTreeSet<(Name, Name)> {
    BTreeSet::from([(name("kube1"), name(volume))])
}

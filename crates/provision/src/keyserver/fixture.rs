//! What the tests of this domain share.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::name::Name;

use super::observe::ServerFacts;
use super::spec::{EnrolledNode, KeyServerSpec};

pub(super) const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
pub(super) const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(super) fn spec() -> KeyServerSpec {
    let node = EnrolledNode { name: name("kube1"), address: "10.77.0.21".into(), volumes: vec![name("data")] };
    KeyServerSpec {
        cluster: name("home"),
        server: name("masterlock"),
        address: "10.77.0.5".into(),
        port: 22,
        user: "masterlock".into(),
        directory: "/k".into(),
        nodes: vec![node],
    }
}

pub(super) fn second() -> KeyServerSpec {
    KeyServerSpec { server: name("spare"), address: "10.77.0.6".into(), ..spec() }
}

pub(super) fn blank() -> ServerFacts {
    ServerFacts { host_key: KEY.into(), user: false, files: BTreeMap::new(), lines: Vec::new(), shares: BTreeMap::new() }
}

/// A node that is in the file.
pub(super) fn members() -> BTreeSet<Name> {
    BTreeSet::from([name("kube1")])
}

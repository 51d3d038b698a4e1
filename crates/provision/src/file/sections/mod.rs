//! The top-level keys of the cluster file: each is decoded in a file of its own, with the rules that lie within it.
//!
//! A new key costs a file here, and one line each in the module list, in [`Sections`] and in [`decode`]; a field of `Cluster` and its line in
//! `load.rs` say what becomes of it. Rules that need another section are in `across`.

mod disks;
mod endpoint;
mod header;
mod keys;
mod kubernetes;
mod manifests;
mod named_volumes;
mod namespace;
mod network;
mod nodes;
mod pools;
mod secrets;
mod ssh;
mod volumes;

use std::path::{Path, PathBuf};

use kubestead_core::name::Name;
use kubestead_storage::pv::{NamedVolume, Pool};

pub(super) use disks::DeviceDecl;
pub(super) use endpoint::Endpoint;
pub(super) use keys::KeysDecl;
pub(crate) use kubernetes::NEWEST;
pub(super) use network::{NODE_BITS, NetworkDecl};
pub(super) use nodes::NodeDecl;
pub(super) use volumes::VolumeDecl;

use super::cluster::{Kubernetes, Manifests, Namespace, Ssh};
use super::decode::Fields;
use super::findings::{At, Findings, Items};
use super::tree::Node as Yaml;

/// All sections as written, with the places that rules point at.
pub(super) struct Sections {
    /// None where it is wrong.
    pub(super) name: Option<Name>,
    pub(super) kubernetes: Option<Kubernetes>,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) ssh: Ssh,
    pub(super) nodes: Items<NodeDecl>,
    pub(super) disks: Items<DeviceDecl>,
    pub(super) volumes: Items<VolumeDecl>,
    pub(super) keys: KeysDecl,
    pub(super) pools: Vec<At<Pool>>,
    pub(super) named: Vec<At<NamedVolume>>,
    pub(super) namespace: Option<Namespace>,
    pub(super) manifests: Vec<Manifests>,
    pub(super) network: NetworkDecl,
    pub(super) secrets: PathBuf,
}

/// Decodes all sections. `dir` is where relative paths begin. A hint to an unknown key names the keys in this order.
pub(super) fn decode(root: Yaml, dir: &Path, out: &mut Findings) -> Sections {
    let mut top = Fields::of(root, "the cluster file", out);
    let sections = Sections {
        name: header::decode(&mut top, out),
        kubernetes: kubernetes::decode(&mut top, dir, out),
        endpoint: endpoint::decode(&mut top, out),
        ssh: ssh::decode(&mut top, dir, out),
        nodes: nodes::decode(&mut top, out),
        disks: disks::decode(&mut top, out),
        volumes: volumes::decode(&mut top, out),
        keys: keys::decode(&mut top, out),
        pools: pools::decode(&mut top, out),
        named: named_volumes::decode(&mut top, out),
        namespace: namespace::decode(&mut top, out),
        manifests: manifests::decode(&mut top, dir, out),
        network: network::decode(&mut top, out),
        secrets: secrets::decode(&mut top, dir, out),
    };
    top.end(out);
    sections
}

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
mod services;
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
pub(super) use volumes::{PlaceDecl, VolumeDecl};

use super::cluster::{Kubernetes, Namespace, Ssh};
use super::declared::Services;
use super::fields::fields;
use super::findings::{At, Findings, Items};
use super::shape::{Kind, NAME, Need, Shape};
use super::tree::Node as Yaml;
use kubernetes::KubernetesDecl;
use namespace::NamespaceDecl;

fields! {
    /// The fields of the file.
    struct Top {
        "apiVersion" api_version Need::Required, header::VERSIONS,
            "The version of this format.";
        "kind" kind Need::Required, header::KINDS,
            "What the file describes.";
        "name" name Need::Required, Kind::Text(&NAME),
            "The cluster's name, also in kubeconfigs.";
        "kubernetes" kubernetes Need::Optional("machines and volumes alone"), kubernetes::KIND,
            "The version of Kubernetes, where the software comes from, and how values in etcd are encrypted.";
        "endpoint" endpoint Need::Optional("the first control plane's address, and 6443"), endpoint::KIND,
            "What clients and nodes use for the API.";
        "ssh" ssh Need::Optional("`~/.ssh/config` and the agent hold"), ssh::KIND,
            "How to log in.";
        "nodes" nodes Need::Required, nodes::KIND,
            "The machines. No two have one name, one host name or one address.";
        "disks" disks Need::Optional("no volume group"), disks::KIND,
            "Volume groups. None is called `luks`, or as something in /dev.";
        "volumes" volumes Need::Optional("no volume"), volumes::KIND,
            "Encrypted volumes: one LV, LUKS2, filesystem and mount on each of their nodes. A name does not begin with `snapshot` or `pvmove`, which LVM \
             keeps for itself.";
        "keys" keys Need::Optional("no key server"), keys::KIND,
            "How volumes are unlocked, and the key servers.";
        "pools" pools Need::Optional("no pool"), pools::KIND,
            "Equal PersistentVolumes on each node that has the volume `/var/lib/kubestead/volumes`. No two PersistentVolumes get one name.";
        "namedVolumes" named_volumes Need::Optional("no named volume"), named_volumes::KIND,
            "Single PersistentVolumes on the same nodes.";
        "namespace" namespace Need::Optional("no namespace is made"), namespace::KIND,
            "The users' namespace and its accounts.";
        "manifests" manifests Need::Optional("no service of your own"), manifests::KIND,
            "Services of your own: folders or files of manifests, by name. No service needs itself, nor one that needs it.";
        "services" services Need::Optional("none"), services::KIND,
            "Services that kubestead brings itself.";
        "network" network Need::Otherwise("{}"), network::KIND,
            "Ranges and names. Ranges begin where their prefix says; pods, services, nodes, key servers and the endpoint have no address in common.";
        "secrets" secrets Need::Optional("the folder `secrets` beside the file"), secrets::KIND,
            "Where the operator's secrets lie.";
    }
    gone {
        "domain" "nothing ever used it: leave it out; a node's full name is its `hostname: NAME.DOMAIN`";
    }
}

/// The shape of the file.
pub(super) const SHAPE: Shape = Top::SHAPE;

/// All sections as written, with the places that rules point at.
pub(super) struct Sections {
    /// None where it is wrong.
    pub(super) name: Option<Name>,
    pub(super) kubernetes: Option<Kubernetes>,
    /// Whose tokens the API server takes.
    pub(super) issuer: Option<At<String>>,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) ssh: Ssh,
    pub(super) nodes: Items<NodeDecl>,
    pub(super) disks: Items<DeviceDecl>,
    pub(super) volumes: Items<VolumeDecl>,
    /// Where volumes shall be that are wrong otherwise.
    pub(super) lost: Vec<PlaceDecl>,
    pub(super) keys: KeysDecl,
    pub(super) pools: Vec<At<Pool>>,
    pub(super) named: Vec<At<NamedVolume>>,
    pub(super) namespace: Option<Namespace>,
    /// The groups that have rights in it.
    pub(super) user_groups: Vec<At<String>>,
    pub(super) manifests: Services,
    pub(super) services: Services,
    pub(super) network: NetworkDecl,
    pub(super) secrets: PathBuf,
}

/// Decodes all sections. `dir` is where relative paths begin. A hint to an unknown key names the keys in this order.
pub(super) fn decode(root: Yaml, dir: &Path, out: &mut Findings) -> Sections {
    let top = Top::of(root, "the cluster file", out);
    let KubernetesDecl { kubernetes, issuer } = kubernetes::decode(top.kubernetes, dir, out);
    let NamespaceDecl { namespace, groups } = namespace::decode(top.namespace, out);
    let (volumes, lost) = volumes::decode(top.volumes, out);
    Sections {
        name: header::decode(top.api_version, top.kind, top.name, out),
        kubernetes,
        issuer,
        endpoint: endpoint::decode(top.endpoint, out),
        ssh: ssh::decode(top.ssh, dir, out),
        nodes: nodes::decode(top.nodes, out),
        disks: disks::decode(top.disks, out),
        volumes,
        lost,
        keys: keys::decode(top.keys, out),
        pools: pools::decode(top.pools, out),
        named: named_volumes::decode(top.named_volumes, out),
        namespace,
        user_groups: groups,
        manifests: manifests::decode(top.manifests, dir, out),
        services: services::decode(top.services, dir, out),
        network: network::decode(top.network, out),
        secrets: secrets::decode(top.secrets, dir, out),
    }
}

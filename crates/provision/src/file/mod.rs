//! `cluster.yaml`: from text to a [`Cluster`] that cannot be wrong, with all mistakes at once, each with its place.
//!
//! Values (`cluster`, `address`, `api_server`, `grants`, `limits`, `services`) know nothing of decoding. A text becomes a `tree`, its `sections` are decoded each with the rules within it, the
//! rules `across` sections follow, and `load` puts the values together. `logins` says how to reach the machines.
//! What may be written is declared once, by `fields!` beside the decoding; `schema` and `page` tell it.

mod across;
mod address;
mod api_server;
mod arguments;
mod authorities;
mod cluster;
mod components;
mod declared;
mod decode;
mod fields;
mod findings;
mod folders;
mod grants;
mod interface;
mod kubelet;
mod limits;
mod load;
mod logins;
mod machine;
mod page;
mod path;
mod range;
mod read;
mod release;
mod reserved;
mod schedule;
mod schema;
mod sealed;
mod sections;
mod services;
mod shape;
mod ssh_config;
mod taken;
mod tree;
mod unlock;

pub use address::{Span, Subnet, host_port};
pub use api_server::{Audit, Claim, Oidc};
pub(crate) use arguments::node_port_range;
pub(crate) use cluster::POOL_ROOT;
pub use cluster::{
    Backend, Cluster, DockerRepository, Effect, KeyServer, Kubernetes, Namespace, Network, Node, NodeSsh, Packages, Proxy, Registry, Role,
    Ssh, Taint, Trust, Volume,
};
pub use grants::{Account, CAPABILITIES, Grants, HostPath, Mode, PodSecurity, Ports};
pub use limits::{Amounts, Cpu, Limits, Quota, quantity};
pub use load::{Refused, load, load_or};
pub use page::pages;
pub use read::bounded;
pub(crate) use read::within;
pub use schema::schema;
pub(crate) use sections::NEWEST as KUBERNETES;
pub use services::{Chart, ChartPlace, Manifests, Release, SealedVariable, Source};
pub use ssh_config::{Untrusted, vet};
pub(crate) use tree::{Kind as YamlKind, Node as Yaml, documents};

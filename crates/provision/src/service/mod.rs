//! Services: the users' own, of manifests beside the cluster file, as they lie there or rendered by kustomize or helm, and those that kubestead brings
//! (`built`). Each service is an owner of its objects.
//! A service is a name, its objects, and the services that must be ready before it.

mod action;
mod apply;
mod built;
mod causes;
mod check;
mod claims;
mod decode;
mod error;
mod folder;
mod found;
mod health;
mod homes;
pub mod ids;
mod images;
mod judge;
mod kinds;
mod model;
mod node_ports;
mod observe;
mod patch;
mod plan;
mod render;
mod rounds;
mod scalar;
mod sealed;
mod source;
mod spec;
mod states;
mod typed;
mod vain;
mod wanted;

pub use action::Action;
pub use apply::apply;
pub use built::{
    Built, Certificate, Certificates, Dashboard, Dns, DnsCache, Gateway, Issuer, LoadBalancer, Logs, Metrics, Reach, Sync, SyncEnd,
    SyncSet, Syslog, Tcp, What,
};
pub use check::faults;
pub use error::Error;
pub use kinds::Kind;
pub use model::model;
pub use observe::{Found, Recorded, ServiceFacts, observe, records};
pub use patch::Patch;
pub use plan::{Around, plan};
pub use render::{Failed, Local, Programs, Ran, Run, Tool};
pub use rounds::Rounds;
pub use sealed::{Sealed, SealedValue, values_here};
pub use spec::{ServiceSpec, ServicesWanted};
pub use states::{ServiceState, states};
pub use wanted::{Beside, read as read_files};

//! Services that kubestead brings itself: what each is made of, by what the cluster file says of it. Each has a folder here with its manifests, in which
//! `${NAME}` stands for what its `made` says, and its fields in `file/sections/services`.

mod certificates;
mod dashboard;
mod dns_cache;
mod gateway;
mod load_balancer;
mod logs;
mod metrics;
mod nodes;
mod sync;
mod users;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use kubestead_core::name::Name;

use super::patch::Patch;
use crate::file::{Cluster, Release};

pub use certificates::{Certificates, Dns, Issuer};
pub use dashboard::Dashboard;
pub use dns_cache::DnsCache;
pub(super) use gateway::annotations;
pub use gateway::{Certificate, Gateway, Reach, Tcp};
pub use load_balancer::LoadBalancer;
pub use logs::{Logs, Syslog};
pub use metrics::Metrics;
pub use sync::{Sync, SyncEnd, SyncSet};

/// A service that kubestead brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Which, with its values.
    pub what: What,
    /// Other images, by the variables that stand for them in its manifests.
    pub images: BTreeMap<&'static str, String>,
    /// What is put over its objects.
    pub patches: Vec<Patch>,
}

/// The services, one a line here and in `made`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// What nodes and pods use.
    Metrics(Metrics),
    /// The cluster in a browser.
    Dashboard(Dashboard),
    /// The logs of all pods, handed on.
    Logs(Logs),
    /// Volumes that are kept the same.
    Sync(Sync),
    /// Requests from outside.
    Gateway(Gateway),
    /// Certificates that authorities issue.
    Certificates(Certificates),
    /// Addresses for Services.
    LoadBalancer(LoadBalancer),
    /// A cache of names on every node.
    DnsCache(DnsCache),
}

/// What a service is made of.
#[derive(Default)]
pub(super) struct Made {
    /// Its manifests: a name for messages, and a text.
    pub manifests: Vec<(&'static str, Cow<'static, str>)>,
    /// What stands for the variables in them.
    pub variables: BTreeMap<&'static str, String>,
    /// Manifests of which there is one for each of something, with variables of their own beside these.
    pub parts: Vec<Part>,
    /// The images that it usually has, by the variables that stand for them.
    pub images: &'static [(&'static str, &'static str)],
    /// What others release of it.
    pub releases: Vec<Release>,
    /// Whether of that the definitions are taken, and nothing else.
    pub definitions_alone: bool,
    /// What is put over these objects before anything of the operator's is: what depends on how much the file asks for.
    pub overlays: Vec<Patch>,
}

/// A text of manifests with variables of its own.
pub(super) struct Part {
    /// A name for messages.
    pub name: String,
    /// The text.
    pub text: &'static str,
    /// What stands for the variables in it.
    pub variables: BTreeMap<&'static str, String>,
}

impl What {
    /// Whether it asks kubelets, and believes those alone that have a certificate of the cluster's authority.
    pub(crate) fn asks_kubelets(&self) -> bool {
        match self {
            Self::Metrics(_) => true,
            Self::Dashboard(_)
            | Self::Logs(_)
            | Self::Sync(_)
            | Self::Gateway(_)
            | Self::Certificates(_)
            | Self::LoadBalancer(_)
            | Self::DnsCache(_) => false,
        }
    }

    /// The address at which each node answers its pods for names, if that is what it is for.
    pub(crate) fn resolver(&self) -> Option<Ipv4Addr> {
        match self {
            Self::DnsCache(DnsCache) => Some(DnsCache::ADDRESS),
            Self::Metrics(_)
            | Self::Dashboard(_)
            | Self::Logs(_)
            | Self::Sync(_)
            | Self::Gateway(_)
            | Self::Certificates(_)
            | Self::LoadBalancer(_) => None,
        }
    }

    /// The class of Ingresses that it serves in the place of ingress-nginx.
    pub(super) fn ingress_class(&self) -> Option<&str> {
        match self {
            Self::Gateway(gateway) => gateway.ingress_class.as_ref().map(Name::as_str),
            Self::Metrics(_)
            | Self::Dashboard(_)
            | Self::Logs(_)
            | Self::Sync(_)
            | Self::Certificates(_)
            | Self::LoadBalancer(_)
            | Self::DnsCache(_) => None,
        }
    }

    /// What it is made of in a cluster.
    fn made(&self, cluster: &Cluster) -> Made {
        match self {
            Self::Metrics(metrics) => metrics.made(cluster),
            Self::Dashboard(Dashboard) => Dashboard::made(cluster),
            Self::Logs(logs) => logs.made(cluster),
            Self::Sync(sync) => sync.made(),
            Self::Gateway(gateway) => gateway.made(cluster),
            Self::Certificates(certificates) => certificates.made(cluster),
            Self::LoadBalancer(load_balancer) => load_balancer.made(cluster),
            Self::DnsCache(DnsCache) => DnsCache::made(cluster),
        }
    }
}

impl Built {
    /// The images that it can run.
    pub(super) fn images(&self, cluster: &Cluster) -> Vec<String> {
        let made = self.made(cluster);
        made.images.iter().filter_map(|(variable, _)| made.variables.get(variable).cloned()).collect()
    }

    /// What it is made of in a cluster, with its images among the variables.
    pub(super) fn made(&self, cluster: &Cluster) -> Made {
        let mut made = self.what.made(cluster);
        for (variable, usual) in made.images {
            let image = self.images.get(variable).cloned().unwrap_or_else(|| (*usual).to_owned());
            made.variables.insert(variable, image);
        }
        made
    }
}

//! Executor an action to its domain.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use kubestead_core::host::Hosts;
use kubestead_core::kube::{Api, ApiSource};
use kubestead_core::name::Name;
use kubestead_core::outcome::{Done, causes};
use kubestead_core::plan::Step;
use kubestead_secrets::{Escrow, encryption_key, recovery_key};

use crate::encryption::{self};
use crate::engine::Runner;
use crate::file::Cluster;
use crate::fleet::Fleet;
use crate::keyserver::{self};
use crate::kubeadm::{self};
use crate::kubelet::{self};
use crate::node::{self};
use crate::objects::{self};
use crate::secret::{self};
use crate::service::{self};

use super::{Action, KeyKind, first};

/// Carries actions out.
pub struct Executor<'a> {
    fleet: &'a Fleet,
    hosts: Hosts,
    escrow: &'a Escrow,
    folder: PathBuf,
    keys: secret::Keys,
    /// Whose API it is.
    first: Option<Name>,
    kube: tokio::sync::OnceCell<Arc<dyn Api>>,
}

impl<'a> Executor<'a> {
    /// Executor on the machines that answer, with the operator's secrets.
    pub fn new(cluster: &Cluster, fleet: &'a Fleet, escrow: &'a Escrow) -> Self {
        let (folder, first) = (cluster.secrets.clone(), first(cluster).cloned());
        Self { fleet, hosts: fleet.hosts(), escrow, folder, keys: secret::Keys::default(), first, kube: tokio::sync::OnceCell::new() }
    }
}

#[async_trait]
impl ApiSource for Executor<'_> {
    /// Connected when the first step asks for it.
    async fn api(&self) -> Result<Arc<dyn Api>, String> {
        let connect = || async {
            let name = self.first.as_ref().ok_or("the file asks for no Kubernetes")?;
            self.fleet.kube(name).await.ok_or_else(|| format!("{name} is not connected"))?.map_err(|e| causes(&e))
        };
        self.kube.get_or_try_init(connect).await.cloned()
    }
}

impl Runner<Action> for Executor<'_> {
    fn run<'a>(&'a self, step: &'a Step<Action>) -> BoxFuture<'a, Result<Done, String>> {
        Box::pin(async move {
            let host = || {
                let name = step.target.to_string();
                self.hosts.get(&name).map(AsRef::as_ref).ok_or_else(|| format!("{name} is not connected"))
            };
            match &step.action {
                Action::Escrow { name, kind } => {
                    let make = match kind {
                        KeyKind::Encryption => encryption_key,
                        KeyKind::Recovery => recovery_key,
                    };
                    self.escrow.ensure(name, make).map_err(|e| causes(&e))
                }
                Action::Storage(action) => kubestead_storage::apply::apply(action, host()?, self.escrow).await.map_err(|e| causes(&e)),
                Action::Keys(action) => keyserver::apply(action, host()?, &self.hosts).await.map_err(|e| causes(&e)),
                Action::Node(action) => node::apply(action, host()?).await.map_err(|e| causes(&e)),
                Action::Kubelet(action) => kubelet::apply(action, host()?, &self.hosts).await.map_err(|e| causes(&e)),
                Action::Kubeadm(action) => kubeadm::apply(action, host()?, &self.hosts, self.escrow, self).await.map_err(|e| causes(&e)),
                Action::Encryption(encryption::Action::Rewrite { resources }) => {
                    encryption::rewrite(resources, &self.api().await?).await.map_err(|e| causes(&e))
                }
                Action::Encryption(action) => encryption::apply(action, host()?, self.escrow).await.map_err(|e| causes(&e)),
                Action::Objects(action) => objects::apply(action, &self.api().await?).await.map_err(|e| causes(&e)),
                Action::Service(action) => {
                    service::apply(action, self.escrow, &self.keys, &self.api().await?).await.map_err(|e| causes(&e))
                }
                Action::Secret(action) => {
                    secret::apply(action, &self.folder, self.escrow, &self.keys, &self.api().await?).await.map_err(|e| causes(&e))
                }
            }
        })
    }
}

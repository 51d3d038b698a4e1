//! The Kubernetes API by the kube crate, through the SSH connection to a control plane: the API server need not be reachable from
//! here, and the admin's credentials stay in memory.

use async_trait::async_trait;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config};
use kubestead_core::command::Command;
use kubestead_core::host::Host;
use kubestead_core::kube::{Guarded, Kube, KubeError, ObjectRef};
use serde_json::{Value, json};

use crate::ssh::SshHost;

/// Who owns the fields that kubestead sets.
pub const FIELD_MANAGER: &str = "kubestead";

/// The API of one cluster.
pub struct KubeApi(Client);

impl KubeApi {
    /// Connects through a control plane with the admin credentials that it holds.
    pub async fn through(host: &SshHost) -> Result<Self, KubeError> {
        let connect = |e: &dyn std::fmt::Display| KubeError::Connect(format!("{}: {e}", host.name()));
        let output = host.run(&Command::read(["cat", "/etc/kubernetes/admin.conf"])).await.map_err(|e| connect(&e))?;
        if !output.success() {
            return Err(connect(&output.tail()));
        }
        let mut config = configuration(&output.text()).await.map_err(|why| connect(&why))?;
        let port = host.forward(config.cluster_url.port_u16().unwrap_or(6443)).await.map_err(|e| connect(&e))?;
        config.cluster_url = format!("https://127.0.0.1:{port}").parse().map_err(|e| connect(&e))?;
        config.tls_server_name = Some("kubernetes".to_owned()); // a name that kubeadm puts into every API server's certificate
        Client::try_from(config).map(Self).map_err(|e| connect(&e))
    }

    /// Connects to the server that a kubeconfig names, where that can be reached from here.
    pub async fn direct(kubeconfig: &str) -> Result<Self, KubeError> {
        let config = configuration(kubeconfig).await.map_err(KubeError::Connect)?;
        Client::try_from(config).map(Self).map_err(|e| KubeError::Connect(e.to_string()))
    }

    fn objects(&self, object: &ObjectRef) -> Api<DynamicObject> {
        let (group, version) = object.api_version.split_once('/').unwrap_or(("", &object.api_version));
        let kind = GroupVersionKind::gvk(group, version, &object.kind);
        let resource = ApiResource::from_gvk(&kind);
        if object.namespace.is_empty() {
            Api::all_with(self.0.clone(), &resource)
        } else {
            Api::namespaced_with(self.0.clone(), &object.namespace, &resource)
        }
    }
}

async fn configuration(kubeconfig: &str) -> Result<Config, String> {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).map_err(|e| e.to_string())?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(|e| e.to_string())
}

fn refused(object: &ObjectRef, error: &kube::Error) -> KubeError {
    match error {
        kube::Error::Api(status) => KubeError::Refused { object: object.to_string(), reason: status.message.clone(), code: status.code },
        other => KubeError::Connect(format!("{object}: {other}")),
    }
}

fn plain<T: serde::Serialize>(object: &ObjectRef, value: &T) -> Result<Value, KubeError> {
    serde_json::to_value(value).map_err(|e| KubeError::Connect(format!("{object}: {e}")))
}

#[async_trait]
impl Kube for KubeApi {
    async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, KubeError> {
        match self.objects(object).get_opt(&object.name).await {
            Ok(found) => found.map(|value| plain(object, &value)).transpose(),
            Err(error) => Err(refused(object, &error)),
        }
    }

    async fn list(&self, kind: &ObjectRef) -> Result<Vec<Value>, KubeError> {
        let found = self.objects(kind).list(&ListParams::default()).await.map_err(|e| refused(kind, &e))?;
        found
            .items
            .iter()
            .map(|value| {
                let mut value = plain(kind, value)?;
                // A list leaves these out of its items.
                value["apiVersion"] = kind.api_version.clone().into();
                value["kind"] = kind.kind.clone().into();
                Ok(value)
            })
            .collect()
    }

    async fn apply(&self, manifest: &Value) -> Result<Value, KubeError> {
        let object = ObjectRef::of(manifest);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let applied =
            self.objects(&object).patch(&object.name, &params, &Patch::Apply(manifest)).await.map_err(|e| refused(&object, &e))?;
        plain(&object, &applied)
    }

    async fn delete(&self, object: &ObjectRef) -> Result<(), KubeError> {
        match self.objects(object).delete(&object.name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(refused(object, &error)),
        }
    }
}

#[async_trait]
impl Guarded for KubeApi {
    async fn metadata(&self, object: &ObjectRef) -> Result<Option<Value>, KubeError> {
        let found = self.objects(object).get_metadata_opt(&object.name).await.map_err(|e| refused(object, &e))?;
        found.map(|value| plain(object, &value)).transpose()
    }

    async fn apply_guarded(&self, manifest: &Value, force: bool) -> Result<Value, KubeError> {
        let object = ObjectRef::of(manifest);
        let params = PatchParams { force, ..PatchParams::apply(FIELD_MANAGER) };
        let applied = self.objects(&object).patch_metadata(&object.name, &params, &Patch::Apply(manifest)).await;
        plain(&object, &applied.map_err(|e| refused(&object, &e))?)
    }

    async fn drop_annotation(&self, object: &ObjectRef, key: &str) -> Result<Value, KubeError> {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {key: null}}}));
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patched = self.objects(object).patch_metadata(&object.name, &params, &patch).await;
        plain(object, &patched.map_err(|e| refused(object, &e))?)
    }

    async fn delete_exactly(&self, object: &ObjectRef, uid: &str, version: &str) -> Result<(), KubeError> {
        let exactly = Preconditions { uid: Some(uid.to_owned()), resource_version: Some(version.to_owned()) };
        let params = DeleteParams { preconditions: Some(exactly), ..DeleteParams::default() };
        match self.objects(object).delete(&object.name, &params).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(refused(object, &error)),
        }
    }
}

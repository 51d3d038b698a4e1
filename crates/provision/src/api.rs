//! The Kubernetes API by the kube crate, through the SSH connection to a control plane: the API server need not be reachable from
//! here, and the admin's credentials stay in memory.

use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, GroupVersionKind};
use kubestead_core::command::Command;
use kubestead_core::host::Host;
use kubestead_core::kube::{Guarded, Kube, KubeError, ObjectRef};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::credentials::Credentials;
use crate::ssh::SshHost;

/// Where kubeadm keeps the administrator's credentials on a control plane.
const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";
/// Where an API server answers on its own machine, whatever its `admin.conf` says.
const PORT: u16 = 6443;

/// Who owns the fields that kubestead sets.
pub const FIELD_MANAGER: &str = "kubestead";

/// A shell function, `as_admin ARGUMENTS...`: curl(1), to the API server on this machine, as the administrator whose credentials lie there.
/// `kubernetes` is a name in every API server's certificate, 127.0.0.1 is not. No key is written to a disk or stands in an argument.
pub(crate) const ADMIN: &str = r#"pem() { local k v; while read -r k v; do if [ "$k" = "$1:" ]; then printf %s "$v" | base64 -d; fi; done < /etc/kubernetes/admin.conf; }
as_admin() { curl -s --resolve kubernetes:6443:127.0.0.1 --cacert <(pem certificate-authority-data) --cert <(pem client-certificate-data) --key <(pem client-key-data) "$@"; }
"#;

/// The API of one cluster.
pub struct KubeApi(Client);

impl KubeApi {
    /// Connects through a control plane with the admin credentials that it holds.
    pub async fn through(host: &SshHost) -> Result<Self, KubeError> {
        let connect = |e: &dyn std::fmt::Display| KubeError::Connect(format!("{}: {e}", host.name()));
        let output = host.run(&Command::read(["cat", ADMIN_CONF])).await.map_err(|e| connect(&e))?;
        if !output.success() {
            return Err(connect(&output.tail()));
        }
        let text = Zeroizing::new(output.text());
        let credentials = Credentials::parse(host.name(), ADMIN_CONF, &text).map_err(|e| KubeError::Connect(e.to_string()))?;
        let port = host.forward(PORT).await.map_err(|e| connect(&e))?;
        Self::client(&credentials, &format!("https://127.0.0.1:{port}")).map_err(|e| connect(&e))
    }

    /// Connects to one API server by its own address, with the credentials of a kubeconfig as kubeadm writes it (its text).
    pub fn at(kubeconfig: &str, address: &str) -> Result<Self, KubeError> {
        let credentials = Credentials::parse(address, "the kubeconfig", kubeconfig).map_err(|e| KubeError::Connect(e.to_string()))?;
        Self::client(&credentials, address).map_err(KubeError::Connect)
    }

    fn client(credentials: &Credentials, address: &str) -> Result<Self, String> {
        Client::try_from(credentials.config(address)?).map(Self).map_err(|e| e.to_string())
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

/// How many objects a page has, and how many requests run at once while objects are written anew.
const PAGE: u32 = 250;
const AT_ONCE: usize = 8;
/// How often one thing is tried that another writer, or a busy server, may spoil.
const TRIES: u32 = 6;

impl KubeApi {
    /// Has the server write every object of a kind anew, so that it is encrypted as new ones are: an empty patch of each, which changes
    /// nothing, is written when what is stored is not as it would be stored now. Only names travel, in pages; no object's content does.
    /// Objects that go meanwhile are gone; those that come are written as they shall be by themselves. Answers how many there were.
    pub async fn rewrite(&self, kind: &ObjectRef) -> Result<u64, KubeError> {
        for _ in 0..TRIES {
            if let Some(count) = self.rewrite_pages(kind).await? {
                return Ok(count);
            }
        }
        Err(KubeError::Connect(format!("{kind}: the list ended before all its pages were read, {TRIES} times")))
    }

    /// Nothing when the list became too old between two pages.
    async fn rewrite_pages(&self, kind: &ObjectRef) -> Result<Option<u64>, KubeError> {
        let (mut count, mut params) = (0, ListParams::default().limit(PAGE));
        loop {
            let page = match self.objects(kind).list_metadata(&params).await {
                Err(kube::Error::Api(status)) if status.code == 410 => return Ok(None),
                other => other.map_err(|e| refused(kind, &e))?,
            };
            let touch = |meta: kube::core::ObjectMeta| async move {
                let name = meta.name.unwrap_or_default();
                let object = ObjectRef { namespace: meta.namespace.unwrap_or_default(), name, ..kind.clone() };
                self.touch(&object).await
            };
            let mut running = stream::iter(page.items.into_iter().map(|item| touch(item.metadata))).buffer_unordered(AT_ONCE);
            while let Some(result) = running.next().await {
                result?;
                count += 1;
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(Some(count)),
            }
        }
    }

    async fn touch(&self, object: &ObjectRef) -> Result<(), KubeError> {
        let (api, params, patch) = (self.objects(object), PatchParams::default(), Patch::Merge(serde_json::json!({})));
        for tried in 1.. {
            match api.patch_metadata(&object.name, &params, &patch).await {
                Ok(_) => break,
                Err(kube::Error::Api(status)) if status.code == 404 => break,
                // Another writer was quicker, or the server is busy.
                Err(kube::Error::Api(status)) if tried < TRIES && matches!(status.code, 409 | 429 | 500 | 503 | 504) => {
                    tokio::time::sleep(std::time::Duration::from_millis(200 << tried)).await;
                }
                Err(error) => return Err(refused(object, &error)),
            }
        }
        Ok(())
    }
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
    async fn ready(&self) -> Result<(), KubeError> {
        let object = ObjectRef { api_version: String::new(), kind: "/readyz".into(), namespace: String::new(), name: String::new() };
        let request = http::Request::get("/readyz").body(Vec::new()).map_err(|e| KubeError::Connect(e.to_string()))?;
        self.0.request_text(request).await.map(|_| ()).map_err(|error| refused(&object, &error))
    }

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

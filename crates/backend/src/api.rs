//! The Kubernetes API by the kube crate, through the SSH connection to a control plane: the API server need not be reachable from
//! here, and the admin's credentials stay in memory.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use http::Response;
use http_body_util::{LengthLimitError, Limited};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions, WatchEvent, WatchParams};
use kube::client::{ClientBuilder, DynBody};
use kube::config::AuthInfo;
use kube::core::{ApiResource, GroupVersionKind, Request};
use kube::{Client, Config};
use kubestead_core::command::Command;
use kubestead_core::credentials::Credentials;
use kubestead_core::kube::{Catalog, FIELD_MANAGER, Guarded, Kube, KubeError, Listed, ObjectRef, Resource, Resources, Review, Rewrite};
use kubestead_core::transport::Remote;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::util::MapResponseLayer;
use zeroize::Zeroizing;

/// The administrator's credentials, which kubeadm keeps on a control plane.
const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";

/// Where an API server answers on its own machine, whatever its `admin.conf` says.
const PORT: u16 = 6443;

/// The most that is read of one answer, and of all pages of a list, in MiB. An object has at most 3, as etcd and the API server take no larger
/// one; a page of nodes, the largest that there is, has below 5.
const ANSWER: usize = 8;
const LIST: usize = 32;
/// How long an answer may take to its end, and a list to its last page: the API server itself gives a request up after 60 s.
const TIME: Duration = Duration::from_secs(90);

/// The API of one cluster. What answers may be anything: an answer that is too large or does not end costs a limit of memory and one of time.
/// No redirection is followed, and no answer is unpacked.
pub struct KubeApi {
    client: Client,
    time: Duration,
    /// What paths call kinds, by version and kind, once the server has told. Until then it is guessed, which is right for the kinds of kubestead.
    plurals: RwLock<BTreeMap<(String, String), String>>,
}

impl KubeApi {
    /// Connects through a control plane with the admin credentials that it holds.
    pub async fn through(host: &dyn Remote) -> Result<Self, KubeError> {
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
        let limited = MapResponseLayer::new(|answer: Response<Box<DynBody>>| answer.map(|body| Limited::new(body, ANSWER << 20)));
        let builder = ClientBuilder::try_from(config(credentials, address)?).map_err(|e| e.to_string())?;
        Ok(Self { client: builder.with_layer(&limited).build(), time: TIME, plurals: RwLock::default() })
    }

    /// The same API, whose answers may take so long.
    #[must_use]
    pub fn limit(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    fn objects(&self, object: &ObjectRef) -> Api<DynamicObject> {
        let (group, version) = object.api_version.split_once('/').unwrap_or(("", &object.api_version));
        let kind = GroupVersionKind::gvk(group, version, &object.kind);
        let plurals = self.plurals.read().unwrap_or_else(PoisonError::into_inner);
        let resource = match plurals.get(&(object.api_version.clone(), object.kind.clone())) {
            Some(plural) => ApiResource::from_gvk_with_plural(&kind, plural),
            None => ApiResource::from_gvk(&kind),
        };
        if object.namespace.is_empty() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), &object.namespace, &resource)
        }
    }

    /// Work that ends within the limit of time.
    async fn in_time<T>(&self, object: &ObjectRef, work: impl Future<Output = Result<T, KubeError>>) -> Result<T, KubeError> {
        let slow = || KubeError::Slow { object: object.to_string(), seconds: self.time.as_secs() };
        tokio::time::timeout(self.time, work).await.unwrap_or_else(|_| Err(slow()))
    }

    /// One request, whose answer comes to its end within the limit of time.
    async fn ask<T>(&self, object: &ObjectRef, request: impl Future<Output = kube::Result<T>>) -> Result<T, KubeError> {
        self.in_time(object, async { request.await.map_err(|error| refused(object, &error)) }).await
    }
}

/// How to reach an API server at `address` with the credentials. Made of these bytes alone: no file, no program and no variable of the
/// environment has a say.
fn config(credentials: &Credentials, address: &str) -> Result<Config, String> {
    let mut config = Config::new(address.parse().map_err(|e| format!("{address}: {e}"))?);
    config.root_cert = Some(credentials.authority_der().to_vec());
    // A name that kubeadm puts into every API server's certificate.
    config.tls_server_name = Some("kubernetes".to_owned());
    let key = credentials.key();
    let key = std::str::from_utf8(key.expose()).map_err(|e| format!("the client key: {e}"))?;
    config.auth_info =
        AuthInfo { client_certificate_data: Some(credentials.certificate()), client_key_data: Some(key.into()), ..AuthInfo::default() };
    Ok(config)
}

/// How many objects a page has: of their metadata alone while they are written anew, and of all that they hold. And how many requests run at
/// once while objects are written anew.
const PAGE: u32 = 250;
const WHOLE_PAGE: u32 = 100;
const AT_ONCE: usize = 8;
/// The most pages of a list: more than a million objects, that are written anew, are no end.
const PAGES: usize = 5000;
/// How often one thing is tried that another writer, or a busy server, may spoil.
const TRIES: u32 = 6;

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    metadata: PageMetadata,
    items: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(rename = "continue", default)]
    next: String,
}

/// A list that became too old between two pages.
fn too_old<T>(answer: Result<T, KubeError>) -> Result<Option<T>, KubeError> {
    match answer {
        Err(KubeError::Refused { code: 410, .. }) => Ok(None),
        other => other.map(Some),
    }
}

fn expired(kind: &ObjectRef) -> KubeError {
    KubeError::Connect(format!("{kind}: the list ended before all its pages were read, {TRIES} times"))
}

impl KubeApi {
    async fn pages(&self, kind: &ObjectRef, label: Option<&str>) -> Result<Option<Listed>, KubeError> {
        let (mut found, mut params, mut bytes) = (Listed::default(), ListParams::default().limit(WHOLE_PAGE), 0);
        params.label_selector = label.map(str::to_owned);
        let url = self.objects(kind).resource_url().to_owned();
        let broken = |e: &dyn std::fmt::Display| KubeError::Connect(format!("{kind}: {e}"));
        for _ in 0..PAGES {
            let request = Request::new(&url).list(&params).map_err(|e| broken(&e))?;
            let Some(text) = too_old(self.client.request_text(request).await.map_err(|e| refused(kind, &e)))? else { return Ok(None) };
            bytes += text.len();
            if bytes > LIST << 20 {
                return Err(KubeError::TooMuch { object: kind.to_string(), limit: format!("{LIST} MiB") });
            }
            let page: Page = serde_json::from_str(&text).map_err(|e| broken(&e))?;
            for mut value in page.items.unwrap_or_default() {
                // A list leaves these out of its items.
                if let Some(object) = value.as_object_mut() {
                    object.insert("apiVersion".to_owned(), kind.api_version.clone().into());
                    object.insert("kind".to_owned(), kind.kind.clone().into());
                    found.items.push(value);
                }
            }
            found.version = page.metadata.resource_version;
            if page.metadata.next.is_empty() {
                return Ok(Some(found));
            }
            params = params.continue_token(&page.metadata.next);
        }
        Err(KubeError::TooMuch { object: kind.to_string(), limit: format!("{PAGES} pages") })
    }
}

impl KubeApi {
    /// All pages of a list.
    async fn whole(&self, kind: &ObjectRef, label: Option<&str>) -> Result<Listed, KubeError> {
        let whole = async {
            for _ in 0..TRIES {
                if let Some(found) = self.pages(kind, label).await? {
                    return Ok(found);
                }
            }
            Err(expired(kind))
        };
        self.in_time(kind, whole).await
    }
}

/// What discovery is asked for: all groups with their kinds in one answer, which API servers give from 1.30 on.
const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

#[async_trait]
impl Review for KubeApi {
    async fn review(&self, review: &Value) -> Result<Value, KubeError> {
        let kind = ObjectRef::of(review);
        let broken = |e: &dyn std::fmt::Display| KubeError::Connect(format!("{kind}: {e}"));
        let bytes = serde_json::to_vec(review).map_err(|e| broken(&e))?;
        let request = Request::new(self.objects(&kind).resource_url()).create(&PostParams::default(), bytes).map_err(|e| broken(&e))?;
        self.ask(&kind, self.client.request(request)).await
    }
}

#[async_trait]
impl Catalog for KubeApi {
    async fn resources(&self) -> Result<Resources, KubeError> {
        let mut found = Resources::default();
        for path in ["/api", "/apis"] {
            let object = ObjectRef { api_version: String::new(), kind: path.into(), namespace: String::new(), name: String::new() };
            let broken = |e: &dyn std::fmt::Display| KubeError::Connect(format!("{object}: {e}"));
            let request = http::Request::get(path).header("Accept", DISCOVERY).body(Vec::new()).map_err(|e| broken(&e))?;
            let text = self.ask(&object, self.client.request_text(request)).await?;
            discovered(&serde_json::from_str(&text).map_err(|e| broken(&e))?, &mut found).map_err(|e| broken(&e))?;
        }
        let plurals = found.known.iter().map(|r| ((r.api_version.clone(), r.kind.clone()), r.plural.clone())).collect();
        *self.plurals.write().unwrap_or_else(PoisonError::into_inner) = plurals;
        Ok(found)
    }

    async fn labelled(&self, kind: &ObjectRef, label: &str) -> Result<Vec<Value>, KubeError> {
        Ok(self.whole(kind, Some(label)).await?.items)
    }
}

/// Adds what one answer of discovery tells.
fn discovered(list: &Value, found: &mut Resources) -> Result<(), &'static str> {
    if list["kind"] != "APIGroupDiscoveryList" {
        return Err("it does not tell its kinds in one answer (Kubernetes 1.30 and later do)");
    }
    // These names become parts of paths.
    let word = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        let plain = text.len() <= 253 && text.bytes().all(|c| c.is_ascii_alphanumeric() || b".-".contains(&c));
        plain.then(|| text.to_owned()).ok_or("it tells of a kind whose name is none")
    };
    for group in list["items"].as_array().into_iter().flatten() {
        let name = word(&group["metadata"]["name"])?;
        for version in group["versions"].as_array().into_iter().flatten() {
            let number = word(&version["version"])?;
            let api_version = if name.is_empty() { number } else { format!("{name}/{number}") };
            if version["freshness"] == "Stale" {
                found.silent.insert(api_version.clone());
            }
            for resource in version["resources"].as_array().into_iter().flatten() {
                let (kind, plural) = (word(&resource["responseKind"]["kind"])?, word(&resource["resource"])?);
                let namespaced = resource["scope"] == "Namespaced";
                found.known.push(Resource { api_version: api_version.clone(), kind, plural, namespaced });
            }
        }
    }
    Ok(())
}

/// An empty patch of each object, which changes nothing, is written when what is stored is not as it would be stored now. Only names travel, in pages.
#[async_trait]
impl Rewrite for KubeApi {
    async fn rewrite(&self, kind: &ObjectRef) -> Result<u64, KubeError> {
        for _ in 0..TRIES {
            if let Some(count) = self.rewrite_pages(kind).await? {
                return Ok(count);
            }
        }
        Err(expired(kind))
    }
}

impl KubeApi {
    /// `None` if the list became too old between two pages.
    async fn rewrite_pages(&self, kind: &ObjectRef) -> Result<Option<u64>, KubeError> {
        let (mut count, mut params) = (0, ListParams::default().limit(PAGE));
        for _ in 0..PAGES {
            let api = self.objects(kind);
            let Some(page) = too_old(self.ask(kind, api.list_metadata(&params)).await)? else { return Ok(None) };
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
        Err(KubeError::TooMuch { object: kind.to_string(), limit: format!("{PAGES} pages") })
    }

    async fn touch(&self, object: &ObjectRef) -> Result<(), KubeError> {
        let (api, params, patch) = (self.objects(object), PatchParams::default(), Patch::Merge(serde_json::json!({})));
        for tried in 1.. {
            match self.ask(object, api.patch_metadata(&object.name, &params, &patch)).await {
                Ok(_) | Err(KubeError::Refused { code: 404, .. }) => break,
                // Another writer was quicker, or the server is busy.
                Err(KubeError::Refused { code: 409 | 429 | 500 | 503 | 504, .. }) if tried < TRIES => {
                    tokio::time::sleep(Duration::from_millis(200 << tried)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// How much of a server's words an error has.
const WORDS: usize = 2000;

fn refused(object: &ObjectRef, error: &kube::Error) -> KubeError {
    let mut causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    if causes.any(|cause| cause.downcast_ref::<LengthLimitError>().is_some()) {
        return KubeError::TooMuch { object: object.to_string(), limit: format!("{ANSWER} MiB") };
    }
    let words = |text: &dyn std::fmt::Display| text.to_string().chars().take(WORDS).collect::<String>();
    match error {
        kube::Error::Api(status) => KubeError::Refused { object: object.to_string(), reason: words(&status.message), code: status.code },
        other => KubeError::Connect(format!("{object}: {}", words(other))),
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
        match self.ask(&object, self.client.request_text(request)).await?.as_str() {
            "ok" => Ok(()),
            _ => Err(KubeError::Connect(format!("{object}: it does not answer with `ok`"))),
        }
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, KubeError> {
        let found = self.ask(object, self.objects(object).get_opt(&object.name)).await?;
        found.map(|value| plain(object, &value)).transpose()
    }

    async fn list(&self, kind: &ObjectRef) -> Result<Listed, KubeError> {
        self.whole(kind, None).await
    }

    async fn changed(&self, kind: &ObjectRef, version: &str) -> Result<(), KubeError> {
        let api = self.objects(kind);
        let events = api.watch_metadata(&WatchParams::default(), version).await.map_err(|e| refused(kind, &e))?;
        let mut events = std::pin::pin!(events);
        loop {
            match events.next().await {
                Some(Ok(WatchEvent::Bookmark(_))) => {}
                Some(Ok(WatchEvent::Error(status))) => return Err(refused(kind, &kube::Error::Api(status))),
                Some(Ok(WatchEvent::Added(_) | WatchEvent::Modified(_) | WatchEvent::Deleted(_))) => return Ok(()),
                Some(Err(error)) => return Err(refused(kind, &error)),
                None => return Err(KubeError::Connect(format!("{kind}: the watch ended"))),
            }
        }
    }
}

#[async_trait]
impl Guarded for KubeApi {
    async fn metadata(&self, object: &ObjectRef) -> Result<Option<Value>, KubeError> {
        let found = self.ask(object, self.objects(object).get_metadata_opt(&object.name)).await?;
        found.map(|value| plain(object, &value)).transpose()
    }

    async fn apply_guarded(&self, manifest: &Value, force: bool) -> Result<Value, KubeError> {
        let object = ObjectRef::of(manifest);
        let params = PatchParams { force, ..PatchParams::apply(FIELD_MANAGER) };
        let (api, patch) = (self.objects(&object), Patch::Apply(manifest));
        plain(&object, &self.ask(&object, api.patch_metadata(&object.name, &params, &patch)).await?)
    }

    async fn annotate(&self, object: &ObjectRef, key: &str, value: Option<&str>) -> Result<Value, KubeError> {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {key: value}}}));
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let api = self.objects(object);
        plain(object, &self.ask(object, api.patch_metadata(&object.name, &params, &patch)).await?)
    }

    async fn delete_exactly(&self, object: &ObjectRef, uid: &str, version: &str) -> Result<(), KubeError> {
        let exactly = Preconditions { uid: Some(uid.to_owned()), resource_version: Some(version.to_owned()) };
        // The pods of a Job would stay otherwise (the default of batch/v1); of all other kinds this is the default.
        let params = DeleteParams { preconditions: Some(exactly), ..DeleteParams::background() };
        match self.ask(object, self.objects(object).delete(&object.name, &params)).await {
            Ok(_) | Err(KubeError::Refused { code: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(groups: &Value) -> Result<Resources, &'static str> {
        let mut found = Resources::default();
        discovered(&json!({"kind": "APIGroupDiscoveryList", "items": groups}), &mut found).map(|()| found)
    }

    #[test]
    fn discovery_tells_kinds_by_their_paths_and_who_does_not_answer() {
        let kind = |plural: &str| json!({"resource": plural, "responseKind": {"kind": "Mesh"}, "scope": "Namespaced"});
        let group = |name: &str, version: &Value| json!([{"metadata": {"name": name}, "versions": [version]}]);
        let found = told(&group("x.org", &json!({"version": "v1", "resources": [kind("meshwork")]}))).unwrap();
        let expected = Resource { api_version: "x.org/v1".into(), kind: "Mesh".into(), plural: "meshwork".into(), namespaced: true };
        assert_eq!((found.known, found.silent.len()), (vec![expected], 0));
        let found = told(&json!([{"metadata": {}, "versions": [{"version": "v1", "resources": [kind("pods")]}]}])).unwrap();
        assert_eq!(found.known[0].api_version, "v1", "the core group has no name");
        let found = told(&group("metrics.k8s.io", &json!({"version": "v1", "freshness": "Stale"}))).unwrap();
        assert_eq!(found.silent.into_iter().collect::<Vec<_>>(), ["metrics.k8s.io/v1"]);
        for bad in ["../../v1/secrets", "a?b", "a b", &"x".repeat(300)] {
            assert!(told(&group("x.org", &json!({"version": "v1", "resources": [kind(bad)]}))).is_err(), "{bad}");
        }
        for shape in [json!(null), json!({"kind": "APIGroupList"}), json!([])] {
            assert!(discovered(&shape, &mut Resources::default()).is_err(), "{shape}");
        }
    }
}

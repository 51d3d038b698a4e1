//! The token of one join: a Secret of the cluster, as `kubeadm token create` makes one. Made by the API, it costs no program a start on a control plane
//! that is busy with its first pods.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use kubestead_core::kube::{Guarded, ObjectRef};
use kubestead_core::name::Name;
use kubestead_core::secret::Secret;
use kubestead_secrets::token_secret;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::error::Error;

/// How long a token is good for at most, in minutes: its join takes as long as kubeadm waits for the kubelet.
const MINUTES: i64 = 15;

/// A token that the cluster knows.
pub(super) struct Token {
    /// As `kubeadm join` takes it.
    pub text: Secret,
    object: ObjectRef,
    uid: String,
    version: String,
}

impl Token {
    /// Makes one for a node. What a run that was cut off left of the same node has its name, and is replaced.
    /// No refusal holds it, whatever the server quotes.
    pub(super) async fn make(node: &Name, api: &dyn Guarded) -> Result<Self, Error> {
        let id = id(node);
        let secret = token_secret()?;
        let manifest = manifest(node, &id, &secret, Timestamp::now());
        let without = |words: String| {
            let plain = String::from_utf8_lossy(secret.expose());
            words.replace(&STANDARD.encode(plain.as_bytes()), "…").replace(&*plain, "…")
        };
        let made = api.apply_guarded(&manifest, false).await.map_err(|error| error.with_words(without))?;
        let said = |field: &str| made["metadata"][field].as_str().unwrap_or_default().to_owned();
        let text = Secret::new([id.as_bytes(), b".", secret.expose()].concat());
        Ok(Self { text, uid: said("uid"), version: said("resourceVersion"), object: ObjectRef::of(&manifest) })
    }

    /// Takes it away. If that fails it ends by itself.
    pub(super) async fn end(self, api: &dyn Guarded) {
        let _ = api.delete_exactly(&self.object, &self.uid, &self.version).await;
    }
}

/// What everybody may know of the token of a node: six letters or digits.
fn id(node: &Name) -> String {
    let letters = |byte: &u8| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[usize::from(byte % 36)]);
    Sha256::digest(format!("kubestead join {node}")).iter().take(6).map(letters).collect()
}

/// <https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/>, with the group that kubeadm lets ask for a node's certificate.
fn manifest(node: &Name, id: &str, secret: &Secret, now: Timestamp) -> Value {
    let end = now.saturating_add(SignedDuration::from_mins(MINUTES)).unwrap_or(now);
    let (end, description) = (end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), format!("kubestead join {node}"));
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": format!("bootstrap-token-{id}"), "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {
            "token-id": STANDARD.encode(id),
            "token-secret": STANDARD.encode(secret.expose()),
            "description": STANDARD.encode(description),
            "expiration": STANDARD.encode(end),
            "usage-bootstrap-authentication": STANDARD.encode("true"),
            "usage-bootstrap-signing": STANDARD.encode("true"),
            "auth-extra-groups": STANDARD.encode("system:bootstrappers:kubeadm:default-node-token"),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use kubestead_core::kube::KubeError;
    use kubestead_core::twin::MemoryKube;

    use super::*;

    /// One that quotes what it refuses.
    struct Quoting;

    #[async_trait]
    impl Guarded for Quoting {
        async fn metadata(&self, _: &ObjectRef) -> Result<Option<Value>, KubeError> {
            Ok(None)
        }

        async fn apply_guarded(&self, manifest: &Value, _: bool) -> Result<Value, KubeError> {
            let encoded = manifest["data"]["token-secret"].as_str().unwrap();
            let plain = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
            Err(KubeError::Refused { object: "x".into(), reason: format!("not {plain} and not {encoded}"), code: 422 })
        }

        async fn annotate(&self, _: &ObjectRef, _: &str, _: Option<&str>) -> Result<Value, KubeError> {
            Ok(Value::Null)
        }

        async fn delete_exactly(&self, _: &ObjectRef, _: &str, _: &str) -> Result<(), KubeError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn no_refusal_holds_it() {
        let refused = Token::make(&Name::new("kube1").unwrap(), &Quoting).await.err().unwrap();
        assert_eq!(refused.to_string(), "the token of a join: x: not … and not … (422)");
    }

    #[test]
    fn it_is_what_kubeadm_reads_as_a_token_that_ends_after_fifteen_minutes() {
        let now = "2026-11-29T23:50:00.5Z".parse().unwrap();
        let made = manifest(&Name::new("kube1").unwrap(), "abc123", &Secret::new(b"0123456789abcdef".to_vec()), now);
        let said = |field: &str| String::from_utf8(STANDARD.decode(made["data"][field].as_str().unwrap()).unwrap()).unwrap();
        assert_eq!((said("token-id"), said("token-secret")), ("abc123".to_owned(), "0123456789abcdef".to_owned()));
        assert_eq!((said("expiration"), said("description")), ("2026-11-30T00:05:00Z".to_owned(), "kubestead join kube1".to_owned()));
        assert_eq!(said("auth-extra-groups"), "system:bootstrappers:kubeadm:default-node-token");
    }

    #[tokio::test]
    async fn it_replaces_what_a_cut_run_left_of_the_same_node_alone_and_goes() {
        let kube = Arc::new(MemoryKube::default());
        let (one, other) = (Name::new("kube1").unwrap(), Name::new("kube10").unwrap());
        let left = Token::make(&one, &kube).await.unwrap();
        let others = Token::make(&other, &kube).await.unwrap();
        let token = Token::make(&one, &kube).await.unwrap();
        assert!(token.object == left.object && token.text.expose() != left.text.expose() && others.object != token.object);
        let text = std::str::from_utf8(token.text.expose()).unwrap().to_owned();
        assert!(text.len() == 23 && text.as_bytes()[6] == b'.' && text.bytes().filter(u8::is_ascii_alphanumeric).count() == 22, "{text}");
        let object = token.object.clone();
        token.end(&kube).await;
        assert!(kube.take(&object).is_none() && kube.take(&others.object).is_some());
    }
}

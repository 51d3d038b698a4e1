//! How far kubeadm has come on a node.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::fact::Gap;
use kubestead_core::probe::{Answers, Section};
use kubestead_core::put::digest;
use serde::{Deserialize, Serialize};

use super::spec::{BEGUN, ENCRYPTION, RECORD};

/// A node's membership as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KubeadmFacts {
    /// How far it is.
    pub state: State,
    /// The cluster that our record names; nothing when kubestead did not bring the node in.
    pub cluster: Option<String>,
    /// sha256 of the public key (SPKI, DER) of the cluster's CA, hex.
    pub ca: Option<String>,
    /// Whether the configuration of encryption at rest is there.
    pub encryption: bool,
    /// Whether the kubelet runs.
    pub kubelet: bool,
    /// Ports of Kubernetes that something listens on.
    pub ports: Vec<u16>,
}

/// How far kubeadm has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Nothing of Kubernetes is configured.
    Fresh,
    /// kubestead began and was cut off.
    Begun,
    /// A node with an API server.
    ControlPlane,
    /// A node without one.
    Worker,
}

/// The sections of the probe.
pub fn sections() -> Vec<Section> {
    vec![
        Section::new("kubeadm/record", format!("cat {RECORD} 2>/dev/null; true")),
        Section::new(
            "kubeadm/state",
            format!(
                "if [ -e {BEGUN} ]; then echo begun; elif [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]; then echo control-plane; \
                 elif [ -e /etc/kubernetes/kubelet.conf ]; then echo worker; else echo fresh; fi\n\
                 [ -s {ENCRYPTION} ] && echo encrypted || echo plain\nsystemctl is-active kubelet; true"
            ),
        ),
        Section::new("kubeadm/ca", "[ ! -s /etc/kubernetes/pki/ca.crt ] || openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt"),
        Section::new(
            "kubeadm/ports",
            "ss -Hltn 'sport = :6443 or sport = :2379 or sport = :2380 or sport = :10250 or sport = :10257 or sport = :10259'",
        ),
    ]
}

/// Reads the answers.
pub fn read(answers: &Answers) -> Result<KubeadmFacts, Gap> {
    let some = |text: &str| Some(text.trim().to_owned()).filter(|t| !t.is_empty());
    let mut lines = answers.text("kubeadm/state")?.lines();
    let state = match lines.next() {
        Some("begun") => State::Begun,
        Some("control-plane") => State::ControlPlane,
        Some("worker") => State::Worker,
        Some("fresh") => State::Fresh,
        other => return Err(Gap::new(format!("the state of kubeadm was not understood: {other:?}"))),
    };
    Ok(KubeadmFacts {
        state,
        encryption: lines.next() == Some("encrypted"),
        kubelet: lines.next() == Some("active"),
        cluster: some(answers.text("kubeadm/record")?),
        ca: spki(answers.text("kubeadm/ca")?),
        ports: ports(answers.text("kubeadm/ports")?),
    })
}

/// The sha256 of a public key as kubeadm pins it: of what stands in the PEM block (RFC 7468, section 13).
fn spki(pem: &str) -> Option<String> {
    let body = pem.trim().strip_prefix("-----BEGIN PUBLIC KEY-----")?.strip_suffix("-----END PUBLIC KEY-----")?;
    let der = STANDARD.decode(body.split_whitespace().collect::<String>()).ok()?;
    Some(digest(der))
}

/// The ports of the local addresses that ss(8) prints in its fourth column, in order.
fn ports(text: &str) -> Vec<u16> {
    let found = text.lines().filter_map(|line| line.split_whitespace().nth(3)?.rsplit_once(':')?.1.parse().ok());
    found.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pin_is_that_of_openssl() {
        // openssl genpkey -algorithm ed25519 | openssl pkey -pubout; then … | openssl pkey -pubin -outform DER | sha256sum
        let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA4QJSizkRanvq33EyA2k7wNmvQOBoJPQ4SkbOgNSmnps=\n-----END PUBLIC KEY-----\n";
        assert_eq!(spki(pem).as_deref(), Some("69e1eaa01403c93ac43e528195ca0c2fec65b8e378ff34243b2d979f0621529a"));
        assert_eq!(spki(""), None);
        assert_eq!(spki(&pem[..60]), None, "cut");
    }

    #[test]
    fn ports_are_those_of_every_family_once() {
        let text = "LISTEN 0      4096      10.0.0.1:2379      0.0.0.0:*\nLISTEN 0      4096             *:6443            *:*\n\
                    LISTEN 0      4096          [::]:6443         [::]:*\n";
        assert_eq!(ports(text), [2379, 6443]);
        assert!(ports("").is_empty());
    }
}

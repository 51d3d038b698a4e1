//! How far kubeadm has come on a node.

use kubestead_core::fact::Gap;
use kubestead_core::probe::{Answers, Section};
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

/// The sections of the probe. `openssl` reads the CA as kubeadm's own documentation does.
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
        Section::new(
            "kubeadm/ca",
            "[ ! -s /etc/kubernetes/pki/ca.crt ] || openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1",
        ),
        Section::new(
            "kubeadm/ports",
            "ss -Hltn 'sport = :6443 or sport = :2379 or sport = :2380 or sport = :10250 or sport = :10257 or sport = :10259' | awk '{n=split($4,a,\":\"); print a[n]}' | sort -un",
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
        ca: some(answers.text("kubeadm/ca")?).filter(|ca| ca.len() == 64 && ca.chars().all(|c| c.is_ascii_hexdigit())),
        ports: answers.text("kubeadm/ports")?.lines().filter_map(|l| l.trim().parse().ok()).collect(),
    })
}

//! How far kubeadm has come on a node.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::fact::Gap;
use kubestead_core::probe::{Answers, Section};
use kubestead_core::put::{Files, digest};
use serde::{Deserialize, Serialize};

use super::certificate::{self, Certificate};
use super::spec::{BEGUN, ENCRYPTION, KEPT, RECORD};
use crate::objects::plain_version;

/// Prints what an earlier cluster left.
pub(super) const LEFTOVERS: &str = include_str!("scripts/leftovers.sh");
/// What listens on ports of Kubernetes.
const PORTS: &str = "sport = :6443 or sport = :2379 or sport = :2380 or sport = :10250 or sport = :10257 or sport = :10259";
/// So many paths of them are kept.
const MOST: usize = 100;

/// A node's membership as seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KubeadmFacts {
    /// How far it is.
    pub state: State,
    /// The cluster that our record names; `None` if kubestead did not bring the node in.
    pub cluster: Option<String>,
    /// sha256 of the public key (SPKI, DER) of the cluster's CA, hex.
    pub ca: Option<String>,
    /// What is where our files belong; kept once a host, with its storage ([`compose::Seen::share_files`](crate::compose::Seen::share_files)).
    #[serde(skip)]
    pub files: Files,
    /// Whether the configuration of encryption at rest is there.
    pub encryption: bool,
    /// Whether the kubelet runs.
    pub kubelet: bool,
    /// What a run left that was cut off while it gave the control plane's programs other arguments.
    pub cut: Cut,
    /// Ports of Kubernetes that something listens on.
    pub ports: Vec<u16>,
    /// The version of the API server in its manifest; nothing where there is none.
    pub server: Option<String>,
    /// What lies where kubeadm would take it for its own: files of another cluster, on a machine that is no member.
    pub leftovers: Vec<String>,
    /// The certificates of a control plane.
    pub certificates: Vec<Certificate>,
}

/// What a run left that gave the control plane's programs other arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cut {
    /// Nothing: none was cut off.
    #[default]
    None,
    /// Manifests, or a certificate, that took the place of others and were not seen to run.
    Unproven,
    /// All were seen to run, or none was replaced yet.
    Unfinished,
}

/// How far kubeadm has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Nothing of Kubernetes is configured.
    #[default]
    Fresh,
    /// kubestead began and was cut off.
    Begun,
    /// A node with an API server.
    ControlPlane,
    /// A node without one.
    Worker,
}

/// The sections of the probe, beside [`kubestead_core::put::section`] with [`own_paths`](super::KubeadmSpec::own_paths).
pub fn sections() -> Vec<Section> {
    vec![
        Section::file("kubeadm/record", RECORD),
        Section::script("kubeadm/state", include_str!("scripts/probe-state.sh"))
            .var("begun", BEGUN)
            .var("encryption", ENCRYPTION)
            .var("kept", KEPT),
        Section::script("kubeadm/ca", include_str!("scripts/probe-ca.sh")),
        Section::script("kubeadm/versions", include_str!("scripts/versions.sh")),
        Section::script("kubeadm/leftovers", include_str!("scripts/probe-leftovers.sh")).after(LEFTOVERS),
        Section::script("kubeadm/certificates", include_str!("scripts/certificates.sh")),
        Section::program("kubeadm/ports", ["ss", "-Hltn", PORTS]),
    ]
}

/// Reads the answers.
pub fn read(answers: &Answers) -> Result<KubeadmFacts, Gap> {
    let some = |text: &str| Some(text.trim().chars().take(253).collect::<String>()).filter(|t| !t.is_empty());
    let mut lines = answers.text("kubeadm/state")?.lines();
    let state = match lines.next() {
        Some("begun") => State::Begun,
        Some("control-plane") => State::ControlPlane,
        Some("worker") => State::Worker,
        Some("fresh") => State::Fresh,
        other => return Err(Gap::new(format!("the state of kubeadm was not understood: {other:?}"))),
    };
    let versions = answers.text("kubeadm/versions")?;
    let version = |of: &str| versions.lines().find_map(|line| line.strip_prefix(of)).and_then(plain_version);
    // On a member these are its own.
    let leftovers = if state == State::Fresh { answers.text("kubeadm/leftovers")? } else { "" };
    let (encryption, kubelet) = (lines.next() == Some("encrypted"), lines.next() == Some("active"));
    let cut = match lines.next_back() {
        Some("unproven") => Cut::Unproven,
        Some("unfinished") => Cut::Unfinished,
        _ => Cut::None,
    };
    Ok(KubeadmFacts {
        server: version("server "),
        leftovers: leftovers.lines().take(MOST).map(str::to_owned).collect(),
        certificates: certificate::read(answers.text("kubeadm/certificates")?),
        files: Files::of(answers)?,
        state,
        encryption,
        kubelet,
        cut,
        cluster: some(answers.text("kubeadm/record")?),
        ca: spki(answers.text("kubeadm/ca")?),
        ports: ports(answers.text("kubeadm/ports")?),
    })
}

/// The sha256 of a public key as kubeadm pins it: of what stands in the PEM block (RFC 7468, section 13).
pub(super) fn spki(pem: &str) -> Option<String> {
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

    /// What a real machine prints, below a folder in place of /.
    fn run(script: &str, root: &std::path::Path) -> String {
        let root = root.display().to_string();
        let script = script
            .replace(" /etc/", &format!(" {root}/etc/"))
            .replace("=/etc/", &format!("={root}/etc/"))
            .replace(" /var/", &format!(" {root}/var/"));
        let output = std::process::Command::new("bash").args(["-euc", &script]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().replace(&root, "")
    }

    fn make(root: &std::path::Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn what_an_earlier_cluster_left_is_found_and_what_is_ours_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let ours = [
            ("etc/kubernetes/enc/enc.yaml", "x"),
            ("etc/kubernetes/adm/adm.yaml", "x"),
            ("etc/cni/net.d/10-flannel.conflist", "x"),
            ("etc/cni/net.d/.kubernetes-cni-keep", ""),
            ("etc/cni/net.d/05-cilium.conflist.cilium_bak", ""),
            ("var/lib/etcd/lost+found/x", ""),
            ("etc/kubernetes/manifests/kube-vip.yaml", "x"),
        ];
        make(dir.path(), &ours);
        assert_eq!(run(&format!("{LEFTOVERS}leftovers"), dir.path()), "");
        make(
            dir.path(),
            &[
                ("etc/kubernetes/pki/ca.crt", "x"),
                ("etc/kubernetes/admin.conf", "x"),
                ("etc/kubernetes/manifests/etcd.yaml", "x"),
                ("var/lib/etcd/member/snap/db", "x"),
                ("etc/cni/net.d/05-cilium.conflist", "x"),
            ],
        );
        let found = run(&format!("{LEFTOVERS}leftovers"), dir.path());
        let all = [
            "/etc/kubernetes/pki/ca.crt",
            "/etc/kubernetes/admin.conf",
            "/etc/kubernetes/manifests/etcd.yaml",
            "/var/lib/etcd/member",
            "/etc/cni/net.d/05-cilium.conflist",
        ];
        assert_eq!(found.lines().collect::<Vec<_>>(), all);
    }

    #[test]
    fn the_version_of_the_api_server_is_that_of_its_manifest() {
        let dir = tempfile::tempdir().unwrap();
        let script = |root: &std::path::Path| run(include_str!("scripts/versions.sh"), root);
        assert_eq!(script(dir.path()), "", "a machine that is no control plane has none");
        make(
            dir.path(),
            &[
                ("etc/kubernetes/kubelet.conf", "x"),
                (
                    "etc/kubernetes/manifests/kube-apiserver.yaml",
                    "spec:\n  containers:\n    image: registry.k8s.io/kube-apiserver:v1.36.2\n",
                ),
            ],
        );
        let text = script(dir.path());
        assert_eq!(text, "server v1.36.2\n");
        let answers = Answers::from_pairs([
            ("kubeadm/state", 0, "control-plane\nencrypted\nactive\n"),
            ("kubeadm/record", 0, "home\n"),
            ("kubeadm/ca", 0, ""),
            ("kubeadm/ports", 0, ""),
            ("kubeadm/versions", 0, text.as_str()),
            ("kubeadm/leftovers", 0, "/etc/kubernetes/admin.conf\n"),
            ("kubeadm/certificates", 0, ""),
            ("files", 0, ""),
        ]);
        let facts = read(&answers).unwrap();
        assert_eq!(facts.server.as_deref(), Some("1.36.2"));
        assert!(facts.leftovers.is_empty(), "on a member they are its own");
    }

    #[test]
    fn ports_are_those_of_every_family_once() {
        let text = "LISTEN 0      4096      10.0.0.1:2379      0.0.0.0:*\nLISTEN 0      4096             *:6443            *:*\n\
                    LISTEN 0      4096          [::]:6443         [::]:*\n";
        assert_eq!(ports(text), [2379, 6443]);
        assert!(ports("").is_empty());
    }
}

//! What a key server and its nodes have. Shares are seen by name, size and checksum, never by content.

use std::collections::BTreeMap;

use kubestead_core::command::quote;
use kubestead_core::fact::Gap;
use kubestead_core::probe::{Answers, Section};
use kubestead_storage::observe::{PENDING, read_sums};
use serde::{Deserialize, Serialize};

use super::spec::{CLIENT_PATH, IDENTITY, KEYS, KNOWN_HOSTS, KeyServerSpec};

/// A key server as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerFacts {
    /// Its public host key, `ssh-ed25519 AAAA…`.
    pub host_key: String,
    /// Whether the user is there.
    pub user: bool,
    /// sha256 of our files.
    pub files: BTreeMap<String, String>,
    /// The lines of nodes' keys.
    pub lines: Vec<String>,
    /// The whole shares, as `NODE/VOLUME`, each with its sha256: 64 random bytes are not guessed from it.
    pub shares: BTreeMap<String, String>,
}

/// A node's side as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeFacts {
    /// Its public key, `ssh-ed25519 AAAA…`.
    pub key: Option<String>,
    /// sha256 of our files.
    pub files: BTreeMap<String, String>,
}

/// The server's sections.
pub fn server_sections(spec: &KeyServerSpec) -> Vec<Section> {
    let files: Vec<String> = spec.files().iter().map(|f| quote(&f.path)).collect();
    vec![
        Section::new("keyserver/host-key", "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub"),
        Section::new("keyserver/user", format!("id -u {} >/dev/null 2>&1 && echo yes || echo no", quote(&spec.user))),
        Section::new("keyserver/files", format!("[ -e {PENDING} ] || sha256sum {} 2>/dev/null; true", files.join(" "))),
        Section::new("keyserver/lines", format!("cat {KEYS} 2>/dev/null; true")),
        Section::new(
            "keyserver/shares",
            format!(
                "cd {} 2>/dev/null && find . -mindepth 2 -maxdepth 2 -type f -size 64c -exec sha256sum {{}} + 2>/dev/null; true",
                quote(&spec.directory)
            ),
        ),
    ]
}

/// A node's sections.
pub fn node_sections() -> Vec<Section> {
    vec![
        Section::new("keynode/key", format!("cut -d' ' -f1,2 {IDENTITY}.pub 2>/dev/null; true")),
        Section::new("keynode/files", format!("sha256sum {CLIENT_PATH} {KNOWN_HOSTS} 2>/dev/null; true")),
    ]
}

/// Reads the server's answers.
pub fn read_server(answers: &Answers) -> Result<ServerFacts, Gap> {
    let host_key = answers.text("keyserver/host-key")?.trim().to_owned();
    if !is_key(&host_key) {
        return Err(Gap::new(format!("the key server has no ed25519 host key: {host_key:?}")));
    }
    Ok(ServerFacts {
        host_key,
        user: answers.text("keyserver/user")?.trim() == "yes",
        files: read_sums(answers.text("keyserver/files")?),
        lines: answers.text("keyserver/lines")?.lines().map(str::to_owned).collect(),
        shares: read_sums(answers.text("keyserver/shares")?)
            .into_iter()
            .map(|(path, sum)| (path.trim_start_matches("./").to_owned(), sum))
            .collect(),
    })
}

/// Reads a node's answers.
pub fn read_node(answers: &Answers) -> Result<NodeFacts, Gap> {
    let key = answers.text("keynode/key")?.trim().to_owned();
    Ok(NodeFacts { key: is_key(&key).then_some(key), files: read_sums(answers.text("keynode/files")?) })
}

/// `ssh-ed25519` and base64, and nothing that could end a line or begin an option.
pub(super) fn is_key(text: &str) -> bool {
    text.strip_prefix("ssh-ed25519 ")
        .is_some_and(|key| key.len() == 68 && key.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c)))
}

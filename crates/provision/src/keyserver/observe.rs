//! What a key server and its nodes have. Shares are seen by name, size and checksum, never by content.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kubestead_core::fact::{Fact, Gap};
use kubestead_core::probe::{Answers, Section};
use kubestead_core::put::{self, Files};
use serde::{Deserialize, Serialize};

use super::account::PublicKey;
use super::login::{AccountFacts, Password, Rules};
use super::spec::{IDENTITY, KEYS, KeyServerSpec};

/// The folder of all shares, in [`ServerFacts::others`].
pub(super) const ALL: &str = "/";

/// A key server as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerFacts {
    /// Its public host key, `ssh-ed25519 AAAA…`.
    pub host_key: String,
    /// The nodes' account.
    pub account: AccountFacts,
    /// What sshd takes for the account, by the address that is come from; absent where it could not be asked for a reason that a start of
    /// sshd fixes. Nothing of it is in the configuration's own words.
    pub sshd: Fact<Vec<(IpAddr, Rules)>>,
    /// What is where our files belong.
    pub files: Files,
    /// The lines of nodes' keys.
    pub lines: Vec<String>,
    /// The whole shares, as `NODE/VOLUME`, each with its sha256: 64 random bytes are not guessed from it.
    pub shares: BTreeMap<String, String>,
    /// What lies in the place of a share and is none, with its number of bytes.
    pub damaged: BTreeMap<String, u64>,
    /// What is a link, or another thing than it shall be: a share (`NODE/VOLUME`), a node's folder (`NODE`), or the folder of all (`/`).
    #[serde(default)]
    pub others: BTreeSet<String>,
    /// Whether sshd's configuration does not take in the files of `sshd_config.d`, where our rules are.
    #[serde(default)]
    pub unincluded: bool,
}

impl ServerFacts {
    /// A server of which only the host key is there.
    pub fn blank(host_key: impl Into<String>) -> Self {
        Self {
            host_key: host_key.into(),
            account: AccountFacts::default(),
            sshd: Fact::Absent,
            files: Files::default(),
            lines: Vec::new(),
            shares: BTreeMap::new(),
            damaged: BTreeMap::new(),
            others: BTreeSet::new(),
            unincluded: false,
        }
    }
}

/// A node's side as seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientFacts {
    /// The public key of its private one; `None` if there is no private key that ssh-keygen(1) can read.
    pub key: Option<PublicKey>,
    /// Whether the file of its public key does not hold that.
    pub torn: bool,
    /// Whether others may read the private one: ssh(1) takes no such key.
    #[serde(default)]
    pub loose: bool,
    /// What is where our files belong; kept once a host, with its storage ([`compose::Seen::share_files`](crate::compose::Seen::share_files)).
    #[serde(skip)]
    pub files: Files,
}

/// The server's sections.
pub fn server_sections(spec: &KeyServerSpec) -> Vec<Section> {
    let site = &spec.site;
    let addresses: Vec<String> = match &*spec.nodes {
        [] => vec![spec.origin().to_string()],
        nodes => nodes.iter().map(|node| node.address.to_string()).collect(),
    };
    vec![
        Section::program("keyserver/host-key", ["cut", "-d", " ", "-f1,2", "/etc/ssh/ssh_host_ed25519_key.pub"]),
        Section::script("keyserver/account", include_str!("scripts/probe-account.sh"))
            .var("user", site.user.as_str())
            .var("directory", site.directory.as_str()),
        Section::script("keyserver/sshd", include_str!("scripts/probe-sshd.sh"))
            .var("user", site.user.as_str())
            .var("base", "/etc/ssh")
            .list("addresses", addresses),
        put::section(site.own_paths(), [KEYS]),
        Section::file("keyserver/lines", KEYS),
        Section::script("keyserver/shares", include_str!("scripts/probe-shares.sh")).var("directory", site.directory.as_str()),
    ]
}

/// A node's sections, beside [`put::section`] with [`own_paths`](super::own_paths) and [`made_paths`](super::made_paths).
pub fn node_sections() -> Vec<Section> {
    vec![Section::script("keynode/key", include_str!("scripts/probe-keypair.sh")).var("identity", IDENTITY)]
}

/// Reads the server's answers.
pub fn read_server(answers: &Answers) -> Result<ServerFacts, Gap> {
    let host_key = answers.text("keyserver/host-key")?.trim();
    let host_key = PublicKey::of(host_key).map_err(|_| Gap::new(format!("the key server has no ed25519 host key: {host_key:?}")))?;
    let (mut shares, mut damaged, mut others) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for line in answers.text("keyserver/shares")?.lines() {
        // What a writing that was cut off left, `NODE/VOLUME.part`, is no share and is in nobody's way.
        match line.splitn(3, ' ').collect::<Vec<_>>().as_slice() {
            [_, _, path] if path.contains('.') => {}
            ["other", _, path] => drop(others.insert((*path).to_owned())),
            ["64", sum, path] => drop(shares.insert((*path).to_owned(), (*sum).to_owned())),
            [size, _, path] => {
                let size = size.parse().map_err(|_| Gap::new(format!("the size of the share {path} is not understood: {size:?}")))?;
                damaged.insert((*path).to_owned(), size);
            }
            _ => return Err(Gap::new(format!("what lies among the shares is not understood: {line:?}"))),
        }
    }
    let sshd = answers.text("keyserver/sshd")?;
    let (unincluded, sshd) = sshd.strip_prefix("unincluded\n").map_or((false, sshd), |rest| (true, rest));
    Ok(ServerFacts {
        host_key: host_key.to_string(),
        account: read_account(answers.text("keyserver/account")?)?,
        sshd: read_sshd(sshd),
        files: Files::of(answers)?,
        lines: answers.text("keyserver/lines")?.lines().map(str::to_owned).collect(),
        shares,
        damaged,
        others,
        unincluded,
    })
}

fn read_account(text: &str) -> Result<AccountFacts, Gap> {
    let mut facts = AccountFacts::default();
    for line in text.lines() {
        let bad = || Gap::new(format!("what the key server says of the account is not understood: {line:?}"));
        let (word, value) = line.split_once(' ').ok_or_else(bad)?;
        match word {
            "login" => value.clone_into(&mut facts.login),
            "entry" => {
                let (number, home) = value.split_once(' ').ok_or_else(bad)?;
                facts.entry = Some((number.parse().map_err(|_| bad())?, home.to_owned()));
            }
            "sharer" => drop(facts.sharers.insert(value.to_owned())),
            "other" => drop(facts.others.insert(value.to_owned())),
            "group" => drop(facts.groups.insert(value.to_owned())),
            "password" => {
                facts.password = match value {
                    "none" => Password::None,
                    "locked" => Password::Locked,
                    "set" => Password::Set,
                    _ => Password::Unknown,
                }
            }
            _ => return Err(bad()),
        }
    }
    if facts.login.is_empty() { Err(Gap::new("the key server did not say who asks")) } else { Ok(facts) }
}

/// `from ADDRESS` begins the lines of one address; `failed WORDS` says why there are none.
fn read_sshd(text: &str) -> Fact<Vec<(IpAddr, Rules)>> {
    if let Some(why) = text.strip_prefix("failed ") {
        let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
        // Its folder is made when it starts; where a socket starts it for each login there may be none in between.
        let idle = why.contains("Missing privilege separation directory");
        return if idle { Fact::Absent } else { Fact::Unknown(Gap::new(format!("sshd refuses its own configuration: {why}"))) };
    }
    let mut found: Vec<(IpAddr, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("from ").map(str::parse), found.last_mut()) {
            (Some(Ok(address)), _) => found.push((address, Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            (Some(Err(_)), _) | (None, None) => return Fact::Unknown(Gap::new(format!("what sshd says is not understood: {line:?}"))),
        }
    }
    Fact::Known(found.into_iter().map(|(address, lines)| (address, Rules::read(lines))).collect())
}

/// Reads a node's answers.
pub fn read_node(answers: &Answers) -> Result<ClientFacts, Gap> {
    let text = answers.text("keynode/key")?;
    let (loose, text) = text.strip_prefix("loose\n").map_or((false, text), |text| (true, text));
    let mut lines = text.lines().map(|line| PublicKey::of(line).ok());
    let (key, file) = (lines.next().flatten(), lines.next().flatten());
    Ok(ClientFacts { torn: key != file, loose: loose && key.is_some(), key, files: Files::of(answers)? })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{KEY, OTHER, key, own_account};
    use super::*;

    fn server(shares: &str, account: &str, sshd: &str) -> Result<ServerFacts, Gap> {
        read_server(&Answers::from_pairs([
            ("keyserver/host-key", 0, KEY),
            ("keyserver/account", 0, account),
            ("keyserver/sshd", 0, sshd),
            ("files", 0, ""),
            ("keyserver/lines", 0, ""),
            ("keyserver/shares", 0, shares),
        ]))
    }

    const ACCOUNT: &str = "login root\nentry 998 /k\npassword none\ngroup masterlock\n";

    #[test]
    fn a_share_that_is_not_whole_is_seen_as_such() {
        let facts =
            server("64 aa kube1/data\n0 - kube1/keep\n63 - kube2/data\n64 bb kube1/data.part\n", ACCOUNT, "from 10.77.0.21\n").unwrap();
        assert_eq!(facts.shares, BTreeMap::from([("kube1/data".to_owned(), "aa".to_owned())]));
        assert_eq!(facts.damaged, BTreeMap::from([("kube1/keep".to_owned(), 0), ("kube2/data".to_owned(), 63)]));
        assert_eq!(facts.account, own_account());
        let facts = server("other - /\nother - kube1\nother - kube1/data\nother - kube1/data.part\n", ACCOUNT, "").unwrap();
        assert_eq!(facts.others, ["/", "kube1", "kube1/data"].map(str::to_owned).into());
        assert!(server("nonsense\n", ACCOUNT, "").is_err() && server("x - kube1/data\n", ACCOUNT, "").is_err());
        assert!(
            server("", "", "").is_err()
                && server("", "login root\nentry x /k\n", "").is_err()
                && server("", "login root\nwhat x\n", "").is_err()
        );
    }

    #[test]
    fn what_sshd_says_is_read_by_address_and_its_refusal_is_a_gap() {
        let sshd = |text: &str| server("", ACCOUNT, text).unwrap().sshd;
        let Fact::Known(found) = sshd("from 10.0.0.1\nallowusers a\nusepam yes\nfrom 10.0.0.2\n") else { unreachable!() };
        assert_eq!(found[0].1, Rules { allow_users: vec!["a".into()], pam: true, ..Rules::default() });
        assert_eq!(found[1], ("10.0.0.2".parse().unwrap(), Rules::default()));
        let said = "failed /etc/ssh/sshd_config: line 3: Bad configuration option: Foo\n/etc/ssh/sshd_config: terminating, 1 bad options\n";
        assert!(sshd(said).gap().unwrap().0.contains("refuses its own configuration: /etc/ssh/sshd_config: line 3"));
        assert_eq!(sshd("failed Missing privilege separation directory: /run/sshd\n"), Fact::Absent);
        assert!(sshd("allowusers a\n").gap().is_some());
        let facts = server("", ACCOUNT, "unincluded\nfrom 10.0.0.1\n").unwrap();
        assert!(facts.unincluded && facts.sshd.known().is_some());
    }

    #[test]
    fn a_public_file_that_a_power_cut_left_empty_is_torn() {
        let read = |text: &str| read_node(&Answers::from_pairs([("keynode/key", 0, text), ("files", 0, "")])).unwrap();
        let node = |key, torn| ClientFacts { key, torn, ..ClientFacts::default() };
        assert_eq!(read(&format!("{KEY} a@b\n{KEY} masterlock@kube1\n")), node(Some(key(KEY)), false));
        assert_eq!(read(&format!("{KEY}\n\n")), node(Some(key(KEY)), true));
        assert_eq!(read(&format!("{KEY}\n{OTHER}\n")), node(Some(key(KEY)), true));
        assert_eq!(read(&format!("\n{KEY}\n")), node(None, true), "a private key that is gone");
        assert_eq!(read("\n\n"), node(None, false));
        assert_eq!(read(&format!("loose\n{KEY}\n{KEY}\n")), ClientFacts { loose: true, ..node(Some(key(KEY)), false) });
        assert_eq!(read(&format!("loose\n\n{KEY}\n")), node(None, true), "what cannot be read at all is not called open");
    }
}

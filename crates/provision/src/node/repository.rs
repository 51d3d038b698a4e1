//! Apt repositories whose key is known by its fingerprint: what a machine has of one, what the repository offers while something is missing, and the
//! files that follow of both.
//!
//! The node fetches the key itself, by its own proxy, and the probe brings it here: it is compared once, and exactly what was compared is what is
//! written. What is installed is verified by apt.

use std::collections::BTreeMap;

use kubestead_core::fact::Gap;
use kubestead_core::name::Name;
use kubestead_core::plan::Held;
use kubestead_core::probe::{Answers, Section};
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};

use crate::apt_key::{self, Fingerprint, PublicKey};

/// Proxies of HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For http, such as `http://proxy.example.com:3128`.
    pub http: Option<String>,
    /// For https.
    pub https: Option<String>,
    /// Names, addresses and ranges that are reached without one.
    pub direct: Vec<String>,
}

/// A repository: its files on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// What it is called in sections and messages.
    pub(super) name: &'static str,
    pub(super) keyring: &'static str,
    pub(super) source: &'static str,
}

/// Kubernetes'.
pub(super) const KUBERNETES: Place = Place {
    name: "kubernetes",
    keyring: "/etc/apt/keyrings/kubestead-kubernetes.asc",
    source: "/etc/apt/sources.list.d/kubestead-kubernetes.sources",
};
/// Docker's.
pub(super) const DOCKER: Place =
    Place { name: "docker", keyring: "/etc/apt/keyrings/kubestead-docker.asc", source: "/etc/apt/sources.list.d/kubestead-docker.sources" };

impl Place {
    pub(super) fn paths(self) -> [String; 2] {
        [self.keyring.to_owned(), self.source.to_owned()]
    }

    fn section_name(self) -> String {
        format!("node/repository:{}", self.name)
    }
}

/// What a machine has of a repository, and what that offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Offer {
    /// The keyring that lies on the machine.
    pub here: Option<String>,
    /// The machine's clock, in seconds since 1970.
    pub now: u64,
    /// The distribution, for a repository that has a folder for each.
    pub system: Option<System>,
    /// The version of the distribution's own package, where that was looked for.
    pub candidate: Option<String>,
    /// Whether the repository was asked: it is while something of it is missing.
    pub asked: bool,
    /// The key that it offers.
    pub key: Option<String>,
    /// The versions of packages, the newest last.
    pub versions: BTreeMap<String, Vec<String>>,
    /// Why it did not tell.
    pub failure: Option<Failure>,
}

/// A distribution, as Docker's repository names its folders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// Such as `debian`.
    pub id: String,
    /// Such as `trixie`.
    pub codename: String,
    /// Such as `amd64`.
    pub architecture: String,
}

/// A download that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What was asked for.
    pub url: String,
    /// curl's status.
    pub code: i32,
    /// Its words.
    pub said: String,
}

/// What the section of a repository asks.
pub(super) struct Question<'a> {
    pub(super) place: Place,
    pub(super) uri: &'a str,
    /// The packages that are to come from it.
    pub(super) names: &'a [&'a str],
    /// Packages and programs that spare all of them; then one of `names` is enough.
    pub(super) others: &'a [&'a str],
    pub(super) proxies: Option<&'a Proxies>,
}

impl Question<'_> {
    /// The section of the probe.
    pub(super) fn section(&self) -> Section {
        let any = if self.others.is_empty() { "" } else { "yes" };
        let proxies = self.proxies.cloned().unwrap_or_default();
        Section::script(self.place.section_name(), include_str!("scripts/probe-repository.sh"))
            .var("uri", self.uri)
            .var("keyring", self.place.keyring)
            .var("source", self.place.source)
            .list("names", self.names)
            .list("others", self.others)
            .var("any", any)
            .var("distribution", any)
            .var("proxy", proxies.http.unwrap_or_default())
            .var("proxies", proxies.https.unwrap_or_default())
            .var("direct", proxies.direct.join(","))
    }
}

/// Reads the answer of a repository's section.
pub(super) fn read(place: Place, answers: &Answers) -> Result<Offer, Gap> {
    let mut offer = Offer::default();
    let (mut here, mut key) = (String::new(), String::new());
    for line in answers.text(&place.section_name())?.lines() {
        let gap = || Gap::new(format!("what is said of {}'s repository was not understood: {line:?}", place.name));
        let (what, rest) = line.split_once('\t').unwrap_or((line, ""));
        let add = |text: &mut String| {
            text.push_str(rest);
            text.push('\n');
        };
        match (what, rest.split('\t').collect::<Vec<_>>().as_slice()) {
            ("now", [now]) => offer.now = now.parse().map_err(|_| gap())?,
            ("here", _) => add(&mut here),
            ("key", _) => add(&mut key),
            ("asked", _) => offer.asked = true,
            ("candidate", [version]) if is_version(version) => offer.candidate = Some((*version).to_owned()),
            ("system", [id, codename, architecture]) if [id, codename, architecture].iter().all(|word| is_word(word)) => {
                let [id, codename, architecture] = [id, codename, architecture].map(|word| (*word).to_owned());
                offer.system = Some(System { id, codename, architecture });
            }
            ("version", [name, version]) if is_version(version) => {
                offer.versions.entry((*name).to_owned()).or_default().push((*version).to_owned());
            }
            ("failed", [code, url, said]) => {
                let code = code.parse().map_err(|_| gap())?;
                offer.failure = Some(Failure { url: (*url).to_owned(), code, said: (*said).to_owned() });
            }
            _ => return Err(gap()),
        }
    }
    offer.here = Some(here).filter(|text| !text.is_empty());
    offer.key = Some(key).filter(|text| !text.is_empty());
    Ok(offer)
}

/// It stands in files of apt.
fn is_word(text: &str) -> bool {
    text.len() <= 64 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c))
}

/// A version of a package; it stands in commands.
fn is_version(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".+~:-".contains(c);
    text.len() <= 128 && text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(fits)
}

/// A repository as it shall be on a node.
pub(super) struct Wanted<'a> {
    pub(super) place: Place,
    pub(super) fingerprint: Fingerprint,
    /// The lines of the source that say where: `URIs`, `Suites`, `Components`.
    pub(super) lines: String,
    /// Where its key is offered.
    pub(super) key_url: String,
    /// Whether something is to be installed of it: then what is missing keeps that from being done.
    pub(super) needed: bool,
    pub(super) offer: &'a Offer,
}

impl Wanted<'_> {
    /// The keyring and the source, or why they cannot be.
    pub(super) fn files(&self, node: &Name) -> Result<Vec<Owned>, Held> {
        self.key().map(|key| self.written(&key)).map_err(|(reason, hint)| Held::on(node, "packages", reason, hint))
    }

    fn written(&self, key: &PublicKey) -> Vec<Owned> {
        // The probe reads this line: when the time is over, it asks for the key anew.
        let ends = key.expires.map_or_else(String::new, |at| format!("# The key ends at {at} ({}).\n", day(at)));
        let Place { keyring, source, .. } = self.place;
        let text = format!("# Written by kubestead.\n{ends}Types: deb\n{}Signed-By: {keyring}\n", self.lines);
        let owned = |path: &str, text: String| Owned { path: path.to_owned(), text, mode: 0o644 };
        vec![owned(keyring, key.text.clone()), owned(source, text)]
    }

    /// The one that is there, while it is good; else the one that the repository offers.
    fn key(&self) -> Result<PublicKey, (String, String)> {
        let good = |text: &Option<String>| text.as_deref().map(|text| apt_key::parse(text).and_then(|key| self.expected(key)));
        let ended = |key: &PublicKey| key.expires.is_some_and(|at| at <= self.offer.now);
        let here = good(&self.offer.here);
        if let Some(Ok(key)) = &here
            && !ended(key)
        {
            return Ok(key.clone());
        }
        let kept = here.clone().and_then(Result::ok).filter(|_| !self.needed);
        let failed = match (good(&self.offer.key), &self.offer.failure) {
            (Some(Ok(key)), _) if !ended(&key) => return Ok(key),
            (Some(Ok(key)), _) => self.expired(&key),
            (Some(Err(why)), _) => {
                let reason = format!("{}: {why}; it is not taken", self.key_url);
                (reason, "somebody may answer in the repository's place; docs/packages.md, \"Keys\", says how to compare it".to_owned())
            }
            (None, Some(failure)) => (failure.to_string(), hint(failure.code).to_owned()),
            (None, None) => {
                let keyring = self.place.keyring;
                let why = here.and_then(Result::err).unwrap_or_else(|| "it is missing".to_owned());
                (format!("{keyring}: {why}"), format!("rm -f {keyring}: the next look fetches the key anew"))
            }
        };
        kept.ok_or(failed)
    }

    fn expected(&self, key: PublicKey) -> Result<PublicKey, String> {
        if key.fingerprint == self.fingerprint {
            return Ok(key);
        }
        Err(format!("the key there is {}, and {} is expected", key.fingerprint, self.fingerprint))
    }

    fn expired(&self, key: &PublicKey) -> (String, String) {
        let at = key.expires.map_or_else(String::new, day);
        let reason = format!("{}: the key {} expired on {at}, and apt takes nothing that it signs", self.key_url, key.fingerprint);
        let hint = "the project renews it under the same fingerprint, for newer minors first: ask for one of these, or name a renewed copy in `packages: {key: FILE}`";
        (reason, hint.to_owned())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = self.said.trim();
        if said.is_empty() { write!(f, "{}: curl ended with {}", self.url, self.code) } else { write!(f, "{}: {said}", self.url) }
    }
}

/// What to do about a download that failed, by curl's status.
pub(super) fn hint(code: i32) -> &'static str {
    match code {
        5 => "kubernetes.proxy names a proxy whose address the machine does not find: correct it",
        6 => "the machine finds no address for that name: mend its DNS; behind a proxy, write `kubernetes: {proxy: {https: URL}}`",
        7 | 28 => {
            "the machine does not reach it: behind a proxy, write `kubernetes: {proxy: {https: URL}}`; with no way out, name a mirror in kubernetes.packages or a bundle"
        }
        22 => {
            "ask with curl on the machine: does the repository have this minor, and this distribution, and does a proxy on the way let this host pass?"
        }
        35 | 51 | 53 | 54 | 58 | 59 | 60 | 66 | 77 | 80 | 82 | 83 | 90 | 91 => {
            "look at the machine's clock (timedatectl) and at its package ca-certificates; the authority of a proxy that opens TLS belongs in /usr/local/share/ca-certificates (then update-ca-certificates)"
        }
        56 | 97 => "something on the way ended it: does a proxy on the way let this host pass? Else name a mirror in kubernetes.packages",
        _ => "ask with curl on the machine, and mend what it says",
    }
}

/// The day of a time in seconds since 1970, such as `2026-12-29`.
fn day(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| seconds.to_string(), |time| time.strftime("%Y-%m-%d").to_string())
}

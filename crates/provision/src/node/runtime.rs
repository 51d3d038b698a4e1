//! containerd as a package: the one that is there while it is new enough, else the distribution's own, else Docker's. Once chosen it is held.

use kubestead_core::name::Name;
use kubestead_core::plan::Held;
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};

use super::apt::AptFacts;
use super::repository::{DOCKER, Offer, Wanted, hint};
use crate::apt_key::Fingerprint;

/// What is looked for beside Kubernetes' packages: both that bring containerd, and what Docker's does not go with.
pub(super) const PACKAGES: [&str; 3] = ["containerd.io", "containerd", "runc"];

/// Where containerd comes from, when neither a bundle brings it nor the machine must have it already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeSpec {
    /// Docker's repository, without the distribution: `https://download.docker.com/linux`.
    pub repository: String,
    /// Of the key that signs it.
    pub fingerprint: Fingerprint,
    /// Exactly this version, such as `2.2.0`.
    pub version: Option<String>,
}

/// A package of containerd that is installed and held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// `containerd`, or `containerd.io`.
    pub name: String,
    /// Exactly this version of the package.
    pub version: String,
    /// Docker's repository; `None` for one of the distribution, and for one that is there.
    pub address: Option<String>,
    /// Whether it is there already, and only held.
    pub there: bool,
}

impl std::fmt::Display for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, version, address, there } = self;
        match (there, address) {
            (true, _) => write!(f, "hold {name} {version}, which is there"),
            (false, Some(address)) => write!(f, "install and hold {name} {version} of {address}"),
            (false, None) => write!(f, "install and hold {name} {version} of the distribution"),
        }
    }
}

/// The version of a package as the project itself counts: `2.2.1-1~debian.12~bookworm` is 2.2.1.
fn upstream(version: &str) -> &str {
    let bare = version.split_once(':').map_or(version, |(_, rest)| rest);
    bare.split(['-', '~', '+']).next().unwrap_or_default()
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

/// Docker's files, if they are to be there, and what is to be installed or held of containerd. `program` is the version of a containerd that runs or
/// could, of a package or not.
pub(super) fn choose(
    node: &Name,
    wanted: &RuntimeSpec,
    (facts, program): (&AptFacts, Option<&str>),
    offer: &Offer,
) -> Result<(Vec<Owned>, Option<Package>), Held> {
    let there = PACKAGES[..2].iter().find_map(|name| Some((*name, facts.packages.get(*name)?)));
    let fits =
        |version: &str| major(version).is_some_and(|major| major >= 2) && wanted.version.as_deref().is_none_or(|exact| exact == version);
    if let Some((name, package)) = there {
        usable(node, wanted, upstream(&package.version), &format!("apt-get remove {name}"))?;
        let package = (!package.whole || !package.held).then(|| Package {
            name: name.to_owned(),
            version: package.version.clone(),
            // One that was cut off is finished from where it began to come.
            address: (!package.whole && name == PACKAGES[0] && offer.here.is_some()).then(|| folder(wanted, offer)),
            there: package.whole,
        });
        return Ok((docker(node, wanted, offer, false)?, package));
    }
    if let Some(version) = program {
        usable(node, wanted, version, "move that program away")?;
        return Ok((docker(node, wanted, offer, false)?, None));
    }
    let of = |name: &str, version: &str, address: Option<String>| Package {
        name: name.to_owned(),
        version: version.to_owned(),
        address,
        there: false,
    };
    if let Some(candidate) = offer.candidate.as_deref().filter(|version| fits(upstream(version))) {
        return Ok((docker(node, wanted, offer, false)?, Some(of("containerd", candidate, None))));
    }
    let files = docker(node, wanted, offer, true)?;
    let none = Vec::new();
    let all = offer.versions.get("containerd.io").unwrap_or(&none);
    let address = folder(wanted, offer);
    let Some(newest) = all.iter().rfind(|version| major(upstream(version)) == Some(2) && fits(upstream(version))) else {
        if let Some(failure) = &offer.failure {
            return Err(Held::on(node, "containerd", failure.to_string(), hint(failure.code)));
        }
        let exact = wanted.version.as_deref().unwrap_or("2.0 or newer");
        let own = offer.candidate.as_ref().map(|own| format!(", and the distribution has {own}")).unwrap_or_default();
        let has = if all.is_empty() { "none".to_owned() } else { all.join(" ") };
        let reason = format!("containerd {exact} is asked for; {address} has of containerd.io: {has}{own}");
        let hint = "ask for one of these in kubernetes.containerd, or install containerd yourself";
        return Err(Held::on(node, "containerd", reason, hint));
    };
    if facts.packages.contains_key("runc") {
        let reason = "containerd.io of Docker brings a runc of its own, and does not go with the package runc, which is there";
        return Err(Held::on(node, "containerd", reason, "apt-get remove runc, if nothing else needs it"));
    }
    if let Some(file) = facts.docker_rivals.first() {
        let reason = format!("{file} names Docker's repository too, and apt refuses a second keyring for it");
        return Err(Held::on(node, "containerd", reason, "apt-get install containerd.io by that file, or remove it from there"));
    }
    Ok((files, Some(of("containerd.io", newest, Some(address)))))
}

/// Why a containerd that is there cannot be used.
fn usable(node: &Name, wanted: &RuntimeSpec, version: &str, away: &str) -> Result<(), Held> {
    if let Some(exact) = wanted.version.as_ref().filter(|exact| *exact != version) {
        let reason = format!("its containerd is {version}, and the file asks for {exact}: kubestead does not change a version yet");
        return Err(Held::on(
            node,
            "containerd",
            reason,
            format!("write that version in kubernetes.containerd; or, if nothing uses it, {away}"),
        ));
    }
    if major(version).is_some_and(|major| major >= 2) {
        return Ok(());
    }
    let reason = format!("its containerd is {version}, and Kubernetes asks for 2.0 or newer");
    Err(Held::on(node, "containerd", reason, format!("if nothing uses it, {away}: the next plan installs a newer one")))
}

/// The part of Docker's repository that is the distribution's.
fn folder(wanted: &RuntimeSpec, offer: &Offer) -> String {
    let system = offer.system.clone().unwrap_or_default();
    format!("{}/{}", wanted.repository, system.id)
}

/// Docker's keyring and source. Where nothing of it is needed they are kept as they are, if they are there.
fn docker(node: &Name, wanted: &RuntimeSpec, offer: &Offer, needed: bool) -> Result<Vec<Owned>, Held> {
    if !needed && offer.here.is_none() {
        return Ok(Vec::new());
    }
    let codename = offer.system.clone().unwrap_or_default().codename;
    let uri = folder(wanted, offer);
    let repository = Wanted {
        place: DOCKER,
        fingerprint: wanted.fingerprint,
        lines: format!("URIs: {uri}\nSuites: {codename}\nComponents: stable\n"),
        key_url: format!("{uri}/gpg"),
        needed,
        offer,
    };
    repository.files(node)
}

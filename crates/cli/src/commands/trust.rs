//! `kubestead trust`.

use std::io::IsTerminal as _;
use std::path::Path;

use kubestead_backend::trust::{self, Fingerprint, Host, HostKey, KeyState};
use kubestead_core::transport::Login;
use kubestead_provision::file::{self, Cluster};
use serde::Serialize;

use super::{address, check};
use crate::args::{Common, Format};
use crate::exit::{Exit, Failure, fail};
use crate::print::{self, Shown};

/// How it ended for one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    /// ssh took its key already.
    Known,
    /// Its keys were accepted and written.
    Trusted,
    /// Nobody accepted its keys.
    Waits,
    /// No key came.
    Unreachable,
    /// Its keys must not be accepted, or could not be.
    Refused,
}

/// What is told of a host to programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    machine: String,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    known_as: Option<String>,
    keys: Vec<ToldKey>,
    written: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Serialize)]
struct ToldKey {
    kind: &'static str,
    bits: usize,
    fingerprint: String,
}

pub(crate) async fn run(
    common: &Common,
    fingerprints: &[Fingerprint],
    ssh_config: Option<&Path>,
    addresses: &[String],
) -> Result<Exit, Failure> {
    let logins = wanted(common, ssh_config, addresses)?;
    let mut told = Vec::new();
    for (login, looked) in logins.iter().zip(trust::look_all(&logins).await) {
        told.push(match looked {
            Ok(host) => one(common, login, &host, fingerprints).await,
            Err(error) => {
                let outcome = if matches!(error, trust::Error::Silent { .. } | trust::Error::Program { .. }) {
                    Outcome::Unreachable
                } else {
                    Outcome::Refused
                };
                tell(common, &Shown::from(&error.to_string()));
                Told { machine: login.name.clone(), outcome, known_as: None, keys: Vec::new(), written: 0, why: Some(error.to_string()) }
            }
        });
    }
    if common.output == Format::Json {
        print::json(&told)?;
    }
    let shown = |wanted: &&Fingerprint| told.iter().flat_map(|host| &host.keys).any(|key| key.fingerprint == wanted.to_string());
    if let Some(none) = fingerprints.iter().find(|wanted| !shown(wanted)) {
        let failure = fail(Exit::Failed, format!("{none}: no machine shows a key with this fingerprint"));
        return Err(failure.hint("compare it on the machine's console again: either it was copied wrong, or another machine answers"));
    }
    Ok(match told.iter().map(|host| host.outcome).max() {
        None | Some(Outcome::Known | Outcome::Trusted) => Exit::Done,
        Some(Outcome::Waits) => Exit::Held,
        Some(Outcome::Unreachable) => Exit::Unreachable,
        Some(Outcome::Refused) => Exit::Failed,
    })
}

/// Text for people; programs get the whole at the end.
fn tell(common: &Common, shown: &Shown) {
    if common.output == Format::Text {
        print::data(shown);
    }
}

/// The machines that were typed, each as the cluster file has it if it does; all of the file if none was typed.
fn wanted(common: &Common, ssh_config: Option<&Path>, addresses: &[String]) -> Result<Vec<Login>, Failure> {
    if addresses.is_empty() {
        if ssh_config.is_some() {
            return Err(fail(Exit::Usage, "--ssh-config is for addresses: the machines of the cluster file have the file's ssh.config"));
        }
        return Ok(check::load(common)?.logins().into_iter().map(|(_, login)| login).collect());
    }
    let cluster = if ssh_config.is_none() { quietly(common) } else { None };
    let known: Vec<Login> = cluster.iter().flat_map(Cluster::logins).map(|(_, login)| login).collect();
    let config = ssh_config.map(std::path::absolute).transpose()?;
    let mut found: Vec<Login> = Vec::new();
    for text in addresses {
        let typed = address::parse(text)?;
        let of_file = known.iter().find(|login| typed.port.is_none() && (login.name == typed.host || login.destination == typed.host));
        let login = of_file.cloned().unwrap_or_else(|| Login {
            name: text.clone(),
            destination: typed.host.clone(),
            user: None,
            port: typed.port,
            config: config.clone(),
        });
        if !found.iter().any(|other| other.name == login.name) {
            found.push(login);
        }
    }
    Ok(found)
}

/// The cluster file if there is a good one: before the first, there are machines to trust too.
fn quietly(common: &Common) -> Option<Cluster> {
    if !common.file.exists() {
        return None;
    }
    let text = file::bounded(&common.file).ok()?;
    let found = file::load(&common.file.display().to_string(), &text, &check::folder(common)).ok();
    let found = found.filter(|cluster| common.trust_ssh_config || check::vet(common, cluster).is_ok());
    if found.is_none() {
        print::note(&format!("{} has mistakes, and is not used for this: see `kubestead check`", common.file.display()));
    }
    found
}

/// One host: shown, and accepted if somebody compared its keys.
async fn one(common: &Common, login: &Login, host: &Host, fingerprints: &[Fingerprint]) -> Told {
    let mut shown = Shown::default();
    let named: Vec<HostKey> = host.keys.iter().filter(|key| fingerprints.contains(&key.fingerprint())).cloned().collect();
    let who = if login.name == host.name() { login.name.clone() } else { format!("{} ({})", login.name, host.name()) };
    let mut told = Told {
        machine: login.name.clone(),
        outcome: Outcome::Known,
        known_as: Some(host.name().to_owned()),
        keys: host
            .keys
            .iter()
            .map(|key| ToldKey { kind: key.kind(), bits: key.bits(), fingerprint: key.fingerprint().to_string() })
            .collect(),
        written: 0,
        why: None,
    };
    let (outcome, lines) = state(host, &who);
    told.outcome = outcome;
    shown.line(&lines[0]);
    for key in &host.keys {
        shown.line(format!("  {} {} ({})", key.bits(), key.fingerprint(), key.label()));
    }
    for line in &lines[1..] {
        shown.line(format!("  {line}"));
    }
    tell(common, &shown);
    let is_open = matches!(host.state, KeyState::New | KeyState::Known);
    let keys = match host.state {
        _ if !named.is_empty() && is_open => named,
        KeyState::New if fingerprints.is_empty() && common.output == Format::Text && asks() => answer(&who, host),
        _ => Vec::new(),
    };
    if keys.is_empty() {
        if host.state == KeyState::New {
            let why = if fingerprints.is_empty() { "not accepted" } else { "not accepted: you named none of its fingerprints" };
            told.why = Some(why.to_owned());
            let next = "give --fingerprint for a key that you compared, or type yes on a terminal";
            tell(common, &Shown::from(&format!("{who}: {why}; nothing is written of it: {next}")));
        } else if outcome != Outcome::Known {
            told.why = Some(lines.join("; "));
        }
        return told;
    }
    match host.accept(&keys).await {
        Ok(0) => {}
        Ok(written) => {
            (told.outcome, told.written) = (Outcome::Trusted, written);
            let path = host.file().map(|path| path.display().to_string()).unwrap_or_default();
            let count = if written == 1 { "1 key".to_owned() } else { format!("{written} keys") };
            tell(common, &Shown::from(&format!("{who}: {count} written to {path}, and ssh takes it now")));
        }
        Err(error) => {
            (told.outcome, told.why) = (Outcome::Refused, Some(error.to_string()));
            tell(common, &Shown::from(&error.to_string()));
        }
    }
    told
}

/// What is said of a host: its first line stands above its keys, the others below.
fn state(host: &Host, who: &str) -> (Outcome, Vec<String>) {
    let never = "that is never accepted here";
    match &host.state {
        KeyState::Known => (Outcome::Known, vec![format!("{who}: known, nothing to do")]),
        KeyState::Vouched => (Outcome::Known, vec![format!("{who}: ssh takes it as it is (a certificate, or your own ssh configuration), nothing to do")]),
        KeyState::New => {
            let file = host.keys.first().map_or("ed25519".to_owned(), |key| key.label().to_lowercase().replace('-', "_"));
            let compare = format!("compare on the machine's own console: ssh-keygen -lf /etc/ssh/ssh_host_{file}_key.pub");
            (Outcome::Waits, vec![format!("{who}: not known yet; it shows"), compare])
        }
        KeyState::Changed { spot, was } => (
            Outcome::Refused,
            vec![
                format!("{who}: ITS KEY CHANGED: {spot} knows it by {was}, and it shows"),
                format!("{never}: another machine may answer in its place"),
                "if you know why it changed, such as a new installation, to forget the old key is your own decision:".to_owned(),
                format!("  ssh-keygen -R '{}' -f {}", host.name(), kubestead_core::command::quote(&spot.file.display().to_string())),
            ],
        ),
        KeyState::Revoked { spot, key } => (
            Outcome::Refused,
            vec![
                format!("{who}: ITS KEY IS REVOKED: {spot} says so of {key}, and it shows"),
                format!("{never}: whoever has this key may be anybody. Give the machine new keys (ssh-keygen -A), then compare those"),
            ],
        ),
        KeyState::Behind { jump, command } => (
            Outcome::Waits,
            vec![
                format!("{who}: not known yet, and behind {jump}, where ssh-keyscan cannot go"),
                format!("type instead: {command}"),
                "ssh shows a fingerprint then: compare it on the machine's own console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), type yes if it is the same"
                    .to_owned(),
            ],
        ),
    }
}

fn asks() -> bool {
    std::io::stdin().is_terminal()
}

/// All keys of a host if somebody types yes, the whole word.
fn answer(who: &str, host: &Host) -> Vec<HostKey> {
    print::ask(&format!("{who}: does its console show the same? Type yes to trust it, anything else leaves it:"));
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(_) if line.trim() == "yes" => host.keys.clone(),
        Ok(_) | Err(_) => Vec::new(),
    }
}

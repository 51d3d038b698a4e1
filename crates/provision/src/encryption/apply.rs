//! One action: guard, act, verify. Keys travel on standard input only.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::command::Stdin;
use kubestead_core::host::Host;
use kubestead_core::key::{KeyRef, KeySource};
use kubestead_core::kube::{ObjectRef, Rewrite};
use kubestead_core::outcome::Done;
use kubestead_core::procedure::{Failed, Procedure};
use kubestead_core::put::digest;
use kubestead_core::secret::Secret;
use kubestead_secrets::fingerprint;

use super::action::{Action, Expected};
use super::error::Error;
use super::file::{Keys, render};
use super::script::{ETCD, LISTENS, METRICS, VALUES, WAIT_LOADED};
use super::spec::{ETCD as ETCD_FOLDER, Entry, FILE, Layout, RESOURCES, UNLOADED, escrow_name};
use crate::admin::ADMIN;

/// How long an API server may take to load its file, in seconds. It looks once a minute; a KMS plugin may need a while.
const LOAD: u32 = 300;
/// The API server's own limit for a request, in seconds (`--request-timeout`): what began before it loaded a file has ended after.
const REQUEST: u32 = 60;

/// Has the API server write all objects of some kinds anew.
pub async fn rewrite(resources: &BTreeSet<String>, api: &dyn Rewrite) -> Result<Done, Error> {
    for resource in RESOURCES.iter().filter(|r| resources.contains(r.name)) {
        let kind = ObjectRef { api_version: "v1".into(), kind: resource.kind.into(), namespace: String::new(), name: String::new() };
        api.rewrite(&kind).await.map_err(|source| Error::Kube { what: format!("write all {} anew", resource.name), source })?;
    }
    Ok(Done::Changed)
}

/// Carries an action out on its host; [`Action::Rewrite`] is for [`rewrite`], and [`Action::Mount`] is kubeadm's to do.
pub async fn apply(action: &Action, host: &dyn Host, keys: &dyn KeySource) -> Result<Done, Error> {
    let (what, procedure) = match action {
        Action::Snapshot { name } => (format!("copy etcd into {ETCD_FOLDER}/kubestead/{name}.db"), snapshot(name)),
        Action::Write { layout, expected, fingerprints } => {
            let text = text(layout, fingerprints, host.name(), keys).await?;
            let before = match expected {
                Expected::Seen(sha256) => sha256.clone(),
                Expected::Written(layout) => digest(self::text(layout, fingerprints, host.name(), keys).await?.expose()),
            };
            ("replace the key file of the API server".to_owned(), write(layout, &before, &digest(text.expose())).stdin(Stdin::Secret(text)))
        }
        Action::Load { sha256 } => ("wait until the API server has loaded its key file".to_owned(), load(sha256)),
        Action::Check { prefixes } => ("count the values in etcd".to_owned(), check(prefixes)),
        Action::Compact => ("compact etcd".to_owned(), compact()),
        Action::Defragment => ("defragment etcd".to_owned(), defragment()),
        Action::Rewrite { .. } | Action::Mount { .. } => return Err(Error::Elsewhere),
    };
    procedure.run(host).await.map_err(Failed::at(format!("{}: {what}", host.name())))
}

/// The file with the escrow's keys, each compared with the one that the servers have before anything is written.
async fn text(layout: &Layout, known: &BTreeMap<String, String>, host: &str, source: &dyn KeySource) -> Result<Secret, Error> {
    let mut keys = Keys::new();
    for entry in layout.all() {
        let Entry::Key { name, .. } = entry else { continue };
        let own = escrow_name(name);
        let key = source.open(&KeyRef(own.clone())).await?;
        let ours = fingerprint(&key).ok_or_else(|| Error::NoKey(own.clone()))?;
        if let Some(theirs) = known.get(&entry.to_string()).filter(|theirs| **theirs != ours) {
            return Err(Error::Mismatch { name: own, host: host.to_owned(), ours, theirs: theirs.clone() });
        }
        keys.insert(own, key);
    }
    render(layout, &keys)
}

fn snapshot(name: &str) -> Procedure {
    Procedure::script(include_str!("scripts/snapshot.sh")).after(ETCD).var("folder", ETCD_FOLDER).var("name", name)
}

/// With `wait_loaded` ahead.
fn waiting(procedure: Procedure) -> Procedure {
    let procedure = procedure.after(WAIT_LOADED).after(METRICS).after(ADMIN);
    procedure.var("file", FILE).var("unloaded", UNLOADED).var("most", LOAD.to_string())
}

fn write(layout: &Layout, before: &str, after: &str) -> Procedure {
    waiting(Procedure::script(include_str!("scripts/write.sh")).after(LISTENS))
        .list("sockets", layout.sockets())
        .var("before", before)
        .var("after", after)
}

fn load(sha256: &str) -> Procedure {
    waiting(Procedure::script(include_str!("scripts/load.sh"))).var("sha256", sha256)
}

fn check(prefixes: &BTreeMap<String, String>) -> Procedure {
    Procedure::script(include_str!("scripts/check.sh"))
        .after(METRICS)
        .after(ADMIN)
        .after(VALUES)
        .after(ETCD)
        .list("kinds", prefixes.keys())
        .list("prefixes", prefixes.values())
        .var("request", REQUEST.to_string())
}

fn compact() -> Procedure {
    Procedure::script(include_str!("scripts/compact.sh")).after(ETCD)
}

fn defragment() -> Procedure {
    Procedure::script(include_str!("scripts/defragment.sh")).after(ETCD)
}

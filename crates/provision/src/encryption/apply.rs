//! One action: guard, act, verify. Keys travel on standard input only.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::command::{Stdin, quote};
use kubestead_core::host::Host;
use kubestead_core::key::{KeyRef, KeySource};
use kubestead_core::kube::ObjectRef;
use kubestead_core::outcome::Done;
use kubestead_core::procedure::Procedure;
use kubestead_core::put::digest;
use kubestead_core::secret::Secret;
use kubestead_secrets::fingerprint;

use super::error::Error;
use super::file::{Keys, render};
use super::plan::{Action, Expected, escrow_name};
use super::script::{ETCD, LISTENS, METRICS, VALUES};
use super::spec::{ETCD as ETCD_FOLDER, Entry, FILE, FOLDER, Layout, RESOURCES, UNLOADED};
use crate::api::ADMIN;
use crate::api::KubeApi;

/// How long an API server may take to load its file, in seconds. It looks once a minute; a KMS plugin may need a while.
const LOAD: u32 = 300;
/// The API server's own limit for a request, in seconds (`--request-timeout`): what began before it loaded a file has ended after.
const REQUEST: u32 = 60;

/// Has the API server write all objects of some kinds anew.
pub async fn rewrite(resources: &BTreeSet<String>, api: &KubeApi) -> Result<Done, Error> {
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
    procedure.run(host).await.map_err(|source| Error::Procedure { what: format!("{}: {what}", host.name()), source })
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

/// A file that is whole or not there, and that etcdutl has read through.
fn snapshot(name: &str) -> Procedure {
    Procedure::new(
        format!(
            "{ETCD}d={ETCD_FOLDER}/kubestead; f=$d/{name}.db; t=$d/.{name}.part; umask 077; mkdir -p \"$d\"; chmod 0700 \"$d\"; rm -f \"$t\" \"$t.part\"\n\
             size=$(stat -c %s {ETCD_FOLDER}/member/snap/db); free=$(df --output=avail -B1 \"$d\" | tail -n 1)\n\
             [ \"$free\" -gt $((size + size / 4 + 16777216)) ] || refuse \"a copy of etcd needs $size bytes and a quarter more, and $free are free in $d: remove old copies there, or let the volume grow\""
        ),
        "etcd snapshot save \"$t\" > /dev/null\netcdutl snapshot status \"$t\" -w json > /dev/null\nsync \"$t\"; mv -fT \"$t\" \"$f\"; sync \"$d\"",
        "[ \"$(stat -c '%a %U' \"$f\")\" = '600 root' ] || unverified \"$f is open to others\"\n\
         etcdutl snapshot status \"$f\" -w json | grep -q '\"totalKey\":[1-9]' || unverified \"$f holds nothing\"",
    )
}

/// `wait_loaded SHA256`, and then the mark goes.
fn waiting() -> String {
    format!(
        "{ADMIN}{METRICS}wait_loaded() {{ local end=$((SECONDS + {LOAD}))\n\
         until [ \"$(loaded)\" = \"$1\" ]; do [ $SECONDS -lt $end ] || unverified \"the API server has not loaded {FILE} within {LOAD} s: see its log\"; sleep 2; done\n\
         rm -f {UNLOADED}; sync {FOLDER}; }}"
    )
}

fn write(layout: &Layout, before: &str, after: &str) -> Procedure {
    let plugins = answering(&layout.sockets());
    Procedure::new(
        // What a power cut left of an earlier writing holds keys: it goes first.
        format!(
            "f={FILE}; d={FOLDER}; umask 077; rm -f \"$d\"/.kubestead.*; t=$(mktemp \"$d/.kubestead.XXXXXX\"); trap 'rm -f \"$t\"' EXIT; cat > \"$t\"\n{}\n{plugins}\
             [ \"$(sha256sum < \"$t\" | cut -d' ' -f1)\" = {after} ] || refuse 'the new file did not arrive whole'\n\
             have=$(sha256sum < \"$f\" | cut -d' ' -f1)\n\
             [ \"$have\" = {after} ] || [ \"$have\" = {before} ] || refuse \"$f is not what it was when this was planned: plan again\"",
            waiting()
        ),
        format!(
            "if [ \"$have\" != {after} ]; then touch {UNLOADED}; sync {UNLOADED} \"$d\"; sync \"$t\"; mv -fT \"$t\" \"$f\"; sync \"$d\"; fi"
        ),
        format!("[ \"$(stat -c '%a %U' \"$f\")\" = '600 root' ] || unverified \"$f is open to others\"\nwait_loaded {after}"),
    )
}

/// Refuses when no plugin answers at a socket.
pub(crate) fn answering(sockets: &BTreeSet<&str>) -> String {
    let one = |socket: &&str| {
        let socket = quote(socket);
        format!("listens {socket} || refuse 'no KMS plugin answers at '{socket}': start it on this machine'\n")
    };
    if sockets.is_empty() { String::new() } else { format!("{LISTENS}{}", sockets.iter().map(one).collect::<String>()) }
}

fn load(sha256: &str) -> Procedure {
    Procedure::new(
        format!(
            "{}\n[ \"$(sha256sum < {FILE} | cut -d' ' -f1)\" = {sha256} ] || refuse '{FILE} is not what it was when this was planned: plan again'",
            waiting()
        ),
        "",
        format!("wait_loaded {sha256}"),
    )
}

/// A request that began before the API server loaded its file may still write as before: it is waited for, then counted.
fn check(prefixes: &BTreeMap<String, String>) -> Procedure {
    let counts: String = prefixes
        .iter()
        .map(|(kind, prefix)| {
            let wanted = if prefix.is_empty() { "-" } else { prefix };
            format!(
                "found=$(values {kind}); left=$(printf '%s\\n' \"$found\" | awk -v w={wanted} 'NF && $2 != w {{ n += $1; p = p \" \" $2 }} END {{ if (n) print n \" that begin with\" p }}')\n\
                 [ -z \"$left\" ] || unverified \"{kind}: in etcd are still $left: run up again\"\n"
            )
        })
        .collect();
    Procedure::new(
        format!(
            "{ETCD}{VALUES}{ADMIN}{METRICS}end=$(( $(since) + {REQUEST} )); until [ \"$(date +%s)\" -ge $end ]; do sleep 1; done\netcd endpoint health > /dev/null 2>&1 || refuse 'etcd on this machine is not healthy'"
        ),
        "",
        counts,
    )
}

fn compact() -> Procedure {
    Procedure::new(
        format!(
            "{ETCD}revision=$(etcd get / --limit=1 --keys-only -w fields | awk '$1 == \"\\\"Revision\\\"\" {{ print $3 }}'); [ \"$revision\" -gt 0 ]"
        ),
        "said=$(etcd compact \"$revision\" --physical 2>&1) || case $said in *'has been compacted'*) ;; *) printf '%s\\n' \"$said\" >&2; exit 1 ;; esac",
        "! etcd get / --limit=1 --keys-only --rev=$((revision - 1)) > /dev/null 2>&1 || unverified 'an old revision can still be read'",
    )
}

fn defragment() -> Procedure {
    Procedure::new(
        format!("{ETCD}etcd endpoint health > /dev/null 2>&1 || refuse 'etcd on this machine is not healthy'"),
        "etcd defrag --command-timeout=300s > /dev/null",
        "etcd endpoint health > /dev/null 2>&1 || unverified 'etcd is not healthy'",
    )
}

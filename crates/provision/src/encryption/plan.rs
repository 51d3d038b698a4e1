//! From what the file asks for and the files of all API servers to the steps that are left.
//!
//! | stage | on every control plane | rule that holds from then on |
//! |---|---|---|
//! | `snapshot` | a copy of etcd, checked | what comes can be undone |
//! | `mount`, only for a KMS plugin | its socket's folder is in the API server, which restarts for it | every server can reach the plugin |
//! | `add` | the new way to read stands last, and is loaded | every server can read what any server will write |
//! | `promote` | it stands first, and is loaded | every server writes with it |
//! | `rewrite`, `check` | every value carries it, counted in etcd | the old way reads nothing any more |
//! | `keep`, `compact`, `defragment` | a copy; old revisions leave etcd, then its file | nothing in etcd needs the old key, not even the past |
//! | `drop` | only the new way stands in the file, and is loaded | |

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, Risk, Step, StepId, Target};

use super::action::{Action, Expected};
use super::ids;
use super::observe::{EncryptionFacts, KeyFile};
use super::spec::{EncryptionSpec, Entry, Layout, RESOURCES, escrow_name, key_of};

/// A control plane with what was seen.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// Its name.
    pub name: &'a Name,
    /// What was seen.
    pub facts: &'a EncryptionFacts,
}

/// The steps that are left, for all control planes of the cluster together; the first one's etcd is copied and compacted. `escrow` has the
/// names of the secrets in it.
pub fn plan(spec: &EncryptionSpec, servers: &[Server<'_>], escrow: &BTreeSet<String>) -> Part<Action> {
    let mut part = Part::default();
    let mut files = Vec::new();
    for server in servers {
        // That it is gone is said by kubeadm's part.
        let Some(file) = &server.facts.file else { return part };
        files.push((server.name, file));
    }
    let changing = changing(spec, &files);
    part.held = held(spec, servers, &files, &changing, escrow);
    if part.held.is_empty() {
        Rotation { spec, servers, files: &files, changing }.steps(&mut part);
    }
    let written = part.steps.iter().filter_map(|s| if let Action::Write { layout, .. } = &s.action { layout.clash() } else { None });
    if let Some(name) = written.map(str::to_owned).next() {
        let reason = format!("the plugin {name} would stand in two lists of the file, which no API server takes");
        let hint = "move all kinds to another provider, such as secretbox, in one edit; from there every way is open";
        part.steps.clear();
        part.held.push(Held::cluster("encryption", reason, hint));
    }
    part
}

/// The kinds whose values are not written and read as they shall be, and nothing else, on every server.
fn changing(spec: &EncryptionSpec, files: &[(&Name, &KeyFile)]) -> BTreeSet<String> {
    let kinds = files.iter().flat_map(|(_, f)| f.layout.0.keys()).chain(&spec.resources);
    kinds.filter(|kind| files.iter().any(|(_, f)| f.layout.entries(kind) != [spec.target(kind)])).cloned().collect()
}

struct Rotation<'a> {
    spec: &'a EncryptionSpec,
    servers: &'a [Server<'a>],
    files: &'a [(&'a Name, &'a KeyFile)],
    changing: BTreeSet<String>,
}

impl Rotation<'_> {
    /// The file with everything in it that any server writes with or will write with, or that a value in etcd is written with.
    fn added(&self, file: &KeyFile) -> Layout {
        let mut layout = file.layout.clone();
        for kind in &self.changing {
            let mut entries = layout.entries(kind);
            let first = self.files.iter().filter_map(|(_, f)| f.layout.entries(kind).into_iter().next());
            let values = self.servers.iter().find_map(|s| s.facts.values.as_ref()).and_then(|v| v.get(kind));
            let found = self.files.iter().flat_map(|(_, f)| f.layout.entries(kind));
            let found = found.filter(|e| values.is_some_and(|v| v.contains_key(&e.prefix())));
            for needed in first.chain(found).chain([self.spec.target(kind)]) {
                if !entries.contains(&needed) {
                    entries.push(needed);
                }
            }
            layout.0.insert(kind.clone(), entries);
        }
        layout.plain()
    }

    /// The same, with what is asked for in the first place.
    fn promoted(&self, file: &KeyFile) -> Layout {
        let mut layout = self.added(file);
        for kind in &self.changing {
            let target = self.spec.target(kind);
            let mut entries = layout.entries(kind);
            entries.retain(|e| *e != target);
            entries.insert(0, target);
            layout.0.insert(kind.clone(), entries);
        }
        layout.plain()
    }

    fn steps(&self, part: &mut Part<Action>) {
        let target = |name: &Name| Target::Host(name.to_string());
        let Some((first, _)) = self.files.first() else { return };
        if self.changing.is_empty() {
            for (name, file) in self.files.iter().filter(|(_, f)| f.unloaded) {
                let action = Action::Load { sha256: file.sha256.clone() };
                part.push(ids::LOAD.step(target(name), action, "wait until the API server has loaded its key file"));
            }
            return;
        }
        let wanted = &self.spec.entry;
        let snapshot = self.fresh().then(|| {
            let action = Action::Snapshot { name: format!("before-{}", wanted.word()) };
            let why = "copy etcd before its values are written with another key, and check the copy";
            part.push(ids::SNAPSHOT.step(target(first), action, why))
        });
        let mut ready: BTreeSet<StepId> = snapshot.into_iter().collect();
        for mount in self.servers.iter().zip(self.files).filter_map(|(server, (_, file))| self.mount(server, file)) {
            let step = mount.after(ready.clone());
            ready = BTreeSet::from([part.push(step)]);
        }
        let mut readable = BTreeSet::new();
        for (name, file) in self.files {
            let (layout, plain) = (self.added(file), file.layout.clone().plain());
            let step = if layout == plain {
                let action = Action::Load { sha256: file.sha256.clone() };
                ids::LOAD.step(target(name), action, "see that the API server has loaded its key file")
            } else {
                let why = format!("let the API server read {} too", self.words(&layout, &plain));
                ids::ADD.step(target(name), self.write(layout, Expected::Seen(file.sha256.clone())), why)
            };
            let escrowed = match wanted {
                Entry::Key { name, .. } => Some(key_of(name).escrowed()),
                Entry::Identity | Entry::Kms { .. } => None,
            };
            readable.insert(part.push(step.after(ready.clone()).after(escrowed)));
        }
        let mut first_written = readable.clone();
        for (name, file) in self.files {
            let (before, layout) = (self.added(file), self.promoted(file));
            if layout != before {
                let expected =
                    if before == file.layout.clone().plain() { Expected::Seen(file.sha256.clone()) } else { Expected::Written(before) };
                let why = format!("let the API server write with {wanted}");
                let step = ids::PROMOTE.step(target(name), self.write(layout, expected), why);
                first_written.insert(part.push(step.after(readable.clone())));
            }
        }
        self.values(&first_written, part);
    }

    /// What a server needs before it can ask the plugins of its next file. One server after the other restarts for it.
    fn mount(&self, Server { name, facts }: &Server<'_>, file: &KeyFile) -> Option<Step<Action>> {
        let layout = self.added(file);
        let missing = |e: &&Entry| e.socket_folder().is_some_and(|folder| !facts.mounts.contains(folder));
        let wanted: Vec<&Entry> = layout.all().into_iter().filter(missing).collect();
        let mut folders = facts.plugins.clone();
        for folder in wanted.iter().filter_map(|e| e.socket_folder()) {
            if !folders.iter().any(|f| f == folder) {
                folders.push(folder.to_owned());
            }
        }
        let new = wanted.iter().filter_map(|e| e.socket_folder()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ");
        let sockets = wanted.iter().filter_map(|e| e.socket()).map(str::to_owned).collect();
        let action = Action::Mount { node: (*name).clone(), before: facts.plugins.clone(), folders, sockets };
        let why = format!("restart the API server with {new} mounted, where its KMS plugin answers");
        let step = ids::MOUNT.step(Target::Host(name.to_string()), action, why).risk(Risk::Disrupts);
        (!wanted.is_empty()).then_some(step)
    }

    /// From the moment when every server writes as it shall.
    fn values(&self, written: &BTreeSet<StepId>, part: &mut Part<Action>) {
        let target = |name: &Name| Target::Host(name.to_string());
        let resources: BTreeSet<String> = self.changing.iter().filter(|kind| !self.rewritten(kind)).cloned().collect();
        let mut checked = written.clone();
        if !resources.is_empty() {
            let why = format!("write every object of {} anew", join(&resources));
            let step = ids::REWRITE.step(Target::Cluster, Action::Rewrite { resources }, why).after(written.clone());
            checked.insert(part.push(step));
        }
        let prefixes: BTreeMap<String, String> = self.changing.iter().map(|k| (k.clone(), self.spec.target(k).prefix())).collect();
        let mut counted = BTreeSet::new();
        for (name, _) in self.files {
            let action = Action::Check { prefixes: prefixes.clone() };
            let why = "count in etcd that no value is left that begins otherwise";
            counted.insert(part.push(ids::CHECK.step(target(name), action, why).after(checked.clone())));
        }
        let first = self.files[0].0;
        let action = Action::Snapshot { name: format!("with-{}", self.spec.entry.word()) };
        let step = ids::KEEP.step(target(first), action, "copy etcd as it is now, and check the copy");
        let kept = part.push(step.after(counted));
        let step = ids::COMPACT.step(target(first), Action::Compact, "remove old revisions from etcd: they need the old key");
        let mut last = part.push(step.after([kept]));
        // One member at a time: while it defragments it does not answer.
        for (name, _) in self.files {
            let why = "give back what old revisions occupied on the disk";
            let step = ids::DEFRAGMENT.step(target(name), Action::Defragment, why).risk(Risk::Disrupts);
            last = part.push(step.after([last]));
        }
        for (name, file) in self.files {
            let (before, layout) = (self.promoted(file), self.spec.layout());
            if before == layout {
                continue;
            }
            let expected =
                if before == file.layout.clone().plain() { Expected::Seen(file.sha256.clone()) } else { Expected::Written(before.clone()) };
            let why = format!("forget {} on this machine", self.words(&before, &layout));
            part.push(ids::DROP.step(target(name), self.write(layout, expected), why).after([last.clone()]));
        }
    }

    /// Whether no server writes as it shall yet: then etcd is as it was before.
    fn fresh(&self) -> bool {
        let begun = |kind: &String| self.files.iter().any(|(_, f)| f.layout.entries(kind).first() == Some(&self.spec.target(kind)));
        !self.changing.iter().any(begun)
    }

    /// Whether every value of a kind was seen to begin as it shall, and no server writes otherwise. One that has perhaps not loaded its file
    /// may do so until its step has seen it.
    fn rewritten(&self, kind: &str) -> bool {
        let prefix = self.spec.target(kind).prefix();
        let values = self.servers.iter().find_map(|s| s.facts.values.as_ref()).and_then(|v| v.get(kind));
        let writes = |f: &KeyFile| !f.unloaded && f.layout.entries(kind).first() == Some(&self.spec.target(kind));
        self.files.iter().all(|(_, f)| writes(f)) && values.is_some_and(|v| v.keys().all(|p| *p == prefix))
    }

    fn write(&self, layout: Layout, expected: Expected) -> Action {
        let known = self.files.iter().flat_map(|(_, f)| f.fingerprints.clone()).collect::<BTreeMap<_, _>>();
        let used = layout.all().iter().filter_map(|e| known.get_key_value(&e.to_string())).map(|(k, v)| (k.clone(), v.clone())).collect();
        Action::Write { layout, expected, fingerprints: used }
    }

    /// What one layout has more than another, for people.
    fn words(&self, more: &Layout, less: &Layout) -> String {
        let new = |kind: &&String| more.entries(kind).iter().any(|e| !less.entries(kind).contains(e));
        let entries: BTreeSet<String> = self
            .changing
            .iter()
            .filter(new)
            .flat_map(|kind| more.entries(kind).into_iter().filter(|e| !less.entries(kind).contains(e)).map(|e| e.to_string()))
            .collect();
        join(&entries)
    }
}

fn join(words: &BTreeSet<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Reasons not to touch the files.
fn held(
    spec: &EncryptionSpec,
    servers: &[Server<'_>],
    files: &[(&Name, &KeyFile)],
    changing: &BTreeSet<String>,
    escrow: &BTreeSet<String>,
) -> Vec<Held> {
    let mut found = Vec::new();
    let mut hold = |reason: String, hint: String| found.push(Held::cluster("encryption", reason, hint));
    let mut known: BTreeMap<&String, (&Name, &String)> = BTreeMap::new();
    for (server, file) in files {
        for (entry, fingerprint) in &file.fingerprints {
            let (other, theirs) = *known.entry(entry).or_insert((server, fingerprint));
            if theirs != fingerprint {
                let reason = format!("{entry} is one key on {other} ({theirs}) and another on {server} ({fingerprint})");
                hold(reason, "find out which of them opens the values in etcd; nothing is done before".into());
            }
        }
        for kind in file.layout.0.keys().filter(|kind| !RESOURCES.iter().any(|r| r.name == **kind)) {
            let hint = "take it out of the file by the stages of Kubernetes' documentation; nothing is done before";
            hold(format!("{server} encrypts {kind}, which kubestead cannot write anew"), hint.into());
        }
        for entry in file.layout.all() {
            if let Entry::Key { name, .. } = entry
                && !escrow.contains(&escrow_name(name))
            {
                let own = escrow_name(name);
                hold(
                    format!("{entry} of {server} is not in the escrow"),
                    format!(
                        "restore {own}.age from the repository's history: without it a backup of etcd cannot be read. A key is never made anew for values that are there"
                    ),
                );
            }
            let targets: BTreeSet<Entry> = spec.resources.iter().map(|kind| spec.target(kind)).collect();
            if *entry != Entry::Identity && !targets.contains(entry) && targets.iter().any(|t| t.word() == entry.word()) {
                hold(
                    format!("{} is the name of {entry} on {server} already, with other settings", entry.word()),
                    "a name stands for one key for ever: give the new one a name that was never used".into(),
                );
            }
        }
    }
    let values = servers.iter().find_map(|s| s.facts.values.as_ref());
    for (kind, prefix) in values.into_iter().flatten().flat_map(|(kind, v)| v.keys().map(move |p| (kind, p))) {
        if !files.iter().any(|(_, f)| f.layout.entries(kind).iter().any(|e| e.prefix() == *prefix)) {
            let what = if prefix.is_empty() { "not encrypted" } else { prefix };
            let hint = "restore the configuration with that key: without it they cannot be read";
            hold(format!("etcd holds {kind} that are {what}, which no API server can read"), hint.into());
        }
    }
    for Server { name, .. } in servers.iter().filter(|s| !changing.is_empty() && !s.facts.tools) {
        let reason = "etcdctl and etcdutl are missing: values cannot be counted without them";
        let hint = "put them into /usr/local/bin in the version of etcd, or name a bundle in the file";
        found.push(Held::on(name, "encryption", reason, hint));
    }
    found.extend(silent(servers));
    found.sort();
    found.dedup();
    found
}

/// KMS plugins that do not answer: without its plugin an API server reads nothing of what is encrypted with it, loads no file that names it,
/// and says that it is not ready.
pub fn silent(servers: &[Server<'_>]) -> Vec<Held> {
    let mut found = Vec::new();
    for Server { name, facts } in servers {
        for socket in &facts.silent {
            let reason = format!("no KMS plugin answers at {socket}");
            let used = facts.file.as_ref().is_some_and(|file| file.layout.sockets().contains(socket.as_str()));
            let hint = if used {
                "start the plugin on that machine: until then its API server cannot read what is encrypted with it"
            } else {
                "install and start the plugin on every control plane; nothing is begun before it answers"
            };
            found.push(Held::on(name, "encryption", reason, hint));
        }
    }
    found
}

//! What each action does, for tests and to see ahead: API servers with what their files say and what they have loaded, and the values in
//! etcd by what they begin with.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::name::Name;
use kubestead_core::plan::{Step, Target};

use super::action::{Action, Expected};
use super::observe::{EncryptionFacts, KeyFile};
use super::spec::{Entry, Layout};

/// One API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// What its file says.
    pub file: Layout,
    /// What it has loaded.
    pub loaded: Layout,
    /// Whether the file is marked as not yet loaded.
    pub marked: bool,
    /// The folders of KMS plugins that its manifest mounts.
    pub manifest: Vec<String>,
    /// Those that it has mounted: what its manifest said when it started.
    pub mounts: Vec<String>,
}

impl Server {
    /// One that was begun with this file.
    pub fn new(file: Layout) -> Self {
        let folders: BTreeSet<&str> = file.all().into_iter().filter_map(Entry::socket_folder).collect();
        let mounts: Vec<String> = folders.into_iter().map(str::to_owned).collect();
        Self { loaded: file.clone(), file, marked: false, manifest: mounts.clone(), mounts }
    }

    /// It starts again, as its manifest says, or only looks at its file. One that names a plugin which it cannot reach is not loaded.
    pub fn looks(&mut self, restarts: bool) {
        if restarts {
            self.mounts.clone_from(&self.manifest);
        }
        if self.reaches() {
            self.loaded = self.file.clone();
        }
    }

    fn reaches(&self) -> bool {
        self.file.clash().is_none()
            && self.file.all().into_iter().filter_map(Entry::socket_folder).all(|folder| self.mounts.iter().any(|m| m == folder))
    }
}

/// All of them, and etcd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// The servers.
    pub servers: BTreeMap<Name, Server>,
    /// For each kind how its values begin.
    pub values: BTreeMap<String, Vec<String>>,
    /// The same of old revisions.
    pub past: BTreeMap<String, BTreeSet<String>>,
    /// How many copies of etcd were made.
    pub snapshots: u32,
}

impl World {
    /// What a probe of a server tells.
    pub fn facts(&self, name: &Name) -> Option<EncryptionFacts> {
        let server = self.servers.get(name)?;
        let keys = server.file.all().into_iter().filter(|e| !e.prefix().is_empty()).map(|e| (e.to_string(), format!("f {e}"))).collect();
        let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for (kind, values) in &self.values {
            let kind = counts.entry(kind.clone()).or_default();
            for value in values {
                *kind.entry(value.clone()).or_default() += 1;
            }
        }
        let first = self.servers.keys().next() == Some(name);
        let one = server.file.0.values().all(|entries| entries.len() == 1);
        Some(EncryptionFacts {
            file: Some(KeyFile { layout: server.file.clone(), fingerprints: keys, sha256: digest(&server.file), unloaded: server.marked }),
            tools: true,
            mounts: server.mounts.iter().filter(|m| server.manifest.contains(m)).cloned().collect(),
            plugins: server.manifest.clone(),
            silent: BTreeSet::new(),
            values: (first && !one).then_some(counts),
        })
    }

    /// A server writes a value anew, as it has loaded it.
    pub fn write(&mut self, name: &Name, kind: &str, index: usize) {
        let Some(prefix) = self.servers.get(name).and_then(|s| s.loaded.entries(kind).first().map(Entry::prefix)) else {
            return;
        };
        if let Some(value) = self.values.get_mut(kind).and_then(|v| v.get_mut(index)) {
            let old = std::mem::replace(value, prefix);
            self.past.entry(kind.to_owned()).or_default().insert(old);
        }
    }

    /// What a server could not read if it were asked now.
    pub fn unreadable(&self) -> Vec<(Name, String, String)> {
        let mut found = Vec::new();
        for (name, server) in &self.servers {
            for (kind, values) in &self.values {
                let known: BTreeSet<String> = server.loaded.entries(kind).iter().map(Entry::prefix).collect();
                found.extend(values.iter().filter(|v| !known.contains(*v)).map(|v| (name.clone(), kind.clone(), v.clone())));
            }
        }
        found
    }
}

/// Stands for the sha256 of a file.
pub(super) fn digest(layout: &Layout) -> String {
    kubestead_core::put::digest(serde_json::to_string(layout).unwrap_or_default())
}

fn load(host: &Name, server: &mut Server) -> Result<(), String> {
    server.looks(false);
    server.marked = server.loaded != server.file;
    if server.marked { Err(format!("{host}: it cannot reach its plugin")) } else { Ok(()) }
}

/// The world after a step that succeeded, or why it would have refused.
pub fn model(step: &Step<Action>, mut world: World) -> Result<World, String> {
    let host = match &step.target {
        Target::Host(name) => Name::new(name.as_str()).map_err(|e| e.to_string())?,
        Target::Operator | Target::Cluster => world.servers.keys().next().cloned().ok_or("no server")?,
    };
    match &step.action {
        Action::Snapshot { .. } => world.snapshots += 1,
        Action::Mount { before, folders, .. } => {
            let server = world.servers.get_mut(&host).ok_or("no such server")?;
            if server.manifest != *before && server.manifest != *folders {
                return Err(format!("{host}: its manifest is another"));
            }
            server.manifest.clone_from(folders);
            server.looks(true);
        }
        Action::Write { layout, expected, .. } => {
            let server = world.servers.get_mut(&host).ok_or("no such server")?;
            let fits = match expected {
                Expected::Seen(sha256) => digest(&server.file) == *sha256,
                Expected::Written(before) => server.file == *before,
            };
            if !fits && server.file != *layout {
                return Err(format!("{host}: its file is another"));
            }
            server.file = layout.clone();
            load(&host, server)?;
        }
        Action::Load { sha256 } => {
            let server = world.servers.get_mut(&host).ok_or("no such server")?;
            if digest(&server.file) != *sha256 {
                return Err(format!("{host}: its file is another"));
            }
            load(&host, server)?;
        }
        Action::Rewrite { resources } => {
            for kind in resources {
                (0..world.values.get(kind).map_or(0, Vec::len)).for_each(|index| world.write(&host, kind, index));
            }
        }
        Action::Check { prefixes } => {
            for (kind, prefix) in prefixes {
                if world.values.get(kind).into_iter().flatten().any(|v| v != prefix) {
                    return Err(format!("{kind}: values are left"));
                }
            }
        }
        Action::Compact => world.past.clear(),
        Action::Defragment => {}
    }
    Ok(world)
}

//! What is where files of ours belong: each part of a host has it, and hosts that are alike have the same. It is saved once.

use std::collections::{BTreeMap, HashMap};

use kubestead_core::cores;
use kubestead_core::fact::{Fact, Gap};
use kubestead_core::name::Name;
use kubestead_core::put::{self, Files, Listed};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{NodeSeen, Seen};

/// Nodes that have the same files of ours.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Same<L> {
    /// Which.
    nodes: Vec<Name>,
    /// What is where these belong.
    files: L,
}

impl Seen<&RawValue> {
    /// The same with what is kept of each node understood: nearly all of the facts of a large cluster, on all cores.
    pub fn understood(self, files: &[Same<&RawValue>]) -> Result<Seen, String> {
        let Self { nodes, keys, servers, escrow, bundle, keyring, api, wish, secrets, asked, services, kubelets, unreachable } = self;
        let nodes: Vec<(Name, &RawValue)> = nodes.into_iter().collect();
        let known = cores::map(&nodes, |(name, kept)| {
            serde_json::from_str::<Fact<NodeSeen>>(kept.get()).map_err(|error| format!("{name}: {error}"))
        });
        let nodes = nodes.into_iter().zip(known).map(|((name, _), known)| Ok((name, known?))).collect::<Result<_, String>>()?;
        let mut seen = Seen { nodes, keys, servers, escrow, bundle, keyring, api, wish, secrets, asked, services, kubelets, unreachable };
        let known = cores::map(files, |same| serde_json::from_str(same.files.get()).map_err(|error| format!("files: {error}")));
        let mut kept: BTreeMap<&Name, Files> = BTreeMap::new();
        for (same, known) in files.iter().zip(known) {
            let known: Files = known?;
            kept.extend(same.nodes.iter().map(|name| (name, known.clone())));
        }
        for (name, node) in &mut seen.nodes {
            let Fact::Known(node) = node else { continue };
            if let Fact::Known(files) = &mut node.storage.files {
                *files = kept.remove(name).ok_or_else(|| format!("{name}: its files were not kept"))?;
            }
        }
        seen.share_files();
        Ok(seen)
    }
}

impl Seen {
    /// What the nodes have of files of ours, those that have the same together, in the order of their first ones.
    pub fn files(&self) -> Vec<Same<&Listed>> {
        let mut all: Vec<Same<&Listed>> = Vec::new();
        let mut places: HashMap<&Listed, usize> = HashMap::new();
        let mut last: Option<(&Files, usize)> = None;
        for (name, node) in &self.nodes {
            let Some(files) = node.known().and_then(|node| node.storage.files.known()) else { continue };
            let place = match last {
                Some((before, place)) if before.is_clone_of(files) => place,
                _ => *places.entry(files).or_insert_with(|| {
                    all.push(Same { nodes: Vec::new(), files });
                    all.len() - 1
                }),
            };
            all[place].nodes.push(name.clone());
            last = Some((files, place));
        }
        all
    }

    /// sha256 of all of it.
    pub fn digest(&self) -> Result<String, serde_json::Error> {
        put::digest_of(&(self.files(), self))
    }

    /// Gives each part of a host what is where its files belong, which is saved once. A node's side of the keys without it is unknown.
    pub fn share_files(&mut self) {
        for (name, keys) in &mut self.keys {
            let node = match self.nodes.get_mut(name) {
                Some(Fact::Known(node)) => Some(node),
                Some(Fact::Absent | Fact::Unknown(_)) | None => None,
            };
            let files = node.as_ref().and_then(|node| node.storage.files.known()).cloned();
            match (&mut *keys, &files) {
                (Fact::Known(keys), Some(files)) => keys.files.clone_from(files),
                (Fact::Known(_), None) => *keys = Fact::Unknown(Gap::new("what is where its files belong was not kept")),
                (Fact::Absent | Fact::Unknown(_), _) => {}
            }
            if let (Some(node), Some(files)) = (node, files) {
                node.setup.iter_mut().for_each(|setup| setup.files.clone_from(&files));
                node.kubeadm.iter_mut().for_each(|member| member.files.clone_from(&files));
            }
        }
    }
}

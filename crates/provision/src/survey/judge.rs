//! What speaks against machines, each with what to do.

use std::collections::BTreeMap;

use kubestead_core::visible::visible;

use super::Seen;
use super::names::Names;
use crate::machine;

/// Something that is told of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The machine.
    pub machine: String,
    /// What is so.
    pub what: String,
    /// What to do.
    pub next: String,
    /// Whether no file is made of a machine of which this is so.
    pub refuses: bool,
}

impl Note {
    pub(super) fn new(machine: &str, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { machine: machine.to_owned(), what: what.into(), next: next.into(), refuses: false }
    }

    fn refusing(machine: &str, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { refuses: true, ..Self::new(machine, what, next) }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.machine, visible(&self.what), visible(&self.next))
    }
}

/// How a machine is called in messages: as it was asked for, and as it calls itself.
pub(super) fn who(seen: &Seen) -> String {
    if seen.found.hostname == seen.typed { seen.typed.clone() } else { format!("{} ({})", seen.typed, visible(&seen.found.hostname)) }
}

/// What is said of all machines together; `nodes` of them, then the key server.
pub(super) fn judge(all: &[&Seen], names: &[Names], nodes: usize) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut ids: BTreeMap<&str, &Seen> = BTreeMap::new();
    let mut addresses: BTreeMap<&str, &Seen> = BTreeMap::new();
    for (index, (seen, named)) in all.iter().zip(names).enumerate() {
        let who = who(seen);
        if !seen.found.cluster.is_empty() && index < nodes {
            let what = format!("a cluster is there already: {}", seen.found.cluster.join(", "));
            notes.push(Note::refusing(
                &who,
                what,
                "take it out of that cluster first (`kubestead reset` with its own file, or kubeadm reset), or leave it out here",
            ));
        }
        if let Some(other) = addresses.insert(&seen.address, seen) {
            notes.push(Note::refusing(&who, format!("{} has the address {} too", other.typed, seen.address), "name each machine once"));
        } else if let Some(other) = ids.get(seen.found.id.as_str()).filter(|_| !seen.found.id.is_empty()) {
            let what = format!("it has the machine-id of {}: it is the same machine, or a copy of its disk", self::who(other));
            let next = "name each machine once; on a copy: rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; reboot";
            notes.push(Note::refusing(&who, what, next));
        }
        ids.entry(&seen.found.id).or_insert(seen);
        for held in machine::held(&named.name, &seen.found.machine) {
            let refuses = held.object.ends_with("/system");
            let next = if refuses {
                format!("{}: install one of these, or leave the machine out", held.hint)
            } else {
                format!("before `kubestead up`: {}", held.hint)
            };
            notes.push(Note { refuses, ..Note::new(&who, held.reason, next) });
        }
        if named.renamed && index < nodes {
            let host = named.hostname.as_ref().map_or(named.name.as_str(), |host| host.as_str());
            let what = match seen.found.hostname.as_str() {
                "" => "it has no host name".to_owned(),
                own if all[..nodes].iter().filter(|other| other.found.hostname == own).count() > 1 => {
                    format!("another machine has the host name {own} too")
                }
                own => format!("its host name {own:?} is none that Kubernetes takes"),
            };
            notes.push(Note::new(
                &who,
                what,
                format!("it is {host} in the file; before `kubestead up`, on it: hostnamectl set-hostname {host}"),
            ));
        }
    }
    notes
}

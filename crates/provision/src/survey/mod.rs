//! What machines are that no cluster file tells of yet, and the file that fits them. Looking changes nothing on them.

mod disks;
mod judge;
mod names;
mod sizes;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use kubestead_core::event::{Event, Reporter};
use kubestead_core::fact::Gap;
use kubestead_core::name::Name;
use kubestead_core::probe::{Answers, Section};
use kubestead_core::put;
use kubestead_core::transport::{Login, Transport};
use serde::{Deserialize, Serialize};

pub use disks::Disk;
pub use judge::Note;
pub use write::{Proposal, example, propose};

use crate::fleet::Fleet;
use crate::kubeadm::{self, State};
use crate::machine::{self, Machine};

/// Linux's own limit of a host name, in bytes.
const HOSTNAME: usize = 64;

/// A machine as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// What every machine must be.
    pub machine: Machine,
    /// The kernel's host name.
    pub hostname: String,
    /// What machine-id(5) says; empty if it says none.
    pub id: String,
    /// As uname(1) calls it.
    pub architecture: String,
    /// What speaks for a cluster that is there already.
    pub cluster: Vec<String>,
    /// Its disks.
    pub disks: Vec<Disk>,
}

/// A machine that was asked for, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How it was asked for, for messages.
    pub typed: String,
    /// Its IP address.
    pub address: String,
    /// The port of its sshd; ssh's configuration decides if `None`.
    pub port: Option<u16>,
    /// What it is.
    pub found: Found,
}

/// Where Kubernetes comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Software {
    /// The folder of a bundle.
    Bundle(PathBuf),
    /// The official repositories.
    Official,
    /// No Kubernetes: machines and volumes alone.
    None,
}

/// What is asked of a cluster beside its machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: Name,
    /// How many of the machines are control planes; the first ones are.
    pub control_planes: usize,
    /// Where Kubernetes comes from.
    pub software: Software,
    /// Whether there are encrypted volumes.
    pub volumes: bool,
    /// Login user; ssh's configuration decides if `None`.
    pub user: Option<String>,
    /// Another ssh configuration than the operator's own.
    pub config: Option<PathBuf>,
}

/// The sections of the one probe: those that a plan asks too, and who the machine is.
pub fn sections() -> Vec<Section> {
    let mut all = machine::sections();
    all.push(put::section::<&str, &str>([], []));
    all.extend(kubeadm::sections());
    all.push(Section::program("survey/hostname", ["show", "/proc/sys/kernel/hostname"]));
    all.push(Section::file("survey/id", "/etc/machine-id"));
    all.push(Section::program("survey/architecture", ["uname", "-m"]));
    all.push(disks::section());
    all
}

/// Reads the answers. `asked` is our clock before and after, as in [`machine::read`].
pub fn read(answers: &Answers, asked: (i64, i64)) -> Result<Found, Gap> {
    let word = |name: &str| Ok::<_, Gap>(answers.text(name)?.trim().chars().take(HOSTNAME).collect::<String>());
    let member = kubeadm::read(answers)?;
    let mut cluster = match member.state {
        State::Fresh => Vec::new(),
        State::Begun => vec!["kubestead began to make it a node".to_owned()],
        State::ControlPlane => vec!["it is a control plane".to_owned()],
        State::Worker => vec!["it is a node".to_owned()],
    };
    cluster.extend(member.leftovers.iter().take(3).map(|path| format!("{path} is there")));
    cluster.extend(member.ports.iter().take(3).map(|port| format!("something listens at port {port}")));
    let id = word("survey/id")?;
    let is_id = id.len() == 32 && id.bytes().all(|c| c.is_ascii_hexdigit());
    Ok(Found {
        machine: machine::read(answers, asked)?,
        hostname: word("survey/hostname")?,
        id: if is_id { id } else { String::new() },
        architecture: word("survey/architecture")?,
        cluster,
        disks: disks::read(answers.text(disks::SECTION)?)?,
    })
}

/// Looks at machines side by side, one probe each: what each is, in their order, or why that is not known.
pub async fn look(logins: &[Login], transport: Arc<dyn Transport>, nonce: &str, reporter: &dyn Reporter) -> Vec<Result<Found, Gap>> {
    let name = |index: usize| Name::new(format!("m{index}"));
    let members = logins.iter().enumerate().filter_map(|(index, login)| Some((name(index).ok()?, login.clone())));
    let fleet = Fleet::over(members, transport);
    let asked = (0..logins.len()).filter_map(|index| Some((name(index).ok()?, sections())));
    let mut answers = fleet.probe(asked.collect(), nonce, &Typed { logins, reporter }).await;
    let mut one = |index: usize| {
        let probed = name(index).ok().and_then(|name| answers.remove(&name)).unwrap_or_else(|| Err(Gap::new("it was not asked")))?;
        read(&probed.answers, probed.asked)
    };
    (0..logins.len()).map(&mut one).collect()
}

/// Tells of machines by what they were called, and leaves why one was not seen to who gets the answers.
struct Typed<'a> {
    logins: &'a [Login],
    reporter: &'a dyn Reporter,
}

impl Reporter for Typed<'_> {
    fn on(&self, event: &Event) {
        match event {
            Event::Seen { host, .. } => {
                let typed = host.strip_prefix('m').and_then(|index| self.logins.get(index.parse::<usize>().ok()?));
                let host = typed.map_or_else(|| host.clone(), |login| login.name.clone());
                self.reporter.on(&Event::Seen { host, gap: None });
            }
            other => self.reporter.on(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The probe as it is, on the machine of this test.
    #[test]
    fn the_sections_answer_for_this_machine() {
        let script = kubestead_core::probe::command(&sections(), "n1").script().into_owned();
        let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        let answers = kubestead_core::probe::parse(&out.stdout, "n1").unwrap();
        let found = read(&answers, (0, i64::MAX)).unwrap();
        assert!(!found.hostname.is_empty() && !found.architecture.is_empty() && !found.machine.free.is_empty(), "{found:?}");
    }
}

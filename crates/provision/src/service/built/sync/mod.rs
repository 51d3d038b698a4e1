//! Volumes that are kept the same on several nodes: unison (>= 2.52) over ssh between a hub and its spokes, on the claims of the users' own pods.

use std::collections::BTreeMap;
use std::fmt::Write;

use kubestead_core::name::Name;
use sha2::{Digest, Sha256};

use super::{Made, Part};

/// What keeps volumes the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// The image, with unison and OpenSSH.
    pub image: String,
    /// The sets of volumes.
    pub sets: Vec<SyncSet>,
}

/// Volumes that are kept the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncSet {
    /// Its name.
    pub name: Name,
    /// Where the claims are.
    pub namespace: Name,
    /// The number of the user whose the files are.
    pub user: u32,
    /// The number of their group.
    pub group: u32,
    /// The volume that all others are compared with.
    pub hub: SyncEnd,
    /// The others, by name.
    pub spokes: Vec<(Name, SyncEnd)>,
    /// What is left out, as unison's `ignore` has it.
    pub exclude: Vec<String>,
    /// When rounds begin, as a CronJob has it.
    pub schedule: String,
    /// In seconds: how old the last good round may be.
    pub warn: u64,
    /// In seconds: how old it is when this is critical.
    pub critical: u64,
    /// In seconds: how long a round may take.
    pub longest: u64,
    /// In percent: how much may be deleted between two rounds.
    pub most_deleted: u64,
    /// For how many days is kept what rounds replaced or deleted.
    pub keep_days: u64,
}

/// A volume of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncEnd {
    /// Its claim.
    pub claim: Name,
    /// The public half of its key, `ssh-ed25519 BASE64`.
    pub key: String,
}

/// In seconds: how far clocks may be apart, as the newer of two edits wins.
const MOST_SKEW: u64 = 60;
const SSHD_CONFIG: &str = include_str!("sshd_config");

impl Sync {
    pub(super) fn made(&self) -> Made {
        let parts = self.sets.iter().flat_map(|set| {
            let spokes = set.spokes.iter().map(|(name, end)| set.spoke(name, end, &self.image));
            std::iter::once(set.common(&self.image)).chain(spokes)
        });
        Made { parts: parts.collect(), ..Made::default() }
    }
}

impl SyncSet {
    /// What the ends have in common, and the hub.
    fn common(&self, image: &str) -> Part {
        let digest = Sha256::digest(SSHD_CONFIG).iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        let mut variables = self.variables(&self.hub, image);
        variables.extend([
            ("VOLUME_SH", include_str!("volume.sh").to_owned()),
            ("SERVE_SH", include_str!("serve.sh").to_owned()),
            ("ROUND_SH", include_str!("round.sh").to_owned()),
            ("CONSENT_SH", include_str!("consent.sh").to_owned()),
            ("SSHD_CONFIG", SSHD_CONFIG.to_owned()),
            ("SSH_CONFIG", include_str!("ssh_config").to_owned()),
            ("CONFIGURATION", digest),
            ("SETTINGS", self.settings()),
            ("EXCLUDE", self.exclude.iter().map(|pattern| format!("{pattern}\n")).collect()),
            ("AUTHORIZED_KEYS", self.spokes.iter().map(|(name, end)| authorized(name, end)).collect()),
            ("KNOWN_HOSTS", format!("hub {}\n", self.hub.key)),
            ("PASSWD", format!("root:x:0:0:root:/:/bin/sh\nsync:x:{}:{}:sync:/tmp:/bin/sh\n", self.user, self.group)),
        ]);
        Part { name: format!("sync: set.yaml for {}", self.name), text: include_str!("set.yaml"), variables }
    }

    /// The rounds of a spoke.
    fn spoke(&self, name: &Name, end: &SyncEnd, image: &str) -> Part {
        let mut variables = self.variables(end, image);
        variables.extend([
            ("SPOKE", name.to_string()),
            ("SCHEDULE", self.schedule.clone()),
            ("WARN", self.warn.to_string()),
            ("CRITICAL", self.critical.to_string()),
            // It may have to wait for another spoke's round.
            ("DEADLINE", (2 * self.longest).to_string()),
        ]);
        Part { name: format!("sync: spoke.yaml for {} of {}", name, self.name), text: include_str!("spoke.yaml"), variables }
    }

    fn variables(&self, end: &SyncEnd, image: &str) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("IMAGE", image.to_owned()),
            ("SET", self.name.to_string()),
            ("NAMESPACE", self.namespace.to_string()),
            ("USER", self.user.to_string()),
            ("GROUP", self.group.to_string()),
            ("CLAIM", end.claim.to_string()),
        ])
    }

    /// What the scripts are told: a shell reads it, and all values are names and numbers.
    fn settings(&self) -> String {
        let (set, longest) = (&self.name, self.longest);
        let numbers = format!("MOST_DELETED={}\nKEEP_DAYS={}\nLONGEST={longest}\n", self.most_deleted, self.keep_days);
        format!("HUB=sync-{set}\n{numbers}MOST_SKEW={MOST_SKEW}\n")
    }
}

/// A spoke's line of authorized_keys: its key runs one command, with its own name.
fn authorized(name: &Name, end: &SyncEnd) -> String {
    format!("restrict,command=\"/bin/bash /sync/serve.sh {name}\" {}\n", end.key)
}

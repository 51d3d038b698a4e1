//! Which machines a lab has.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::qemu::SERIAL;

/// The gateway and name server of every lab; each lab has a network namespace of its own, so addresses never collide.
pub(crate) const GATEWAY: &str = "10.77.0.1";

/// The name by which machines ask for packages, `packages.lab`.
pub(crate) const PACKAGES: &str = "packages";

/// What a lab's machines run on. All boot the same root file system with the same disks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// User Mode Linux: the kernel as an ordinary process.
    #[default]
    Uml,
    /// QEMU with KVM.
    Qemu,
    /// QEMU that computes everything itself: much slower, and it needs no KVM.
    QemuTcg,
}

impl Backend {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uml => "uml",
            Self::Qemu => "qemu",
            Self::QemuTcg => "qemu-tcg",
        }
    }

    /// The recipe that makes its kernel.
    pub(crate) fn kernel(self) -> &'static str {
        match self {
            Self::Uml => "kernel",
            Self::Qemu | Self::QemuTcg => "cloud",
        }
    }
}

/// A release of Debian that a machine runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Release {
    /// Debian 12.
    #[default]
    Bookworm,
    /// Debian 13.
    Trixie,
}

impl Release {
    /// Its code name, as archives of packages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }

    /// The recipe that makes its root file system.
    pub(crate) const fn root(self) -> &'static str {
        match self {
            Self::Bookworm => "root-bookworm",
            Self::Trixie => "root-trixie",
        }
    }
}

/// What is built for a lab: the kernel of what it runs on, and the root file systems of its machines. All else is the same for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// What it runs on.
    pub backend: Backend,
    /// What its machines run.
    pub debian: BTreeSet<Release>,
    /// Whether it has an internet of its own.
    pub internet: bool,
}

/// A lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabSpec {
    /// What they run on. One that was begun says so; else it is chosen when it is begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
    /// Whether it answers for the hosts that software comes from: `pkgs.k8s.io`, `registry.k8s.io` and others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub internet: bool,
    /// Its machines.
    pub machines: Vec<Machine>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Machine {
    /// Its host name.
    pub name: String,
    /// The release of Debian that its root disk is made of.
    #[serde(default)]
    pub debian: Release,
    /// Its address in 10.77.0.0/24.
    pub address: String,
    /// Memory in MiB. The host gives it only as it is touched.
    pub memory: u32,
    /// Spare disks.
    pub disks: Vec<Disk>,
}

/// A spare disk: `/dev/disk/by-id/ubd-SERIAL` in the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Disk {
    /// Its serial number.
    pub serial: String,
    /// Size in MiB. The host gives it only as it is written.
    pub size: u64,
}

impl LabSpec {
    /// What its machines run on: User Mode Linux where nothing is said, as it runs everywhere.
    pub fn runs_on(&self) -> Backend {
        self.backend.unwrap_or_default()
    }

    /// What must be built for it.
    pub fn parts(&self) -> Parts {
        Parts { backend: self.runs_on(), debian: self.machines.iter().map(|m| m.debian).collect(), internet: self.internet }
    }

    /// What the backend cannot do.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut disks = self.machines.iter().flat_map(|m| &m.disks);
        match disks.find(|disk| self.runs_on() != Backend::Uml && disk.serial.len() > SERIAL) {
            Some(disk) => {
                Err(Error::Refused(format!("the serial number {} is longer than the {SERIAL} bytes that QEMU's disks have", disk.serial)))
            }
            None => Ok(()),
        }
    }
}

impl Default for LabSpec {
    /// A control plane, two workers, and a host for keys.
    fn default() -> Self {
        let machine = |name: &str, address: &str, memory, disk: u64| Machine {
            name: name.to_owned(),
            debian: Release::default(),
            address: address.to_owned(),
            memory,
            disks: if disk == 0 { Vec::new() } else { vec![Disk { serial: format!("{name}-data"), size: disk }] },
        };
        Self {
            backend: None,
            internet: false,
            machines: vec![
                machine("cp1", "10.77.0.11", 2560, 8192),
                machine("kube1", "10.77.0.21", 2048, 8192),
                machine("kube2", "10.77.0.22", 2048, 8192),
                machine("masterlock", "10.77.0.5", 320, 0),
            ],
        }
    }
}

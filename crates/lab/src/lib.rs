//! Rehearsal machines on one's own computer: each with its own kernel, systemd, sshd and spare disks, a network between them, and a
//! host for keys. They are User Mode Linux kernels in seccomp mode, so no KVM is asked for, or QEMU's.
//!
//! Seccomp mode isolates guests neither from one another nor from the user that runs them: a lab for one's own machines, never a
//! sandbox for hostile code.
//!
//! ```text
//! build   recipes -> artifacts, cached by content        (build, recipe, cache)
//! up      a supervisor in a network namespace of its own  (supervisor): bridge, DNS, packages by HTTP, one kernel process a machine
//! serve   the hosts that software comes from, over TLS     (internet): apt repositories, registries, releases
//! run     a backend says what to run                      (runner: uml, qemu), on which CPU of this computer (cpus)
//! keep    disks under a name, and back                (snapshot)
//! talk    a control socket                                (control), plain ssh through the written ssh_config (access)
//! ```

pub mod access;
pub mod build;
pub mod cache;
mod control;
mod cpus;
mod disk;
mod dns;
mod error;
mod files;
mod http;
mod internet;
mod lab;
mod namespaces;
mod process;
mod qemu;
mod recipe;
mod requirements;
mod runner;
mod snapshot;
mod spec;
mod supervisor;
mod uml;

pub use error::Error;
pub use lab::{Lab, MachineStatus};
pub use requirements::{advice, requirements, usual};
pub use snapshot::{Listed, Snapshot, SnapshotName};
pub use spec::{Backend, Disk, LabSpec, Machine, Parts, Release};
pub use supervisor::serve;

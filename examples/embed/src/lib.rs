//! Machines that are nowhere, for the programs of this package: each answers a look as a fresh Debian 12 does.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use kubestead_core::host::Host;
use kubestead_core::twin::{MemoryKube, ProbedHost, Twins};

/// The disk of [`node`].
pub const DISK: &str = "/dev/disk/by-id/nvme-EXAMPLE_1TB";

/// A node with one disk and the folder of one volume. `disk` is what wipefs(8) finds on the disk, as JSON; nothing on a blank one.
pub fn node(name: &str, volume: (&str, &str), disk: &str) -> Arc<dyn Host> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (volume, path) = volume;
    Arc::new(ProbedHost::new(
        name,
        [
            ("machine/system".to_owned(), "ID=debian\nVERSION_ID=\"12\"\n".to_owned()),
            ("machine/missing".to_owned(), String::new()),
            ("machine/clock".to_owned(), format!("{}\n", since.as_secs())),
            (
                "machine/free".to_owned(),
                format!("Avail Inodes IFree Filesystem Mounted on\n{}", "8589934592 655360 600000 /dev/vda1 /\n".repeat(6)),
            ),
            ("files".to_owned(), String::new()),
            ("storage/lvm".to_owned(), "{\"report\": []}".to_owned()),
            ("storage/mounts".to_owned(), String::new()),
            ("storage/tabs".to_owned(), "@@\n@@\n".to_owned()),
            ("storage/dev".to_owned(), String::new()),
            (format!("storage/device:{DISK}"), format!("/dev/nvme0n1 1000204886016 259:0\n\nzero\n{{\"signatures\": [{disk}]}}\n")),
            ("storage/volumes".to_owned(), format!("volume {volume}\nfolder free\nreal {path}\nshare no\nabsent\n@@ end\n")),
            ("storage/directories".to_owned(), String::new()),
            ("keynode/key".to_owned(), String::new()),
        ],
    ))
}

/// A key server on which nothing is set up yet.
pub fn key_server(name: &str) -> Arc<dyn Host> {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFJ2wwkVD5r2C0ai/7hwRIIGvWGA0ETbtN+bgHEqKf83\n";
    Arc::new(ProbedHost::new(
        name,
        [
            ("keyserver/host-key", key),
            ("keyserver/account", "login root\n"),
            ("keyserver/sshd", ""),
            ("files", ""),
            ("keyserver/lines", ""),
            ("keyserver/shares", ""),
        ],
    ))
}

/// A transport to these machines, and to the API of a cluster that has nothing in it.
pub fn transport(machines: impl IntoIterator<Item = Arc<dyn Host>>) -> Arc<Twins> {
    Arc::new(Twins::new(machines, Arc::new(MemoryKube::default())))
}

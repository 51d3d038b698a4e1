//! What marks a thing as ours: tags of an LV, the token in a header, the UUID of a physical volume.

use kubestead_core::name::Name;
use sha2::{Digest, Sha256};

/// Set on an LV when we make it, dropped when its filesystem is made: it proves that the LV never held data.
pub const NEW: &str = "kubestead:new";
/// Set on an LV when we make it, and never dropped: only such a volume is ever wiped or made anew.
pub const VOLUME: &str = "kubestead:volume";
/// On the LV while its LUKS2 header is made: a header that is not whole is ours to make again.
pub const FORMATTING: &str = "kubestead:formatting";
/// On the LV while its filesystem is made: one that is there already is then ours to make again.
pub const MKFS: &str = "kubestead:mkfs";
/// Set on an LV that we make without encryption, and never dropped. It names the volume, as the token in a header does.
pub fn plain(volume: &Name) -> String {
    format!("kubestead:plain={volume}")
}

/// The type of our token in a LUKS2 header.
pub const TOKEN: &str = "kubestead";

/// The UUID that we give to a physical volume (32 letters and digits, in LVM's groups): a run that was cut off between pvcreate and
/// vgcreate is known by it.
pub fn physical_uuid(group: &Name, device: &str) -> String {
    let sum = Sha256::digest(format!("kubestead {group} {device}").as_bytes());
    let letter = |b: &u8| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[usize::from(*b) % 36]);
    let text: String = sum.iter().map(letter).collect();
    let mut groups = Vec::new();
    let mut rest = text.as_str();
    for length in [6, 4, 4, 4, 4, 4, 6] {
        let (head, tail) = rest.split_at(length);
        groups.push(head);
        rest = tail;
    }
    groups.join("-")
}

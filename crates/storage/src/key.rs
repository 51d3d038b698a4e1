//! Whether a key opens a volume, asked of a copy of its header in memory: cryptsetup repairs a damaged header when it loads it, so the
//! device itself is never given to it (cryptsetup(8), "header").

use kubestead_core::command::{Command, Stdin};
use kubestead_core::key::{KeyError, KeyRef};
use kubestead_core::secret::Secret;

use crate::spec::Volume;

/// The function `copy_header`.
pub(crate) const COPY: &str = include_str!("scripts/header.sh");

/// How many characters a recovery key has: 52 letters and digits in groups of four, joined by `-`.
pub const LENGTH: usize = 64;

/// A recovery key that is just as it was made, without a line end. One that was cut off never becomes the key of a volume.
pub(crate) fn whole(key: &KeyRef, recovery: Secret) -> Result<Secret, KeyError> {
    let text = recovery.expose();
    let fits = |(at, c): (usize, &u8)| if at % 5 == 4 { *c == b'-' } else { c.is_ascii_lowercase() || c.is_ascii_digit() };
    if text.len() == LENGTH && text.iter().enumerate().all(fits) {
        return Ok(recovery);
    }
    let detail = format!("it has {} bytes, and a recovery key is {LENGTH} letters, digits and '-': restore it from history", text.len());
    Err(KeyError::Unreadable { key: key.clone(), detail })
}

/// A command that ends with 0 when the recovery key opens the volume's recovery slot, 2 when it does not, 1 when there is no such slot
/// and 4 when there is no such device. It only looks.
pub fn recovery_opens(volume: &Volume, key: Secret) -> Command {
    let script = [COPY, include_str!("scripts/recovery-opens.sh")].concat();
    Command::read_script(script).var("device", volume.device()).stdin(Stdin::Secret(key))
}

#[cfg(test)]
mod tests {
    use kubestead_core::name::Name;
    use kubestead_core::size::Bytes;

    use super::*;
    use crate::spec::Filesystem;

    #[test]
    fn the_key_is_on_standard_input_and_the_device_is_only_copied() {
        let name = |n: &str| Name::new(n).unwrap();
        let volume = Volume {
            name: name("data"),
            group: name("vg01"),
            size: Bytes(1 << 30),
            filesystem: Filesystem::Ext4,
            inodes: None,
            path: "/data".into(),
            discard: false,
            encryption: crate::spec::Encryption::default(),
        };
        let command = recovery_opens(&volume, Secret::new(b"canary".to_vec()));
        assert!(!command.render().contains("canary") && command.stdin.bytes() == b"canary");
        let script = &command.script();
        assert!(std::process::Command::new("bash").args(["-n", "-c", script]).status().unwrap().success());
        assert!(!script.lines().any(|line| line.contains("cryptsetup") && line.contains("/dev/")));
    }
}

//! Where a volume is mounted: what systemd takes of a path, and what must stay visible.

use crate::file::cluster::POOL_ROOT;
use crate::file::decode::text;
use crate::file::findings::{At, Findings};
use crate::file::shape::{Bare, Form};
use crate::file::tree::Node as Yaml;

/// The longest name of a systemd unit, and of a file.
pub(super) const UNIT: usize = 255;

/// What a mount point looks like.
pub(super) const FORM: Form =
    Form { word: "an absolute path", pattern: "^(/[A-Za-z0-9._-]+)+$", example: "/var/lib/etcd", bare: Bare::String };

/// A mount point.
pub(super) fn mount_point(node: Yaml, out: &mut Findings) -> Option<At<String>> {
    let found = text(node, "a volume's path", out)?;
    let clean = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    let root = found.value == "/";
    if !root && !found.value.strip_prefix('/').is_some_and(|rest| rest.split('/').all(clean)) {
        let message = format!("{:?} is not an absolute path of letters, digits, '.', '_' and '-'", found.value);
        out.error(&found.place, message, "write it from / on, without '..' and without a '/' at its end".to_owned());
        return None;
    }
    if hides(&found.value) {
        let message = format!("a volume's path: {} holds what the machine needs before its volumes are open", found.value);
        out.error(&found.place, message, "write a folder of its own, such as /var/lib/NAME or /srv/NAME".to_owned());
        return None;
    }
    if too_long(&found.value) {
        let message = "a volume's path: the name of its mount unit would be longer than 255 characters";
        out.error(&found.place, message, "shorten it: each hyphen counts four times".to_owned());
        return None;
    }
    Some(found)
}

/// How long a text is in a unit's name (systemd.unit(5), "String escaping").
pub(super) fn escaped(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || ":_./".contains(c) { 1 } else { 4 }).sum()
}

/// What a volume must not be mounted over: the machine needs what lies there before any volume is open, or whoever logs in does.
fn hides(path: &str) -> bool {
    const WHOLE: [&str; 18] = [
        "/bin",
        "/boot",
        "/dev",
        "/efi",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        "/proc",
        "/run",
        "/sbin",
        "/sys",
        "/usr",
        "/var/run",
        "/var/lock",
        "/var/lib/dpkg",
        "/var/lib/private",
        "/var/lib/systemd",
    ];
    const ITSELF: [&str; 8] = ["/", "/etc", "/root", "/tmp", "/var", "/var/lib", "/var/lib/dbus", "/var/tmp"];
    let below = |top: &str| path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // Nearly all of /etc is read before a volume is open; Kubernetes' own folder is not.
    let configuration = below("/etc") && !below("/etc/kubernetes");
    // Marks and records of what was done here; the folder of persistent volumes is made to be one.
    let ours = below("/var/lib/kubestead") && path != POOL_ROOT;
    let kernel = ["/vmlinuz", "/initrd.img"].iter().any(|link| path.strip_suffix(".old").unwrap_or(path) == *link);
    let keys = path.split('/').any(|part| part == ".ssh");
    ITSELF.contains(&path) || WHOLE.iter().any(|top| below(top)) || configuration || ours || kernel || keys
}

/// Whether a path is short enough for its parts' file names and its mount unit's.
fn too_long(path: &str) -> bool {
    path.split('/').any(|part| part.len() > UNIT) || escaped(path.trim_start_matches('/')) + ".mount".len() > UNIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_boots_with_is_not_hidden() {
        for bad in [
            "/",
            "/etc",
            "/etc/ssh",
            "/etc/systemd/system",
            "/etc/passwd",
            "/etc/kubernetes-x",
            "/usr",
            "/usr/local",
            "/var/lib",
            "/var/lib/dpkg/info",
            "/var/lib/kubestead",
            "/var/lib/kubestead/volumes/x",
            "/run/x",
            "/boot",
            "/vmlinuz.old",
            "/root/.ssh",
            "/home/ops/.ssh/x",
        ] {
            assert!(hides(bad), "{bad}");
        }
        for good in [
            "/etc/kubernetes",
            "/etc/kubernetes/pki",
            "/vmlinuz-x",
            "/root/x",
            "/var/lib/kubesteads",
            "/var/lib/etcd",
            "/var/lib/kubelet",
            "/srv",
            "/home",
            "/opt/x",
            "/var/log",
            "/var/lib/kubestead/volumes",
            "/data",
        ] {
            assert!(!hides(good), "{good}");
        }
    }
}

//! Where a volume is mounted: what systemd takes of a path, and what must stay visible.

use crate::file::decode::text;
use crate::file::findings::{At, Findings};
use crate::file::folders::is_machines;
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
    if is_machines(&found.value) {
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

/// Whether a path is short enough for its parts' file names and its mount unit's.
fn too_long(path: &str) -> bool {
    path.split('/').any(|part| part.len() > UNIT) || escaped(path.trim_start_matches('/')) + ".mount".len() > UNIT
}

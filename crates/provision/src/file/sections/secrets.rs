//! `secrets`: the folder with the operator's secrets.

use std::path::{Path, PathBuf};

use crate::file::fields::fields;
use crate::file::findings::Findings;
use crate::file::path::path;
use crate::file::shape::{Kind, Need, PATH};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of the section.
    struct Written {
        "dir" dir Need::Required, Kind::Text(&PATH),
            "The folder.";
    }
}

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Decodes the section. The folder is `secrets` beside the file if it is not written.
pub(super) fn decode(node: Option<Yaml>, dir: &Path, out: &mut Findings) -> PathBuf {
    let Some(node) = node else { return dir.join("secrets") };
    let path = Written::of(node, "secrets", out).dir.and_then(|n| path(n, "secrets.dir", dir, out));
    path.unwrap_or_else(|| dir.to_owned())
}

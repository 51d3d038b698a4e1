//! `secrets`: the folder with the operator's secrets.

use std::path::{Path, PathBuf};

use crate::file::decode::Fields;
use crate::file::findings::Findings;
use crate::file::path::path;

/// Decodes the section. The folder is `secrets` beside the file if it is not written.
pub(super) fn decode(top: &mut Fields, dir: &Path, out: &mut Findings) -> PathBuf {
    let Some(node) = top.take("secrets") else { return dir.join("secrets") };
    let mut f = Fields::of(node, "secrets", out);
    let path = f.required("dir", out).and_then(|n| path(n, "secrets.dir", dir, out));
    f.end(out);
    path.unwrap_or_else(|| dir.to_owned())
}

//! `ssh`: how to log in.

use std::path::Path;

use crate::file::cluster::Ssh;
use crate::file::decode::Fields;
use crate::file::findings::Findings;
use crate::file::machine;
use crate::file::path::path;

/// Decodes the section.
pub(super) fn decode(top: &mut Fields, dir: &Path, out: &mut Findings) -> Ssh {
    let Some(node) = top.take("ssh") else { return Ssh::default() };
    let mut f = Fields::of(node, "ssh", out);
    let user = f.take("user").and_then(|n| machine::login(n, "ssh.user", out));
    let config = f.take("config").and_then(|n| path(n, "ssh.config", dir, out));
    f.end(out);
    Ssh { user, config }
}

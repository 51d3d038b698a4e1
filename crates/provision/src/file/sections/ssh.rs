//! `ssh`: how to log in.

use std::path::Path;

use crate::file::cluster::Ssh;
use crate::file::fields::fields;
use crate::file::findings::Findings;
use crate::file::machine;
use crate::file::path::path;
use crate::file::shape::{Kind, LOGIN, Need, PATH};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of the section.
    struct Written {
        "user" user Need::Optional("ssh's configuration decides"), Kind::Text(&LOGIN),
            "Who logs in.";
        "config" config Need::Optional("`~/.ssh/config`"), Kind::Text(&PATH),
            "Another configuration of ssh. One that may have come with the cluster file must be harmless, or trusted.";
    }
}

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Decodes the section.
pub(super) fn decode(node: Option<Yaml>, dir: &Path, out: &mut Findings) -> Ssh {
    let Some(node) = node else { return Ssh::default() };
    let f = Written::of(node, "ssh", out);
    let user = f.user.and_then(|n| machine::login(n, "ssh.user", out));
    let config = f.config.and_then(|n| path(n, "ssh.config", dir, out));
    Ssh { user, config }
}

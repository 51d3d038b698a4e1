//! `services.dashboard`.

use std::path::Path;

use super::Asked;
use super::options::{IMAGE, IMAGE_ABOUT, Options, PATCHES, PATCHES_ABOUT};
use crate::file::fields::fields;
use crate::file::findings::Findings;
use crate::file::shape::{Kind, Need};
use crate::file::tree::Node as Yaml;
use crate::service::{Dashboard, What};

fields! {
    /// The fields of Headlamp.
    struct Written {
        "image" image Need::Otherwise(Dashboard::IMAGE), IMAGE, IMAGE_ABOUT;
        "patches" patches Need::Otherwise("[]"), PATCHES, PATCHES_ABOUT;
    }
}

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Decodes the service.
pub(super) fn decode(node: Yaml, _: &Path, out: &mut Findings) -> Option<Asked> {
    let f = Written::of(node, "services.dashboard", out);
    let options = Options::of([("IMAGE", f.image)], f.patches, out);
    Some(Asked::alone(What::Dashboard(Dashboard), options))
}

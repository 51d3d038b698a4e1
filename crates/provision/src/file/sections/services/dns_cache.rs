//! `services.dnsCache`.

use std::path::Path;

use super::asked::Asked;
use super::options::{IMAGE, IMAGE_ABOUT, Options, PATCHES, PATCHES_ABOUT};
use crate::file::declared::Places;
use crate::file::fields::fields;
use crate::file::findings::Findings;
use crate::file::shape::{Kind, Need};
use crate::file::tree::Node as Yaml;
use crate::service::{DnsCache, What};

fields! {
    /// The fields of the cache of names.
    struct Written {
        "image" image Need::Optional(DnsCache::IMAGE), IMAGE, IMAGE_ABOUT;
        "patches" patches Need::Otherwise("[]"), PATCHES, PATCHES_ABOUT;
    }
}

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Decodes the service.
#[allow(clippy::unnecessary_wraps)] // all decoders of services are alike
pub(super) fn decode(node: Yaml, _: &Path, out: &mut Findings) -> Option<Asked> {
    let place = node.place.clone();
    let f = Written::of(node, "services.dnsCache", out);
    let options = Options::of([("IMAGE", f.image)], f.patches, out);
    Some(Asked { places: Some(Places::DnsCache(place)), ..Asked::alone(What::DnsCache(DnsCache), options) })
}

//! `services.metrics`.

use std::path::Path;

use super::Asked;
use super::options::{IMAGE, IMAGE_ABOUT, Options, PATCHES, PATCHES_ABOUT};
use crate::file::decode::count;
use crate::file::fields::fields;
use crate::file::findings::Findings;
use crate::file::shape::{Kind, Need};
use crate::file::tree::Node as Yaml;
use crate::service::{Metrics, What};

fields! {
    /// The fields of metrics-server.
    struct Written {
        "replicas" replicas Need::Otherwise("1"), Kind::Count { least: 1, most: MOST },
            "How many of it run, on nodes apart where there are so many. One that is gone for a minute is missed by nothing but `kubectl top`.";
        "image" image Need::Otherwise(Metrics::IMAGE), IMAGE, IMAGE_ABOUT;
        "patches" patches Need::Otherwise("[]"), PATCHES, PATCHES_ABOUT;
    }
}

const MOST: u64 = 5;

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Decodes the service.
pub(super) fn decode(node: Yaml, _: &Path, out: &mut Findings) -> Option<Asked> {
    let f = Written::of(node, "services.metrics", out);
    let replicas = match f.replicas {
        Some(node) => {
            let at = count(node, "services.metrics.replicas", out)?;
            if !(1..=MOST).contains(&at.value) {
                out.error(&at.place, format!("services.metrics.replicas must be 1 to {MOST}"), None);
            }
            at.value
        }
        None => 1,
    };
    let options = Options::of([("IMAGE", f.image)], f.patches, out);
    Some(Asked::alone(What::Metrics(Metrics { replicas }), options))
}

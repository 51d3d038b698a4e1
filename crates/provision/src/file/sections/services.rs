//! `services`: what kubestead brings itself. Each has a file here with its fields, and a folder in `service/built` with what it is made of.

mod asked;
mod dashboard;
mod logs;
mod metrics;
mod options;
mod sync;

use std::collections::BTreeMap;
use std::path::Path;

use crate::file::declared::{Declared, Services};
use crate::file::decode::key_name;
use crate::file::fields::fields;
use crate::file::findings::Findings;
use crate::file::services::{Manifests, Source};
use crate::file::shape::{Kind, Need};
use crate::file::tree::Node as Yaml;

use asked::Asked;

fields! {
    /// The services.
    struct Written {
        "metrics" metrics Need::Optional("not there"), metrics::KIND,
            "metrics-server: what nodes and pods use, for `kubectl top` and autoscalers. It is called `metrics` where services need each other.";
        "dashboard" dashboard Need::Optional("not there"), dashboard::KIND,
            "Headlamp: the cluster in a browser, with the rights of whoever logs in. It is called `dashboard` where services need each other.";
        "logs" logs Need::Optional("not there"), logs::KIND,
            "The logs of all pods from every node, to a syslog server or into files. It is called `logs` where services need each other.";
        "sync" sync Need::Optional("not there"), sync::KIND,
            "Volumes of several nodes whose files are kept the same, by unison. It is called `sync` where services need each other.";
    }
}

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Decodes the section.
pub(super) fn decode(node: Option<Yaml>, dir: &Path, out: &mut Findings) -> Services {
    let mut services = Services::default();
    let Some(node) = node else { return services };
    let f = Written::of(node, "services", out);
    let all = [
        ("metrics", f.metrics, metrics::decode as Decode),
        ("dashboard", f.dashboard, dashboard::decode),
        ("logs", f.logs, logs::decode),
        ("sync", f.sync, sync::decode),
    ];
    for (name, node, decode) in all {
        if let Some(node) = node {
            services.named.insert(name.to_owned());
            services.declared.extend(service(name, node, decode, dir, out));
        }
    }
    services
}

/// The decoding of a service. Paths in it begin at the folder.
type Decode = fn(Yaml, &Path, &mut Findings) -> Option<Asked>;

fn service(name: &str, node: Yaml, decode: Decode, dir: &Path, out: &mut Findings) -> Option<Declared> {
    let place = node.place.clone();
    let name = key_name(name, &place, "a service", out)?;
    let Asked { built, secrets, needs } = decode(node, dir, out)?;
    let wanted = needs.iter().map(|need| need.value.clone()).collect();
    let service = Manifests { name, source: Source::Built(Box::new(built)), variables: BTreeMap::new(), secrets, needs: wanted };
    Some(Declared { service, place, needs })
}

//! The logs of all pods, and what the API server writes down, from each node to a syslog server or into a file: the OpenTelemetry collector (0.148.0,
//! the last whose parts have the exporter for syslog).

use std::collections::BTreeMap;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::Made;
use crate::file::Cluster;

/// What reads and hands on logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// The folder of each node that holds how far it has come and what waits, absolute.
    pub folder: PathBuf,
    /// Where they go; into a file of that folder if `None`.
    pub syslog: Option<Syslog>,
}

/// A syslog server that is reached by TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syslog {
    /// Its name or its address, as its certificate has it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The authorities that its certificate is believed by, PEM; those of the image if `None`.
    pub authorities: Option<String>,
}

impl Logs {
    /// The image that it usually has.
    pub const IMAGE: &str = "docker.io/otel/opentelemetry-collector-contrib:0.148.0";
    /// The folder that it usually has.
    pub const FOLDER: &str = "/var/lib/kubestead-logs";
    /// Where its authorities lie in the container.
    const CA: &str = "/etc/collector/ca.crt";

    pub(super) fn made(&self, _: &Cluster) -> Made {
        let collector = include_str!("collector.yaml");
        let mut variables = BTreeMap::from([("FOLDER", self.folder.display().to_string()), ("CA", String::new())]);
        let (name, sink) = match &self.syslog {
            Some(Syslog { host, port, authorities }) => {
                variables.extend([("HOST", host.clone()), ("PORT", port.to_string())]);
                variables.insert("CA_FILE", authorities.as_ref().map(|_| Self::CA.to_owned()).unwrap_or_default());
                variables.extend(authorities.clone().map(|pem| ("CA", pem)));
                ("logs: syslog.yaml", include_str!("syslog.yaml"))
            }
            None => ("logs: file.yaml", include_str!("file.yaml")),
        };
        // It reads its settings once, when it starts.
        let mut settings = Sha256::new();
        for text in [collector, sink].into_iter().chain(variables.values().map(String::as_str)) {
            settings.update(text.len().to_be_bytes());
            settings.update(text);
        }
        let settings: String = settings.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        variables.insert("SETTINGS", settings);
        Made {
            manifests: vec![("logs: collector.yaml", collector.into()), (name, sink.into())],
            variables,
            images: &[("IMAGE", Self::IMAGE)],
            ..Made::default()
        }
    }
}

//! Services: where the manifests of each come from, and what stands for the variables in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use kubestead_core::name::Name;

use crate::service::{Built, What};

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifests {
    /// Its name.
    pub name: Name,
    /// Where its manifests come from.
    pub source: Source,
    /// What stands for `${NAME}` in them.
    pub variables: BTreeMap<String, String>,
    /// The same, of values that are encrypted and stand in Secrets alone.
    pub secrets: BTreeMap<String, SealedVariable>,
    /// The services that must be ready before it.
    pub needs: BTreeSet<Name>,
}

/// Where the manifests of a service come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder or a file of them, absolute.
    Path(PathBuf),
    /// A folder that kustomize renders, absolute.
    Kustomize(PathBuf),
    /// A chart that helm renders.
    Chart(Chart),
    /// Others, who release them.
    Release(Release),
    /// Kubestead itself.
    Built(Box<Built>),
}

impl Source {
    /// What kubestead brings itself; `None` if the manifests come from elsewhere.
    pub(crate) fn built(&self) -> Option<&What> {
        match self {
            Self::Built(built) => Some(&built.what),
            Self::Path(_) | Self::Kustomize(_) | Self::Chart(_) | Self::Release(_) => None,
        }
    }
}

/// Manifests that others release, such as the definitions of their kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// A folder or a file beside the cluster file, absolute.
    Path(PathBuf),
    /// A file of the web, which is taken if its sum is this one.
    Web {
        /// The address, of https.
        address: String,
        /// sha256, in hex digits.
        sha256: String,
    },
}

/// A variable whose value is encrypted by sops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedVariable {
    /// The file, absolute.
    pub file: PathBuf,
    /// The keys that lead to the value in it.
    pub key: Vec<String>,
}

/// A chart of helm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// Where it lies.
    pub from: ChartPlace,
    /// sha256 of its archive, in hex digits. `None` for a folder, which has none.
    pub digest: Option<String>,
    /// Files of values, absolute; a later one outweighs those before it.
    pub values: Vec<PathBuf>,
    /// The namespace that it is installed into.
    pub namespace: Name,
    /// Whether objects that helm would make at certain moments are left out; otherwise a chart with such is refused.
    pub without_hooks: bool,
}

/// Where a chart lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChartPlace {
    /// A folder or an archive, absolute.
    Path(PathBuf),
    /// In a registry, as `oci://HOST/NAME`.
    Oci {
        /// The address.
        address: String,
        /// Its version.
        version: String,
    },
    /// In a repository of charts.
    Repository {
        /// The address.
        address: String,
        /// The chart's name in it.
        name: String,
        /// Its version.
        version: String,
    },
}

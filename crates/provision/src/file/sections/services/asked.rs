//! A service of kubestead's own as the file asks for it.

use std::collections::BTreeMap;

use kubestead_core::name::Name;

use super::options::Options;
use crate::file::declared::Places;
use crate::file::findings::At;
use crate::file::services::SealedVariable;
use crate::service::{Built, What};

/// A service as its own file decodes it.
pub(super) struct Asked {
    pub(super) built: Built,
    /// Variables of its manifests whose values are encrypted.
    pub(super) secrets: BTreeMap<String, SealedVariable>,
    /// Those that must be ready before it.
    pub(super) needs: Vec<At<Name>>,
    /// What rules about other sections look at.
    pub(super) places: Option<Places>,
}

impl Asked {
    /// One that needs no other, and holds no secret.
    pub(super) fn alone(what: What, options: Options) -> Self {
        Self { built: options.with(what), secrets: BTreeMap::new(), needs: Vec::new(), places: None }
    }
}

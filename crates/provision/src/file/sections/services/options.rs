//! What every service has: other images than the usual ones, and patches of its objects, by which all of them can be changed.

use std::collections::BTreeMap;

use kubestead_core::diagnostic::Place;
use kubestead_core::kube::ObjectRef;

use crate::file::decode::{list, parsed};
use crate::file::findings::Findings;
use crate::file::shape::{Bare, Form, Kind};
use crate::file::tree::{Kind as YamlKind, Node as Yaml};
use crate::service::{Built, Patch, What};

/// What may be written for an image.
pub(super) const IMAGE: Kind = Kind::Text(&REFERENCE);
/// What may be written for patches.
pub(super) const PATCHES: Kind = Kind::list(&Kind::Any);
pub(super) const IMAGE_ABOUT: &str = "The image. With `@sha256:` and its digest every node runs what was tried.";
pub(super) const PATCHES_ABOUT: &str = "Parts of its objects, each with `apiVersion`, `kind`, `metadata.name` and, where it has one, `metadata.namespace`; what else they \
     say is put over what kubestead writes. Lists whose items have a `name` are put together by it, other lists are replaced, `null` takes a field away.";

const REFERENCE: Form = Form {
    word: "an image",
    pattern: r"^[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]+)?(/[A-Za-z0-9._-]+)*(:[A-Za-z0-9_][A-Za-z0-9._-]*)?(@sha256:[0-9a-f]{64})?$",
    example: "registry.example.com/name:v1",
    bare: Bare::Any,
};

/// Other images, by the variables that stand for them, and patches.
#[derive(Default)]
pub(super) struct Options {
    images: BTreeMap<&'static str, String>,
    patches: Vec<Patch>,
}

impl Options {
    /// Decodes them. `images` are those that are written, each with the variable of the manifests that stands for it.
    pub(super) fn of(images: impl IntoIterator<Item = (&'static str, Option<Yaml>)>, patches: Option<Yaml>, out: &mut Findings) -> Self {
        let mut options = Self::default();
        for (variable, node) in images {
            let image = node.and_then(|node| parsed(node, "an image", out, reference));
            options.images.extend(image.map(|at| (variable, at.value)));
        }
        let patches = patches.map(|node| list(node, "patches", out)).unwrap_or_default();
        options.patches = patches.into_iter().filter_map(|node| patch(node, out)).collect();
        options
    }

    /// The service with them.
    pub(super) fn with(self, what: What) -> Built {
        Built { what, images: self.images, patches: self.patches }
    }
}

/// The reference of an image.
pub(super) fn reference(text: &str) -> Result<String, String> {
    let good =
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "._:/@-".contains(c));
    if good { Ok(text.to_owned()) } else { Err(format!("{text:?} is no reference of an image, such as {}", REFERENCE.example)) }
}

/// A patch, which names its object.
fn patch(node: Yaml, out: &mut Findings) -> Option<Patch> {
    let place = node.place.clone();
    let YamlKind::Map(fields) = &node.kind else {
        out.error(&place, format!("a patch must be a map, and this is {}", node.kind.word()), None);
        return None;
    };
    let word = |fields: &[(String, Place, Yaml)], key: &str| {
        fields.iter().find(|(found, ..)| found == key).and_then(|(.., value)| match &value.kind {
            YamlKind::Scalar { text, .. } if !text.is_empty() => Some(text.clone()),
            YamlKind::Scalar { .. } | YamlKind::List(_) | YamlKind::Map(_) => None,
        })
    };
    let meta = fields.iter().find(|(key, ..)| key == "metadata").and_then(|(.., value)| match &value.kind {
        YamlKind::Map(meta) => Some(meta.as_slice()),
        YamlKind::Scalar { .. } | YamlKind::List(_) => None,
    });
    let meta = meta.unwrap_or_default();
    let named = (word(fields, "apiVersion"), word(fields, "kind"), word(meta, "name"));
    let (Some(api_version), Some(kind), Some(name)) = named else {
        let hint = "write `apiVersion`, `kind` and `metadata.name` of the object; `kubestead plan --diff` shows all of them".to_owned();
        out.error(&place, "a patch does not say of which object", hint);
        return None;
    };
    let object = ObjectRef { api_version, kind, namespace: word(meta, "namespace").unwrap_or_default(), name };
    Some(Patch { object, content: node })
}

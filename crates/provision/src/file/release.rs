//! `release`: manifests that others release, by an address and a sum, or as files of the operator's own.

use std::path::Path;

use super::decode::{Wrong, judged, parsed};
use super::fields::fields;
use super::findings::Findings;
use super::path::path;
use super::services::Release;
use super::shape::{Bare, Form, Kind, Need, PATH};
use super::tree::Node;

fields! {
    /// The fields of a release.
    struct Written {
        "url" url Need::Optional("the address of the release that kubestead's own manifests are written for, where there is one"), Kind::Text(&ADDRESS),
            "The address of one file of manifests. It is downloaded once, over TLS.";
        "sha256" sha256 Need::Optional("`path` says where the files are"), Kind::Text(&SUM),
            "What sha256sum says of it. A file of the web needs it, and one with another sum is not applied.";
        "path" path Need::Optional("it is downloaded"), Kind::Text(&PATH),
            "A folder or a file of yours that holds the manifests, in place of `url` and `sha256`.";
    }
}

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

const ADDRESS: Form = Form {
    word: "an address of https",
    pattern: r"^https://[A-Za-z0-9][A-Za-z0-9._:-]*/[A-Za-z0-9._~/%+-]+$",
    example: "https://example.org/releases/v1.2.3/install.yaml",
    bare: Bare::String,
};
const SUM: Form = Form { word: "a sum", pattern: "^[0-9a-f]{64}$", example: "", bare: Bare::Any };

fn address(text: &str) -> Result<String, Wrong> {
    let rest = text.strip_prefix("https://").and_then(|rest| rest.split_once('/'));
    let all = |text: &str, more: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    let good =
        rest.is_some_and(|(host, path)| host.starts_with(|c: char| c.is_ascii_alphanumeric()) && all(host, "._:-") && all(path, "._~/%+-"));
    let wrong = || Wrong(format!("{text:?} is not {}", ADDRESS.word), Some(format!("write one such as {}", ADDRESS.example)));
    if good { Ok(text.to_owned()) } else { Err(wrong()) }
}

fn sum(text: &str) -> Result<String, String> {
    let good = text.len() == 64 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    if good { Ok(text.to_owned()) } else { Err("it is not 64 digits of 0-9 and a-f".to_owned()) }
}

/// Decodes a release. `usual` is the address where none is written; without it one must be.
pub(super) fn decode(node: Node, what: &str, usual: Option<&str>, dir: &Path, out: &mut Findings) -> Option<Release> {
    let place = node.place.clone();
    let f = Written::of(node, what, out);
    if let Some(local) = f.path {
        if f.url.is_some() || f.sha256.is_some() {
            out.error(&place, format!("{what} names `path` and what is downloaded"), "keep one of them".to_owned());
        }
        return path(local, &format!("{what}.path"), dir, out).map(Release::Path);
    }
    let (written, pinned) = (f.url.is_some(), f.sha256.is_some());
    let address = match f.url {
        Some(node) => judged(node, &format!("{what}.url"), out, address).map(|at| at.value),
        None => usual.map(str::to_owned),
    };
    let sha256 = f.sha256.and_then(|node| parsed(node, &format!("{what}.sha256"), out, sum)).map(|at| at.value);
    if !written && usual.is_none() {
        out.error(&place, format!("{what} says no place"), "write `url` and `sha256`, or `path`".to_owned());
    }
    if let (Some(address), false) = (&address, pinned) {
        let hint =
            format!("download {address}, look at it, and write what sha256sum says of it as `sha256`; or name a file of yours with `path`");
        out.error(&place, format!("{what} has no sum: whoever serves it says what is applied"), hint);
    }
    Some(Release::Web { address: address?, sha256: sha256? })
}

//! `chart` of a service.

use std::path::Path;

use crate::file::decode::{Wrong, judged, list, name, parsed};
use crate::file::fields::fields;
use crate::file::findings::Findings;
use crate::file::path::path;
use crate::file::services::{Chart, ChartPlace};
use crate::file::shape::{Bare, Form, Kind, NAME, Need, PATH};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of a chart.
    struct Written {
        "path" path Need::Optional("`oci` or `repository` says where it lies"), Kind::Text(&PATH),
            "A folder with the chart, or its archive.";
        "oci" oci Need::Optional("it is in no registry"), Kind::Text(&OCI),
            "Where it lies in a registry.";
        "repository" repository Need::Optional("it is in no repository"), Kind::Text(&REPOSITORY),
            "The repository of charts that it lies in.";
        "name" chart Need::Optional("its address names it"), Kind::Text(&CHART),
            "Its name in the repository.";
        "version" version Need::Optional("a path has one version only"), Kind::Text(&VERSION),
            "Its version, exactly; needed with `oci` and `repository`.";
        "digest" digest Need::Optional("it is a folder"), Kind::Text(&DIGEST),
            "sha256 of its archive. A chart that is no folder needs it, and what has another one is not rendered.";
        "values" values Need::Otherwise("[]"), Kind::list(&Kind::Text(&PATH)),
            "Files of values. A later one outweighs those before it. Variables in them are replaced.";
        "namespace" namespace Need::Required, Kind::Text(&NAME),
            "The namespace that it is installed into: its objects that name none are put there.";
        "hooks" hooks Need::Optional("a chart with hooks is refused"), Kind::Words(|| vec![LEAVE_OUT]),
            "What becomes of objects that helm would make at certain moments (`helm.sh/hook`). Those of tests are always left out.";
    }
}

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

const LEAVE_OUT: &str = "leave-out";
const OCI: Form = Form {
    word: "an address of a registry",
    pattern: r"^oci://[A-Za-z0-9][A-Za-z0-9._:-]*(/[A-Za-z0-9._-]+)+$",
    example: "oci://registry.example.org/charts/shop",
    bare: Bare::String,
};
const REPOSITORY: Form = Form {
    word: "an address",
    pattern: r"^https?://[A-Za-z0-9][A-Za-z0-9._:-]*(/[A-Za-z0-9._~/-]*)?$",
    example: "https://charts.example.org",
    bare: Bare::String,
};
const CHART: Form = Form { word: "a name", pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", example: "shop", bare: Bare::Any };
const VERSION: Form =
    Form { word: "a version", pattern: r"^v?[0-9]+\.[0-9]+\.[0-9]+([-+][A-Za-z0-9.+-]{1,100})?$", example: "1.2.3", bare: Bare::String };
const DIGEST: Form = Form { word: "a digest", pattern: "^sha256:[0-9a-f]{64}$", example: "", bare: Bare::String };

/// A text, if it is one of those that a form takes; these are not what a regular expression library is brought in for.
fn is(form: &Form, text: &str, good: bool) -> Result<String, Wrong> {
    let hint = || (!form.example.is_empty()).then(|| format!("write one such as {}", form.example));
    if good { Ok(text.to_owned()) } else { Err(Wrong(format!("{text:?} is not {}", form.word), hint())) }
}

fn plain(text: &str, more: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

fn oci(text: &str) -> Result<String, Wrong> {
    let rest = text.strip_prefix("oci://").and_then(|rest| rest.split_once('/'));
    if let Some((bare, _)) = text.split_once('@') {
        return Err(Wrong(
            format!("{text:?} has a digest"),
            Some(format!("write {bare}, its `version`, and as `digest` what sha256sum says of the archive")),
        ));
    }
    // A colon of the host is before its port.
    if let Some((bare, version)) = text.rsplit_once(':').filter(|(_, version)| rest.is_some() && !version.contains('/')) {
        return Err(Wrong(format!("{text:?} has a version"), Some(format!("write {bare}, and `version: {version}`"))));
    }
    let part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    is(&OCI, text, rest.is_some_and(|(host, path)| plain(host, "._:-") && path.split('/').all(part)))
}

fn repository(text: &str) -> Result<String, Wrong> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let good = rest.is_some_and(|rest| {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        plain(host, "._:-") && path.chars().all(|c| c.is_ascii_alphanumeric() || "._~/-".contains(c))
    });
    is(&REPOSITORY, text, good)
}

fn version(text: &str) -> Result<String, Wrong> {
    let bare = text.strip_prefix('v').unwrap_or(text);
    let (numbers, more) = bare.find(['-', '+']).map_or((bare, ""), |at| bare.split_at(at));
    let number = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    let tail = more.is_empty() || (2..=101).contains(&more.len()) && more.chars().all(|c| c.is_ascii_alphanumeric() || ".+-".contains(c));
    is(&VERSION, text, numbers.split('.').count() == 3 && numbers.split('.').all(number) && tail)
}

fn chart_name(text: &str) -> Result<String, Wrong> {
    is(&CHART, text, text.len() <= 100 && plain(text, "._-"))
}

/// The hex digits.
fn digest(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("sha256:").filter(|d| d.len() == 64 && d.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')));
    digits.map(str::to_owned).ok_or_else(|| "it is not sha256: and 64 digits".to_owned())
}

/// Decodes a chart.
pub(super) fn decode(node: Yaml, dir: &Path, out: &mut Findings) -> Option<Chart> {
    let place = node.place.clone();
    let f = Written::of(node, "chart", out);
    let written = [f.path.is_some(), f.oci.is_some(), f.repository.is_some()].into_iter().filter(|is| *is).count();
    if written != 1 {
        out.error(&place, format!("chart names {written} places that it lies at"), "write one of path, oci, repository".to_owned());
    }
    let (named, versioned, pinned) = (f.chart.is_some(), f.version.is_some(), f.digest.is_some());
    let (local, remote) = (f.path.is_some(), f.oci.is_some() || f.repository.is_some());
    let mut must = |wanted: bool, is: bool, what: &str, message: &str| {
        if wanted != is {
            out.error(&place, format!("chart {} {what:?}: {message}", if wanted { "needs" } else { "has no" }), None);
        }
    };
    must(f.repository.is_some(), named, "name", "it is the chart's name in a repository");
    if remote || local {
        must(remote, versioned, "version", "what lies elsewhere has many, a path has one");
    }
    if remote && !pinned {
        let hint = "`helm pull` it, look at it, and write what sha256sum says of the archive";
        out.error(&place, "a chart without a digest: whoever serves it says what is applied", hint.to_owned());
    }
    let path = f.path.and_then(|n| path(n, "chart.path", dir, out)).map(ChartPlace::Path);
    let oci = f.oci.and_then(|n| judged(n, "chart.oci", out, oci));
    let repository = f.repository.and_then(|n| judged(n, "chart.repository", out, repository));
    let chart = f.chart.and_then(|n| judged(n, "chart.name", out, chart_name));
    let version = f.version.and_then(|n| judged(n, "chart.version", out, version));
    let digest = f.digest.and_then(|n| parsed(n, "chart.digest", out, digest)).map(|at| at.value);
    let values = f.values.map(|n| list(n, "chart.values", out)).unwrap_or_default();
    let values: Vec<Option<_>> = values.into_iter().map(|item| self::path(item, "chart.values", dir, out)).collect();
    let namespace = f.namespace.and_then(|n| name(n, "chart.namespace", out));
    let without_hooks = f.hooks.is_some_and(|n| hooks(n, out));
    let from = path.or_else(|| {
        let version = version.map(|at| at.value)?;
        match (oci, repository, chart) {
            (Some(oci), ..) => Some(ChartPlace::Oci { address: oci.value, version }),
            (None, Some(address), Some(name)) => Some(ChartPlace::Repository { address: address.value, name: name.value, version }),
            (None, ..) => None,
        }
    })?;
    Some(Chart { from, digest, values: values.into_iter().collect::<Option<_>>()?, namespace: namespace?.value, without_hooks })
}

fn hooks(node: Yaml, out: &mut Findings) -> bool {
    let word = |text: &str| {
        if text == LEAVE_OUT { Ok(()) } else { Err(format!("{text:?} is not {LEAVE_OUT}; without the field they are refused")) }
    };
    parsed(node, "chart.hooks", out, word).is_some()
}

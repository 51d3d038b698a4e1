//! Charts that helm renders: which archive, with which values, for which cluster.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use kubestead_core::diagnostic::{Diagnostic, Severity};
use kubestead_core::kube::ObjectRef;
use kubestead_core::name::Name;
use kubestead_core::put::digest;
use serde_json::{Map, Value};

use super::twice::{self, Rendered};
use super::{Programs, Ran, Run, Tool, WITHIN, pull};
use crate::file::{Chart, ChartPlace, bounded};
use crate::service::decode::{self, Found, Reading};
use crate::service::found::{Text, finding};
use crate::service::kinds::Kind;

/// On what helm makes at certain moments.
const HOOK: &str = "helm.sh/hook";
/// More files, bytes and depth than the folder of a chart has.
const MOST_FILES: usize = 5000;
const MOST_BYTES: u64 = 64 << 20;
const MOST_DEPTH: usize = 16;

/// What is to be rendered.
pub(crate) struct Call<'a> {
    /// The service, which the release is named after.
    pub service: &'a Name,
    pub chart: &'a Chart,
    pub values: &'a Map<String, Value>,
    /// The version of Kubernetes.
    pub version: &'a str,
    /// The kinds that the services bring which this one needs.
    pub kinds: &'a BTreeSet<&'a Kind>,
}

/// Where a chart lies, as messages name it.
pub(crate) fn place(chart: &Chart) -> &Path {
    match &chart.from {
        ChartPlace::Path(path) => path,
        ChartPlace::Oci { address, .. } | ChartPlace::Repository { address, .. } => Path::new(address),
    }
}

/// The values of all files together, with variables in them replaced.
pub(crate) fn values(
    chart: &Chart,
    shown: &dyn Fn(&Path) -> String,
    reading: &mut Reading,
    out: &mut Vec<Diagnostic>,
) -> Map<String, Value> {
    let mut all = Map::new();
    for path in &chart.values {
        match bounded(path) {
            Ok(text) => merge(&mut all, decode::values(&shown(path), &text, reading, out)),
            Err(error) => out.push(finding(
                &shown(path),
                format!("it cannot be read: {error}"),
                Some("see `values` of the chart in the cluster file"),
            )),
        }
    }
    all
}

/// As helm has it: maps are merged, all else is replaced, and `null` stays, by which helm takes a default away.
fn merge(all: &mut Map<String, Value>, more: Map<String, Value>) {
    for (key, value) in more {
        match (all.get_mut(&key), value) {
            (Some(Value::Object(there)), Value::Object(more)) => merge(there, more),
            (_, value) => _ = all.insert(key, value),
        }
    }
}

/// The texts that helm makes, one for each template.
pub(crate) fn render(call: &Call<'_>, shown: &dyn Fn(&Path) -> String, programs: &dyn Programs, out: &mut Vec<Diagnostic>) -> Vec<Text> {
    let name = shown(place(call.chart));
    match rendered(call, &name, programs, out) {
        Ok(texts) if texts.is_empty() => {
            out.push(finding(&name, "it renders no object", Some("see its values")));
            Vec::new()
        }
        Ok(texts) => texts,
        Err((message, hint)) => {
            out.push(finding(&name, message, hint));
            Vec::new()
        }
    }
}

/// What is wrong, and what to do.
type Wrong = (String, Option<&'static str>);

fn wrong(message: String) -> Wrong {
    (message, None)
}

fn rendered(call: &Call<'_>, name: &str, programs: &dyn Programs, out: &mut Vec<Diagnostic>) -> Result<Vec<Text>, Wrong> {
    let version = version(programs)?;
    if version.starts_with("v3.") {
        let warning = finding(name, format!("it is rendered by helm {version}, whose support has ended"), Some("install helm 4"));
        out.push(Diagnostic { severity: Severity::Warning, ..warning });
    }
    let held =
        tempfile::Builder::new().prefix("kubestead-chart").tempdir().map_err(|error| wrong(format!("no temporary folder: {error}")))?;
    let Chart { from, digest: sha256, namespace, without_hooks, .. } = call.chart;
    let (path, content) = match (from, sha256) {
        (ChartPlace::Path(path), None) if path.is_dir() => (path.clone(), folder(path)?),
        (ChartPlace::Path(path), Some(_)) if path.is_dir() => {
            return Err(("a folder has no digest".to_owned(), Some("take `digest` away, or name its archive")));
        }
        (ChartPlace::Path(path), None) if path.is_file() => {
            return Err(("a chart without a digest".to_owned(), Some("write what sha256sum says of the archive as `digest` of the chart")));
        }
        (from, Some(sha256)) => {
            let hint = "see `chart` of the service in the cluster file; a digest that changed is a chart that changed";
            (pull::archive(from, sha256, programs, held.path()).map_err(|why| (why, Some(hint)))?, sha256.clone())
        }
        (_, None) => return Err(("it is not there".to_owned(), Some("see `chart` of the service in the cluster file"))),
    };
    let values = Value::from(call.values.clone()).to_string();
    let mut settings: Vec<String> =
        ["--namespace", namespace.as_str(), "--kube-version", call.version, "--include-crds", "--skip-tests"].map(str::to_owned).into();
    settings.extend(without_hooks.then(|| "--no-hooks".to_owned()));
    for all in call.kinds.iter().map(|kind| kind.all()) {
        settings.extend([
            "--api-versions".to_owned(),
            all.api_version.clone(),
            "--api-versions".to_owned(),
            format!("{}/{}", all.api_version, all.kind),
        ]);
    }
    let made_of = [version, call.service.to_string(), content, values.clone(), settings.join("\n")].join("\n");
    let mut arguments: Vec<OsString> = vec!["template".into(), call.service.as_str().into(), path.into(), "--values".into(), "-".into()];
    arguments.extend(settings.into_iter().map(OsString::from));
    let run = Run { tool: Tool::Helm, arguments, input: values.into_bytes(), network: false, within: WITHIN };
    match twice::render(&run, &made_of, programs).map_err(|failed| wrong(failed.to_string()))? {
        Rendered::Same(Ran { output, complained }) => {
            if !complained.is_empty() {
                let warning = finding(name, format!("helm warns: {complained}"), None);
                out.push(Diagnostic { severity: Severity::Warning, ..warning });
            }
            let text = |(template, text): (String, String)| Text { name: format!("{name}: {template} as helm renders it"), text };
            Ok(twice::by_template(&output).into_iter().map(text).collect())
        }
        Rendered::Differs(what) => {
            let hint =
                "give what it draws by chance, such as passwords and certificates, as values: `secrets` of the service stand for them";
            Err((format!("it renders something else each time, so that each run would change the cluster: {what}"), Some(hint)))
        }
    }
}

/// The version of helm, if charts are rendered by it.
fn version(programs: &dyn Programs) -> Result<String, Wrong> {
    let arguments = ["version", "--template", "{{.Version}}"].map(OsString::from).into();
    let run = Run { tool: Tool::Helm, arguments, input: Vec::new(), network: false, within: WITHIN };
    let version = programs.run(&run).map_err(|failed| wrong(failed.to_string()))?.output.trim().to_owned();
    let known = ["v3.", "v4."].iter().any(|known| version.starts_with(known)) && version.len() <= 40;
    let shown: String = version.chars().take(40).collect();
    if known {
        Ok(version)
    } else {
        Err((format!("helm says that its version is {shown:?}, and helm 4 is asked for"), Some("install helm 4")))
    }
}

/// A digest of all that lies in the folder of a chart. Helm would follow links, to files of anybody's.
fn folder(path: &Path) -> Result<String, Wrong> {
    let unread = |error: std::io::Error| wrong(format!("it cannot be read: {error}"));
    let (mut sums, mut bytes, mut open) = (Vec::new(), 0, vec![(path.to_owned(), 0)]);
    while let Some((folder, depth)) = open.pop() {
        for entry in std::fs::read_dir(&folder).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            let (at, kind) = (entry.path(), entry.file_type().map_err(unread)?);
            let shown = at.strip_prefix(path).unwrap_or(&at).display().to_string();
            if kind.is_symlink() {
                return Err((format!("{shown} is a symbolic link, and links are not followed here"), Some("put the file itself there")));
            }
            if kind.is_dir() && depth < MOST_DEPTH {
                open.push((at, depth + 1));
                continue;
            }
            bytes += entry.metadata().map_err(unread)?.len();
            if !kind.is_file() || sums.len() >= MOST_FILES || bytes > MOST_BYTES {
                return Err((format!("it is no chart: {shown} is not a file, or one of too many"), None));
            }
            sums.push(format!("{shown}\n{}", digest(std::fs::read(&at).map_err(unread)?)));
        }
    }
    sums.sort();
    Ok(digest(sums.join("\n")))
}

/// Refuses objects that helm would make at certain moments: they are no objects that stay.
pub(crate) fn hooks(found: &[Found], out: &mut Vec<Diagnostic>) {
    for Found { manifest, place, .. } in found {
        if let Some(hook) = manifest["metadata"]["annotations"][HOOK].as_str() {
            let hint = "switch it off by the chart's values, or leave hooks out with `hooks: leave-out` if the service runs without";
            let moment: String = hook.chars().filter(|c| !c.is_control()).take(100).collect();
            let message = format!("{} is a hook of helm ({moment}), which has no moment here", ObjectRef::of(manifest));
            out.push(Diagnostic { place: place.clone(), severity: Severity::Error, message, hint: Some(hint.to_owned()) });
        }
    }
}

//! `kubernetes`: the version, where the software comes from, and how values in etcd are encrypted.

mod encryption;

use std::path::{Path, PathBuf};

use kubestead_core::diagnostic::Place;

use crate::file::cluster::{Kubernetes, Packages};
use crate::file::decode::{Fields, boolean, list, number, parsed, text};
use crate::file::findings::{At, Findings};
use crate::file::path::path;
use crate::file::tree::Node as Yaml;

/// The minors of Kubernetes that kubestead knows how to install.
const MINORS: [u64; 3] = [35, 36, 37];

/// The newest version that kubestead knows.
pub(crate) const NEWEST: &str = "1.37.1";

/// The official repository.
const REPOSITORY: &str = "https://pkgs.k8s.io/core:/stable:";

/// Decodes the section. `None` if it is not written.
pub(super) fn decode(top: &mut Fields, dir: &Path, out: &mut Findings) -> Option<Kubernetes> {
    let node = top.take("kubernetes")?;
    let place = node.place.clone();
    let mut f = Fields::of(node, "kubernetes", out);
    let version = f.required("version", out).and_then(|n| version(n, out)).unwrap_or_default();
    let (bundle, packages) = source(&mut f, &place, dir, out);
    let encryption = f.take("encryption").and_then(|n| encryption::encryption(n, out)).unwrap_or_default();
    let ignored = f.take("ignorePreflight").map(|n| list(n, "kubernetes.ignorePreflight", out)).unwrap_or_default();
    let ignore_preflight = ignored.into_iter().filter_map(|n| preflight(n, out)).collect();
    let lab = f.take("lab").and_then(|n| boolean(n, "kubernetes.lab", out)).unwrap_or_default();
    f.end(out);
    Some(Kubernetes { version, bundle, packages, encryption, ignore_preflight, lab })
}

fn version(node: Yaml, out: &mut Findings) -> Option<String> {
    let found = text(node, "kubernetes.version", out)?;
    supported(&found, out);
    Some(found.value)
}

fn supported(found: &At<String>, out: &mut Findings) {
    let numbers: Option<Vec<u64>> = found.value.split('.').map(number).collect();
    match numbers.as_deref() {
        Some([1, minor, _]) if MINORS.contains(minor) => {}
        Some([1, minor, _]) => {
            let message = format!("Kubernetes {} is not supported: 1.{} to 1.{} are", found.value, MINORS[0], MINORS[2]);
            let hint = if *minor > MINORS[2] { "write an older minor, or take a newer kubestead" } else { "write a newer minor" };
            out.error(&found.place, message, hint.to_owned());
        }
        _ => {
            let bare = found.value.strip_prefix('v').filter(|rest| rest.split('.').map(number::<u64>).all(|n| n.is_some()));
            let hint = bare.map_or_else(|| "write all three numbers".to_owned(), |bare| format!("write {bare}"));
            out.error(&found.place, format!("{:?} is not a version such as 1.37.1", found.value), hint);
        }
    }
}

/// Where the software comes from: one source at least.
fn source(f: &mut Fields, place: &Place, dir: &Path, out: &mut Findings) -> (Option<PathBuf>, Option<Packages>) {
    let (bundle, source) = (f.take("bundle"), f.take("packages"));
    if bundle.is_none() && source.is_none() {
        let hint = "write `packages: {key: FILE}` for the apt repository, or `bundle: DIR` for a folder with the software";
        out.error(place, "kubernetes names no source of its software", Some(hint.to_owned()));
    }
    (bundle.and_then(|n| path(n, "kubernetes.bundle", dir, out)), source.and_then(|n| packages(n, dir, out)))
}

fn packages(node: Yaml, dir: &Path, out: &mut Findings) -> Option<Packages> {
    let mut f = Fields::of(node, "kubernetes.packages", out);
    let repository = match f.take("repository") {
        Some(node) => repository(node, out),
        None => Some(REPOSITORY.to_owned()),
    };
    let key = f.required("key", out).and_then(|n| path(n, "kubernetes.packages.key", dir, out));
    f.end(out);
    Some(Packages { repository: repository?, key: key? })
}

/// An address for apt. It goes into files and scripts of the nodes, so it holds nothing that is special there, and no password.
fn repository(node: Yaml, out: &mut Findings) -> Option<String> {
    let found = parsed(node, "kubernetes.packages.repository", out, |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
        if rest.contains('@') {
            return Err("it holds a login: apt reads those from /etc/apt/auth.conf.d".to_owned());
        }
        let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = server.split_once(':').map_or((server, None), |(host, port)| (host, Some(port)));
        let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        let is_host = host.split('.').all(label) && !host.starts_with('-');
        let is_port = port.is_none_or(|port| number::<u16>(port).is_some_and(|port| port > 0));
        if !is_host || !is_port || !is_path(path) {
            return Err(format!("{text:?} is not an address such as https://pkgs.k8s.io/core:/stable:"));
        }
        let is_minor = |part: &str| part.strip_prefix('v').is_some_and(|rest| rest.split('.').map(number::<u64>).all(|n| n.is_some()));
        let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if matches!(last, "deb" | "rpm") || is_minor(last) {
            return Err(format!("{text:?} is the path of one minor: leave out /v1.N/deb"));
        }
        Ok(text.trim_end_matches('/').to_owned())
    })?;
    Some(found.value)
}

/// A path of a URL, with each `%` before two hexadecimal digits.
fn is_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/%+".contains(c);
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|c| c.is_ascii_hexdigit());
    text.chars().all(plain) && text.split('%').skip(1).all(is_escape)
}

/// The name of a check that kubeadm is to pass over, one of them alone.
fn preflight(node: Yaml, out: &mut Findings) -> Option<String> {
    let found = text(node, "a preflight error's name", out)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if found.value.eq_ignore_ascii_case("all") {
        out.error(&found.place, "\"all\" would ignore errors that nobody has seen", "name each error".to_owned());
    } else if !found.value.starts_with(|c: char| c.is_ascii_alphanumeric()) || !found.value.chars().all(plain) {
        let message = format!("{:?} is not the name of a preflight error", found.value);
        out.error(&found.place, message, "write one as kubeadm shows it in brackets, such as NumCPU, and several as a list".to_owned());
    } else {
        return Some(found.value);
    }
    None
}

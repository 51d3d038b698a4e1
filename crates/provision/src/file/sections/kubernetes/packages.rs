//! `kubernetes.packages`: the repositories of apt, and how the keys are known that sign them.

use std::path::{Path, PathBuf};

use crate::apt_key::Fingerprint;
use crate::file::cluster::{DockerRepository, Packages, Trust};
use crate::file::decode::{number, parsed};
use crate::file::fields::fields;
use crate::file::findings::Findings;
use crate::file::path::path;
use crate::file::shape::{Bare, Form, Kind, Need, PATH};
use crate::file::tree::Node as Yaml;

/// The official repository.
const REPOSITORY: &str = "https://pkgs.k8s.io/core:/stable:";
/// The key that signs it (kubernetes/kubernetes#128609 shows it; docs/packages.md, "Keys").
const FINGERPRINT: Fingerprint = Fingerprint::of(*b"\xDE\x15\xB1\x44\x86\xCD\x37\x7B\x9E\x87\x6E\x1A\x23\x46\x54\xDA\x9A\x29\x64\x36");
/// Docker's.
const DOCKER_REPOSITORY: &str = "https://download.docker.com/linux";
/// The key that signs it (docker/docs#3457, docker-library/docker#271).
const DOCKER_FINGERPRINT: Fingerprint =
    Fingerprint::of(*b"\x9D\xC8\x58\x22\x9F\xC7\xDD\x38\x85\x4A\xE2\xD8\x8D\x81\x80\x3C\x0E\xBF\xCD\x88");

fields! {
    /// The fields of the section.
    struct Written {
        "repository" repository Need::Otherwise("https://pkgs.k8s.io/core:/stable:"), Kind::Text(&URL),
            "The address of Kubernetes' repository, without `/v1.N/deb`, which is added, and without a login.";
        "key" key Need::Optional("the key is known by its fingerprint"), Kind::Text(&PATH),
            "A file with the armoured key, which is trusted as it is. containerd is then the machine's own; not with `fingerprint` or `docker`.";
        "fingerprint" fingerprint Need::Optional("that of the official key"), Kind::Text(&PRINT),
            "The fingerprint of the key that signs the repository.";
        "docker" docker Need::Optional("the official repository"), Kind::Map(&Docker::SHAPE),
            "Docker's repository, where containerd comes from if the distribution has none that is new enough.";
    }
}

fields! {
    /// The fields of Docker's repository.
    struct Docker {
        "repository" repository Need::Otherwise("https://download.docker.com/linux"), Kind::Text(&URL),
            "Its address, without the distribution and without a login.";
        "fingerprint" fingerprint Need::Optional("that of the official key"), Kind::Text(&PRINT),
            "The fingerprint of the key that signs it.";
    }
}

/// An address of a server with a path.
pub(super) const URL: Form = Form {
    word: "an address",
    pattern: "^https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~:/%+-]*)?$",
    example: "https://mirror.example.com",
    bare: Bare::String,
};
const PRINT: Form = Form {
    word: "a fingerprint, 40 hexadecimal digits",
    pattern: "^ *([0-9A-Fa-f] *){40}$",
    example: "0123456789ABCDEF0123456789ABCDEF01234567",
    bare: Bare::Any,
};
/// A version of containerd.
pub(super) const CONTAINERD: Form =
    Form { word: "a version", pattern: r"^([2-9]|[1-9][0-9]+)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$", example: "2.2.0", bare: Bare::String };

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Where the software comes from: the official repositories when the file does not say.
pub(super) fn source(bundle: Option<Yaml>, source: Option<Yaml>, dir: &Path, out: &mut Findings) -> (Option<PathBuf>, Option<Packages>) {
    let packages = match source {
        Some(node) => packages(node, dir, out),
        None if bundle.is_some() => None,
        None => Some(official()),
    };
    (bundle.and_then(|n| path(n, "kubernetes.bundle", dir, out)), packages)
}

fn official() -> Packages {
    Packages { repository: REPOSITORY.to_owned(), trust: Trust::Fingerprint { kubernetes: FINGERPRINT, docker: docker_official() } }
}

fn docker_official() -> DockerRepository {
    DockerRepository { repository: DOCKER_REPOSITORY.to_owned(), fingerprint: DOCKER_FINGERPRINT }
}

fn packages(node: Yaml, dir: &Path, out: &mut Findings) -> Option<Packages> {
    let place = node.place.clone();
    let Written { repository: own, key, fingerprint: print, docker } = Written::of(node, "kubernetes.packages", out);
    if own.is_none() && key.is_none() && print.is_none() && docker.is_none() {
        let hint = "leave `packages` out for the official repositories, or write `repository`, `fingerprint` or `key`";
        out.error(&place, "kubernetes.packages names nothing", Some(hint.to_owned()));
    }
    let repository = own.map_or_else(|| Some(REPOSITORY.to_owned()), |node| repository(node, out));
    if let Some(key) = &key {
        for (other, name) in [(&print, "fingerprint"), (&docker, "docker")] {
            if other.is_some() {
                let hint = "a key in a file is trusted as it is, and containerd is then the machine's own: leave out one of both";
                out.error(&key.place, format!("kubernetes.packages has both `key` and `{name}`"), Some(hint.to_owned()));
            }
        }
    }
    let trust = if let Some(node) = key {
        path(node, "kubernetes.packages.key", dir, out).map(Trust::File)
    } else {
        let kubernetes = print.map_or(Some(FINGERPRINT), |node| fingerprint(node, "kubernetes.packages.fingerprint", out));
        let docker = docker.map_or_else(|| Some(docker_official()), |node| docker_repository(node, out));
        kubernetes.zip(docker).map(|(kubernetes, docker)| Trust::Fingerprint { kubernetes, docker })
    };
    Some(Packages { repository: repository?, trust: trust? })
}

fn docker_repository(node: Yaml, out: &mut Findings) -> Option<DockerRepository> {
    let f = Docker::of(node, "kubernetes.packages.docker", out);
    let repository = match f.repository {
        Some(node) => {
            let found = parsed(node, "kubernetes.packages.docker.repository", out, |text| {
                let found = address(text, DOCKER_REPOSITORY)?;
                match found.rsplit('/').next() {
                    Some(last @ ("debian" | "ubuntu")) => {
                        Err(format!("{text:?} is the path of one distribution: leave out /{last}, which differs from machine to machine"))
                    }
                    _ => Ok(found),
                }
            });
            found.map(|found| found.value)
        }
        None => Some(DOCKER_REPOSITORY.to_owned()),
    };
    let fingerprint =
        f.fingerprint.map_or(Some(DOCKER_FINGERPRINT), |node| fingerprint(node, "kubernetes.packages.docker.fingerprint", out));
    Some(DockerRepository { repository: repository?, fingerprint: fingerprint? })
}

fn fingerprint(node: Yaml, what: &str, out: &mut Findings) -> Option<Fingerprint> {
    parsed(node, what, out, str::parse::<Fingerprint>).map(|found| found.value)
}

/// The version of containerd, as its own project counts: a package's revision is no part of it.
pub(super) fn containerd(node: Yaml, out: &mut Findings) -> Option<String> {
    let found = parsed(node, "kubernetes.containerd", out, |text| {
        let numbers: Option<Vec<u32>> = text.split('.').map(number).collect();
        match numbers.as_deref() {
            Some([major, _, _]) if *major >= 2 => Ok(text.to_owned()),
            Some([_, _, _]) => Err(format!("{text} is too old: 2.0.0 or newer is needed")),
            _ => Err(format!("{text:?} is not a version such as 2.2.0")),
        }
    })?;
    Some(found.value)
}

/// The address of a repository of Kubernetes, without a minor.
fn repository(node: Yaml, out: &mut Findings) -> Option<String> {
    let found = parsed(node, "kubernetes.packages.repository", out, |text| {
        let found = address(text, REPOSITORY)?;
        let is_minor = |part: &str| part.strip_prefix('v').is_some_and(|rest| rest.split('.').map(number::<u64>).all(|n| n.is_some()));
        let last = found.rsplit('/').next().unwrap_or_default();
        if matches!(last, "deb" | "rpm") || is_minor(last) {
            return Err(format!("{text:?} is the path of one minor: leave out /v1.N/deb"));
        }
        Ok(found)
    })?;
    Some(found.value)
}

/// An address for apt. It goes into files and scripts of the nodes, so it holds nothing that is special there, and no password.
pub(super) fn address(text: &str, example: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    if rest.contains('@') {
        return Err("it holds a login: apt reads those from /etc/apt/auth.conf.d".to_owned());
    }
    let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !is_server(server) || !is_path(path) {
        return Err(format!("{text:?} is not an address such as {example}"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// A host, perhaps with a port.
pub(super) fn is_server(server: &str) -> bool {
    let (host, port) = server.split_once(':').map_or((server, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let is_port = port.is_none_or(|port| number::<u16>(port).is_some_and(|port| port > 0));
    host.split('.').all(label) && !host.starts_with('-') && is_port
}

/// A path of a URL, with each `%` before two hexadecimal digits.
fn is_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/%+".contains(c);
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|c| c.is_ascii_hexdigit());
    text.chars().all(plain) && text.split('%').skip(1).all(is_escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_the_published_ones() {
        assert_eq!(FINGERPRINT.to_string(), "DE15B14486CD377B9E876E1A234654DA9A296436");
        assert_eq!(DOCKER_FINGERPRINT.to_string(), "9DC858229FC7DD38854AE2D88D81803C0EBFCD88");
    }
}

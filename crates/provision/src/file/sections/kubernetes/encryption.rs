//! `kubernetes.encryption`: with what values in etcd are encrypted.

use std::collections::BTreeSet;

use kubestead_core::name::Name;

use crate::encryption::{Cipher, EncryptionSpec, Entry, RESOURCES};
use crate::file::decode::{Fields, list, name, number, parsed, text};
use crate::file::findings::{At, Findings};
use crate::file::tree::Node as Yaml;

/// Decodes it. `None` if it is wrong; the mistake is in `out`.
pub(super) fn encryption(node: Yaml, out: &mut Findings) -> Option<EncryptionSpec> {
    let place = node.place.clone();
    let mut spec = EncryptionSpec::default();
    let mut f = Fields::of(node, "kubernetes.encryption", out);
    let provider = f.take("provider").and_then(|n| text(n, "kubernetes.encryption.provider", out));
    let key = f.take("key").map(|n| name(n, "kubernetes.encryption.key", out));
    let kms = f.take("kms").map(|n| (n.place.clone(), plugin(n, out)));
    if let Some(written) = f.take("resources") {
        let place = written.place.clone();
        let items = list(written, "kubernetes.encryption.resources", out);
        spec.resources = items.into_iter().filter_map(|n| resource(n, out)).collect::<BTreeSet<_>>();
        if !spec.resources.contains("secrets") {
            out.error(&place, "Secrets are always encrypted in etcd", Some("add `secrets` to the list".to_owned()));
        }
    }
    f.end(out);
    let cipher = match provider.as_ref().map(|p| p.value.as_str()) {
        None if kms.is_some() => None,
        None | Some("secretbox") => Some(Cipher::Secretbox),
        Some("aesgcm") => Some(Cipher::Aesgcm),
        Some("kms") => None,
        Some(other) => {
            let At { place, .. } = provider.as_ref()?;
            let hint = (other == "aescbc").then(|| "Kubernetes advises against aescbc: take secretbox".to_owned());
            out.error(place, format!("kubernetes.encryption.provider: {other:?} is neither secretbox, aesgcm nor kms"), hint);
            return None;
        }
    };
    spec.entry = match (cipher, key, kms) {
        (Some(cipher), key, None) => {
            let name = key.map_or_else(|| Name::new("key1").ok().map(|n| n.to_string()), |k| k.map(|k| k.value.to_string()))?;
            Entry::Key { cipher, name }
        }
        (None, None, Some((_, plugin))) => plugin?,
        (None, _, None) => {
            let hint = "write `kms: {name: NAME, endpoint: unix:///PATH}`";
            out.error(&place, "provider kms names no plugin", Some(hint.to_owned()));
            return None;
        }
        (None, Some(_), Some((place, _))) => {
            out.error(&place, "a KMS plugin has its own key: `key` is for secretbox and aesgcm", None);
            return None;
        }
        (Some(_), _, Some((place, _))) => {
            out.error(&place, "`kms` is for provider kms alone", None);
            return None;
        }
    };
    Some(spec)
}

fn resource(node: Yaml, out: &mut Findings) -> Option<String> {
    let known = RESOURCES.map(|r| r.name);
    let found = parsed(node, "a resource", out, |text| {
        let wrong = || format!("{text:?} cannot be encrypted by kubestead: known are {}", known.join(", "));
        known.contains(&text).then(|| text.to_owned()).ok_or_else(wrong)
    });
    found.map(|at| at.value)
}

/// Folders of the machine itself, without the `/` before them: the API server sees the whole folder of the socket.
fn is_shared(folder: &str) -> bool {
    const WHOLE: [&str; 12] = ["bin", "boot", "dev", "etc", "lib", "lib64", "proc", "root", "sbin", "sys", "usr", "var/lib/kubelet"];
    const ITSELF: [&str; 14] = [
        "home",
        "media",
        "mnt",
        "opt",
        "run",
        "run/lock",
        "run/systemd",
        "srv",
        "tmp",
        "var",
        "var/lib",
        "var/lib/etcd",
        "var/run",
        "var/tmp",
    ];
    let below = |top: &&str| folder.strip_prefix(*top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    ITSELF.contains(&folder) || WHOLE.iter().any(below)
}

/// The socket's path goes into files and scripts of the nodes, so it holds nothing that is special there.
fn plugin(node: Yaml, out: &mut Findings) -> Option<Entry> {
    let mut f = Fields::of(node, "kubernetes.encryption.kms", out);
    let name = f.required("name", out).and_then(|n| name(n, "kubernetes.encryption.kms.name", out));
    let endpoint = f.required("endpoint", out).and_then(|n| {
        parsed(n, "kubernetes.encryption.kms.endpoint", out, |text| {
            let clean =
                |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
            let path = text.strip_prefix("unix:///").unwrap_or_default();
            let wrong = || format!("{text:?} is not a socket in a folder of its own, such as unix:///run/kms/plugin.sock");
            if path.len() >= 107 {
                return Err(format!("{text:?}: the path of a socket has at most 107 characters"));
            }
            let folder = path.rsplit_once('/').map(|(folder, _)| folder).filter(|folder| !is_shared(folder));
            (folder.is_some() && path.split('/').all(clean)).then(|| text.to_owned()).ok_or_else(wrong)
        })
    });
    let timeout = f.take("timeout").map(|n| {
        parsed(n, "kubernetes.encryption.kms.timeout", out, |text| match text.strip_suffix('s').map(number::<u16>) {
            Some(Some(1..=60)) => Ok(text.to_owned()),
            _ => Err(format!("{text:?} is not 1s to 60s")),
        })
    });
    f.end(out);
    let timeout = timeout.map_or_else(|| Some("3s".to_owned()), |t| t.map(|t| t.value))?;
    Some(Entry::Kms { name: name?.value.to_string(), endpoint: endpoint?.value, timeout })
}

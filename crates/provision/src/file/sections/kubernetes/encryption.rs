//! `kubernetes.encryption`: with what values in etcd are encrypted.

use std::collections::BTreeSet;

use kubestead_core::name::Name;

use crate::encryption::{Cipher, EncryptionSpec, Entry, RESOURCES};
use crate::file::decode::{list, name, number, parsed, text};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::shape::{Bare, Form, Kind, NAME, Need};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of the section.
    struct Written {
        "provider" provider Need::Optional("`kms` with `kms`, else `secretbox`"), Kind::Words(|| PROVIDERS.map(|(word, _)| word).to_vec()),
            "What encrypts. The key of `aesgcm` is to be replaced before 200,000 writes.";
        "key" key Need::Optional("`key1`; none with `kms`"), Kind::Text(&NAME),
            "The key's name, which stands for one key for ever: another name is another key. Not with `kms`.";
        "kms" kms Need::Optional("no plugin"), Kind::Map(&Plugin::SHAPE),
            "The KMS v2 plugin of provider `kms`.";
        "resources" resources Need::Otherwise("[secrets]"), Kind::list(&Kind::Words(|| RESOURCES.map(|known| known.name).to_vec())),
            "The kinds of objects that are encrypted; `secrets` is among them.";
    }
}

fields! {
    /// The fields of a plugin.
    struct Plugin {
        "name" name Need::Required, Kind::Text(&NAME),
            "Its name, with which the values in etcd begin.";
        "endpoint" endpoint Need::Required, Kind::Text(&ENDPOINT),
            "Its socket on each control plane, in a folder of its own; the path has at most 107 characters.";
        "timeout" timeout Need::Otherwise("3s"), Kind::Text(&TIMEOUT),
            "How long the API server waits for it.";
    }
}

/// The words for what encrypts, with the cipher of those that have one.
const PROVIDERS: [(&str, Option<Cipher>); 3] = [("secretbox", Some(Cipher::Secretbox)), ("aesgcm", Some(Cipher::Aesgcm)), ("kms", None)];
const ENDPOINT: Form =
    Form { word: "a socket", pattern: "^unix:///[A-Za-z0-9._/-]{3,106}$", example: "unix:///run/kms/plugin.sock", bare: Bare::String };
const TIMEOUT: Form = Form { word: "1s to 60s", pattern: "^([1-9]|[1-5][0-9]|60)s$", example: "3s", bare: Bare::String };

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Decodes it. `None` if it is wrong; the mistake is in `out`.
pub(super) fn encryption(node: Yaml, out: &mut Findings) -> Option<EncryptionSpec> {
    let place = node.place.clone();
    let mut spec = EncryptionSpec::default();
    let f = Written::of(node, "kubernetes.encryption", out);
    let provider = f.provider.and_then(|n| text(n, "kubernetes.encryption.provider", out));
    let key = f.key.map(|n| name(n, "kubernetes.encryption.key", out));
    let kms = f.kms.map(|n| (n.place.clone(), plugin(n, out)));
    if let Some(written) = f.resources {
        let place = written.place.clone();
        let items = list(written, "kubernetes.encryption.resources", out);
        spec.resources = items.into_iter().filter_map(|n| resource(n, out)).collect::<BTreeSet<_>>();
        if !spec.resources.contains("secrets") {
            out.error(&place, "Secrets are always encrypted in etcd", Some("add `secrets` to the list".to_owned()));
        }
    }
    let known = |word: &str| PROVIDERS.iter().find(|(known, _)| *known == word).map(|(_, cipher)| *cipher);
    let cipher = match provider {
        None => kms.is_none().then_some(Cipher::Secretbox),
        Some(At { value, place }) => {
            let Some(cipher) = known(&value) else {
                let hint = (value == "aescbc").then(|| "Kubernetes advises against aescbc: take secretbox".to_owned());
                out.error(&place, format!("kubernetes.encryption.provider: {value:?} is neither secretbox, aesgcm nor kms"), hint);
                return None;
            };
            cipher
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
    let f = Plugin::of(node, "kubernetes.encryption.kms", out);
    let name = f.name.and_then(|n| name(n, "kubernetes.encryption.kms.name", out));
    let endpoint = f.endpoint.and_then(|n| {
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
    let timeout = f.timeout.map(|n| {
        parsed(n, "kubernetes.encryption.kms.timeout", out, |text| match text.strip_suffix('s').map(number::<u16>) {
            Some(Some(1..=60)) => Ok(text.to_owned()),
            _ => Err(format!("{text:?} is not 1s to 60s")),
        })
    });
    let timeout = timeout.map_or_else(|| Some("3s".to_owned()), |t| t.map(|t| t.value))?;
    Some(Entry::Kms { name: name?.value.to_string(), endpoint: endpoint?.value, timeout })
}

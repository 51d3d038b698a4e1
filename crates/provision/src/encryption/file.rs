//! `EncryptionConfiguration`, `apiserver.config.k8s.io/v1`: written with its keys, read without them.

use std::collections::BTreeMap;

use kubestead_core::fact::Gap;
use kubestead_core::secret::Secret;
use serde::Deserialize;

use super::error::Error;
use super::spec::{Cipher, Entry, Layout, escrow_name};

/// The keys of a layout, by their names in the escrow.
pub type Keys = BTreeMap<String, Secret>;

/// The file with its keys. Kinds that are written and read alike stand together.
pub fn render(layout: &Layout, keys: &Keys) -> Result<Secret, Error> {
    let mut groups: Vec<(Vec<&str>, &Vec<Entry>)> = Vec::new();
    for (resource, entries) in &layout.0 {
        match groups.iter_mut().find(|(_, e)| *e == entries) {
            Some((resources, _)) => resources.push(resource),
            None => groups.push((vec![resource], entries)),
        }
    }
    // Room for all of it at once: a buffer that grows leaves copies of keys in memory.
    let mut text = Vec::with_capacity(8192);
    text.extend_from_slice(b"apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n");
    for (resources, entries) in groups {
        text.extend_from_slice(format!("- resources: [{}]\n  providers:\n", resources.join(", ")).as_bytes());
        for entry in entries {
            match entry {
                Entry::Identity => text.extend_from_slice(b"  - identity: {}\n"),
                Entry::Kms { name, endpoint, timeout } => text.extend_from_slice(
                    format!("  - kms: {{apiVersion: v2, name: {name}, endpoint: \"{endpoint}\", timeout: {timeout}}}\n").as_bytes(),
                ),
                Entry::Key { cipher, name } => {
                    let own = escrow_name(name);
                    let key = keys.get(&own).ok_or(Error::Missing(own))?;
                    text.extend_from_slice(format!("  - {}: {{keys: [{{name: {name}, secret: ", cipher.as_str()).as_bytes());
                    text.extend_from_slice(key.expose());
                    text.extend_from_slice(b"}]}\n");
                }
            }
        }
    }
    Ok(Secret::new(text))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    resources: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    resources: Vec<String>,
    providers: Vec<Provider>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    identity: Option<Nothing>,
    secretbox: Option<KeyList>,
    aesgcm: Option<KeyList>,
    aescbc: Option<KeyList>,
    kms: Option<Kms>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyList {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    name: String,
    secret: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kms {
    api_version: Option<String>,
    name: String,
    endpoint: String,
    timeout: Option<String>,
}

/// Reads a file whose keys were replaced by their fingerprints. Also answers those, by `CIPHER KEY`.
pub fn expand(text: &str) -> Result<(Layout, BTreeMap<String, String>), Gap> {
    let document: Document = serde_saphyr::from_str(text).map_err(|e| Gap::new(format!("the configuration of encryption at rest: {e}")))?;
    if document.api_version != "apiserver.config.k8s.io/v1" || document.kind != "EncryptionConfiguration" {
        return Err(Gap::new(format!("{} {} is not a configuration of encryption at rest", document.api_version, document.kind)));
    }
    let (mut layout, mut fingerprints) = (Layout::default(), BTreeMap::new());
    for group in document.resources {
        let mut entries = Vec::new();
        for provider in group.providers {
            one(provider, &mut entries, &mut fingerprints)?;
        }
        for resource in group.resources {
            if resource.contains('*') {
                return Err(Gap::new(format!("{resource:?} names kinds by a pattern, which is not understood here: name each")));
            }
            // As the API server does: the first group that names it counts.
            layout.0.entry(resource).or_insert_with(|| entries.clone());
        }
    }
    Ok((layout, fingerprints))
}

fn one(provider: Provider, entries: &mut Vec<Entry>, fingerprints: &mut BTreeMap<String, String>) -> Result<(), Gap> {
    let Provider { identity, secretbox, aesgcm, aescbc, kms } = provider;
    if let Some(Nothing {}) = identity {
        entries.push(Entry::Identity);
    }
    for (cipher, list) in [(Cipher::Secretbox, secretbox), (Cipher::Aesgcm, aesgcm), (Cipher::Aescbc, aescbc)] {
        for Key { name, secret } in list.map(|l| l.keys).unwrap_or_default() {
            let entry = Entry::Key { cipher, name };
            if fingerprints.insert(entry.to_string(), secret.clone()).is_some_and(|other| other != secret) {
                return Err(Gap::new(format!("the name {entry} stands for two keys")));
            }
            entries.push(entry);
        }
    }
    if let Some(Kms { api_version, name, endpoint, timeout }) = kms {
        if api_version.as_deref() != Some("v2") {
            return Err(Gap::new(format!("kms {name} is not of version v2")));
        }
        entries.push(Entry::Kms { name, endpoint, timeout: timeout.unwrap_or_else(|| "3s".to_owned()) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::spec::EncryptionSpec;
    use super::*;

    fn key(cipher: Cipher, name: &str) -> Entry {
        Entry::Key { cipher, name: name.to_owned() }
    }

    fn keys() -> Keys {
        ["key1", "key2"].iter().map(|n| (escrow_name(n), Secret::new(format!("canary-{n}").into_bytes()))).collect()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let kms = Entry::Kms { name: "vault".into(), endpoint: "unix:///run/kms/socket".into(), timeout: "5s".into() };
        let all = vec![key(Cipher::Secretbox, "key2"), key(Cipher::Aesgcm, "key1"), kms, Entry::Identity];
        let one = vec![key(Cipher::Secretbox, "key2")];
        let layout = Layout(BTreeMap::from([("configmaps".into(), all.clone()), ("secrets".into(), all), ("events".into(), one)]));
        let text = String::from_utf8(render(&layout, &keys()).unwrap().expose().to_vec()).unwrap();
        let (back, fingerprints) = expand(&text).unwrap();
        assert_eq!(back, layout);
        assert_eq!(fingerprints["secretbox key2"], "canary-key2");
        assert!(matches!(render(&layout, &Keys::new()), Err(Error::Missing(name)) if name == "encryption.key2"));
    }

    /// The text of clusters that are there: another one would be held as another key.
    #[test]
    fn the_plain_case_is_written_as_ever() {
        let text = render(&EncryptionSpec::default().layout(), &keys()).unwrap();
        assert_eq!(
            std::str::from_utf8(text.expose()).unwrap(),
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  \
             - secretbox: {keys: [{name: key1, secret: canary-key1}]}\n"
        );
    }

    #[test]
    fn what_is_not_understood_is_a_gap() {
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n";
        for (body, word) in [
            ("- resources: ['*.*']\n  providers: [{identity: {}}]\n", "pattern"),
            ("- resources: [secrets]\n  providers: [{rot13: {}}]\n", "rot13"),
            ("- resources: [secrets]\n  providers: [{kms: {name: a, endpoint: 'unix:///a'}}]\n", "not of version v2"),
            ("- resources: [secrets]\n  providers:\n  - secretbox: {keys: [{name: a, secret: x}, {name: a, secret: y}]}\n", "two keys"),
        ] {
            assert!(expand(&format!("{head}{body}")).unwrap_err().to_string().contains(word), "{word}");
        }
        assert!(expand("a: [").is_err());
    }
}

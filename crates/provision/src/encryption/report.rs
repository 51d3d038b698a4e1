//! How encryption at rest is, for people.

use std::collections::BTreeMap;

use kubestead_core::name::Name;

use super::observe::EncryptionFacts;
use super::spec::EncryptionSpec;

/// For each control plane what it writes with, the fingerprint of that key, what else it can read; while values are written anew, how many are left; and
/// whether that is well.
pub fn lines(spec: &EncryptionSpec, servers: &[(&Name, &EncryptionFacts)]) -> Vec<(Name, String, bool)> {
    let mut lines = Vec::new();
    for (name, facts) in servers {
        let Some(file) = &facts.file else { continue };
        for kind in &spec.resources {
            let entries = file.layout.entries(kind);
            let words: Vec<String> = entries
                .iter()
                .map(|e| match file.fingerprints.get(&e.to_string()) {
                    Some(fingerprint) => format!("{e} ({fingerprint})"),
                    None => e.to_string(),
                })
                .collect();
            let also = if words.len() > 1 { format!("; reads {} too", words[1..].join(", ")) } else { String::new() };
            let loaded = if file.unloaded { "; not yet loaded" } else { "" };
            lines.push((
                (*name).clone(),
                format!("{kind} written with {}{also}{loaded}", words.first().map_or("", String::as_str)),
                !file.unloaded,
            ));
        }
        for socket in &facts.silent {
            lines.push(((*name).clone(), format!("no KMS plugin answers at {socket}"), false));
        }
        for (kind, left) in left(spec, facts).into_iter().filter(|(_, left)| *left > 0) {
            lines.push(((*name).clone(), format!("{left} {kind} not yet written with {}", spec.entry), false));
        }
    }
    lines
}

/// How many values of each kind do not begin as the cluster file asks; nothing where nobody counted.
fn left(spec: &EncryptionSpec, facts: &EncryptionFacts) -> BTreeMap<String, u64> {
    let count = |kind: &String, values: &BTreeMap<String, u64>| {
        let prefix = spec.target(kind).prefix();
        values.iter().filter(|(p, _)| **p != prefix).fold(0, |all: u64, (_, n)| all.saturating_add(*n))
    };
    facts.values.iter().flatten().map(|(kind, values)| (kind.clone(), count(kind, values))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::file::expand;
    use super::super::observe::KeyFile;
    use super::*;

    #[test]
    fn a_rotation_shows_what_is_left_and_no_key() {
        let text = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  \
                    - identity: {}\n  - secretbox: {keys: [{name: key1, secret: 0123456789abcdef}]}\n";
        let (layout, fingerprints) = expand(text).unwrap();
        let values =
            BTreeMap::from([("secrets".to_owned(), BTreeMap::from([(String::new(), 7), ("k8s:enc:secretbox:v1:key1:".to_owned(), 2)]))]);
        let file = Some(KeyFile { layout, fingerprints, sha256: String::new(), unloaded: true });
        let silent = BTreeSet::from(["/run/kms/vault.sock".to_owned()]);
        let facts = EncryptionFacts { file, tools: true, mounts: BTreeSet::new(), plugins: vec![], silent, values: Some(values) };
        let name = Name::new("cp1").unwrap();
        let lines = lines(&EncryptionSpec::default(), &[(&name, &facts)]);
        assert!(
            lines[0].1.ends_with("secrets written with no encryption; reads secretbox key1 (0123456789abcdef) too; not yet loaded"),
            "{lines:?}"
        );
        assert!(lines[1].1.ends_with("no KMS plugin answers at /run/kms/vault.sock"));
        assert!(lines[2].1.ends_with("7 secrets not yet written with secretbox key1"));
    }
}

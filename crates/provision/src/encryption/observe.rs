//! What the API servers read and write with. Keys never leave the machine: their fingerprints do.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Gap;
use kubestead_core::probe::{Answers, Section};
use serde::{Deserialize, Serialize};

use super::file::expand;
use super::script::{ETCD, LISTENS, MOUNTED, REDACTED, VALUES};
use super::spec::{EncryptionSpec, FILE, Layout, MANIFEST, UNLOADED};

/// Encryption at rest on a control plane as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionFacts {
    /// The file; `None` if it is not there.
    pub file: Option<KeyFile>,
    /// Whether etcdctl and etcdutl are there.
    pub tools: bool,
    /// Folders that the API server has mounted: the one that runs, and the one that would start next.
    pub mounts: BTreeSet<String>,
    /// Folders of KMS plugins that its manifest mounts, in the manifest's order.
    pub plugins: Vec<String>,
    /// The sockets of KMS plugins, of its file and of those that are asked for, at which nobody answers.
    pub silent: BTreeSet<String>,
    /// For each kind how many values in etcd begin in which way; looked at only while the file has more than one way to read values.
    pub values: Option<BTreeMap<String, BTreeMap<String, u64>>>,
}

/// The file without its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyFile {
    /// What it says.
    pub layout: Layout,
    /// The fingerprints of its keys, by cipher and name.
    pub fingerprints: BTreeMap<String, String>,
    /// The sha256 of all of it, hex.
    pub sha256: String,
    /// Whether kubestead wrote it and has not yet seen that the API server loaded it.
    pub unloaded: bool,
}

/// The sections of the probe. Values are counted on one control plane: etcd has the same on all.
pub fn sections(spec: &EncryptionSpec, count: bool) -> Vec<Section> {
    let file = |section: Section| section.var("file", FILE).var("unloaded", UNLOADED);
    let mut all = vec![
        file(Section::script("encryption/file", include_str!("scripts/probe-file.sh")).after(REDACTED)),
        file(Section::script("encryption/server", include_str!("scripts/probe-server.sh")).after(LISTENS).after(MOUNTED))
            .list("sockets", spec.entry.socket())
            .var("manifest", MANIFEST),
    ];
    if count {
        let values = Section::script("encryption/values", include_str!("scripts/probe-values.sh")).after(VALUES).after(ETCD);
        all.push(file(values).list("kinds", &spec.resources));
    }
    all
}

/// Reads the answers.
pub fn read(answers: &Answers) -> Result<EncryptionFacts, Gap> {
    let text = answers.text("encryption/file")?;
    let file = if text.is_empty() { None } else { Some(file(text)?) };
    let server = answers.text("encryption/server")?;
    let all = |word: &str| -> Vec<String> {
        let words = server.lines().filter_map(|l| l.split_once(' ').filter(|(first, _)| *first == word));
        words.map(|(_, rest)| rest.trim().trim_matches('"').to_owned()).collect()
    };
    let running: BTreeSet<String> = all("running").into_iter().collect();
    let mounts = all("manifest").into_iter().filter(|folder| running.contains(folder)).collect();
    // That etcd does not answer just now is no reason to stop: it is asked again before anything relies on it.
    let values = answers.text("encryption/values").ok().and_then(values);
    let (tools, plugins, silent) = (!all("tools").is_empty(), all("plugin"), all("silent").into_iter().collect());
    Ok(EncryptionFacts { file, tools, mounts, plugins, silent, values })
}

fn file(text: &str) -> Result<KeyFile, Gap> {
    let mut parts = text.splitn(3, '\n');
    let (state, sha256, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if body.starts_with("@hidden") {
        return Err(Gap::new(format!("{FILE} is written in a way that is not understood: its keys could not be told from the rest")));
    }
    if sha256.len() != 64 || !sha256.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Gap::new("the sha256 of the configuration of encryption at rest was not understood"));
    }
    let (layout, fingerprints) = expand(body)?;
    Ok(KeyFile { layout, fingerprints, sha256: sha256.to_owned(), unloaded: state == "unloaded" })
}

fn values(text: &str) -> Option<BTreeMap<String, BTreeMap<String, u64>>> {
    let mut found: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut kind = None;
    for line in text.lines() {
        let (first, rest) = line.split_once(' ')?;
        if first == "@" {
            kind = Some(rest.to_owned());
            found.entry(rest.to_owned()).or_default();
        } else {
            let prefix = if rest == "-" { "" } else { rest };
            found.get_mut(kind.as_ref()?)?.insert(prefix.to_owned(), first.parse().ok()?);
        }
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::spec::{Cipher, Entry};
    use super::*;

    const KEY: &str = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LWNhbmE=";

    /// What a section answers, its paths replaced.
    fn answer(spec: &EncryptionSpec, section: &str, places: &[(&str, &std::path::Path)]) -> String {
        let sections: Vec<Section> = sections(spec, true).into_iter().filter(|s| s.name == section).collect();
        let script = kubestead_core::probe::command(&sections, "n1").script().into_owned();
        let script = places.iter().fold(script, |script, (path, place)| script.replace(path, place.to_str().unwrap()));
        let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        kubestead_core::probe::parse(&out.stdout, "n1").unwrap().text(section).unwrap().to_owned()
    }

    /// What the section prints about a file with this text, without its first line.
    fn seen(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("enc.yaml");
        std::fs::write(&path, text).unwrap();
        let said = answer(&EncryptionSpec::default(), "encryption/file", &[(UNLOADED, &folder.path().join("no")), (FILE, &path)]);
        said.strip_prefix("loaded\n").unwrap().to_owned()
    }

    #[test]
    fn no_key_leaves_the_machine_however_the_file_is_written() {
        let head =
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n";
        for body in [
            format!("  - secretbox: {{keys: [{{name: key1, secret: {KEY}}}]}}\n"),
            format!("  - secretbox:\n      keys:\n      - name: key1\n        secret: \"{KEY}\"\n"),
            format!("  - secretbox:\n      keys:\n      - secret: '{KEY}'\n        name: key1\n"),
            format!("  - secretbox: {{\"keys\": [{{\"name\": \"key1\", \"secret\": \"{KEY}\"}}]}}\n"),
            format!("  - secretbox:\n      keys:\n      - name: key1\n        secret:\n          {KEY}\n"),
        ] {
            let text = seen(&format!("{head}{body}"));
            assert!(!text.contains(&KEY[..12]), "{text}");
            let found = file(&format!("loaded\n{text}")).unwrap();
            let entry = Entry::Key { cipher: Cipher::Secretbox, name: "key1".into() };
            assert_eq!(found.layout.entries("secrets"), [entry]);
            let own = kubestead_secrets::fingerprint(&kubestead_core::secret::Secret::new(KEY.into())).unwrap();
            assert_eq!(found.fingerprints["secretbox key1"], own, "the node's fingerprint is ours");
            assert!(!found.unloaded);
        }
        for body in [
            format!("  - secretbox:\n      keys:\n      - name: key1\n        secret: >-\n          {KEY}\n"),
            format!("  - secretbox: {{keys: [{{name: key1, secret: !!str {KEY}}}]}}\n"),
            format!("x: &a {KEY}\n"),
        ] {
            let text = seen(&format!("{head}{body}"));
            assert!(!text.contains(&KEY[..12]), "{text}");
            assert!(file(&format!("loaded\n{text}")).unwrap_err().to_string().contains("not understood"));
        }
    }

    /// The manifest is one that kubeadm 1.37 writes, shortened; a second machine has it as somebody ordered it by hand.
    #[test]
    fn a_folder_counts_as_mounted_when_it_is_in_the_manifest_and_in_the_running_server() {
        let manifest = "spec:\n  containers:\n  - name: kube-apiserver\n    volumeMounts:\n    - mountPath: /etc/kubernetes/enc\n      name: enc\n      \
                        readOnly: true\n    - mountPath: /run/kms\n      name: kms\n    - mountPath: /run/other\n      name: kms-2\n    \
                        - name: own\n      mountPath: \"/run/own\"\n  volumes:\n  - hostPath:\n      path: /run/kms\n    name: kms\n";
        let folder = tempfile::tempdir().unwrap();
        let (path, socket) = (folder.path().join("manifest"), folder.path().join("plugin.sock"));
        std::fs::write(&path, manifest).unwrap();
        std::fs::write(folder.path().join("enc"), "- kms: {name: a, endpoint: \"unix:///nowhere/old.sock\"}\n").unwrap();
        let plugin = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        // As a plugin does: it reads what is not gRPC, and hangs up.
        let plugin = std::thread::spawn(move || std::io::Read::read(&mut plugin.accept().unwrap().0, &mut [0; 64]).unwrap());
        let kms = |socket: &str| Entry::Kms { name: "vault".into(), endpoint: format!("unix://{socket}"), timeout: "3s".into() };
        let spec = EncryptionSpec { entry: kms(socket.to_str().unwrap()), ..EncryptionSpec::default() };
        let said = answer(&spec, "encryption/server", &[(MANIFEST, &path), (FILE, &folder.path().join("enc"))]);
        assert!(plugin.join().unwrap() > 0);
        let said = said + "running /run/kms\nrunning /run/own\nrunning /\n";
        let facts = read(&Answers::from_pairs([("encryption/file", 0, ""), ("encryption/server", 0, &said)])).unwrap();
        assert_eq!(facts.mounts, ["/run/kms", "/run/own"].map(str::to_owned).into(), "{said}");
        assert_eq!(facts.plugins, ["/run/kms", "/run/other"], "{said}");
        assert_eq!(facts.silent, ["/nowhere/old.sock".to_owned()].into(), "{said}");
    }

    #[test]
    fn two_keys_of_one_length_stay_apart() {
        let other = KEY.replace("Y2Fu", "Y2Fv");
        let text = seen(&format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  \
             - secretbox: {{keys: [{{name: key2, secret: {other}}}]}}\n  - secretbox: {{keys: [{{name: key1, secret: {KEY}}}]}}\n  - identity: {{}}\n"
        ));
        let found = file(&format!("unloaded\n{text}")).unwrap();
        assert!(found.unloaded && found.fingerprints["secretbox key1"] != found.fingerprints["secretbox key2"]);
        assert_eq!(found.layout.entries("secrets").len(), 3);
        assert_eq!(found.layout.entries("configmaps"), [Entry::Identity]);
    }

    /// etcdctl as its `-w fields` prints (3.7): two pages, and a value that looks like the end of a line.
    #[test]
    fn values_are_counted_over_pages_and_none_is_told() {
        let page = |keys: &[(&str, &str)], more: bool| {
            let mut text = String::from("\"ClusterID\" : 1\n\"Revision\" : 9\n");
            for (key, value) in keys {
                let _ =
                    writeln!(text, "\"Key\" : \"/registry/secrets/{key}\"\n\"CreateRevision\" : 2\n\"Value\" : \"{value}\"\n\"Lease\" : 0");
            }
            text + &format!("\"More\" : {more}\n\"Count\" : 5\n")
        };
        let one = page(&[("a/1", "k8s:enc:secretbox:v1:key1:\\x00\\n"), ("a/2", "k8s\\x00\\ncanary\\\"Key\\\" : \\\"x")], true);
        let two = page(&[("a/2", "k8s\\x00\\ncanary"), ("b/3", "k8s:enc:secretbox:v1:key1:zz"), ("b/4", "k8s:enc:aesgcm:v1:k:zz")], false);
        let script = format!(
            "export LC_ALL=C; set -o pipefail\n{VALUES}etcd() {{ case $2 in /registry/secrets/) printf %s {}; ;; /registry/secrets/a/2) printf %s {}; ;; esac; }}\nvalues secrets",
            kubestead_core::command::quote(&one),
            kubestead_core::command::quote(&two)
        );
        let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success() && !text.contains("canary"), "{text}");
        let found = values(&format!("@ secrets\n{text}")).unwrap();
        let count = |prefix: &str| found["secrets"].get(prefix).copied();
        assert_eq!((count(""), count("k8s:enc:secretbox:v1:key1:"), count("k8s:enc:aesgcm:v1:k:")), (Some(1), Some(2), Some(1)));
        let broken = script.replace("printf %s", "false");
        assert!(!std::process::Command::new("bash").args(["-c", &broken]).output().unwrap().status.success());
    }

    #[test]
    fn every_section_is_one_that_bash_can_read() {
        for section in sections(&EncryptionSpec::default(), true) {
            let status = std::process::Command::new("bash").args(["-n", "-c", &section.script]).status().unwrap();
            assert!(status.success(), "{}", section.script);
        }
    }
}

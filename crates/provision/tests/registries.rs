//! Registries of one's own: the authority in a file beside the cluster file, and the Secret that the login is in.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::path::Path;
use std::process::Command;

use kubestead_core::diagnostic::Severity;
use kubestead_core::secret::Secret;
use kubestead_provision::compose;
use kubestead_provision::file::{self, Cluster};
use kubestead_secrets::Escrow;
use kubestead_secrets::sops::{Identities, Policy, Selector, Sops};

const PEM: &str = include_str!("compose/ca.pem");
const FILE: &str = "\
apiVersion: kubestead/v1
kind: Cluster
name: home
nodes:
  - {name: cp1, address: 10.0.0.11, roles: [control-plane]}
kubernetes:
  version: 1.37.1
  registries:
    a.example.com: {ca: ca.crt}
";

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        Self(dir)
    }

    fn load(&self, text: &str) -> Result<Cluster, Vec<String>> {
        file::load("c.yaml", text, self.0.path()).map_err(|found| found.iter().map(|d| d.to_string().replace(&self.shown(), "")).collect())
    }

    fn shown(&self) -> String {
        format!("{}/", self.0.path().display())
    }
}

fn openssl(dir: &Path, words: &[&str]) {
    let ran = Command::new("openssl").args(words).current_dir(dir).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn what_is_no_authority_is_told_with_its_place_before_anything_is_touched() {
    let good = Folder::with(&[("ca.crt", PEM.as_bytes())]);
    let cluster = good.load(FILE).unwrap();
    assert_eq!(cluster.kubernetes.unwrap().registries["a.example.com"].ca.as_deref(), Some(PEM));
    assert!(cluster.warnings.is_empty(), "{:?}", cluster.warnings);
    let key = format!("{PEM}-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\n");
    let cut = &PEM.as_bytes()[..300];
    let half = format!("{}\n-----END CERTIFICATE-----\n", std::str::from_utf8(cut).unwrap());
    let large = vec![b'a'; (1 << 20) + 1];
    let cases: [(&[u8], &str); 7] = [
        (key.as_bytes(), "ca.crt: line 12: it holds a private key, and nodes need the certificate alone"),
        (cut, "ca.crt: line 1: the certificate has no end"),
        (half.as_bytes(), "ca.crt: line 1: the certificate is not whole"),
        (b"\x30\x82\x01\xff", "ca.crt: it cannot be read: line 1 is not UTF-8 text"),
        (b"<html>sign in first</html>", "ca.crt: it holds no certificate"),
        (b"", "ca.crt: it holds no certificate"),
        (&large, "ca.crt: it cannot be read: it is larger than 1 MiB"),
    ];
    for (bytes, why) in cases {
        let told = Folder::with(&[("ca.crt", bytes)]).load(FILE).unwrap_err();
        let whole = format!("c.yaml:9:25: error: kubernetes.registries.a.example.com.ca: {why}\n  hint: ");
        assert!(told.len() == 1 && told[0].starts_with(&whole), "{told:?}");
        assert!(!told[0].contains("MHcCAQEE"), "a key is quoted: {told:?}");
    }
    let none = Folder::with(&[]);
    assert!(none.load(FILE).unwrap_err()[0].contains("it cannot be read: No such file"));
    // Nobody writes into it: whoever reads it waits for good.
    let fifo = none.0.path().join("ca.crt");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    assert!(none.load(FILE).unwrap_err()[0].contains("it is no regular file"));
}

#[test]
fn an_authority_that_has_ended_is_told_and_keeps_nobody_from_looking() {
    let folder = Folder::with(&[]);
    let own = folder.0.path();
    openssl(
        own,
        &["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=old", "-keyout", "key", "-out", "csr"],
    );
    let rules = "[ca]\ndefault_ca=own\n[own]\nnew_certs_dir=.\ndatabase=index\nserial=serial\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n";
    for (name, text) in [("index", ""), ("serial", "01\n"), ("rules", rules)] {
        std::fs::write(own.join(name), text).unwrap();
    }
    let times = ["-startdate", "20200101000000Z", "-enddate", "20210203000000Z"];
    let sign = ["ca", "-config", "rules", "-batch", "-selfsign", "-keyfile", "key", "-in", "csr", "-out", "old.crt", "-notext"];
    openssl(own, &[&sign[..], &times].concat());
    let old = std::fs::read_to_string(folder.0.path().join("old.crt")).unwrap();
    std::fs::write(folder.0.path().join("ca.crt"), format!("{PEM}{old}")).unwrap();
    let cluster = folder.load(FILE).unwrap();
    let [warning] = &cluster.warnings[..] else { panic!("{:?}", cluster.warnings) };
    assert!(
        warning.severity == Severity::Warning && warning.message.ends_with("ca.crt: the certificate of line 12 ended on 2021-02-03"),
        "{warning}"
    );
    assert!(cluster.kubernetes.unwrap().registries["a.example.com"].ca.as_ref().unwrap().ends_with(&old));
}

/// A folder of secrets with one Secret of this type and name.
fn secret(folder: &Folder, kind: &str, name: &str) {
    let dir = folder.0.path();
    let secrets = dir.join("secrets");
    Escrow::init(&secrets.join("escrow"), &dir.join("age.txt")).unwrap();
    let recipients = std::fs::read_to_string(secrets.join("escrow/recipients")).unwrap();
    let policy = Policy::age([recipients.trim().to_owned()]).with_selector(Selector::encrypted_regex("^(data|stringData)$").unwrap());
    let plain = format!(
        "apiVersion: v1\nkind: Secret\ntype: {kind}\nmetadata: {{name: {name}, namespace: apps}}\nstringData:\n  .dockerconfigjson: '{{\"auths\": {{}}}}'\n"
    );
    let (plain, known) = (Secret::new(plain.into_bytes()), Identities::new().with_age_file(&dir.join("age.txt")).unwrap());
    Sops::encrypt_new(&secrets.join("registry.yaml"), &plain, &policy, &known).unwrap().save().unwrap();
}

#[test]
fn a_login_is_a_secret_of_its_type_in_the_users_namespace() {
    let text = FILE.replace("{ca: ca.crt}", "{credentials: registry}");
    let with = format!("{text}namespace: {{name: apps}}\n");
    let wrong = |folder: &Folder, text: &str| -> Vec<String> {
        let cluster = folder.load(text).unwrap();
        let wish = compose::wish(&cluster, "secrets");
        assert!(!wish.is_whole() || wish.findings.is_empty());
        wish.findings.iter().map(ToString::to_string).collect()
    };
    let none = Folder::with(&[]);
    let told = wrong(&none, &with);
    assert!(
        told.len() == 1
            && told[0].contains("kubernetes.registries.a.example.com.credentials: no file that can be read has the Secret apps/registry"),
        "{told:?}"
    );
    assert!(wrong(&none, &text)[0].contains("the cluster file has no namespace that could hold the Secret"));
    for (kind, name, word) in [
        ("kubernetes.io/dockerconfigjson", "registry", None),
        (
            "Opaque",
            "registry",
            Some(
                "secrets/registry.yaml:1:1: error: kubernetes.registries.a.example.com.credentials: Secret apps/registry is of type Opaque",
            ),
        ),
        ("kubernetes.io/dockerconfigjson", "other", Some("no file that can be read has the Secret apps/registry")),
    ] {
        let folder = Folder::with(&[]);
        secret(&folder, kind, name);
        let told = wrong(&folder, &with);
        match word {
            None => assert!(told.is_empty(), "{told:?}"),
            Some(word) => assert!(told.len() == 1 && told[0].contains(word), "{told:?}"),
        }
    }
}

#[test]
fn a_login_that_images_of_kubernetes_itself_are_pulled_without_is_named() {
    let folder = Folder::with(&[]);
    let of = |host: &str, software: &str| {
        let text =
            FILE.replace("a.example.com: {ca: ca.crt}", &format!("{host}: {{credentials: registry}}")).replace("version: 1.37.1", software);
        folder.load(&text).unwrap().warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for host in ["registry.k8s.io", "ghcr.io"] {
        let told = of(host, "version: 1.37.1");
        assert!(told.len() == 1 && told[0].contains("are pulled from there without this login") && told[0].contains("bundle"), "{told:?}");
        assert!(of(host, "version: 1.37.1\n  bundle: b").is_empty(), "a bundle brings them");
    }
    assert!(of("docker.io", "version: 1.37.1").is_empty());
}

#[test]
fn a_registry_of_which_nothing_is_said_and_a_name_that_is_none_are_mistakes() {
    let folder = Folder::with(&[]);
    for (said, word) in [
        ("{}", "c.yaml:9:20: error: kubernetes.registries.a.example.com says nothing"),
        ("{credentials: Registry}", "\"Registry\" is no name of a Secret"),
        ("{credentials: {secret: x}}", "kubernetes.registries.a.example.com.credentials must be a string"),
        ("{ca: [a, b]}", "kubernetes.registries.a.example.com.ca must be a string"),
        ("{mirrors: ['https://robot:pw@mirror']}", "it holds a login, which everybody on a node could read"),
        ("{ca: ''}", "the path is empty"),
    ] {
        let told = folder.load(&FILE.replace("{ca: ca.crt}", said)).unwrap_err();
        assert!(told.len() == 1 && told[0].contains(word), "{told:?}");
    }
}

//! Services as a user meets them: what `check` says of their files, and what `plan` shows.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

#[allow(dead_code)] // most of it is for the fuzzer of provision
#[path = "../../provision/tests/answers/mod.rs"]
mod answers;

use answers::{CORPUS, World};
use kubestead_core::fact::Fact;
use kubestead_provision::service::{self, ServiceFacts};
use kubestead_provision::{compose, facts, file};

const MANIFESTS: &str = include_str!("../../../examples/services/manifests/hello/hello.yaml");

fn run(dir: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubestead"));
    command.args(arguments).current_dir(dir).env("HOME", dir).env_remove("KUBESTEAD_FILE").env_remove("CLICOLOR_FORCE");
    let ran = command.output().unwrap();
    (ran.status.code(), String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap())
}

fn example(dir: &Path) {
    std::fs::write(dir.join("cluster.yaml"), include_str!("../../../examples/services/cluster.yaml")).unwrap();
    std::fs::create_dir_all(dir.join("manifests/hello")).unwrap();
    std::fs::write(dir.join("manifests/hello/hello.yaml"), MANIFESTS).unwrap();
}

#[test]
fn a_question_about_rights_ends_as_for_a_host_that_is_not_reached() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::fs::write(dir.path().join("ssh"), format!("Host *\n  HostName 127.0.0.1\n  Port {port}\n  BatchMode yes\n")).unwrap();
    let cluster = "apiVersion: kubestead/v1\nkind: Cluster\nname: home\nkubernetes: {version: 1.37.1}\nssh: {config: ssh}\n\
        nodes: [{name: cp1, address: 192.0.2.11, roles: [control-plane]}]\nnamespace: {name: apps, users: [{name: dev}]}\n";
    std::fs::write(dir.path().join("cluster.yaml"), cluster).unwrap();
    let (code, text) = run(dir.path(), &["access", "can-i"]);
    assert_eq!(code, Some(5), "{text}");
}

#[test]
fn check_reads_the_files_of_services_and_tells_all_mistakes_of_all_of_them_at_once() {
    let dir = tempfile::tempdir().unwrap();
    example(dir.path());
    let (code, text) = run(dir.path(), &["check"]);
    assert_eq!((code, text.contains("1 services of 4 objects: no mistakes")), (Some(0), true), "{text}");
    let folder = dir.path().join("manifests/hello");
    std::fs::write(folder.join("hello.yaml"), MANIFESTS.replace("${HOST}", "${HOTS}")).unwrap();
    std::fs::write(
        folder.join("key.yaml"),
        "apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: hello}\nstringData: {key: hunter22}\n",
    )
    .unwrap();
    let (code, text) = run(dir.path(), &["check"]);
    assert_eq!(code, Some(2), "{text}");
    for words in [
        "manifests/hello/hello.yaml:13:16: error: the variable HOTS is not declared",
        "manifests/hello/key.yaml:4:19: error: Secret hello/key: the value key in the clear",
        "2 mistakes",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("hunter22"), "{text}");
    // With what is wrong in the cluster file itself.
    let cluster = std::fs::read_to_string(dir.path().join("cluster.yaml")).unwrap();
    std::fs::write(dir.path().join("cluster.yaml"), format!("{cluster}nods: []\n")).unwrap();
    let (code, both) = run(dir.path(), &["check"]);
    assert_eq!(code, Some(2), "{both}");
    assert!(both.contains("no field \"nods\"") && both.contains("key.yaml:4:19: error") && both.contains("3 mistakes"), "{both}");
    std::fs::write(dir.path().join("cluster.yaml"), cluster).unwrap();
    let (code, text) = run(dir.path(), &["check", "--output", "json"]);
    assert!(code == Some(2) && text.contains("\"line\": 13") && !text.contains("hunter22"), "{text}");
}

/// What carries a bundle to machines without the internet hears which images it lacks before a pod waits for one.
#[test]
fn check_tells_which_images_of_services_a_bundle_lacks_and_what_is_wrong_with_it() {
    let dir = tempfile::tempdir().unwrap();
    example(dir.path());
    let cluster = include_str!("../../../examples/services/cluster.yaml").replace("1.37.1}", "1.37.1, bundle: bundle}");
    std::fs::write(dir.path().join("cluster.yaml"), cluster).unwrap();
    std::fs::create_dir(dir.path().join("bundle")).unwrap();
    let with = |image: &str| {
        let sum = "a".repeat(64);
        let file = format!(
            r#"{{"path": "images/a.tar", "kind": "image", "name": "a", "version": "1", "sha256": "{sum}", "size": 1, "roles": ["worker"], "image": "{image}"}}"#
        );
        let bundle = format!(r#"{{"formatVersion": 1, "kubernetes": "1.37.1", "source": "downloaded", "files": [{file}]}}"#);
        std::fs::write(dir.path().join("bundle/bundle.json"), bundle).unwrap();
        run(dir.path(), &["check"])
    };
    let (code, text) = with("docker.io/library/busybox:1.36");
    let told = "bundle/bundle.json:1:1: warning: the bundle lacks images that services run, and nodes pull them from their registries: docker.io/library/busybox:1.37";
    assert!(code == Some(0) && text.contains(told), "{text}");
    let (code, text) = with("busybox:1.37");
    assert!(code == Some(0) && !text.contains("lacks"), "{text}");

    let file = dir.path().join("bundle/bundle.json");
    let whole = std::fs::read_to_string(&file).unwrap();
    for (content, code, told) in [
        (whole.replace("1.37.1", "1.36.4"), 0, "warning: the bundle has Kubernetes 1.36.4, and the file asks for 1.37.1"),
        (whole[..whole.len() / 2].to_owned(), 2, "bundle/bundle.json:1:1: error: it is not what it was made as: EOF while parsing"),
        (whole.replace("images/a.tar", "../a.tar"), 2, "error: it is not what it was made as: \"../a.tar\" leaves the folder"),
        (" ".repeat(3 << 20), 2, "error: it cannot be read"),
    ] {
        std::fs::write(&file, content).unwrap();
        let (was, text) = run(dir.path(), &["check"]);
        assert!(was == Some(code) && text.contains(told), "{told}: {text}");
    }
    std::fs::remove_file(&file).unwrap();
    let (code, text) = run(dir.path(), &["check"]);
    assert!(code == Some(0) && text.contains("bundle.json:1:1: warning: there is no bundle yet"), "{text}");
}

#[test]
fn check_reads_the_key_of_a_repository_and_knows_whether_the_folder_of_secrets_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let key = "-----BEGIN PGP PRIVATE KEY BLOCK-----\ncanary\n-----END PGP PRIVATE KEY BLOCK-----\n";
    std::fs::write(dir.path().join("release.asc"), key).unwrap();
    let with = |name: &str, more: &str| {
        let cluster =
            include_str!("../../../examples/services/cluster.yaml").replace("1.37.1}", &format!("1.37.1, packages: {{key: {name}}}}}"));
        let cluster = cluster.split("manifests:").next().unwrap().to_owned();
        std::fs::write(dir.path().join("cluster.yaml"), format!("{cluster}{more}\n")).unwrap();
        run(dir.path(), &["check"])
    };
    let (code, text) = with("release.asc", "secrets: {dir: sercets}");
    let told = "release.asc:1:1: error: kubernetes.packages.key is not an armoured OpenPGP public key: it holds a private key";
    assert!(code == Some(2) && text.contains(told) && !text.contains("canary"), "{text}");
    assert!(text.contains("sercets:1:1: error: there is no such folder") && text.contains("2 mistakes"), "{text}");
    let (code, text) = with("none.asc", "");
    assert!(code == Some(0) && text.contains("none.asc:1:1: warning: kubernetes.packages.key cannot be read"), "{text}");
}

#[test]
fn the_plan_of_the_example_is_as_it_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new();
    example(dir.path());
    let three = include_str!("../../../examples/three-nodes/cluster.yaml");
    let text =
        format!("{three}\nmanifests:\n  hello: {{path: manifests/hello, variables: {{HOST: hello.example.org, REPLICAS: \"2\"}}}}\n");
    std::fs::write(dir.path().join("cluster.yaml"), &text).unwrap();
    let cluster = file::load("cluster.yaml", &text, dir.path()).unwrap();
    let mut seen = world.look(&CORPUS);
    // The software that runs is the bundle's, so that nothing stands before the API.
    let Fact::Known(bundle) = &mut seen.bundle else { panic!("there is one") };
    for file in &mut bundle.files {
        let runs = match file.name.as_str() {
            "containerd" => "2.3.0",
            "runc" => "1.1.5+ds1",
            _ => "1.37.1",
        };
        file.version = runs.to_owned();
    }
    seen.asked = compose::services(&cluster, &seen.wish, &service::Local::here(), &|path| path.display().to_string());
    let namespaces = BTreeSet::from(["apps".to_owned(), "default".to_owned()]);
    seen.services = Fact::Known(ServiceFacts { namespaces, ..ServiceFacts::default() });
    let taken = "2026-11-28T14:01:47Z".parse().unwrap();
    std::fs::write(dir.path().join("facts.json"), facts::text(&cluster, &seen, taken).unwrap()).unwrap();
    let (code, text) = run(dir.path(), &["plan", "--facts", "facts.json"]);
    assert_eq!(code, Some(4), "{text}");
    let text = text.replace(dir.path().to_str().unwrap(), "/home/me");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/plan-services.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{} is not what is printed now (UPDATE=1 writes it anew):\n{text}", path.display());
}

#[test]
fn the_database_of_the_examples_is_read_and_its_services_never_share_a_pod() {
    let dir = tempfile::tempdir().unwrap();
    let manifests = include_str!("../../../examples/mariadb/manifests/db/db.yaml");
    std::fs::write(dir.path().join("cluster.yaml"), include_str!("../../../examples/mariadb/cluster.yaml")).unwrap();
    std::fs::create_dir_all(dir.path().join("manifests/db")).unwrap();
    std::fs::write(dir.path().join("manifests/db/db.yaml"), manifests).unwrap();
    let (code, text) = run(dir.path(), &["check"]);
    assert_eq!((code, text.contains("1 services of 8 objects: no mistakes")), (Some(0), true), "{text}");
    let documents: Vec<&str> = manifests.split("\n---\n").collect();
    let of = |kind: &str, name: &str| {
        let found = documents.iter().find(|text| text.contains(&format!("kind: {kind}\n")) && text.contains(&format!("name: {name},")));
        *found.unwrap()
    };
    for (service, role) in [("db-primary", "role: primary"), ("db-secondary", "role: secondary")] {
        assert!(of("Service", service).contains(&format!("selector: {{app: db, {role}}}")));
        assert!(of("StatefulSet", service).contains(&format!("metadata: {{labels: {{app: db, {role}}}}}")));
    }
    assert!(of("StatefulSet", "db-primary").contains("nodeSelector: {kubernetes.io/hostname: \"${WRITER}\"}"));
    assert!(
        of("StatefulSet", "db-secondary").contains("operator: NotIn, values: [\"${WRITER}\"]")
            && of("StatefulSet", "db-secondary").contains("--read-only")
    );
    assert_eq!(manifests.matches("valueFrom: {secretKeyRef: {name: db, key:").count(), 4, "no password stands here");
}

//! What is wrong in files, and what is told of it.

use super::*;

/// What stands in a file, encrypted or not, and what must be said of it.
const BROKEN: [(bool, &str, &str); 19] = [
    (false, "kind: Secret\nstringData:\n  a: canary\n", "s/x.yaml:3:6: error: a Secret that is not encrypted"),
    (
        false,
        "kind: Secret\ndata: {a: 'ENC[AES256_GCM,data:x'}\n",
        "s/x.yaml:2:11: error: an encrypted value, and the file has no `sops` block",
    ),
    (false, "kind: Secret\n<<<<<<< HEAD\na: b\n", "this looks like a Secret and cannot be read"),
    (
        true,
        "apiVersion: v1\nkind: Secret\nmetadata: {namespace: a}\nstringData: {a: b}\n",
        "s/x.yaml:2:7: error: the Secret has no metadata.name",
    ),
    (true, "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: b}\n", "the Secret has no metadata.namespace"),
    (true, "apiVersion: v1\nkind: Secret\nmetadata: {name: A_b, namespace: a}\n", "\"A_b\" is no name of a Secret"),
    (true, "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: a.b}\n", "\"a.b\" is not a name"),
    (true, "apiVersion: v2\nkind: Secret\nmetadata: {name: a, namespace: a}\n", "the apiVersion of a Secret is v1"),
    (
        true,
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: a}\ntype: kubernetes.io/service-account-token\n",
        "are not taken from files",
    ),
    (
        true,
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: a}\ntype: bootstrap.kubernetes.io/token\n",
        "are not taken from files",
    ),
    (true, "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: a}\ntype: kubernetes.io/tsl\n", "is no type of a Secret"),
    (
        true,
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: a}\ntype: kubernetes.io/tls\nstringData: {tls.crt: a}\n",
        "needs the keys tls.crt and tls.key",
    ),
    (true, "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: a}\nstringData: {a b: c}\n", "\"a b\" is no key of a Secret"),
    (true, "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: a}\nstringData: {a: 12}\n", "stringData.a is no text"),
    (
        true,
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: a}\nstringData: {a: {b: c}}\n",
        "stringData must be a map of texts",
    ),
    (
        true,
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: a}\nstringData: {a: b}\ndata: {a: YQ==}\n",
        "a is in data and in stringData",
    ),
    (
        true,
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: a, ownerReferences: [{x: y}]}\n",
        "has no metadata.ownerReferences",
    ),
    (
        true,
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: a, annotations: {kubestead.io/digest: x}}\n",
        "is set by kubestead itself",
    ),
    (
        true,
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: a, labels: {x: 1}}\nspec: {}\nimmutable: 1\n",
        "metadata.labels.x must be a string",
    ),
];

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_place_and_without_its_values() {
    for (sealed, text, expected) in BROKEN {
        let world = World::new();
        if sealed {
            world.seal("x.yaml", text);
        } else {
            std::fs::write(world.path("x.yaml"), text).unwrap();
        }
        let wish = secret::read_folder(&world.dir.path().join("secrets"), "s");
        let found = findings(&wish);
        assert!(found.iter().any(|f| f.contains(expected)), "{text}\nexpected {expected}\nfound {found:#?}");
        assert!(wish.secrets.is_empty() && !found.concat().contains("canary"), "{found:?}");
    }
}

#[test]
fn all_files_are_told_at_once_and_others_are_left_alone() {
    let world = World::new();
    world.seal("a.yaml", &plain("same", &[("k", "v")]));
    world.seal("deep/b.yml", &plain("same", &[("k", "v")]));
    std::fs::write(world.path("c.yaml"), plain("clear", &[("k", "canary")])).unwrap();
    let whole = world.policy().with_selector(Selector::default());
    let text = Secret::new(plain("hidden", &[("k", "v")]).into_bytes());
    Sops::encrypt_new(&world.path("d.yaml"), &text, &whole, &world.identities()).unwrap().save().unwrap();
    let big = plain("big", &[("k", "x".repeat(1_048_577).as_str())]);
    world.seal("e.yaml", &big);
    let text = Secret::new(plain("partly", &[("k", "v")]).into_bytes());
    let partly = world.policy().with_mac_only_encrypted();
    Sops::encrypt_new(&world.path("g.yaml"), &text, &partly, &world.identities()).unwrap().save().unwrap();
    std::os::unix::fs::symlink("/etc/hostname", world.path("f.yaml")).unwrap();
    let found = findings(&world.wish());
    let expected = [
        "secrets/c.yaml:7:6: error: a Secret that is not encrypted",
        "secrets/d.yaml:2:7: error: its kind is encrypted",
        "secrets/deep/b.yml:2:7: error: Secret apps/same is asked for twice: secrets/a.yaml:2 does so too",
        "secrets/e.yaml:7:6: error: its values have 1048577 bytes, and Kubernetes takes 1048576",
        "secrets/f.yaml:1:1: error: it is a symbolic link",
        "secrets/g.yaml:2:7: error: its MAC does not cover its name and namespace",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
    let world = World::new();
    for (file, text) in [
        ("values.yaml", "replicas: 3\n"),
        ("broken.yaml", "a: [\n"),
        (".sops.yaml", "kind: Secret\n"),
        ("x.txt", "kind: Secret\n"),
        ("store.yaml", "kind: SecretStore\na: [\n"),
        ("escrow/x.yaml", "kind: Secret\n"),
    ] {
        std::fs::write(world.path(file), text).unwrap();
    }
    world.seal("helm.yaml", "password: x\nkind: none\n");
    assert_eq!(world.wish(), SecretsWanted::default());
}

#[tokio::test]
async fn values_that_cannot_be_one_are_refused_before_the_api_is_asked() {
    let twice = "ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]";
    let cases = [
        ("stringData", twice.to_owned(), "it was encrypted twice"),
        ("data", STANDARD.encode(twice), "it was encrypted twice"),
        ("data", "no base64!".to_owned(), "is no base64"),
    ];
    for (field, value, expected) in cases {
        let world = World::new();
        world.seal("db.yaml", &plain("db", &[("password", &value)]).replace("stringData", field));
        let error = world.apply(&world.plan().await.steps[0].action).await.unwrap_err();
        assert!(error.contains(expected) && error.contains("db.yaml: the value password of Secret apps/db"), "{error}");
        assert!(!error.contains(&value) && world.live("db").await.is_none());
    }
}

#[tokio::test]
async fn without_an_identity_the_plan_works_and_the_step_says_who_could() {
    let world = World::new();
    world.seal("db.yaml", &plain("db", &[("password", CANARY)]));
    let recipient = std::fs::read_to_string(world.path("escrow/recipients")).unwrap().trim().to_owned();
    std::fs::remove_file(world.dir.path().join("age.txt")).unwrap();
    let part = world.plan().await;
    assert_eq!(part.steps.len(), 1);
    let error = world.apply(&part.steps[0].action).await.unwrap_err();
    let searched = format!("{} (not there)", world.dir.path().join("age.txt").display());
    for expected in [recipient.as_str(), "searched in this order: SOPS_AGE_KEY", searched.as_str()] {
        assert!(error.contains(expected), "{expected} is not in {error}");
    }
}

#[tokio::test]
async fn a_changed_file_is_refused_whole() {
    let world = World::new();
    world.seal("db.yaml", &plain("db", &[("password", CANARY), ("user", "u")]));
    // A name of a key is moved by an editor: each value still opens in its place, or not, and the MAC says that it is another file.
    let text = std::fs::read_to_string(world.path("db.yaml")).unwrap().replace("name: db", "name: dc");
    std::fs::write(world.path("db.yaml"), text).unwrap();
    let error = world.apply(&world.plan().await.steps[0].action).await.unwrap_err();
    assert!(error.contains("the MAC does not fit"), "{error}");
    assert!(world.live("dc").await.is_none());
}

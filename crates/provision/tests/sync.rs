//! Volumes that are kept the same: from the cluster file of the example to the objects, and what is wrong in such a file.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by it

use std::path::{Path, PathBuf};

use kubestead_provision::file::{Cluster, load, load_or};
use kubestead_provision::service::{Beside, Local, ServicesWanted, read_files};
use serde_json::{Value, json};

const EXAMPLE: &str = include_str!("../../../examples/sync/cluster.yaml");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/sync")
}

fn cluster(text: &str) -> Cluster {
    load("cluster.yaml", text, &folder()).unwrap_or_else(|found| panic!("{found:?}"))
}

fn wanted(text: &str) -> ServicesWanted {
    let (cluster, shown) = (cluster(text), |path: &Path| path.display().to_string());
    let beside = Beside { shown: &shown, taken: Vec::new(), version: Some("1.37.1"), cluster: Some(&cluster), programs: &Local::default() };
    read_files(&cluster.manifests, &beside)
}

fn told(text: &str) -> String {
    let refused = load_or("cluster.yaml", text, &folder()).unwrap_err();
    refused.found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn object<'a>(wanted: &'a ServicesWanted, kind: &str, name: &str) -> &'a Value {
    let mut all = wanted.services.iter().flat_map(|service| &service.manifests);
    all.find(|manifest| manifest["kind"] == kind && manifest["metadata"]["name"] == name).unwrap()
}

#[test]
fn the_example_becomes_a_hub_and_rounds_that_may_nothing_but_their_volume() {
    let wanted = wanted(EXAMPLE);
    let errors: Vec<String> =
        wanted.findings.iter().map(ToString::to_string).filter(|told| !told.contains("warning: images by a tag alone")).collect();
    assert_eq!(errors, Vec::<String>::new());
    let sync = wanted.services.iter().find(|service| service.name.as_str() == "sync").unwrap();
    let names = |manifest: &Value| format!("{} {}", manifest["kind"].as_str().unwrap(), manifest["metadata"]["name"].as_str().unwrap());
    let mut all: Vec<String> = sync.manifests.iter().map(names).collect();
    all.sort();
    let expected = ["ConfigMap sync-web", "CronJob sync-web-web-1", "Deployment sync-web", "Service sync-web", "ServiceAccount sync-web"];
    assert_eq!(all, expected);
    let hub = &object(&wanted, "Deployment", "sync-web")["spec"]["template"]["spec"];
    let rounds = object(&wanted, "CronJob", "sync-web-web-1");
    let round = &rounds["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    for (pod, claim, key) in [(hub, "files-web-0", "sync-web-hub"), (round, "files-web-1", "sync-web-web-1")] {
        let context = &pod["securityContext"];
        assert_eq!((&context["runAsUser"], &context["runAsNonRoot"], &context["fsGroup"]), (&1000.into(), &true.into(), &1000.into()));
        let container = &pod["containers"][0];
        let own = json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
        assert_eq!((&container["securityContext"], &container["image"]), (&own, &"registry.example.org/sync:1".into()));
        assert_eq!(pod["automountServiceAccountToken"], false);
        let volumes = pod["volumes"].as_array().unwrap();
        assert_eq!(volumes[0]["persistentVolumeClaim"]["claimName"], claim);
        assert_eq!((&volumes[2]["secret"]["secretName"], &volumes[2]["secret"]["defaultMode"]), (&key.into(), &0o440.into()));
    }
    assert_eq!(rounds["spec"]["schedule"], "*/5 * * * *");
    assert_eq!(rounds["metadata"]["annotations"]["rounds.kubestead.io/critical-after-seconds"], "7200");

    let data = &object(&wanted, "ConfigMap", "sync-web")["data"];
    let text = |name: &str| data[name].as_str().unwrap();
    assert_eq!(text("round.sh"), include_str!("../src/service/built/sync/round.sh"), "a script comes as it is");
    assert!(text("authorized_keys").starts_with("restrict,command=\"/bin/bash /sync/serve.sh web-1\" ssh-ed25519 AAAA"));
    assert!(text("known_hosts").starts_with("hub ssh-ed25519 AAAA") && !text("known_hosts").contains("hub\n"), "without the comment");
    assert_eq!(text("exclude"), "Name *.lock\nPath cache\n");
    assert_eq!(text("settings.sh"), "HUB=sync-web\nMOST_DELETED=50\nKEEP_DAYS=30\nLONGEST=3600\nMOST_SKEW=60\n");
    assert_eq!(text("passwd"), "root:x:0:0:root:/:/bin/sh\nsync:x:1000:1000:sync:/tmp:/bin/sh\n");
}

#[test]
fn values_reach_the_objects_and_each_spoke_has_its_own() {
    let third = "          web-2: {claim: files-web-2, key: THIRD}\n        group: 2000\n        warnAfter: 90s\n        longest: 3h\n        \
        schedule: \"7 * * * 1-5\"\n        keepDays: 7\n        mostDeleted: 10\n        exclude:";
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    let text = EXAMPLE.replacen("        exclude:", &third.replace("THIRD", key), 1);
    let wanted = wanted(&text);
    let rounds = object(&wanted, "CronJob", "sync-web-web-2");
    assert_eq!(
        (&rounds["spec"]["schedule"], &rounds["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"]),
        (&"7 * * * 1-5".into(), &21_600.into())
    );
    assert_eq!(rounds["metadata"]["annotations"]["rounds.kubestead.io/warn-after-seconds"], "90");
    let data = &object(&wanted, "ConfigMap", "sync-web")["data"];
    assert!(data["authorized_keys"].as_str().unwrap().ends_with(&format!("serve.sh web-2\" {key}\n")));
    assert!(data["settings.sh"].as_str().unwrap().contains("MOST_DELETED=10\nKEEP_DAYS=7\nLONGEST=10800\n"));
    assert!(data["passwd"].as_str().unwrap().contains("sync:x:1000:2000:"));
}

#[test]
fn mistakes_are_told_at_their_places_all_at_once() {
    let wrong = |from: &str, to: &str| told(&EXAMPLE.replacen(from, to, 1));
    for (from, to, words) in [
        ("user: 1000", "user: 0", "0 is root"),
        ("user: 1000", "user: me", "no number of a user"),
        ("image: registry.example.org/sync:1", "patches: []", "needs \"image\""),
        ("needs: [web]", "needs: [wed]", "no service is called wed"),
        ("files-web-1", "files-web-0", "two volumes have the claim web/files-web-0"),
        ("web-1: {", "hub: {", "a spoke is called hub"),
        ("web-1: {", "the-name-of-a-spoke-that-is-long: {", "longer than 20"),
        ("namespace: web\n        user", "namespace: We\n        user", "is not a name"),
        ("Name *.lock", "*.lock", "no pattern of unison"),
        ("exclude:", "shedule: \"* * * * *\"\n        exclude:", "did you mean \"schedule\""),
        ("exclude:", "schedule: every day\n        exclude:", "no schedule"),
        ("exclude:", "warnAfter: 30\n        exclude:", "no duration"),
        ("exclude:", "warnAfter: 3h\n        exclude:", "criticalAfter must be later"),
        ("exclude:", "mostDeleted: 100\n        exclude:", "1 to 99"),
        ("key: ssh-ed25519 AAAAC3", "key: ssh-rsa AAAAC3", "no public key of ed25519"),
        ("key: ssh-ed25519 AAAAC3", "key: ssh-ed25519 BBBBC3", "no public key of ed25519"),
    ] {
        let all = wrong(from, to);
        assert!(all.contains(words), "{to}: {all}");
        assert!(all.lines().all(|line| line.starts_with("cluster.yaml:") || line.starts_with("  hint: ")), "{all}");
    }
    let key = EXAMPLE.split("key: ").nth(1).unwrap().split(" hub}").next().unwrap();
    let other = EXAMPLE.split("key: ").nth(2).unwrap().split(" web-1}").next().unwrap();
    assert!(wrong(other, key).contains("two volumes have the key"));
    let all = told(&EXAMPLE.replace("user: 1000", "user: 0").replace("Name *.lock", "lock").replace("claim: files-web-1, ", ""));
    assert_eq!(all.lines().filter(|line| line.starts_with("cluster.yaml:")).count(), 3, "{all}");
}

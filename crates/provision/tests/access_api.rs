//! Who may what on a real API server, which `crates/proof` starts: the server's own verdicts on the rights that the file gives. Skipped where none is given.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

mod api;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use api::World;
use kubestead_provision::file::{self, Namespace};
use kubestead_provision::rights::{self, Question};
use serde_json::{Value, json};

const HOME: &str = "access";

fn namespace() -> Namespace {
    let text = format!(
        "apiVersion: kubestead/v1\nkind: Cluster\nname: c\nnodes: [{{name: n, address: 192.0.2.1, roles: [control-plane]}}]\n\
         namespace:\n  name: {HOME}\n  users: [{{name: {HOME}-user}}]\n  groups: ['oidc:developers']\n  \
         podSecurity: {{accounts: {{{HOME}-privileged: {{capabilities: [NET_ADMIN]}}}}}}\n  \
         limits: {{max: {{cpu: 4000m, memory: 1000M}}}}\n  quota: {{pods: 1000, limits.memory: 2048Mi, requests.cpu: 0.5}}\n"
    );
    file::load("c.yaml", &text, Path::new("/x")).unwrap_or_else(|found| panic!("{found:?}\n{text}")).namespace.unwrap()
}

/// What somebody with all rights in one namespace, and a look outside, may.
const EXPECTED: [(&str, &str, Option<&str>, bool); 18] = [
    ("create", "deployments.apps", Some(HOME), true),
    ("get", "secrets", Some(HOME), true),
    ("create", "pods/exec", Some(HOME), true),
    ("create", "httproutes.gateway.networking.k8s.io", Some(HOME), true),
    ("list", "endpointslices.discovery.k8s.io", Some(HOME), true),
    ("list", "nodes", None, true),
    ("list", "persistentvolumes", None, true),
    ("get", "storageclasses.storage.k8s.io", None, true),
    ("update", "resourcequotas", Some(HOME), false),
    ("update", "limitranges", Some(HOME), false),
    ("update", "namespaces", Some(HOME), false),
    // With these a user makes a role with rights that are not his, over his limits for instance.
    ("escalate", "roles.rbac.authorization.k8s.io", Some(HOME), false),
    ("bind", "roles.rbac.authorization.k8s.io", Some(HOME), false),
    ("get", "secrets", Some("kube-system"), false),
    ("delete", "nodes", None, false),
    ("create", "clusterrolebindings.rbac.authorization.k8s.io", None, false),
    ("create", "pods", Some("default"), false),
    ("create", "persistentvolumes", None, false),
];

#[tokio::test]
async fn users_may_all_in_their_namespace_and_only_look_outside() {
    let Some(mut world) = World::new(api::spec(None)) else { return };
    // What other tests left on the server.
    world.run(&world.plan().steps).await;
    let own = namespace();
    world.spec = api::spec(Some(own.clone()));
    world.run(&world.plan().steps).await;
    let again = world.plan();
    assert!(again.steps.is_empty() && again.held.is_empty(), "amounts are kept as they were written: {:?}", api::ids(&again));

    let subjects = rights::subjects(&own);
    let names: Vec<&str> = subjects.iter().map(|subject| subject.name.as_str()).collect();
    assert_eq!(names, ["access-user", "access-privileged", "oidc:developers"]);
    let questions: Vec<Question> = EXPECTED.iter().map(|(verb, what, place, _)| Question::new(verb, what, *place)).collect();
    let rows = rights::ask(&world.kube, &questions, &subjects).await.unwrap();
    for ((question, row), (.., expected)) in questions.iter().zip(&rows).zip(&EXPECTED) {
        assert_eq!(row, &[*expected, false, *expected], "{question}: {names:?}");
    }
    as_kubectl_says(&world);
    // All that is asked about without a question is known to the server, but for kinds of definitions that are not there.
    let all = rights::questions(HOME);
    for question in all.iter().filter(|question| question.group != "gateway.networking.k8s.io") {
        let found = rights::known(&world.kube, vec![Question { group: String::new(), ..question.clone() }]).await.unwrap();
        assert_eq!(found.as_deref(), Ok(std::slice::from_ref(question)), "with the group that the server has");
    }
    let unknown = rights::known(&world.kube, vec![Question::new("get", "deploymints", None)]).await.unwrap();
    assert_eq!(unknown.unwrap_err().resource, "deploymints");
    let rows = rights::ask(&world.kube, &all, &subjects[..1]).await.unwrap();
    let may = rows.iter().filter(|row| row == &&[true]).count();
    assert!(rows.len() == all.len() && may > 15 && may < all.len() - 7, "{may} of {}", rows.len());

    who(&world);
    limits(&world).await;
    world.spec = api::spec(None);
    world.run(&world.plan().steps).await;
}

/// kubectl asks in another way, as that user.
fn as_kubectl_says(world: &World) {
    let user = format!("--as=system:serviceaccount:{HOME}:{HOME}-user");
    for &(verb, what, place, expected) in EXPECTED.iter().filter(|(_, what, ..)| !what.contains("gateway")) {
        let (kind, part) = what.split_once('/').unwrap_or((what, ""));
        let part = format!("--subresource={part}");
        let place = place.map_or_else(|| "--all-namespaces".to_owned(), |place| format!("--namespace={place}"));
        let answer = world.ask(&["auth", "can-i", verb, kind, &user, &part, &place], "");
        assert_eq!(answer.said.trim(), if expected { "yes" } else { "no" }, "{verb} {what} {place}: {}", answer.complained);
    }
}

/// The user by a token of its own, and the group by its name.
fn who(world: &World) {
    let token = world.ask(&["-n", HOME, "create", "token", "access-user", "--duration=3h"], "");
    let config: Value = json!({"token": token.said.trim()});
    let bare = world.ask(&["config", "view", "--raw", "--minify", "-o", "json"], "");
    let mut config_of_user: Value = serde_json::from_str(&bare.said).unwrap();
    config_of_user["users"][0]["user"] = config;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config_of_user.to_string()).unwrap();
    let path = file.path().display().to_string();
    let user = |words: &[&str]| api::ask(&path, words, "");
    let said = user(&["auth", "whoami", "-o", "json"]);
    let me: Value = serde_json::from_str(&said.said).unwrap_or_else(|_| panic!("{}", said.complained));
    assert_eq!(me["status"]["userInfo"]["username"], format!("system:serviceaccount:{HOME}:access-user"));
    assert!(user(&["-n", HOME, "get", "secrets"]).good && !user(&["-n", "kube-system", "get", "secrets"]).good);
    assert!(!user(&["create", "namespace", "mine"]).good);
    helm(world, &path);
    let group = ["--as=jane", "--as-group=oidc:developers"];
    assert!(world.ask(&[&["-n", HOME, "get", "secrets"], &group[..]].concat(), "").good);
    assert!(!world.ask(&["-n", HOME, "get", "secrets", "--as=jane"], "").good);
}

/// The real helm with the user's token alone: releases in the user's namespace and nowhere else, of which the cluster keeps a Secret, and nothing of helm runs.
fn helm(world: &World, kubeconfig: &str) {
    let program = std::env::var("HELM").expect("HELM names the real one");
    let dir = tempfile::tempdir().unwrap();
    let chart = dir.path().join("testchart");
    std::fs::create_dir_all(chart.join("templates")).unwrap();
    std::fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: testchart\nversion: 1.0.0\n").unwrap();
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-words}\ndata: {word: {{ .Values.word | default \"one\" }}}\n";
    std::fs::write(chart.join("templates/words.yaml"), template).unwrap();
    let helm = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.args(words).args(["--kubeconfig", kubeconfig]).current_dir(dir.path()).env("HOME", dir.path());
        let ran = command.output().unwrap();
        (ran.status.success(), String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned())
    };
    let (_, version) = helm(&["version", "--short"]);
    assert!(version.starts_with("v4."), "{version}");
    let releases = || {
        world
            .ask(
                &[
                    "get",
                    "secrets",
                    "--all-namespaces",
                    "-l",
                    "owner=helm",
                    "--no-headers",
                    "-o",
                    "custom-columns=:.metadata.namespace,:.metadata.name",
                ],
                "",
            )
            .said
    };
    let word = || world.get(&["-n", HOME, "configmap", "t-words"])["data"]["word"].clone();
    let (good, said) = helm(&["install", "t", "./testchart", "-n", HOME]);
    assert!(good && word() == "one", "{said}");
    assert_eq!(releases().split_whitespace().collect::<Vec<_>>(), [HOME, "sh.helm.release.v1.t.v1"]);
    let (good, said) = helm(&["upgrade", "t", "./testchart", "-n", HOME, "--set", "word=two"]);
    assert!(good && word() == "two", "{said}");
    for place in ["default", "kube-system"] {
        let (good, said) = helm(&["install", "t", "./testchart", "-n", place]);
        assert!(!good && said.contains("forbidden"), "{place}: {said}");
    }
    let (good, said) = helm(&["uninstall", "t", "-n", HOME]);
    assert!(good && word().is_null() && releases().is_empty(), "{said}");
}

/// What a container gets that says nothing, and what no container may say.
async fn limits(world: &World) {
    world.kubectl(&["-n", HOME, "create", "serviceaccount", "default"], "");
    let quota = world.get(&["-n", HOME, "resourcequota", "quota"]);
    let hard: BTreeMap<String, String> = serde_json::from_value(quota["spec"]["hard"].clone()).unwrap();
    let wanted = [("limits.memory", "2Gi"), ("pods", "1k"), ("requests.cpu", "500m")];
    assert_eq!(hard, wanted.map(|(name, amount)| (name.to_owned(), amount.to_owned())).into());
    // A controller counts what is used, and there is none here: without its count no pod is made.
    let used: BTreeMap<&str, &str> = wanted.iter().map(|(name, _)| (*name, "0")).collect();
    let status = json!({"status": {"hard": hard, "used": used}}).to_string();
    world.kubectl(&["-n", HOME, "patch", "resourcequota", "quota", "--subresource=status", "--type=merge", "-p", &status], "");
    let pod = |resources: Value| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": HOME},
            "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}})
        .to_string()
    };
    let make = |resources: Value| world.ask(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &pod(resources));
    let mut answer = make(json!({}));
    for _ in 0..100 {
        if answer.good {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer = make(json!({}));
    }
    assert!(answer.good, "waited for the quota to be counted: {}", answer.complained);
    let made: Value = serde_json::from_str(&answer.said).unwrap();
    let got = &made["spec"]["containers"][0]["resources"];
    assert_eq!(*got, json!({"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "50m", "memory": "64Mi"}}));
    let large = make(json!({"limits": {"memory": "2G"}}));
    assert!(!large.good && large.complained.contains("maximum memory usage per Container is 1G"), "{}", large.complained);
    let many = make(json!({"requests": {"cpu": "501m"}, "limits": {"cpu": "1"}}));
    assert!(!many.good && many.complained.contains("exceeded quota: quota"), "{}", many.complained);
}

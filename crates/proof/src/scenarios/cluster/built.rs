//! Services that kubestead brings itself, with what they run: the real metrics-server, and a stand-in for Headlamp.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, all, is};

use super::{NODES, kubectl};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "metrics of each node come over certificates that only a node's own names get and scale a workload, a stand-in for the dashboard is reached by a user's token alone, and both leave \
           nothing when they leave the file",
    shows: &["F05", "F41", "R1", "R3", "no kubelet gets a certificate for other names"],
    fixture: Fixture::Cluster,
    leaves: Leaves::AsFound,
    limit: 1800,
    takes: 500,
    core: false,
    run: services,
}];

const SECTION: &str = "services: {metrics: {}, dashboard: {}}\n";
const CONSENT: [&str; 4] = ["--yes", "cluster/namespace.metrics-server/delete", "--yes", "cluster/namespace.headlamp/delete"];
const ADDRESSES: [&str; 3] = ["10.77.0.11", "10.77.0.21", "10.77.0.22"];

/// A workload that uses all that it may, and what scales it by that.
const BURNER: &str = include_str!("../../scripts/metrics/burner.yaml");

/// The nodes that use of processors and memory is told of.
fn measured(s: &Stage) -> Claim {
    let answer = kubectl(s, &["get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes"]).run().answer()?;
    let found: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
    let items = found["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let used = |item: &&Value| item["usage"]["cpu"].is_string() && item["usage"]["memory"].is_string();
    let names: BTreeSet<&str> = items.iter().filter(used).filter_map(|item| item["metadata"]["name"].as_str()).collect();
    is(names == BTreeSet::from(NODES), || answer.clone())
}

/// Each kubelet shows a certificate of the cluster's authority.
fn known(s: &Stage) -> Claim {
    all(ADDRESSES, |address| s.at("cp1", &["kubelet_is_known", address]).run().ok())
}

/// All objects of the cluster of kinds that services have, by name.
fn listing(s: &Stage) -> Result<String, String> {
    let kinds = "namespaces,clusterroles,clusterrolebindings,apiservices,customresourcedefinitions,deployments,services,serviceaccounts,roles,rolebindings,configmaps";
    kubectl(s, &["get", kinds, "--all-namespaces", "-o", "name"]).run().answer()
}

fn services(s: &Stage) -> Done {
    let (file, before) = (s.read("cluster.yaml")?, listing(s)?);
    for script in ["scripts/metrics-server.sh", "scripts/headlamp.sh"] {
        let image = s.program("bash", &[&s.repository_word(script)]).run().answer()?;
        let bytes = std::fs::read(&image).map_err(|error| format!("{image}: {error}"))?;
        for node in ["kube1", "kube2"] {
            s.on(node, &["ctr", "-n", "k8s.io", "images", "import", "--local", "-"]).input(bytes.as_slice()).run().ok()?;
        }
    }
    s.write("cluster.yaml", &format!("{file}{SECTION}"))?;
    let plan = s.plan(&[]);
    let tells = [
        "cp1/kubelet/approver",
        "kube1/kubelet/settings",
        "serverTLSBootstrap",
        "cluster/manifests.metrics/apply",
        "cluster/manifests.dashboard/apply",
    ];
    s.claim("the plan tells what comes", plan.status(3).and(tells.iter().try_for_each(|word| plan.says(word))));
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    s.claim("each node's use is told", s.eventually(120, || measured(s)));
    scaled(s)?;
    s.claim("each kubelet is known by a certificate of the cluster", known(s));
    let status = s.kubestead(&["status"]).run();
    s.claim("status has a line for each", status.says("metrics:").and(status.says("dashboard:")));

    for (name, names) in [("others-address", "DNS:kube1,IP:10.77.0.11"), ("others-name", "DNS:kube1,DNS:kubernetes,IP:10.77.0.21")] {
        s.at("kube1", &["kubelet_asks", name, names]).run().ok()?;
        s.claim(
            &format!("a node that asks for {names} gets nothing"),
            s.eventually(60, || s.at("cp1", &["not_approved", name]).run().says("other names")),
        );
        let conditions = kubectl(s, &["get", "csr", name, "-o", "jsonpath={.status.conditions}{.status.certificate}"]).run();
        s.claim("nobody has judged its request", conditions.is(""));
        kubectl(s, &["delete", "csr", name]).run().ok()?;
    }
    s.at("kube2", &["kubelet_loses_certificate"]).run().ok()?;
    s.claim("a kubelet that needs another certificate gets it without an up", s.eventually(120, || known(s)));
    s.claim("and its use is told again", s.eventually(120, || measured(s)));

    dashboard(s)?;

    s.write("cluster.yaml", &file)?;
    let plan = s.plan(&[]);
    s.claim(
        "what leaves the file leaves the cluster, and its namespaces ask",
        plan.says("cp1/kubelet/no-approver").and(plan.says(CONSENT[1])),
    );
    s.claim("up", s.kubestead(&[&["up"], &CONSENT[..]].concat()).run().ok());
    let after = listing(s)?;
    let left: Vec<&str> = after.lines().filter(|line| !before.contains(line)).filter(|line| !line.contains("kubestead-copy")).collect();
    s.claim("nothing of them is left", is(left.is_empty(), || left.join(" ")));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

/// What uses more than half of what it asked for gets more pods.
fn scaled(s: &Stage) -> Done {
    let of = |kind: &str, field: &str| kubectl(s, &["-n", "apps", "get", kind, "burner", "-o", &format!("jsonpath={{{field}}}")]).run();
    kubectl(s, &["apply", "-f", "-"]).input(BURNER).run().ok()?;
    s.claim(
        "a workload that uses all that it may is scaled from one pod to three",
        s.eventually(400, || of("deployment", ".status.readyReplicas").is("3")),
    );
    let used = of("hpa", ".status.currentMetrics[0].resource.current.averageUtilization").answer()?;
    s.claim("by what metrics tell of it", is(used.parse().is_ok_and(|percent: u32| percent > 50), || used.clone()));
    kubectl(s, &["-n", "apps", "delete", "hpa,deployment", "burner"]).run().ok()?;
    let pods = || kubectl(s, &["-n", "apps", "get", "pods", "-l", "app=burner", "-o", "name"]).run();
    s.eventually(60, || pods().is(""))
}

/// What a user sees of it, with a token that he asks for himself.
fn dashboard(s: &Stage) -> Done {
    let page = "/api/v1/namespaces/headlamp/services/http:headlamp:80/proxy/";
    let ask = ["-n", "apps", "--as", "system:serviceaccount:apps:apps-user", "create", "token", "apps-user", "--duration", "3h"];
    let token = kubectl(s, &ask).run().answer()?;
    let by_token = |token: &str, path: &str| s.at("cp1", &["by_token", path]).input(token).run();
    s.claim("a user's token lives for three hours", s.at("cp1", &["token_lives"]).input(token.as_str()).run().is("10800"));
    let found = by_token(&token, page);
    s.claim("with it the dashboard's page comes", found.says("Headlamp").and(found.says("200")));
    s.claim(
        "it comes through a forwarded port too",
        s.at("cp1", &["forwarded", "headlamp", "service/headlamp", "80"]).run().says("Headlamp"),
    );
    s.claim("and Secrets of kube-system do not", by_token(&token, "/api/v1/namespaces/kube-system/secrets").says("403"));
    s.claim("a token that is none gets nothing", by_token("x.y.z", page).says("401"));
    let tokens = kubectl(s, &["get", "secrets", "-n", "headlamp", "-o", "name"]).run();
    s.claim("no Secret lies in its namespace", tokens.is(""));
    let own = kubectl(s, &["auth", "can-i", "--as", "system:serviceaccount:headlamp:headlamp", "list", "pods", "-A"]).run();
    s.claim("it has no rights of its own", own.says("no"));
    Ok(())
}

//! The cache of names that kubestead brings, on each node, and what becomes of pods' questions when it comes, starts anew and leaves.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, all, is};

use super::{NODES, kubectl};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "pods of each node ask a cache of their own for names, none of 1100 questions is lost, nor when a CoreDNS is killed, the cache starts anew or leaves, and nothing of it is left",
    shows: &["F34", "R1", "R3"],
    fixture: Fixture::Cluster,
    leaves: Leaves::WornOut,
    limit: 2400,
    takes: 400,
    core: false,
    run: names,
}];

const CACHE: &str = "169.254.20.10";
const SERVICE: &str = "10.96.0.10";
const INSIDE: &str = "kubernetes.default.svc.cluster.local";
const OUTSIDE: &str = "www.example.org";
/// The machine that answers for names outside of the cluster; it is no node.
const OTHERS: (&str, &str) = ("masterlock", "10.77.0.5");
const CONSENT: [&str; 2] = ["--yes", "cluster/namespace.dns-cache/delete"];
const ASK: &str = include_str!("../../scripts/names.pl");
const ANSWER: &str = include_str!("../../scripts/outside.pl");

/// A pod on every node, which sleeps so many seconds: by these it is found.
fn pods(s: &Stage, name: &str, seconds: &str) -> Done {
    let text = format!(
        "apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: {name}, namespace: default}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 0
      tolerations: [{{operator: Exists}}]
      containers:
      - {{name: {name}, image: 'localhost/kubestead/toolbox:1', imagePullPolicy: Never, command: [/bin/busybox, sleep, '{seconds}']}}
"
    );
    kubectl(s, &["apply", "-f", "-"]).input(text).run().ok()?;
    kubectl(s, &["rollout", "status", &format!("daemonset/{name}"), "--timeout=180s"]).run().ok()
}

/// The pod before the cache, and the one after it.
const BEFORE: &str = "86398";
const AFTER: &str = "86399";

/// So many questions over UDP and TCP from a node's pod are all answered; what was measured is told.
fn answered(s: &Stage, node: &str, pod: &str, server: &str, name: &str) {
    let ran = s.at(node, &["names", pod, server, name, "1000", "100"]).input(ASK).run();
    let told = ran.answer().unwrap_or_default();
    s.claim(&format!("{node} asks {server} for {name}: {told}"), ran.says("0 of 1100 lost"));
}

/// Questions go on and on at a node while something is done; none of them is lost.
fn meanwhile(s: &Stage, what: &str, node: &str, deed: impl FnOnce() -> Done) -> Done {
    s.at(node, &["begin_names", AFTER, CACHE, INSIDE]).input(ASK).run().ok()?;
    let done = deed();
    let ran = s.at(node, &["end_names"]).run();
    s.claim(&format!("{what}: {} are lost", ran.answer().unwrap_or_default()), ran.says("0 of "));
    done
}

fn asks(s: &Stage, pod: &str, whom: &str) -> Claim {
    all(NODES, |node| s.at(node, &["resolvers", pod]).run().is(whom))
}

fn rolled_out(s: &Stage) -> Claim {
    kubectl(s, &["-n", "dns-cache", "rollout", "status", "daemonset/cache", "--timeout=180s"]).run().ok()
}

fn names(s: &Stage) -> Done {
    let (file, before) = (s.read("cluster.yaml")?, listing(s)?);
    s.at(OTHERS.0, &["outside", OTHERS.1]).input(ANSWER).run().ok()?;
    for node in NODES {
        s.at(node, &["resolver", OTHERS.1]).run().ok()?;
    }
    // CoreDNS takes the resolvers of its node when it starts.
    kubectl(s, &["-n", "kube-system", "rollout", "restart", "deployment/coredns"]).run().ok()?;
    kubectl(s, &["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=180s"]).run().ok()?;
    pods(s, "before", BEFORE)?;
    s.claim("pods ask the cluster's service", asks(s, BEFORE, SERVICE));

    s.write("cluster.yaml", &format!("{file}services: {{dnsCache: {{}}}}\n"))?;
    let tells = [
        "cp1/kubelet/dns-address",
        "cluster/manifests.dns-cache/apply",
        "cluster/manifests.dns-cache/ready",
        "kube1/kubelet/settings",
        "clusterDNS",
    ];
    let plan = s.plan(&[]);
    s.claim("the plan tells what comes", plan.status(3).and(tells.iter().try_for_each(|word| plan.says(word))));
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    s.claim("each node has the address", all(NODES, |node| s.at(node, &["has_dns_address"]).run().ok()));
    s.claim("pods that were there ask whom they asked", asks(s, BEFORE, SERVICE));
    pods(s, "after", AFTER)?;
    s.claim("new ones ask the cache first", asks(s, AFTER, &format!("{CACHE} {SERVICE}")));

    for node in NODES {
        answered(s, node, AFTER, CACHE, INSIDE);
        answered(s, node, AFTER, CACHE, OUTSIDE);
        s.claim("the C library finds it", s.at(node, &["looked_up", AFTER, "20", INSIDE]).run().is("0"));
    }
    let outside = s.at(OTHERS.0, &["asked_outside", OUTSIDE]).run().answer()?;
    let few = outside.parse().is_ok_and(|asked: u32| asked > 0 && asked < 100);
    s.claim("of 3300 questions for a name outside few go out", is(few, || outside.clone()));

    kills(s)?;
    leaves(s, &file, &before)
}

/// A CoreDNS is killed, a cache, and all caches start anew by a change.
fn kills(s: &Stage) -> Done {
    let places = ["-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-dns", "-o", "jsonpath={range .items[*]}{.spec.nodeName} {end}"];
    let places = kubectl(s, &places).run().answer()?;
    let without = NODES.into_iter().find(|node| !places.contains(node));
    let asking = without.ok_or_else(|| format!("CoreDNS is on every node: {places}"))?;
    let one = places.split_whitespace().next().ok_or("there is no CoreDNS")?;
    // The cache's own process is one of the same name, in the network of the machine.
    s.at(one, &["kill_coredns", "cluster"]).run().ok()?;
    let uncached = s.at(asking, &["names_from", "5", AFTER, CACHE, "%d.default.svc.cluster.local", "1000", "100"]).input(ASK).run();
    let told = uncached.answer().unwrap_or_default();
    s.claim(
        &format!("5 s after a CoreDNS of {one} was killed {asking} asks it for another name each time: {told}"),
        uncached.says("0 of 1100 lost"),
    );
    answered(s, asking, AFTER, CACHE, INSIDE);

    s.at(asking, &["kill_coredns", "cache"]).run().ok()?;
    let looked = s.at(asking, &["looked_up", AFTER, "5", INSIDE]).run();
    s.claim("while the cache is away the C library asks the cluster's service", looked.is("0"));
    s.claim(
        "it comes back",
        s.eventually(120, || s.at(asking, &["names", AFTER, CACHE, INSIDE, "10", "1"]).input(ASK).run().says("0 of 11 lost")),
    );
    s.claim("all of them are ready", s.eventually(120, || rolled_out(s)));

    let requests = "containers: [{name: cache, resources: {requests: {cpu: 20m}}}]";
    let patch = format!(
        "{{apiVersion: apps/v1, kind: DaemonSet, metadata: {{name: cache, namespace: dns-cache}}, spec: {{template: {{spec: {{{requests}}}}}}}}}"
    );
    s.edit("cluster.yaml", "dnsCache: {}", &format!("dnsCache: {{patches: [{patch}]}}"))?;
    meanwhile(s, "while every cache is replaced", asking, || s.kubestead(&["up"]).run().ok())?;
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

fn leaves(s: &Stage, file: &str, before: &str) -> Done {
    s.write("cluster.yaml", file)?;
    let plan = s.plan(&[]);
    let tells = ["kube1/kubelet/unset", "kube1/kubelet/no-dns-address", "until the node starts anew", CONSENT[1]];
    s.claim("the plan tells what becomes of pods that are there", tells.iter().try_for_each(|word| plan.says(word)));
    s.claim("up", s.kubestead(&[&["up"], &CONSENT[..]].concat()).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    for node in NODES {
        s.claim(
            "a pod that was made with the cache still finds names",
            s.at(node, &["looked_up", AFTER, "5", INSIDE])
                .run()
                .is("0")
                .and(s.at(node, &["names", AFTER, SERVICE, INSIDE, "10", "1"]).input(ASK).run().says("0 of 11 lost")),
        );
    }
    kubectl(s, &["delete", "daemonset", "before", "after", "--wait"]).run().ok()?;
    pods(s, "before", BEFORE)?;
    s.claim("new pods ask the cluster's service alone", asks(s, BEFORE, SERVICE));
    kubectl(s, &["delete", "daemonset", "before", "--wait"]).run().ok()?;
    s.claim("in the cluster all is as it was", s.eventually(120, || is(listing(s)? == before, || "something is left".into())));
    for node in NODES {
        s.claim("no file of it is on a node", s.at(node, &["no_dns_files"]).run().ok());
    }
    s.on("kube2", &["reboot"]).run();
    s.claim(
        "and no address, once the node has started anew",
        s.eventually(300, || super::ready(s, &["kube2"]).and(s.at("kube2", &["has_dns_address"]).run().fails())),
    );
    Ok(())
}

/// The names of what it may leave in the cluster.
fn listing(s: &Stage) -> Result<String, String> {
    let kinds = "namespaces,serviceaccounts,services,deployments,daemonsets,clusterroles,clusterrolebindings";
    kubectl(s, &["get", kinds, "-A", "-o", "name"]).run().answer()
}

//! Logs of pods of every node, by the real collector in an image of the official name, to a server outside of the cluster and into files.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, all, is};

use super::{NODES, kubectl};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "lines of a pod on each node reach a syslog server over TLS once each, also those that were written while it was away, or go into a file of the node, and the service leaves nothing",
    shows: &["F30", "R1", "R3"],
    fixture: Fixture::Cluster,
    leaves: Leaves::AsFound,
    limit: 1800,
    takes: 300,
    core: false,
    run: logs,
}];

/// The machine with the server, which is no node.
const SERVER: (&str, &str) = ("masterlock", "10.77.0.5");
const PROGRAM: &str = include_str!("../../scripts/syslog.py");
const SPEAK: &str = include_str!("../../scripts/speak.sh");
const TO_SERVER: &str = "services: {logs: {syslog: {address: '10.77.0.5:6514', ca: ca.crt}}}\n";
const TO_FILE: &str = "services: {logs: {}}\n";
const CONSENT: [&str; 2] = ["--yes", "cluster/namespace.log-collector/delete"];
const LINES: &str = "500";

/// A pod on every node, which writes what it is told to.
const PODS: &str = "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: speaker, namespace: default}
spec:
  selector: {matchLabels: {app: speaker}}
  template:
    metadata: {labels: {app: speaker}}
    spec:
      terminationGracePeriodSeconds: 0
      tolerations: [{operator: Exists}]
      containers:
      - {name: speaker, image: 'localhost/kubestead/toolbox:1', imagePullPolicy: Never, command: [/bin/busybox, sleep, '86397']}
";

/// A node and its pod.
struct Speaker {
    node: &'static str,
    pod: String,
}

impl Speaker {
    fn of(s: &Stage, node: &'static str) -> Result<Self, String> {
        let at = format!("spec.nodeName={node}");
        let words = ["get", "pods", "-l", "app=speaker", "--field-selector", &at, "-o", "jsonpath={.items[0].metadata.name}"];
        Ok(Self { node, pod: kubectl(s, &words).run().answer()? })
    }

    /// It writes so many lines that begin with the word.
    fn speaks(&self, s: &Stage, word: &str) -> Done {
        kubectl(s, &["exec", &self.pod, "--", "sh", "-c", SPEAK, word, LINES]).run().ok()
    }

    /// The server has each of them once.
    fn arrived(&self, s: &Stage, word: &str) -> Claim {
        s.at(SERVER.0, &["arrived", self.node, &self.pod, word]).run().is(&format!("{LINES} {LINES}"))
    }
}

fn logs(s: &Stage) -> Done {
    let (file, before) = (s.read("cluster.yaml")?, listing(s)?);
    let archive = s.program("bash", &[&s.repository_word("scripts/log-collector-image.sh")]).run().answer()?;
    let bytes = std::fs::read(&archive).map_err(|error| format!("{archive}: {error}"))?;
    for node in NODES {
        s.on(node, &["ctr", "-n", "k8s.io", "images", "import", "--local", "-"]).input(bytes.as_slice()).run().ok()?;
    }
    serve(s)?;
    kubectl(s, &["apply", "-f", "-"]).input(PODS).run().ok()?;
    kubectl(s, &["rollout", "status", "daemonset/speaker", "--timeout=180s"]).run().ok()?;
    let speakers = NODES.into_iter().map(|node| Speaker::of(s, node)).collect::<Result<Vec<_>, _>>()?;
    speakers.iter().try_for_each(|one| one.speaks(s, "early-"))?;

    s.write("cluster.yaml", &format!("{file}{TO_SERVER}"))?;
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    come(s, "lines that were there before it arrive once each", &speakers, "early-");
    speakers.iter().try_for_each(|one| one.speaks(s, "while-"))?;
    come(s, "and those that are written now", &speakers, "while-");

    s.at(SERVER.0, &["no_syslog"]).run().ok()?;
    speakers.iter().try_for_each(|one| one.speaks(s, "away-"))?;
    kubectl(s, &["-n", "log-collector", "rollout", "restart", "daemonset/collector"]).run().ok()?;
    kubectl(s, &["-n", "log-collector", "rollout", "status", "daemonset/collector", "--timeout=300s"]).run().ok()?;
    speakers.iter().try_for_each(|one| one.speaks(s, "later-"))?;
    s.claim("the collectors wait for the server", all(NODES, |node| s.eventually(60, || s.at(node, &["waits_for_syslog"]).run().ok())));
    s.at(SERVER.0, &["syslog"]).run().ok()?;
    for word in ["away-", "later-"] {
        come(s, "what was written while the server was away, and the collectors started again, arrives once each", &speakers, word);
    }
    for word in ["early-", "while-"] {
        s.claim("nothing of before comes twice", all_arrived(s, &speakers, word));
    }

    s.write("cluster.yaml", &format!("{file}{TO_FILE}"))?;
    s.claim("into files instead", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    speakers.iter().try_for_each(|one| one.speaks(s, "file-"))?;
    let written = |node: &&str| s.eventually(60, || s.at(node, &["in_file", "file-"]).run().is(&format!("{LINES} {LINES}")));
    s.claim("each node's own lines are in its file, once each", all(NODES, |node| written(node)));

    s.write("cluster.yaml", &file)?;
    s.claim("it leaves", s.kubestead(&[&["up"], &CONSENT[..]].concat()).run().ok());
    kubectl(s, &["delete", "daemonset", "speaker", "--wait"]).run().ok()?;
    s.claim("nothing of it is left in the cluster", s.eventually(120, || is(listing(s)? == before, || "something is left".into())));
    s.claim(
        "and its folder stays on each node",
        all(NODES, |node| s.on(node, &["test", "-e", "/var/lib/kubestead-logs/logs.json"]).run().ok()),
    );
    s.at(SERVER.0, &["no_syslog"]).run().ok()
}

fn all_arrived(s: &Stage, speakers: &[Speaker], word: &str) -> Claim {
    speakers.iter().try_for_each(|one| one.arrived(s, word))
}

fn come(s: &Stage, what: &str, speakers: &[Speaker], word: &str) {
    s.claim(what, s.eventually(180, || all_arrived(s, speakers, word)));
}

/// An authority, the server's certificate, and the server.
fn serve(s: &Stage) -> Done {
    let path = |name: &str| s.word(name);
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
    let openssl = |words: &[&str]| s.program("openssl", &[words, &key[..]].concat()).run().ok();
    openssl(&["req", "-x509", "-subj", "/CN=our own", "-keyout", &path("ca.key"), "-out", &path("ca.crt")])?;
    let names = ["-addext", "subjectAltName=IP:10.77.0.5", "-addext", "basicConstraints=critical,CA:FALSE"];
    let signed = ["-CA", &path("ca.crt"), "-CAkey", &path("ca.key"), "-keyout", &path("server.key"), "-out", &path("server.crt")];
    openssl(&[&["req", "-x509", "-subj", "/CN=syslog"], &names[..], &signed[..]].concat())?;
    for name in ["server.crt", "server.key"] {
        s.at(SERVER.0, &["put_syslog", name]).input(s.read(name)?).run().ok()?;
    }
    s.at(SERVER.0, &["put_syslog", "syslog.py"]).input(PROGRAM).run().ok()?;
    s.at(SERVER.0, &["syslog"]).run().ok()
}

/// The names of what it may leave in the cluster.
fn listing(s: &Stage) -> Result<String, String> {
    let kinds = "namespaces,serviceaccounts,services,deployments,daemonsets,clusterroles,clusterrolebindings,configmaps";
    let found = kubectl(s, &["get", kinds, "-A", "-o", "name"]).run().answer()?;
    Ok(found.lines().filter(|line| !line.contains("kubestead-copy") && !line.contains("speaker")).collect::<Vec<_>>().join("\n"))
}

//! The doctor on a cluster that is well, and on one where something is broken on purpose; what it collects; the status as a page.

use serde_json::Value;

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, all, fresh_value, is};

use super::{kubectl, mode, network};

pub(super) static SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "the doctor finds nothing wrong with a cluster that is well, and lost DNS, lost packets and packets that are too large where they are planted",
        shows: &["F34", "R2", "the doctor writes nothing on a machine but one file"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 900,
        takes: 120,
        core: false,
        run: faults,
    },
    Scenario {
        name: "what the doctor collects holds no secret that stood in a journal, and the status is a page that its owner alone reads",
        shows: &["F29", "no secret in what the doctor collects"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 600,
        takes: 60,
        core: false,
        run: collected,
    },
];

/// What the doctor finds.
fn findings(s: &Stage, only: &[&str]) -> Result<(Option<i32>, Vec<Value>), String> {
    let words: Vec<&str> = ["doctor", "--output", "json"].into_iter().chain(only.iter().flat_map(|check| ["--only", *check])).collect();
    let ran = s.kubestead(&words).run();
    let mut answer: Value = serde_json::from_slice(&ran.stdout).map_err(|error| format!("{error}: {}", ran.said))?;
    match answer["findings"].take() {
        Value::Array(found) => Ok((ran.status, found)),
        other => Err(format!("no findings: {other}")),
    }
}

/// Whether a check came out so on a machine.
fn has(found: &[Value], check: &str, place: &str, verdict: &str, words: &str) -> Claim {
    let fits = |one: &Value| {
        let says = |key: &str| one[key].as_str().unwrap_or_default().contains(words);
        one["check"] == check && one["place"] == place && one["verdict"] == verdict && (says("found") || says("next"))
    };
    is(found.iter().any(fits), || format!("no {check} of {place} is {verdict} with \"{words}\": {}", Value::from(found.to_vec())))
}

fn well(s: &Stage) -> Claim {
    let (status, found) = findings(s, &[])?;
    let bad: Vec<&Value> = found.iter().filter(|one| one["verdict"] == "bad" || one["verdict"] == "notSeen").collect();
    is(status == Some(0) && bad.is_empty(), || format!("status {status:?}: {bad:?}"))?;
    all(["cp1", "kube1", "kube2"], |node| {
        ["dns", "mtu", "pods", "conntrack", "disk"].iter().try_for_each(|check| {
            let looked = |one: &&Value| one["check"] == **check && one["place"] == *node && one["verdict"] != "notLooked";
            is(found.iter().any(|one| looked(&one)), || format!("{check} was not looked at on {node}: {}", Value::from(found.clone())))
        })
    })?;
    let fsync = |one: &Value| one["check"] == "fsync" && one["place"] == "cp1" && one["verdict"] != "notLooked";
    is(found.iter().any(fsync), || format!("fsync was not looked at: {}", Value::from(found.clone())))
}

fn faults(s: &Stage) -> Done {
    // On a node without one there is no pod to reach.
    kubectl(s, &["apply", "-f", "-"]).input(network::PODS).run().ok()?;
    kubectl(s, &["-n", "apps", "rollout", "status", "daemonset/reach", "--timeout=180s"]).run().ok()?;
    s.claim("a cluster that is well has nothing wrong, and all of it is looked at", s.eventually(120, || well(s)));
    s.claim("nothing is left below etcd's folder", s.on("cp1", &["ls", "/var/lib/etcd/.kubestead-doctor"]).run().fails());

    s.at("kube1", &["drop_dns"]).run().ok()?;
    let (status, found) = findings(s, &["dns"])?;
    s.claim("DNS over UDP that is dropped on one node is wrong", is(status == Some(1), || format!("{status:?}")));
    s.claim("it is told of that node, with TCP that gets through", has(&found, "dns", "kube1", "bad", "UDP: all of 4 lost; TCP: 0 of"));
    s.claim("and what to do", has(&found, "dns", "kube1", "bad", "something drops UDP port 53"));
    s.claim("another node has nothing wrong", has(&found, "dns", "kube2", "good", "UDP: 0 of"));
    s.at("kube1", &["drop_nothing"]).run().ok()?;

    s.at("kube2", &["lose_packets"]).run().ok()?;
    let (status, found) = findings(s, &["dns"])?;
    s.claim("packets that are lost now and then are wrong", is(status == Some(1), || format!("{status:?}")));
    s.claim("they are told with how many", has(&found, "dns", "kube2", "bad", "ip -s link tells drops"));
    s.at("kube2", &["lose_no_packets"]).run().ok()?;

    s.at("kube1", &["drop_large"]).run().ok()?;
    let (status, found) = findings(s, &["mtu"])?;
    s.claim("packets that are too large for the way are wrong", is(status == Some(1), || format!("{status:?}")));
    s.claim("they are told with their size", has(&found, "mtu", "kube1", "bad", "packets of 1500 bytes do not get to"));
    s.at("kube1", &["drop_nothing"]).run().ok()?;

    s.claim("without them nothing is wrong again", s.eventually(60, || well(s)));
    kubectl(s, &["-n", "apps", "delete", "daemonset", "reach", "--wait"]).run().ok()
}

/// What stands in a journal, with a value that nobody has seen before.
fn journal(value: &str, known: &str) -> String {
    format!(
        "before canary-begin\npassword={value}\nfetching https://me:{value}@proxy.example.org/\n{{\"token\":\"{value}\"}}\n\
         -----BEGIN PRIVATE KEY-----\n{value}\n-----END PRIVATE KEY-----\nit is {known} now\ncanary-end after\n"
    )
}

fn collected(s: &Stage) -> Done {
    let (value, known) = (fresh_value()?, fresh_value()?);
    s.secret("doctor", "doctor.yaml", &[("word", &known)])?;
    s.at("kube1", &["journal_says"]).input(journal(&value, &known)).run().ok()?;
    let file = s.word("home.tar.zst");
    s.claim("what helps others is written", s.kubestead(&["doctor", "--collect", &file]).run().ok());
    s.remove("secrets/doctor.yaml")?;
    s.claim("it is its owner's alone", mode(&s.path("home.tar.zst"), 0o600));
    let all = s.program("tar", &["--use-compress-program=zstd", "-xOf", &file]).run();
    s.claim("it has what stood around the secrets", all.says("canary-begin").and(all.says("canary-end")));
    s.claim("and neither the values nor the known one", all.ok().and(all.lacks(&value)).and(all.lacks(&known)));
    let names = s.program("tar", &["--use-compress-program=zstd", "-tf", &file]).run();
    let parts = ["README.txt", "doctor.txt", "plan.txt", "status.txt", "machines/kube2/journal-kubelet.txt", "cluster/pods.txt"];
    s.claim("it has its parts", parts.iter().try_for_each(|part| names.says(part)));
    s.claim("one that is there is not replaced", s.kubestead(&["doctor", "--collect", &file]).run().status(2));
    s.remove("home.tar.zst")?;

    let page = s.word("status.html");
    s.claim("the status is a page", s.kubestead(&["status", "--html", &page]).run().ok());
    let text = s.read("status.html")?;
    let has =
        ["all is well", "kube1/volkube", "the machine itself, at boot, with masterlock", "escrow"].iter().all(|part| text.contains(part));
    s.claim("it says how all is", mode(&s.path("status.html"), 0o600).and(is(has && !text.contains("<script"), || text.clone())));
    s.remove("status.html")
}

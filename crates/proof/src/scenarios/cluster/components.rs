//! Arguments of the control plane's programs, and names in its certificate, on a cluster that runs.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Ran, Stage, is};

use super::{NODES, kubectl, ready};

pub(super) static SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "the API server writes down who did what and no value of a Secret, and takes the tokens of a provider, by an edit and until the next one",
        shows: &["F47", "R1", "R2", "R3", "R5"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 3000,
        takes: 300,
        core: false,
        run: served,
    },
    Scenario {
        name: "arguments of the control plane's programs change by an edit, and what does not run with its new ones gets its old ones back",
        shows: &[
            "R1",
            "R2",
            "R3",
            "R4",
            "R5",
            "the manifest of a program of the control plane",
            "a program of the control plane that does not run with what it was given",
        ],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 3000,
        takes: 400,
        core: false,
        run: arguments,
    },
];

/// Whether the process of a program has an argument.
fn has(s: &Stage, program: &str, argument: &str) -> Claim {
    s.at("cp1", &["process_has", program, argument]).run().ok()
}

fn answers(s: &Stage) -> Claim {
    kubectl(s, &["get", "--raw", "/readyz"]).run().is("ok")
}

const STEP: &str = "cp1/kubeadm/components";

fn arguments(s: &Stage) -> Done {
    let file = s.read("cluster.yaml")?;
    let with = |more: &str| s.edit("cluster.yaml", "lab: true}", &format!("lab: true, {more}}}"));
    with(
        "scheduler: {args: {profiling: \"false\"}}, controllerManager: {args: {terminated-pod-gc-threshold: 77}}, \
          apiServer: {args: {event-ttl: 4h}, certificateNames: [api.example.com]}, etcd: {args: {snapshot-count: 20000}}",
    )?;
    let plan = s.plan(&[]);
    let told = ["event-ttl from not set to 4h", "snapshot-count from not set to 20000", "from none to api.example.com"];
    s.claim("the plan says each value as it is and as it shall be", plan.status(3).and(told.iter().try_for_each(|word| plan.says(word))));
    s.claim("up is killed in the middle", s.killed_in(STEP, 15_000));
    s.claim("the API answers", s.eventually(240, || answers(s)));
    s.claim("the next up finishes", s.kubestead(&["up"]).run().ok());
    for (program, argument) in [
        ("etcd", "--snapshot-count=20000"),
        ("kube-apiserver", "--event-ttl=4h"),
        ("kube-controller-manager", "--terminated-pod-gc-threshold=77"),
        ("kube-scheduler", "--profiling=false"),
    ] {
        s.claim(&format!("{program} runs with {argument}"), has(s, program, argument));
    }
    s.claim("the API server shows a certificate with the new name", s.at("cp1", &["shows_name", "api.example.com"]).run().ok());
    s.claim("the plan is empty", s.eventually(120, || s.plan(&[]).status(0)));
    s.claim("all nodes are Ready", s.eventually(180, || ready(s, &NODES)));

    s.edit("cluster.yaml", "event-ttl: 4h", "no-such-argument: x")?;
    let up = s.kubestead(&["up"]).run();
    let words = up.fails().and(up.says("unknown flag: --no-such-argument")).and(up.says("got its old ones back"));
    s.claim("an argument that the API server does not know is told in its own words", words);
    s.claim("it answers, with what it had", s.eventually(240, || answers(s)).and(has(s, "kube-apiserver", "--event-ttl=4h")));
    s.claim("the plan still has the step", s.plan(&[]).says(STEP));

    s.claim("up is killed while an API server does not come up", s.killed_in(STEP, 20_000));
    for verb in ["kill", "start"] {
        s.kubestead(&["lab", verb, "cp1"]).run().ok()?;
    }
    s.claim("and the power of its machine is cut", s.eventually(60, || s.at("cp1", &["bad_manifest_is_left"]).run().ok()));
    s.write("cluster.yaml", &file)?;
    let plan = s.kubestead(&["plan"]).run();
    s.claim("the plan puts the old manifest back", plan.says("cp1/kubeadm/put-back"));
    s.claim("up does, and goes on with the file as it is then", s.eventually(900, || s.kubestead(&["up"]).run().ok()));
    s.claim(
        "no program has an argument of the file any more",
        has(s, "etcd", "--snapshot-count=20000").err().map(|_| ()).ok_or_else(|| "etcd has".to_owned()),
    );
    s.claim("the plan is empty", s.eventually(120, || s.plan(&[]).status(0)));
    s.claim("all nodes are Ready", s.eventually(180, || ready(s, &NODES)));

    s.at("cp1", &["own_line_in_manifest", "kube-scheduler"]).run().ok()?;
    with("scheduler: {args: {profiling: \"false\"}}")?;
    let up = s.kubestead(&["up"]).run();
    s.claim(
        "a manifest that somebody changed is refused with the line",
        up.fails().and(up.says("is not what kubeadm makes")).and(up.says("# mine")),
    );
    s.at("cp1", &["no_own_line_in_manifest", "kube-scheduler"]).run().ok()?;
    s.write("cluster.yaml", &file)?;
    s.claim("without both the plan is empty", s.eventually(180, || s.plan(&[]).status(0)));
    Ok(())
}

const ISSUER: &str = "10.77.0.5";
const JANE: &str = "oidc:jane@example.com";

fn token(s: &Stage, audience: &str, seconds: &str) -> Result<String, String> {
    s.at("masterlock", &["token", ISSUER, audience, "jane@example.com", "developers", seconds]).run().answer()
}

fn bearer(s: &Stage, token: &str, words: &[&str]) -> Ran {
    s.at("cp1", &[&["as_bearer"][..], words].concat()).input(token).run()
}

fn served(s: &Stage) -> Done {
    let file = s.read("cluster.yaml")?;
    let authority = s.at("masterlock", &["issuer_begins", ISSUER]).run().answer()?;
    let authority: String = authority.lines().map(|line| format!("\\n{line}")).collect();
    let authority = authority.trim_start_matches("\\n");
    let oidc = format!(
        "oidc: {{issuer: \"https://{ISSUER}:8443\", audiences: [kubestead], username: {{claim: email}}, groups: {{claim: groups}}, \
         certificateAuthority: \"{authority}\"}}"
    );
    s.edit("cluster.yaml", "lab: true}", &format!("lab: true, audit: {{}}, {oidc}}}"))?;
    s.edit("cluster.yaml", "users: [{name: apps-user}]}", "users: [{name: apps-user}], groups: [\"oidc:developers\"]}")?;
    let plan = s.plan(&[]);
    s.claim("the plan names both", plan.status(3).and(plan.says("audit-policy-file from not set")).and(plan.says("authentication-config")));
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.eventually(120, || s.plan(&[]).status(0)));

    let good = token(s, "kubestead", "600")?;
    s.claim("the API server knows whose token it is", s.eventually(60, || bearer(s, &good, &["auth", "whoami"]).says(JANE)));
    s.claim("who is in the group of the file may in the namespace", bearer(s, &good, &["-n", "apps", "get", "pods"]).ok());
    let outside = bearer(s, &good, &["-n", "kube-system", "get", "secrets"]);
    s.claim("and not in others", outside.fails().and(outside.says("Forbidden")).and(outside.says(JANE)));
    for (what, audience, seconds) in [("for somebody else", "other", "600"), ("that has ended", "kubestead", "-30")] {
        let refused = bearer(s, &token(s, audience, seconds)?, &["-n", "apps", "get", "pods"]);
        s.claim(
            &format!("a token {what} is refused"),
            refused.fails().and(refused.says("Unauthorized").or_else(|_| refused.says("must be logged in"))),
        );
    }
    let value = crate::stage::fresh_value()?;
    let secret = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: audited, namespace: apps}}\nstringData: {{word: {value}}}\n");
    kubectl(s, &["apply", "-f", "-"]).input(secret).run().ok()?;
    s.claim("the log has what she asked", s.eventually(30, || s.at("cp1", &["audited", JANE, "list", "pods"]).run().ok()));
    s.claim("and who made the Secret", s.eventually(30, || s.at("cp1", &["audited", "kubernetes-admin", "create", "secrets"]).run().ok()));
    let values = format!("{value}\n{}\n", super::secrets::base64(&value));
    s.claim("and not its value", s.at("cp1", &["in_audit_log"]).input(values).run().status(1));
    s.claim("nor a token", s.at("cp1", &["in_audit_log"]).input(good).run().status(1));
    kubectl(s, &["-n", "apps", "delete", "secret", "audited"]).run().ok()?;

    let files = s.at("cp1", &["served_files"]).run().answer()?;
    let policy = files.lines().find(|file| file.starts_with("audit-")).ok_or_else(|| files.clone())?.to_owned();
    s.on("cp1", &["sed", "-i", "s/RequestReceived/ResponseStarted/", &format!("/etc/kubernetes/adm/{policy}")]).run().ok()?;
    let plan = s.plan(&[]);
    s.claim("a policy that somebody changed asks", plan.status(4).or_else(|_| plan.status(3)).and(plan.says("needs your consent")));
    let adopt =
        plan.said.split_whitespace().find(|word| word.starts_with("cp1/") && word.contains("audit-")).ok_or_else(|| plan.said.clone())?;
    s.claim("with a yes it is put back, and read again", s.kubestead(&["up", "--yes", adopt.trim_end_matches([',', ':'])]).run().ok());
    s.edit("cluster.yaml", "audit: {}", "audit: {rules: [{level: None, verbs: [list]}, {level: Metadata}], maxAge: 7}")?;
    s.claim("other rules", s.kubestead(&["up"]).run().ok());
    let after = s.at("cp1", &["served_files"]).run().answer()?;
    let old_is_gone = is(!after.lines().any(|file| file == policy) && after.lines().count() == files.lines().count(), || after.clone());
    s.claim("are a file of their own, and the old one is gone", old_is_gone.and(has(s, "kube-apiserver", "--audit-log-maxage=7")));

    s.write("cluster.yaml", &file)?;
    s.claim("out of the file", s.kubestead(&["up"]).run().ok());
    s.claim("nothing of both is left", s.at("cp1", &["served_files"]).run().is("adm.yaml"));
    let refused = bearer(s, &token(s, "kubestead", "600")?, &["auth", "whoami"]);
    s.claim("and the tokens are nobody's", refused.fails());
    s.at("masterlock", &["issuer_ends"]).run().ok()?;
    s.claim("the plan is empty", s.eventually(120, || s.plan(&[]).status(0)));
    s.claim("all nodes are Ready", s.eventually(180, || ready(s, &NODES)));
    Ok(())
}

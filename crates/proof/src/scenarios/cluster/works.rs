//! What a cluster is for: pods with volumes, users with rights; and objects of somebody else.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, is};

use super::{NODES, consent, kubectl, mode, pod, ready};
use crate::scenarios::recovery::{page, typed};

pub(super) static SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a pod writes to an encrypted volume, a Secret is ciphertext in etcd, and users may do what they are given and no more",
        shows: &["F03", "F04", "F06", "F09", "F28", "F32"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 600,
        takes: 40,
        core: true,
        run: works,
    },
    Scenario {
        name: "an object of somebody else is taken over by consent alone, and a program in a control plane's kubeconfig is not run",
        shows: &[
            "F40",
            "R1",
            "R5",
            "nothing that a host answers runs, or opens a file",
            "an object in the cluster that kubestead did not make",
        ],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 600,
        takes: 40,
        core: false,
        run: somebody_elses,
    },
    Scenario {
        name: "certificates are renewed as the page of recovery says, and the control plane shows the new ones",
        shows: &["R3", "R5"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 900,
        takes: 90,
        core: false,
        run: certificates,
    },
];

fn works(s: &Stage) -> Done {
    s.claim("all nodes are Ready", ready(s, &NODES));
    s.claim("readyz", kubectl(s, &["get", "--raw", "/readyz"]).run().is("ok"));
    // Both of these are what the pod waits for.
    let pod = pod(s)?;
    s.claim("a pod with a claim from pool-s runs", super::pod_runs(s));
    s.claim("it wrote its file to the encrypted volume", pod.wrote(s));

    let word = "canary-in-etcd";
    kubectl(s, &["-n", "apps", "create", "secret", "generic", "probe", &format!("--from-literal=word={word}")]).run().ok()?;
    s.claim("etcd holds the Secret as ciphertext", s.at("cp1", &["etcd_encrypted", "/registry/secrets/apps/probe"]).input(word).run().ok());
    let back = kubectl(s, &["-n", "apps", "get", "secret", "probe", "-o", "jsonpath={.data.word}"]).run();
    s.claim("and the API gives it back", back.is(&super::secrets::base64(word)));
    kubectl(s, &["-n", "apps", "delete", "secret", "probe"]).run().ok()?;

    for right in ["create deployments -n apps", "get secrets -n apps", "list nodes", "list pv"] {
        s.claim(&format!("the user may {right}"), may(s, right, "yes"));
    }
    for right in ["get secrets -n kube-system", "create clusterroles", "delete nodes", "create deployments -n default"] {
        s.claim(&format!("the user may not {right}"), may(s, right, "no"));
    }

    s.write("kubeconfig", "apiVersion: v1\nkind: Config\nusers:\n- name: foreign\n  user: {token: t}\n")?;
    s.claim("kubeconfig", s.kubestead(&["kubeconfig", "--merge"]).run().ok());
    let text = s.read("kubeconfig")?;
    let current = text.lines().any(|line| line.starts_with("current-context: ") && line.contains("apps-user@home"));
    let is_good = mode(&s.path("kubeconfig"), 0o600).and(is(text.contains("foreign") && current, || text.clone()));
    s.claim("it is its owner's alone, and foreign entries stay", is_good);
    s.claim("a user's token is a token", s.kubestead(&["credential", "apps-user"]).run().says("\"kind\": \"ExecCredential\""));
    s.remove("kubeconfig")?;

    let host = ["-n", "default", "run", "bad", "--image=localhost/kubestead/toolbox:1", "--overrides={\"spec\":{\"hostNetwork\":true}}"];
    let refused = kubectl(s, &host).run();
    s.claim("a pod that asks for the host is refused: Pod Security", refused.fails().and(refused.says("violates PodSecurity")));
    Ok(())
}

fn may(s: &Stage, right: &str, answer: &str) -> Claim {
    let words: Vec<&str> =
        ["auth", "can-i", "--as=system:serviceaccount:apps:apps-user"].into_iter().chain(right.split_whitespace()).collect();
    kubectl(s, &words).run().is(answer)
}

const THEIRS: &str = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: defaults, namespace: apps}\n\
                      spec: {limits: [{type: Container, default: {memory: 77Mi}}]}\n";

fn somebody_elses(s: &Stage) -> Done {
    kubectl(s, &["-n", "apps", "delete", "limitrange", "defaults"]).run().ok()?;
    kubectl(s, &["apply", "-f", "-"]).input(THEIRS).run().ok()?;
    let memory = || kubectl(s, &["-n", "apps", "get", "limitrange", "defaults", "-o", "jsonpath={.spec.limits[0].default.memory}"]).run();
    let plan = s.plan(&[]);
    s.claim("the plan asks for it by name", plan.says("needs your consent: --yes cluster/"));
    let adopt = consent(&plan.said, "/adopt")?;
    s.claim("without consent up ends so", s.kubestead(&["up"]).run().status(4));
    s.claim("and it is as it was", memory().is("77Mi"));

    let canary = s.path("canary-exec");
    s.at("cp1", &["exec_in_kubeconfig", &canary.to_string_lossy()]).run().ok()?;
    let refused = s.kubestead(&["up", "--yes", &adopt]).run();
    s.claim("a kubeconfig that runs a program is refused by the field's name", refused.fails().and(refused.says("exec")));
    s.claim("nothing was run", is(!canary.exists(), || format!("{} is there", canary.display())));
    s.claim("and the object is as it was", memory().is("77Mi"));
    s.at("cp1", &["exec_out_of_kubeconfig"]).run().ok()?;

    s.claim("with consent it is taken over", s.kubestead(&["up", "--yes", &adopt]).run().ok());
    let now = memory();
    s.claim("it says what the file asks for", now.ok().and(is(now.text() != "77Mi", || now.text())));
    s.claim("and a copy of it is kept", kubectl(s, &["-n", "kube-system", "get", "configmap", "-o", "yaml"]).run().says("77Mi"));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

fn certificates(s: &Stage) -> Done {
    let [renew, status] = page(s, "certificates")?;
    let before = s.at("cp1", &["serials"]).run().answer()?;
    s.claim(&format!("`{renew}`"), typed(s, &renew).ok());
    let after = s.at("cp1", &["serials"]).run().answer()?;
    s.claim("each file has another certificate", is(before.lines().zip(after.lines()).all(|(old, new)| old != new), || after.clone()));
    let shown = || s.at("cp1", &["shown_serial"]).run();
    let pods = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
    s.at("cp1", &[&["restart_pods"][..], &pods].concat()).run().ok()?;
    let new = || shown().says(after.lines().next().unwrap_or_default());
    s.claim("started again it shows the new one", s.eventually(180, new));
    s.claim("all nodes are Ready", s.eventually(180, || ready(s, &NODES)));
    s.claim(&format!("`{status}`"), s.eventually(180, || typed(s, &status).ok()));
    s.claim("the plan is empty", s.eventually(120, || s.plan(&[]).status(0)));
    Ok(())
}

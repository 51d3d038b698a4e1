//! A service of the users' own: the example, with a program that the lab has.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage};

use super::{consent, kubectl};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "a service of one's own runs, is put back when somebody scales it, is finished after a kill, and leaves nothing when it leaves the file",
    shows: &[
        "F14",
        "F26",
        "R1",
        "R2",
        "R3",
        "of a service nothing goes that does not carry both",
        "nothing of a service is there that is not found again",
    ],
    fixture: Fixture::Cluster,
    leaves: Leaves::AsFound,
    limit: 1200,
    takes: 120,
    core: false,
    run: lives_and_goes,
}];

const SECTION: &str = "manifests:\n  hello: {path: manifests/hello, variables: {HOST: hello.example.org, REPLICAS: 2}}\n";

/// The names of all that a service may leave behind.
fn listing(s: &Stage) -> Result<String, String> {
    let kinds = "namespaces,configmaps,serviceaccounts,services,deployments,replicasets,pods,customresourcedefinitions";
    let told = kubectl(s, &["get", kinds, "-A", "-o", "custom-columns=A:.kind,B:.metadata.namespace,C:.metadata.name", "--no-headers"])
        .run()
        .answer()?;
    // A copy stays of what was overwritten or deleted by consent.
    let mut lines: Vec<&str> = told.lines().filter(|line| !line.contains("kubestead-copy-")).collect();
    lines.sort_unstable();
    Ok(lines.join("\n"))
}

fn replicas(s: &Stage) -> Claim {
    kubectl(s, &["-n", "hello", "get", "deployment", "web", "-o", "jsonpath={.spec.replicas} {.status.readyReplicas}"]).run().is("2 2")
}

fn lives_and_goes(s: &Stage) -> Done {
    let file = s.read("cluster.yaml")?;
    let before = listing(s)?;
    let hello = s.repository("examples/services/manifests/hello/hello.yaml")?;
    let hello =
        hello.replace("docker.io/library/busybox:1.37", "localhost/kubestead/toolbox:1").replace("[httpd,", "[/bin/busybox, httpd,");
    s.folder("manifests/hello")?;
    s.write("manifests/hello/hello.yaml", &hello.replace("{HOST}", "{HOSTS}"))?;
    s.write("cluster.yaml", &format!("{file}{SECTION}"))?;
    let check = s.kubestead(&["check"]).run();
    s.claim(
        "a variable that is not declared is told with its place",
        check.status(2).and(check.says("hello.yaml:13:").and(check.says("HOSTS"))),
    );
    s.claim("and up touches nothing", s.kubestead(&["up"]).run().status(2).and(listing(s).and_then(|now| same(&before, &now))));
    s.write("manifests/hello/hello.yaml", &hello)?;
    s.claim("the plan names its objects", s.plan(&[]).says("Deployment hello/web"));
    s.claim("up is killed while it is applied", s.kill_at("cluster/manifests.hello/apply", 1));
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("it is ready when up has ended", replicas(s));
    let answers = || {
        kubectl(s, &["-n", "hello", "exec", "deployment/web", "--", "/bin/busybox", "wget", "-qO-", "http://web.hello.svc"])
            .run()
            .says("Hello from hello.example.org.")
    };
    s.claim("its pods answer by the name of its Service", s.eventually(60, answers));
    s.claim("the plan is empty", s.plan(&[]).status(0));

    kubectl(s, &["-n", "hello", "scale", "deployment", "web", "--replicas=5"]).run().ok()?;
    let plan = s.plan(&[]);
    s.claim("what somebody scaled is told, with who did it", plan.says(".spec.replicas (set by kubectl)"));
    s.claim("and asks", s.kubestead(&["up"]).run().status(4));
    let yes = consent(&plan.said, "deployment.hello.web/overwrite")?;
    s.claim("with a yes it is put back", s.kubestead(&["up", "--yes", &yes]).run().ok());
    s.claim("and is ready", replicas(s));

    s.write("cluster.yaml", &file)?;
    s.claim("without it in the file its namespace waits for a yes", s.kubestead(&["up"]).run().status(4));
    let yes = consent(&s.plan(&[]).said, "namespace.hello/delete")?;
    s.claim("the rest is gone", kubectl(s, &["-n", "hello", "get", "deployment,service", "-o", "name"]).run().is(""));
    s.claim("with a yes it goes too", s.kubestead(&["up", "--yes", &yes]).run().ok());
    s.claim("all else is as it was", s.eventually(60, || listing(s).and_then(|now| same(&before, &now))));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

/// The lines that one has and the other has not.
fn same(before: &str, now: &str) -> Claim {
    let of =
        |text: &str, other: &str| text.lines().filter(|line| !other.lines().any(|found| found == *line)).collect::<Vec<_>>().join("; ");
    let (gone, new) = (of(before, now), of(now, before));
    if gone.is_empty() && new.is_empty() { Ok(()) } else { Err(format!("gone: {gone}; new: {new}")) }
}

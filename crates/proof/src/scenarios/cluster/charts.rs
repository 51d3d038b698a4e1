//! A chart as a service, with a password of a file of sops.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Call, Done, Stage};

use super::{consent, kubectl};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "a chart runs with a password of a file of sops, nothing is to do then, and it leaves nothing when it leaves the file",
    shows: &["F14", "R1", "R3", "a value of a file of sops comes into a Secret of a service"],
    fixture: Fixture::Cluster,
    leaves: Leaves::AsFound,
    limit: 1200,
    takes: 90,
    core: false,
    run: runs_with_a_password,
}];

const SECTION: &str = "manifests:
  space: {path: manifests/space}
  pass:
    needs: [space]
    chart: {path: charts/pass, values: [pass.yaml], namespace: pass}
    secrets: {WORD: {file: secrets/kept.yaml, key: [stringData, word]}}
";
const SPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: pass}\n";
const TEMPLATE: &str = r#"apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}}
data: {word: {{ printf "word:%s" .Values.word | b64enc }}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {matchLabels: {app: pass}}
  template:
    metadata: {labels: {app: pass}, annotations: {sum: {{ .Values.word | sha256sum }}}}
    spec:
      containers:
      - name: sleep
        image: localhost/kubestead/toolbox:1
        command: [/bin/busybox, sleep, "100000"]
        env: [{name: WORD, valueFrom: {secretKeyRef: {name: {{ .Release.Name }}, key: word}}}]
"#;

fn runs_with_a_password(s: &Stage) -> Done {
    let helm = std::env::var("HELM").or_else(|_| s.program("bash", &[&s.repository_word("scripts/helm.sh")]).run().answer())?;
    let kubestead = |arguments: &[&str]| -> Call<'_> { s.kubestead(arguments).setting("KUBESTEAD_HELM", helm.trim()) };
    let (file, kept) = (s.read("cluster.yaml")?, s.kept()?);
    s.folder("charts/pass/templates")?;
    s.folder("manifests/space")?;
    s.write("charts/pass/Chart.yaml", "apiVersion: v2\nname: pass\nversion: 1.0.0\n")?;
    s.write("charts/pass/templates/all.yaml", TEMPLATE)?;
    s.write("manifests/space/space.yaml", SPACE)?;
    s.write("pass.yaml", &format!("word: {}{{WORD}}\n", '$'))?;
    s.write("cluster.yaml", &format!("{file}{SECTION}"))?;
    let plan = kubestead(&["plan", "--diff"]).run();
    s.claim(
        "the plan names its objects and a mark for the value, and not the value",
        plan.says("kubestead-sealed-WORD-").and(plan.lacks(&kept)),
    );
    s.claim("up", kubestead(&["up"]).run().ok());
    let word = || kubectl(s, &["-n", "pass", "exec", "deployment/pass", "--", "sh", "-c", "echo $WORD"]).run();
    s.claim("its pod has the value", s.eventually(60, || word().is(&format!("word:{kept}"))));
    s.claim("the plan is empty", kubestead(&["plan"]).run().status(0));
    s.write(
        "charts/pass/templates/chance.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: r}\ndata: {a: {{ randAlphaNum 9 | quote }}}\n",
    )?;
    let check = kubestead(&["check"]).run();
    s.claim("a template that draws by chance is refused by name", check.status(2).and(check.says("pass/templates/chance.yaml")));
    s.write("cluster.yaml", &file)?;
    s.claim("without it in the file its namespace waits for a yes", kubestead(&["up"]).run().status(4));
    let yes = consent(&s.plan(&[]).said, "namespace.pass/delete")?;
    s.claim("with a yes it goes too", kubestead(&["up", "--yes", &yes]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

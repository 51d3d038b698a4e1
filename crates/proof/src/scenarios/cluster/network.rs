//! The network between pods of all nodes, where the users' pods run, and what they keep.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Done, Stage, all, is};

use super::kubectl;

const fn on_cluster(name: &'static str, shows: &'static [&'static str], takes: u64, run: fn(&Stage) -> Done) -> Scenario {
    Scenario { name, shows, fixture: Fixture::Cluster, leaves: Leaves::AsFound, limit: 900, takes, core: false, run }
}

pub(super) static SCENARIOS: &[Scenario] = &[
    on_cluster(
        "pods of all nodes reach each other over TCP and UDP and lose nothing, and the users' pods stay off the control plane",
        &["F10", "F42"],
        60,
        reach,
    ),
    on_cluster("labels of a node are as the file says, and go when they leave it", &["F27"], 20, labels),
    on_cluster("a pod of a StatefulSet comes back to its node and its data", &["F32"], 40, stays),
];

/// A pod on each node that takes pods, which serves a file of a MiB.
pub(super) const PODS: &str = "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: reach, namespace: apps}
spec:
  selector: {matchLabels: {app: reach}}
  template:
    metadata: {labels: {app: reach}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: reach
        image: localhost/kubestead/toolbox:1
        imagePullPolicy: Never
        command: [sh, -c, 'dd if=/dev/zero of=/tmp/file bs=1024 count=1024; exec /bin/busybox httpd -f -p 8080 -h /tmp']
";
/// How many questions each pod asks of each DNS server, over UDP.
const QUESTIONS: &str = "100";

fn pods(s: &Stage, namespace: &str, label: &str, form: &str) -> Result<Vec<String>, String> {
    let range = format!("{{range .items[*]}}{form} {{end}}");
    let told = kubectl(s, &["-n", namespace, "get", "pods", "-l", label, "-o", &format!("jsonpath={range}")]).run().answer()?;
    Ok(told.split_whitespace().map(str::to_owned).collect())
}

fn reach(s: &Stage) -> Done {
    kubectl(s, &["apply", "-f", "-"]).input(PODS).run().ok()?;
    s.claim("a pod runs on each worker", kubectl(s, &["-n", "apps", "rollout", "status", "daemonset/reach", "--timeout=180s"]).run().ok());
    let mut nodes = pods(s, "apps", "app=reach", "{.spec.nodeName}")?;
    nodes.sort();
    s.claim("and none on the control plane", is(nodes == ["kube1", "kube2"], || nodes.join(" ")));
    let (names, addresses) = (pods(s, "apps", "app=reach", "{.metadata.name}")?, pods(s, "apps", "app=reach", "{.status.podIP}")?);
    let servers = pods(s, "kube-system", "k8s-app=kube-dns", "{.status.podIP}")?;
    is(names.len() == 2 && addresses.len() == 2 && !servers.is_empty(), || format!("{names:?} {addresses:?} {servers:?}"))?;
    let inside = |pod: &str, words: &[&str]| kubectl(s, &[&["-n", "apps", "exec", pod, "--"][..], words].concat()).run();
    let fetched = |pod: &String| {
        all(&addresses, |address| {
            // Not wget: in a static busybox it dies in the libraries by which glibc finds names.
            s.eventually(30, || inside(pod, &["sh", "-c", FETCH, address]).is("1048576"))
        })
    };
    s.claim("a MiB arrives whole from each pod at each", all(&names, |pod| fetched(pod)));
    let from_first = || {
        all(&addresses, |address| {
            s.on("cp1", &["curl", "-sf", "-m", "20", "-o", "/dev/null", &format!("http://{address}:8080/file")]).run().ok()
        })
    };
    s.claim("and at the control plane itself", s.eventually(30, from_first));
    let asked = |pod: &String| all(&servers, |server| inside(pod, &["sh", "-c", ASK, QUESTIONS, server]).is("0"));
    s.claim("no question over UDP is lost between any pod and any DNS server", all(&names, |pod| asked(pod)));
    let by_name = |pod: &String| inside(pod, &["/bin/busybox", "nslookup", "kubernetes.default.svc.cluster.local"]).ok();
    s.claim("the cluster's own names are known in each", all(&names, |pod| by_name(pod)));
    kubectl(s, &["-n", "apps", "delete", "daemonset", "reach", "--wait"]).run().ok()
}

/// How many bytes a server's file has as it arrives.
const FETCH: &str = include_str!("../../scripts/fetch-file.sh");
/// Asks a server so many times, and says how many questions had no answer.
const ASK: &str = include_str!("../../scripts/ask.sh");

fn labels(s: &Stage) -> Done {
    let file = s.read("cluster.yaml")?;
    let label = || kubectl(s, &["get", "node", "kube1", "-o", "jsonpath={.metadata.labels.example\\.org/disk}"]).run();
    s.edit("cluster.yaml", "{name: kube1, address: 10.77.0.21}", "{name: kube1, address: 10.77.0.21, labels: {example.org/disk: ssd}}")?;
    s.claim("the plan has it", s.plan(&[]).status(3));
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the node has it", label().is("ssd"));
    kubectl(s, &["label", "node", "kube1", "example.org/theirs=1"]).run().ok()?;
    s.claim("a label of somebody else is none of the plan", s.plan(&[]).status(0));
    s.write("cluster.yaml", &file)?;
    s.claim("out of the file", s.kubestead(&["up"]).run().ok());
    s.claim("the node has it no more", label().is(""));
    let theirs = kubectl(s, &["get", "node", "kube1", "-o", "jsonpath={.metadata.labels.example\\.org/theirs}"]).run();
    s.claim("and keeps that of somebody else", theirs.is("1"));
    kubectl(s, &["label", "node", "kube1", "example.org/theirs-"]).run().ok()
}

const SET: &str = "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: keeps, namespace: apps}
spec:
  serviceName: keeps
  replicas: 1
  selector: {matchLabels: {app: keeps}}
  template:
    metadata: {labels: {app: keeps}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: keeps
        image: localhost/kubestead/toolbox:1
        imagePullPolicy: Never
        command: [sh, -c, 'echo begin >> /data/begins; sync; sleep 1000000']
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], storageClassName: pool-m, resources: {requests: {storage: 100Mi}}}
";

fn stays(s: &Stage) -> Done {
    kubectl(s, &["apply", "-f", "-"]).input(SET).run().ok()?;
    let runs = || kubectl(s, &["-n", "apps", "get", "pod", "keeps-0", "-o", "jsonpath={.status.phase}"]).run().is("Running");
    let begins = || kubectl(s, &["-n", "apps", "exec", "keeps-0", "--", "/bin/busybox", "wc", "-l", "/data/begins"]).run();
    let node = || kubectl(s, &["-n", "apps", "get", "pod", "keeps-0", "-o", "jsonpath={.spec.nodeName}"]).run().answer();
    s.claim("it runs", s.eventually(120, || runs().and(begins().is("1 /data/begins"))));
    let before = node()?;
    kubectl(s, &["-n", "apps", "delete", "pod", "keeps-0", "--wait"]).run().ok()?;
    s.claim("it comes back, with what it wrote", s.eventually(120, || runs().and(begins().is("2 /data/begins"))));
    s.claim("on its node", node().and_then(|now| is(now == before, || format!("{before}, now {now}"))));
    kubectl(s, &["-n", "apps", "delete", "statefulset", "keeps", "--wait"]).run().ok()?;
    let volume = kubectl(s, &["-n", "apps", "get", "pvc", "data-keeps-0", "-o", "jsonpath={.spec.volumeName}"]).run().answer()?;
    kubectl(s, &["-n", "apps", "delete", "pvc", "data-keeps-0", "--wait"]).run().ok()?;
    let phase = || kubectl(s, &["get", "pv", &volume, "-o", "jsonpath={.status.phase}"]).run();
    s.claim("its data outlives its claim", s.eventually(60, || phase().is("Released")));
    let path = kubectl(s, &["get", "pv", &volume, "-o", "jsonpath={.spec.local.path}"]).run().answer()?;
    s.claim("the data is on its node", s.on(&before, &["grep", "-c", "begin", &format!("{path}/begins")]).run().is("2"));
    // The volume is given to whoever comes next: emptied and made anew, by hand.
    s.on(&before, &["rm", &format!("{path}/begins")]).run().ok()?;
    kubectl(s, &["delete", "pv", &volume]).run().ok()?;
    s.claim("up makes the volume anew", s.kubestead(&["up"]).run().ok().and(s.eventually(60, || phase().is("Available"))));
    Ok(())
}

//! The gateway that kubestead brings, with the real Traefik: built from its modules, in an image of the official name.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, is};

use super::kubectl;

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "requests from outside reach services by host, path and port through the gateway, one of its two pods is killed and nobody notices, and nothing of it is left",
    shows: &["F11", "R1", "R3"],
    fixture: Fixture::Cluster,
    leaves: Leaves::WornOut,
    limit: 2400,
    takes: 320,
    core: false,
    run: gateway,
}];

const SERVICES: &str = "services:
  gateway:
    nodePorts: {http: 30080, https: 30443, line: 30022}
    hosts: {a.example.org: {secret: pages-tls}, b.example.org: {secret: pages-tls}, c.example.org: {secret: nowhere}}
    redirect: true
    tcp: {line: {port: 2222}}
    ingressClass: nginx
    definitions: {path: definitions.yaml}
manifests:
  shop: {path: manifests/shop, needs: [gateway]}
";
/// Where requests come from: a machine that is no node.
pub(super) const OUTSIDE: &str = "masterlock";
pub(super) const KUBE1: &str = "10.77.0.21";
const KUBE2: &str = "10.77.0.22";

/// What a request from outside is answered with.
pub(super) fn answer(s: &Stage, scheme: &str, host: &str, at: &str, port: &str, path: &str, says: &str) -> Claim {
    s.at(OUTSIDE, &["request", scheme, host, at, port, path]).run().is(says)
}

fn gateway(s: &Stage) -> Done {
    let file = s.read("cluster.yaml")?;
    let before = listing(s)?;
    files(s, &file)?;
    s.claim(
        "what an Ingress says that Traefik does not know is told with its place",
        s.kubestead(&["check"]).run().says("manifests/shop/shop.yaml:").and(s.kubestead(&["check"]).run().says("mirror-target")),
    );
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    let web = |host: &str, path: &str, says: &str| answer(s, "https", host, KUBE1, "30443", path, says);
    s.claim(
        "a host leads to its service, with the certificate of the Secret",
        s.eventually(60, || web("a.example.org", "/", "Here is A.200")),
    );
    s.claim("another one to another", s.eventually(60, || web("b.example.org", "/", "Here is B.200")));
    s.claim("a path to a third, without its begin", web("a.example.org", "/b/", "Here is B.200"));
    let plain = |host: &str, path: &str, says: &str| answer(s, "http", host, KUBE2, "30080", path, says);
    s.claim("a host that no route has is answered with 404", plain("x.example.org", "/", "404 page not found\n404"));
    s.claim(
        "whoever comes without encryption is sent on",
        plain("a.example.org", "/x?y", "Moved Permanently301 https://a.example.org/x?y"),
    );
    s.claim("a port of TCP leads to its pod", s.eventually(60, || s.at(OUTSIDE, &["said", KUBE1, "30022", "hello"]).run().is("hello")));
    s.claim("an Ingress of ingress-nginx is served as it is", plain("old.example.org", "/shop/index.html", "Here is A.200"));
    let socket =
        || s.at(OUTSIDE, &["upgraded", "plain.example.org", KUBE1, "30080", "echo"]).run().is("HTTP/1.1 101 Switching Protocols echo");
    s.claim("a connection becomes a WebSocket", socket());

    s.on("kube2", &["pkill", "-9", "-x", "traefik"]).run().ok()?;
    let failed = ["failed_from", "5", "100", "http", "plain.example.org", KUBE1, "30080"];
    s.claim("of 100 requests none fails 5 s after one of its two pods was killed", s.at(OUTSIDE, &failed).run().is("0"));
    s.claim("which comes back", s.eventually(120, || pods(s, "2")));

    s.edit("cluster.yaml", "    nodePorts: {http: 30080, https: 30443, line: 30022}\n", "    nodes: [kube1, kube2]\n")?;
    s.claim("on nodes of its own instead", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    for node in [KUBE1, KUBE2] {
        s.claim(
            "each of them listens at port 443",
            s.eventually(60, || answer(s, "https", "a.example.org", node, "443", "/", "Here is A.200")),
        );
        s.claim("and at port 80", answer(s, "http", "a.example.org", node, "80", "/", "Moved Permanently301 https://a.example.org/"));
        s.claim("and at one of TCP", s.at(OUTSIDE, &["said", node, "2222", "hello"]).run().is("hello"));
    }
    s.claim("the first node does not", s.at(OUTSIDE, &["said", "10.77.0.11", "80", "hello"]).run().fails());

    s.write("cluster.yaml", &file)?;
    s.remove("secrets/pages-tls.yaml")?;
    s.claim("without it in the file what takes data along waits for a yes", s.kubestead(&["up"]).run().status(4));
    s.claim("with a yes each it goes", removed(s));
    s.claim("all else is as it was", s.eventually(120, || is(listing(s)? == before, || "something is left".into())));
    Ok(())
}

/// Says yes to all that asks, until nothing does.
pub(super) fn removed(s: &Stage) -> Claim {
    s.eventually(300, || {
        let plan = s.plan(&[]);
        let asks = plan.said.split_whitespace().filter(|word| word.starts_with("cluster/") && word.ends_with("/delete"));
        let yes: Vec<&str> = asks.flat_map(|id| ["--yes", id]).collect();
        if !yes.is_empty() {
            s.kubestead(&[&["up"], &yes[..]].concat()).run();
        }
        s.plan(&[]).status(0)
    })
}

fn pods(s: &Stage, ready: &str) -> Claim {
    kubectl(s, &["-n", "gateway", "get", "deployment", "traefik", "-o", "jsonpath={.status.readyReplicas}"]).run().is(ready)
}

/// The names of what the gateway and its users may leave behind.
fn listing(s: &Stage) -> Result<String, String> {
    let kinds = "namespaces,serviceaccounts,services,deployments,clusterroles,clusterrolebindings,ingressclasses,customresourcedefinitions,\
        validatingadmissionpolicies,validatingadmissionpolicybindings";
    kubectl(s, &["get", kinds, "-A", "-o", "name"]).run().answer()
}

/// Brings the images of an archive to the nodes that have pods.
pub(super) fn image(s: &Stage, archive: &str) -> Done {
    let bytes = std::fs::read(archive).map_err(|error| format!("{archive}: {error}"))?;
    for node in ["kube1", "kube2"] {
        s.on(node, &["ctr", "-n", "k8s.io", "images", "import", "--local", "-"]).input(bytes.as_slice()).run().ok()?;
    }
    Ok(())
}

/// The cluster file, the definitions, the manifests, the certificate, and the image on the nodes.
fn files(s: &Stage, file: &str) -> Done {
    let made = s.program("bash", &[&s.repository_word("scripts/traefik.sh")]).run().answer()?;
    image(s, &format!("{made}/image.tar"))?;
    s.definitions("sigs.k8s.io/gateway-api@v1.6.3", "config/crd/standard", "definitions.yaml")?;
    s.folder("manifests/shop")?;
    s.write("manifests/shop/shop.yaml", &s.repository("crates/proof/src/scripts/gateway/shop.yaml")?)?;
    let (key, certificate) = (s.word("tls.key"), s.word("tls.crt"));
    let names = "subjectAltName=DNS:a.example.org,DNS:b.example.org";
    let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", &key, "-out", &certificate];
    let new = [&new[..], &["-subj", "/CN=a.example.org", "-addext", names, "-days", "2"]].concat();
    s.program("openssl", &new).run().ok()?;
    s.on(OUTSIDE, &["dd", "of=/run/gateway.crt", "status=none"]).input(s.read("tls.crt")?).run().ok()?;
    let secret = "secrets/pages-tls.yaml";
    let new = ["secret", "new", secret, "--namespace", "gateway", "--type", "kubernetes.io/tls", "--key", "tls.crt"];
    s.kubestead(&new).input(s.read("tls.crt")?).run().ok()?;
    s.kubestead(&["secret", "set", secret, "stringData/tls.key"]).input(s.read("tls.key")?).run().ok()?;
    s.write("cluster.yaml", &format!("{file}{SERVICES}"))
}

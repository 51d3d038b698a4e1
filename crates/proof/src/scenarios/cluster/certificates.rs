//! Certificates that an authority of ACME issues for hosts of the gateway: cert-manager's controllers under a main of our own, the real Traefik, a real Pebble.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, is};

use super::gateway::{KUBE1, OUTSIDE, answer, image};
use super::kubectl;

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "an authority of ACME issues a certificate for a host of the gateway, and another one when it is renewed, while no request fails; why it issues none is told",
    shows: &["F13"],
    fixture: Fixture::Cluster,
    leaves: Leaves::WornOut,
    limit: 2400,
    takes: 230,
    core: false,
    run: certificates,
}];

const SERVICES: &str = "services:
  gateway:
    nodes: [kube1, kube2]
    hosts: {a.example.org: {issuer: pebble}, d.example.org: {issuer: pebble}}
    definitions: {path: definitions.yaml}
  certificates:
    issuers: {pebble: {server: 'https://pebble.acme.svc:14000/dir', ca: pebble.crt}}
    definitions: {path: certificates.yaml}
    patches:
    - apiVersion: apps/v1
      kind: Deployment
      metadata: {name: controller, namespace: cert-manager}
      spec: {template: {spec: {hostAliases: [{ip: 10.77.0.21, hostnames: [a.example.org]}]}}}
manifests:
  acme: {path: manifests/acme}
  shop: {path: manifests/shop, needs: [gateway]}
";

/// Something that is said of an object of the gateway's namespace.
fn told(s: &Stage, kind: &str, name: &str, path: &str, says: &str) -> Claim {
    kubectl(s, &["-n", "gateway", "get", kind, name, "-o", path]).run().says(says)
}

fn certificates(s: &Stage) -> Done {
    files(s)?;
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    let ready = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
    s.claim("the certificate is there within three minutes", s.eventually(180, || told(s, "certificate", "a.example.org", ready, "True")));
    let root = kubectl(s, &["get", "--raw", "/api/v1/namespaces/acme/services/https:pebble:15000/proxy/roots/0"]).run().answer()?;
    s.on(OUTSIDE, &["dd", "of=/run/gateway.crt", "status=none"]).input(root).run().ok()?;
    let served = || answer(s, "https", "a.example.org", KUBE1, "443", "/", "Here is A.200");
    s.claim("it is served, and leads to the authority's root", s.eventually(60, served));

    let serial = || s.at(OUTSIDE, &["serial", "a.example.org", KUBE1, "443"]).run().answer();
    let first = serial()?;
    s.at(OUTSIDE, &["begin_requests", "https", "a.example.org", KUBE1, "443"]).run().ok()?;
    s.at("cp1", &["renew", "a.example.org"]).run().ok()?;
    let another = || serial().and_then(|now| is(now != first && now.contains("serial="), || now.clone()));
    s.claim("another one is served when it was renewed", s.eventually(180, another));
    s.claim("and it leads there too", served());
    s.claim("no request failed meanwhile", s.at(OUTSIDE, &["end_requests"]).run().is("0"));

    let why =
        || kubectl(s, &["-n", "gateway", "get", "challenges", "-o", "jsonpath={.items[*].status.reason}"]).run().says("d.example.org");
    s.claim("why a host gets none is told", s.eventually(120, why));
    s.claim("it is not ready", told(s, "certificate", "d.example.org", ready, "False"));
    s.claim("the plan is empty", s.plan(&[]).status(0));
    Ok(())
}

/// The cluster file, definitions, manifests and images, and the certificate that the authority itself shows.
fn files(s: &Stage) -> Done {
    let made = s.program("bash", &[&s.repository_word("scripts/traefik.sh")]).run().answer()?;
    image(s, &format!("{made}/image.tar"))?;
    s.definitions("sigs.k8s.io/gateway-api@v1.6.3", "config/crd/standard", "definitions.yaml")?;
    let made = s.program("bash", &[&s.repository_word("scripts/cert-manager.sh")]).run().answer()?;
    image(s, &format!("{made}/image.tar"))?;
    image(s, &format!("{made}/pebble.tar"))?;
    s.definitions("github.com/cert-manager/cert-manager@v1.21.2", "deploy/crds", "certificates.yaml")?;
    for name in ["shop", "acme"] {
        s.folder(&format!("manifests/{name}"))?;
        let text = s.repository(&format!("crates/proof/src/scripts/gateway/{name}.yaml"))?;
        s.write(&format!("manifests/{name}/{name}.yaml"), &text)?;
    }
    let (key, certificate) = (s.word("pebble.key"), s.word("pebble.crt"));
    let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", &key, "-out", &certificate];
    let new = [&new[..], &["-subj", "/CN=pebble", "-addext", "subjectAltName=DNS:pebble.acme.svc", "-days", "2"]].concat();
    s.program("openssl", &new).run().ok()?;
    let secret = "secrets/pebble-tls.yaml";
    let new = ["secret", "new", secret, "--namespace", "acme", "--type", "kubernetes.io/tls", "--key", "tls.crt"];
    s.kubestead(&new).input(s.read("pebble.crt")?).run().ok()?;
    s.kubestead(&["secret", "set", secret, "stringData/tls.key"]).input(s.read("pebble.key")?).run().ok()?;
    let file = s.read("cluster.yaml")?;
    s.write("cluster.yaml", &format!("{file}{SERVICES}"))
}

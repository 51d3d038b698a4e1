//! Addresses for Services, with the real MetalLB: built from its modules, in images of the official names.

use std::collections::BTreeSet;

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, is};

use super::gateway::{OUTSIDE, answer, image, removed};
use super::{kubectl, ready};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "a Service gets an address that answers from outside, from another machine within ten seconds when the one that answers loses its power, no address is given twice, \
           and nothing of it is left",
    shows: &["F11", "F38", "R1", "R3"],
    fixture: Fixture::Cluster,
    leaves: Leaves::WornOut,
    limit: 2400,
    takes: 540,
    core: false,
    run: load_balancer,
}];

const SERVICES: &str = "services:
  gateway: {address: 10.77.0.82, definitions: {path: definitions.yaml}}
  loadBalancer: {addresses: [10.77.0.80-10.77.0.82], definitions: {path: metallb.yaml}}
manifests:
  shop: {path: manifests/shop, needs: [load-balancer]}
";
/// A Service of somebody else.
const MORE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: more, namespace: shop}\n\
                    spec: {type: LoadBalancer, selector: {app: page}, ports: [{port: 80, targetPort: http}]}\n";
/// The address of the machine that asks, which is no node.
const CLIENT: &str = "10.77.0.5";
/// The address that is kept for the gateway.
const GATEWAY: &str = "10.77.0.82";
/// How long nobody may answer when a machine is gone, in milliseconds.
const WITHIN: u64 = 10_000;

fn load_balancer(s: &Stage) -> Done {
    let (file, before) = (s.read("cluster.yaml")?, listing(s)?);
    files(s, &file)?;
    s.claim("up", s.kubestead(&["up"]).run().ok());
    s.claim("the plan is empty", s.plan(&[]).status(0));
    s.claim("two Services have an address each, and not the same", s.eventually(60, || apart(s)));
    kubectl(s, &["apply", "-f", "-"]).input(MORE).run().ok()?;
    s.claim("a third is told that none is left", s.eventually(60, || told(s, "no available IPs")));
    s.claim("and has none", given(s, "more").and_then(|none| is(none.is_empty(), || none.clone())));
    let (any, local) = (given(s, "any")?, given(s, "local")?);
    s.claim("the one answers from outside", s.eventually(60, || who(s, &any).map(|_| ())));
    s.claim("the other one with the client's address", s.eventually(60, || sees_client(s, &local)));
    let gateway = kubectl(s, &["-n", "gateway", "get", "service", "traefik", "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}"]).run();
    s.claim("the gateway has the address that is kept for it", gateway.is(GATEWAY));
    s.claim("and answers at it", s.eventually(60, || gateway_answers(s)));

    let holder = holder(s, "local")?;
    let (mine, _) = who(s, &local)?;
    s.claim("a pod of the machine that answers is asked there", is(mine == holder, || format!("{mine} answers, and {holder} has it")));
    s.at(OUTSIDE, &["begin_asking", &local]).run().ok()?;
    s.claim("it answers again and again", s.eventually(30, || s.on(OUTSIDE, &["test", "-s", "/run/asked"]).run().ok()));
    s.claim(&format!("the power of {holder} is cut"), s.kubestead(&["lab", "kill", &holder]).run().ok());
    let other = || who(s, &local).and_then(|(node, _)| is(node != holder, || node.clone()));
    s.claim("another machine answers", s.eventually(60, other));
    s.claim("with the client's address", s.eventually(30, || sees_client(s, &local)));
    let gap: u64 = s.at(OUTSIDE, &["longest_gap"]).run().answer()?.parse().map_err(|error| format!("{error}"))?;
    s.claim(&format!("nobody answered for {gap} ms"), is(gap < WITHIN, || format!("{WITHIN} ms are the most")));
    s.claim("the other address answers too", s.eventually(120, || who(s, &any).map(|_| ())));
    s.claim("and the gateway", s.eventually(120, || gateway_answers(s)));
    s.claim("the machine comes back", s.kubestead(&["lab", "start", &holder]).run().ok());
    s.claim("and is Ready", s.eventually(240, || ready(s, &[&holder])));
    s.claim("the address answers", s.eventually(60, || sees_client(s, &local)));
    s.claim("the plan is empty", s.eventually(120, || s.plan(&[]).status(0)));

    s.claim("two Services have their addresses still", is([given(s, "any")?, given(s, "local")?] == [any, local], || "others".into()));
    kubectl(s, &["-n", "shop", "delete", "service", "any"]).run().ok()?;
    s.claim("what one had the third gets", s.eventually(60, || given(s, "more").and_then(|it| is(!it.is_empty(), || "none".into()))));

    s.write("cluster.yaml", &file)?;
    s.claim("without it in the file what takes data along waits for a yes", s.kubestead(&["up"]).run().status(4));
    s.claim("with a yes each it goes", removed(s));
    s.claim("all else is as it was", s.eventually(120, || is(listing(s)? == before, || "something is left".into())));
    Ok(())
}

/// The address of a Service; empty if it has none.
fn given(s: &Stage, service: &str) -> Result<String, String> {
    kubectl(s, &["-n", "shop", "get", "service", service, "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}"]).run().answer()
}

/// What is said of it in an event.
fn told(s: &Stage, words: &str) -> Claim {
    kubectl(s, &["-n", "shop", "get", "events", "--field-selector", "involvedObject.name=more", "-o", "jsonpath={.items[*].message}"])
        .run()
        .says(words)
}

fn apart(s: &Stage) -> Claim {
    let all: BTreeSet<String> = ["any", "local"].into_iter().map(|service| given(s, service)).collect::<Result<_, _>>()?;
    is(all == BTreeSet::from(["10.77.0.80", "10.77.0.81"].map(str::to_owned)), || format!("{all:?}"))
}

/// The node whose pod answers at an address, and the client that it sees.
fn who(s: &Stage, address: &str) -> Result<(String, String), String> {
    let said = s.at(OUTSIDE, &["who", address]).run().answer()?;
    said.split_once(' ').map(|(node, client)| (node.to_owned(), client.to_owned())).ok_or(said)
}

fn sees_client(s: &Stage, address: &str) -> Claim {
    let (_, client) = who(s, address)?;
    is(client == CLIENT, || format!("it sees {client}"))
}

/// The gateway answers from outside; no route leads anywhere.
fn gateway_answers(s: &Stage) -> Claim {
    answer(s, "http", "x.example.org", GATEWAY, "80", "/", "404 page not found\n404")
}

/// The node that answers for a Service's address.
fn holder(s: &Stage, service: &str) -> Result<String, String> {
    let of = format!("metallb.io/service-name={service}");
    kubectl(s, &["-n", "metallb", "get", "servicel2statuses", "-l", &of, "-o", "jsonpath={.items[*].status.node}"]).run().answer()
}

/// The names of what it and its users may leave behind.
fn listing(s: &Stage) -> Result<String, String> {
    let kinds = "namespaces,serviceaccounts,services,deployments,daemonsets,clusterroles,clusterrolebindings,roles,rolebindings,customresourcedefinitions,\
        validatingadmissionpolicies,validatingadmissionpolicybindings";
    kubectl(s, &["get", kinds, "-A", "-o", "name"]).run().answer()
}

/// The cluster file, the definitions, the manifests, and the images on the nodes.
fn files(s: &Stage, file: &str) -> Done {
    let archive = s.program("bash", &[&s.repository_word("scripts/metallb.sh")]).run().answer()?;
    let bytes = std::fs::read(&archive).map_err(|error| format!("{archive}: {error}"))?;
    for node in super::NODES {
        s.on(node, &["ctr", "-n", "k8s.io", "images", "import", "--local", "-"]).input(bytes.as_slice()).run().ok()?;
    }
    let made = s.program("bash", &[&s.repository_word("scripts/traefik.sh")]).run().answer()?;
    image(s, &format!("{made}/image.tar"))?;
    s.definitions("sigs.k8s.io/gateway-api@v1.6.3", "config/crd/standard", "definitions.yaml")?;
    s.definitions("go.universe.tf/metallb@v0.16.2", "config/manifests/metallb-native.yaml", "metallb.yaml")?;
    s.folder("manifests/shop")?;
    s.write("manifests/shop/shop.yaml", &s.repository("crates/proof/src/scripts/load-balancer/shop.yaml")?)?;
    s.write("cluster.yaml", &format!("{file}{SERVICES}"))
}

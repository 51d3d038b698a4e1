//! What the API tells that checks need: where CoreDNS answers, a pod on each node, pods that wait for images, volumes and claims.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kubestead_core::fact::Gap;
use kubestead_core::probe::{Answers, Section};
use serde_json::Value;

use super::finding::Finding;
use super::kind::Kind;
use crate::file::Cluster;
use crate::objects;

/// The most addresses of CoreDNS that are asked.
const SERVERS: usize = 6;
/// The longest text of the API that is kept.
const TEXT: usize = 200;
/// What is asked for, in the order in which the answers are read. Tables hold what `kubectl get` shows: nothing of a pod's environment.
const PATHS: [&str; 6] = [
    "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkube-dns&includeObject=Object",
    "/api/v1/namespaces/kube-system/services/kube-dns?includeObject=Object",
    "/api/v1/pods?fieldSelector=status.phase%3DRunning&limit=2000&includeObject=None",
    "/api/v1/pods?fieldSelector=status.phase%3DPending&limit=500",
    "/api/v1/persistentvolumes?limit=2000&includeObject=None",
    "/api/v1/persistentvolumeclaims?limit=2000",
];
/// How much more than any probe the answers may be.
const ANSWER: usize = 16 << 20;

/// The cluster as checks need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Where CoreDNS answers, and on which node, by its name in Kubernetes.
    pub servers: BTreeMap<IpAddr, String>,
    /// The address of its Service.
    pub service: Option<IpAddr>,
    /// A pod's own address on each node, by the node's name in Kubernetes.
    pub pods: BTreeMap<String, IpAddr>,
    /// What was found of images, volumes and claims.
    pub findings: Vec<Finding>,
}

/// The section for the first control plane.
pub(super) fn section() -> Section {
    objects::tables("doctor/api", &PATHS).expects(ANSWER)
}

/// A table of the API: its columns by name, and its rows with their objects.
struct Table {
    columns: BTreeMap<String, usize>,
    rows: Vec<Value>,
}

impl Table {
    fn read(text: &str) -> Option<Self> {
        let mut value: Value = serde_json::from_str(text).ok()?;
        let columns = value["columnDefinitions"].as_array()?.iter().enumerate();
        let columns = columns.filter_map(|(n, column)| Some((column["name"].as_str()?.to_owned(), n))).collect();
        let rows = match value["rows"].take() {
            Value::Array(rows) => rows,
            _ => Vec::new(),
        };
        Some(Self { columns, rows })
    }

    fn cell(&self, row: &Value, column: &str) -> String {
        let cell = self.columns.get(column).map(|n| &row["cells"][*n]);
        cell.and_then(Value::as_str).unwrap_or_default().chars().take(TEXT).collect()
    }

    fn objects(&self) -> impl Iterator<Item = &Value> {
        self.rows.iter().map(|row| &row["object"])
    }
}

/// The name of a row's object with its namespace.
fn named(row: &Value) -> String {
    let text = |key: &str| row["object"]["metadata"][key].as_str().unwrap_or_default().chars().take(TEXT).collect::<String>();
    format!("{}/{}", text("namespace"), text("name"))
}

/// Reads the answers.
pub(super) fn read(cluster: &Cluster, answers: &Answers) -> Result<Told, Gap> {
    let text = answers.text("doctor/api")?;
    let bodies = objects::bodies(text);
    if bodies.len() != PATHS.len() {
        return Err(Gap::new("the API server does not answer"));
    }
    let mut tables = Vec::new();
    for ((body, status), path) in bodies.iter().zip(PATHS) {
        let path = path.split('?').next().unwrap_or(path);
        // A cluster without CoreDNS has no such Service.
        let table = if *status == "404" { Some(Table { columns: BTreeMap::new(), rows: Vec::new() }) } else { None };
        let table = table.or_else(|| (*status == "200").then(|| Table::read(body)).flatten());
        tables.push(table.ok_or_else(|| Gap::new(format!("what the API server says to {path} was not understood (status {status})")))?);
    }
    let [slices, service, running, pending, volumes, claims] = tables.as_slice() else { return Err(Gap::new("an answer is missing")) };
    let mut told = Told {
        servers: servers(slices),
        service: service.objects().find_map(|object| object["spec"]["clusterIP"].as_str()?.parse().ok()),
        pods: pods(cluster, running),
        findings: Vec::new(),
    };
    told.findings.extend(images(pending));
    told.findings.extend(of_volumes(volumes, claims));
    Ok(told)
}

/// A name for a command line; a server that lies makes no word of a shell.
fn word(name: &str) -> &str {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.') && !name.starts_with('-');
    if plain { name } else { "NAME" }
}

fn servers(slices: &Table) -> BTreeMap<IpAddr, String> {
    let endpoints = slices.objects().flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
    let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] != false);
    let each = ready.flat_map(|endpoint| {
        let node = endpoint["nodeName"].as_str().unwrap_or_default().to_owned();
        let addresses = endpoint["addresses"].as_array().into_iter().flatten();
        addresses.filter_map(|address| address.as_str()?.parse().ok()).map(move |address: IpAddr| (address, node.clone()))
    });
    each.take(SERVERS).collect()
}

/// A pod of each node that has an address of its own: one that shares the node's tells nothing.
fn pods(cluster: &Cluster, running: &Table) -> BTreeMap<String, IpAddr> {
    let own: BTreeSet<IpAddr> = cluster.nodes.iter().filter_map(|node| node.address.parse().ok()).collect();
    let address = |row: &Value| running.cell(row, "IP").parse().ok().filter(|address| !own.contains(address));
    running.rows.iter().filter_map(|row| Some((running.cell(row, "Node"), address(row)?))).collect()
}

fn images(pending: &Table) -> Vec<Finding> {
    let waits = ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable"];
    let bad = pending.rows.iter().filter_map(|row| {
        let status = pending.cell(row, "Status");
        let cause = waits.iter().find(|cause| status.ends_with(*cause))?;
        let (pod, node) = (named(row), pending.cell(row, "Node"));
        let (namespace, name) = pod.split_once('/')?;
        let next = format!(
            "kubectl -n {} describe pod {} tells which image and why; put it into the bundle, or where the node can fetch it",
            word(namespace),
            word(name)
        );
        Some(Finding::bad(Kind::Images, node, format!("the pod {pod} waits for an image ({cause})"), next))
    });
    bad.collect()
}

fn of_volumes(volumes: &Table, claims: &Table) -> Vec<Finding> {
    let mut found = Vec::new();
    for row in &volumes.rows {
        let (name, claim) = (volumes.cell(row, "Name"), volumes.cell(row, "Claim"));
        match volumes.cell(row, "Status").as_str() {
            "Failed" => found.push(Finding::bad(
                Kind::Volumes,
                "cluster",
                format!("the volume {name} is Failed: {}", volumes.cell(row, "Reason")),
                format!("kubectl describe pv {} tells why; its data is where it was", word(&name)),
            )),
            "Released" => found.push(Finding::warn(
                Kind::Volumes,
                "cluster",
                format!("the volume {name} is Released: its claim {claim} is gone, and its data is kept"),
                format!("save or delete what it holds; then kubectl delete pv {} and kubestead up make it free again", word(&name)),
            )),
            _ => {}
        }
    }
    for row in &claims.rows {
        let claim = named(row);
        let (namespace, name) = claim.split_once('/').unwrap_or_default();
        match claims.cell(row, "Status").as_str() {
            "Lost" => found.push(Finding::bad(
                Kind::Volumes,
                "cluster",
                format!("the claim {claim} is Lost: its volume {} is gone", claims.cell(row, "Volume")),
                "make the volume again as it was (kubestead up, if the file names it), or delete the claim and restore its data".to_owned(),
            )),
            "Pending" => found.push(Finding::warn(
                Kind::Volumes,
                "cluster",
                format!("the claim {claim} waits for a volume of the class {}", claims.cell(row, "StorageClass")),
                format!(
                    "one that no pod uses yet waits for its pod; else kubectl -n {} describe pvc {} tells why",
                    word(namespace),
                    word(name)
                ),
            )),
            _ => {}
        }
    }
    if found.is_empty() {
        found.push(Finding::good(
            Kind::Volumes,
            "cluster",
            format!("{} volumes and {} claims, none failed, released, lost or waiting", volumes.rows.len(), claims.rows.len()),
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::super::fixture;
    use super::*;

    /// A table of the API with these columns and rows of cells.
    fn table(columns: &[&str], rows: &[(&[&str], Value)]) -> String {
        let columns: Vec<Value> = columns.iter().map(|name| json!({"name": name, "type": "string"})).collect();
        let rows: Vec<Value> = rows.iter().map(|(cells, object)| json!({"cells": cells, "object": object})).collect();
        json!({"kind": "Table", "columnDefinitions": columns, "rows": rows}).to_string()
    }

    fn slices() -> String {
        let endpoint =
            |address: &str, node: &str, ready: bool| json!({"addresses": [address], "nodeName": node, "conditions": {"ready": ready}});
        let object = json!({"endpoints": [endpoint("10.244.0.2", "cp1", true), endpoint("10.244.1.2", "kube1", true), endpoint("10.244.2.2", "kube2", false)]});
        table(&["Name"], &[(&["kube-dns-x"], object)])
    }

    fn object(namespace: &str, name: &str) -> Value {
        json!({"metadata": {"namespace": namespace, "name": name}})
    }

    fn bodies() -> [String; 6] {
        let pods = ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node"];
        [
            slices(),
            table(&["Name"], &[(&["kube-dns"], json!({"spec": {"clusterIP": "10.96.0.10"}}))]),
            table(
                &pods,
                &[
                    (&["flannel", "1/1", "Running", "0", "1d", "10.77.0.21", "kube1"], Value::Null),
                    (&["web", "1/1", "Running", "0", "1d", "10.244.1.7", "kube1"], Value::Null),
                ],
            ),
            table(
                &pods,
                &[
                    (&["web-2", "0/1", "Init:ImagePullBackOff", "0", "1d", "<none>", "kube2"], object("apps", "web-2")),
                    (&["web-3", "0/1", "ContainerCreating", "0", "1d", "<none>", "kube2"], object("apps", "web-3")),
                ],
            ),
            table(
                &["Name", "Status", "Claim", "Reason"],
                &[
                    (&["pv-1", "Bound", "apps/data", ""], Value::Null),
                    (&["pv-2", "Failed", "", "recycler"], Value::Null),
                    (&["pv-3", "Released", "apps/old", ""], Value::Null),
                ],
            ),
            table(
                &["Name", "Status", "Volume", "StorageClass"],
                &[
                    (&["data", "Lost", "pv-9", "pool-s"], object("apps", "data")),
                    (&["new", "Pending", "", "pool-s"], object("apps", "new")),
                ],
            ),
        ]
    }

    fn told(bodies: &[(String, &str)]) -> Result<Told, Gap> {
        let text: String = bodies.iter().map(|(body, status)| format!("{body}\n@@status {status}\n")).collect();
        read(&fixture::cluster(), &Answers::from_pairs([("doctor/api", 0, text)]))
    }

    #[test]
    fn what_checks_need_is_read_of_tables() {
        let told = told(&bodies().map(|body| (body, "200"))).unwrap();
        let servers: Vec<_> = told.servers.iter().map(|(address, node)| format!("{address} {node}")).collect();
        assert_eq!(servers, ["10.244.0.2 cp1", "10.244.1.2 kube1"], "one that is not ready is not asked");
        assert_eq!(told.service, Some("10.96.0.10".parse().unwrap()));
        assert_eq!(
            told.pods,
            BTreeMap::from([("kube1".to_owned(), "10.244.1.7".parse().unwrap())]),
            "one with its node's address is no pod's"
        );
        let all: Vec<_> = told.findings.iter().map(|found| (found.check, found.verdict, found.found.as_str())).collect();
        assert_eq!(
            all,
            [
                (Kind::Images, Verdict::Bad, "the pod apps/web-2 waits for an image (ImagePullBackOff)"),
                (Kind::Volumes, Verdict::Bad, "the volume pv-2 is Failed: recycler"),
                (Kind::Volumes, Verdict::Warn, "the volume pv-3 is Released: its claim apps/old is gone, and its data is kept"),
                (Kind::Volumes, Verdict::Bad, "the claim apps/data is Lost: its volume pv-9 is gone"),
                (Kind::Volumes, Verdict::Warn, "the claim apps/new waits for a volume of the class pool-s"),
            ]
        );
    }

    #[test]
    fn a_cluster_without_coredns_has_no_servers_and_one_that_refuses_is_not_known() {
        let mut all = bodies().map(|body| (body, "200"));
        all[1] = ("{}".into(), "404");
        assert_eq!(told(&all).unwrap().service, None);
        all[4].1 = "403";
        assert!(told(&all).unwrap_err().to_string().contains("/api/v1/persistentvolumes was not understood (status 403)"));
        all[4] = ("{\"kind\": \"Table\"".into(), "200");
        assert!(told(&all).is_err() && told(&all[..5]).is_err() && told(&[]).is_err());
    }

    #[test]
    fn a_name_that_is_none_is_no_word_of_a_command() {
        let mut all = bodies().map(|body| (body, "200"));
        all[3].0 = table(&["Status"], &[(&["ErrImagePull"], object("apps", "$(reboot)"))]);
        let found = told(&all).unwrap().findings;
        assert!(found[0].next.starts_with("kubectl -n apps describe pod NAME tells"), "{found:?}");
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(texts in prop::collection::vec("(\\{|\\}|\"rows\":|\"cells\":|\\[|\\]|\"columnDefinitions\":|null|1|\"a\"|,|:){0,30}", 6)) {
            let _ = told(&texts.into_iter().map(|text| (text, "200")).collect::<Vec<_>>());
        }
    }
}

//! What the API has of Secrets, without a byte of a value: names and types of all in the namespaces that files name, and the metadata of
//! ours. It is read on the control plane, in the one probe.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Gap;
use kubestead_core::kube::FIELD_MANAGER;
use kubestead_core::probe::Answers;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{DIGEST, SecretsWanted, owner};
use crate::objects::{self, LAST_APPLIED};

/// The cluster's Secrets, as far as they matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretFacts {
    /// The namespaces, and whether each is there to stay: one that is being deleted is not.
    pub namespaces: BTreeMap<String, bool>,
    /// The type of each Secret in the namespaces that files name, by `NAMESPACE/NAME`.
    pub types: BTreeMap<String, String>,
    /// Ours, by `NAMESPACE/NAME`.
    pub ours: BTreeMap<String, Live>,
}

/// A Secret that carries our label and that our field manager applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// Which object of that name it is.
    pub uid: String,
    /// The digest that it was applied with; `None` if it has none.
    pub digest: Option<String>,
    /// The keys whose values are as we set them.
    pub keys: BTreeSet<String>,
    /// Who set the other ones.
    pub others: BTreeMap<String, String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations; that of `kubectl apply` without its text.
    pub annotations: BTreeMap<String, String>,
    /// Whether the API server refuses changes of it.
    pub immutable: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// What is asked of the API server, after [`objects::section`]'s own lists: the namespaces, the Secrets of those that files name without any
/// object, and ours with their metadata.
pub fn paths(wish: &SecretsWanted) -> Vec<String> {
    let lists = namespaces(wish).into_iter().map(|n| format!("/api/v1/namespaces/{n}/secrets?includeObject=None"));
    let ours = format!("/api/v1/secrets?{}&includeObject=Metadata", objects::selector());
    std::iter::once("/api/v1/namespaces?includeObject=None".to_owned()).chain(lists).chain([ours]).collect()
}

fn namespaces(wish: &SecretsWanted) -> BTreeSet<&str> {
    wish.secrets.iter().map(|secret| secret.namespace.as_str()).collect()
}

/// Reads the answer for the same wish; `None` if there is no cluster.
pub fn read(answers: &Answers, wish: &SecretsWanted) -> Result<Option<SecretFacts>, Gap> {
    let text = answers.text("cluster/api")?;
    if text.is_empty() {
        return Ok(None);
    }
    let namespaces = namespaces(wish);
    let mut bodies = Vec::new();
    for (body, status) in objects::of_secrets(text, namespaces.len() + 2) {
        match status {
            "200" => bodies.push(parse(body)?),
            "000" | "500" | "503" => return Err(Gap::new("the API server does not answer")),
            code => return Err(Gap::new(format!("the API server answers {code} when asked for Secrets"))),
        }
    }
    if bodies.len() != namespaces.len() + 2 {
        return Err(Gap::new("the answers of the API server about Secrets were cut off"));
    }
    let mut facts = SecretFacts { namespaces: BTreeMap::new(), types: BTreeMap::new(), ours: BTreeMap::new() };
    for row in rows(&bodies[0], "Status")? {
        facts.namespaces.insert(row.0, row.1 == "Active");
    }
    for (namespace, table) in namespaces.iter().zip(&bodies[1..]) {
        for (name, kind) in rows(table, "Type")? {
            facts.types.insert(owner(namespace, &name), kind);
        }
    }
    // An empty table has null for its rows.
    for row in bodies[bodies.len() - 1]["rows"].as_array().into_iter().flatten() {
        let item = &row["object"];
        if item["kind"] != "PartialObjectMetadata" {
            return Err(gap("more of an object than was asked for"));
        }
        let text = |key: &str| item["metadata"][key].as_str().unwrap_or_default();
        if let Some(live) = live(item) {
            facts.ours.insert(owner(text("namespace"), text("name")), live);
        }
    }
    Ok(Some(facts))
}

fn gap(why: impl std::fmt::Display) -> Gap {
    Gap::new(format!("the API server's answer about Secrets was not understood: {why}"))
}

fn parse(body: &str) -> Result<Value, Gap> {
    serde_json::from_str(body).map_err(gap)
}

/// The name and one other column of a table.
fn rows(table: &Value, column: &str) -> Result<Vec<(String, String)>, Gap> {
    let columns = table["columnDefinitions"].as_array().ok_or_else(|| gap("a table without columns"))?;
    let index = |name: &str| columns.iter().position(|c| c["name"] == name).ok_or_else(|| gap(format!("a table without {name}")));
    let (name, column) = (index("Name")?, index(column)?);
    let text = |row: &Value, index: usize| row["cells"][index].as_str().map(str::to_owned).ok_or_else(|| gap("a cell is missing"));
    let rows = table["rows"].as_array().into_iter().flatten();
    rows.map(|row| Ok((text(row, name)?, text(row, column)?))).collect()
}

/// A Secret of ours by its metadata; `None` for another one. A label can be copied; the field manager is who applied it.
pub(super) fn live(object: &Value) -> Option<Live> {
    let meta = &object["metadata"];
    let fields: Vec<&Value> = meta["managedFields"].as_array().into_iter().flatten().collect();
    let ours = |entry: &Value| entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply";
    let keys = |entry: &Value| -> Vec<String> {
        let map = entry["fieldsV1"]["f:data"].as_object();
        map.into_iter().flatten().filter_map(|(key, _)| key.strip_prefix("f:")).map(str::to_owned).collect()
    };
    let own = fields.iter().find(|entry| ours(entry))?;
    if meta["labels"][objects::MANAGED_BY] != FIELD_MANAGER {
        return None;
    }
    let own: BTreeSet<String> = keys(own).into_iter().collect();
    let mut others = BTreeMap::new();
    for entry in fields.iter().filter(|entry| !ours(entry)) {
        let manager = entry["manager"].as_str().unwrap_or("somebody");
        others.extend(keys(entry).into_iter().filter(|key| !own.contains(key)).map(|key| (key, manager.to_owned())));
    }
    let texts = |value: &Value| -> BTreeMap<String, String> {
        let map = value.as_object().into_iter().flatten();
        map.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    };
    let mut annotations = texts(&meta["annotations"]);
    if let Some(copy) = annotations.get_mut(LAST_APPLIED) {
        copy.clear();
    }
    Some(Live {
        uid: meta["uid"].as_str().unwrap_or_default().to_owned(),
        digest: annotations.get(DIGEST).cloned(),
        keys: own,
        others,
        labels: texts(&meta["labels"]),
        annotations,
        immutable: fields.iter().any(|entry| !entry["fieldsV1"]["f:immutable"].is_null()),
        deleting: !meta["deletionTimestamp"].is_null(),
    })
}

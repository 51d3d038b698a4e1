//! Services of a folder, and a cluster that they are planned and applied on.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Fact;
use kubestead_core::kube::{Api, ObjectRef};
use kubestead_core::name::Name;
use kubestead_core::plan::{Part, Plan, Step};
use kubestead_provision::file::Manifests;
use kubestead_provision::objects::{ApiFacts, Live};
use kubestead_provision::service::{self, Action, Around, Recorded, ServiceFacts, ServicesWanted};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct World<K> {
    pub(crate) kube: K,
    pub(crate) folder: TempDir,
    pub(crate) services: Vec<Manifests>,
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace: namespace.into(), name: name.into() }
}

pub(crate) const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: meshwork.kubestead.test}\nspec:\n  \
    group: kubestead.test\n  scope: Namespaced\n  names: {plural: meshwork, singular: mesh, kind: Mesh}\n  versions:\n  - name: v1\n    served: true\n    \
    storage: true\n    schema:\n      openAPIV3Schema:\n        type: object\n        properties:\n          spec: {type: object, x-kubernetes-preserve-unknown-fields: true}\n";

pub(crate) fn map(namespace: &str, name: &str, value: &str) -> String {
    format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {{value: \"{value}\"}}\n")
}

impl<K: Api> World<K> {
    pub(crate) fn new(kube: K) -> Self {
        Self { kube, folder: tempfile::tempdir().unwrap(), services: Vec::new() }
    }

    /// Writes the manifests of a service, which is in the cluster file from now on.
    pub(crate) fn service(&mut self, service: &str, needs: &[&str], text: &str) {
        let path = self.folder.path().join(format!("{service}.yaml"));
        std::fs::write(&path, text).unwrap();
        self.services.retain(|known| known.name.as_str() != service);
        let needs = needs.iter().map(|need| name(need)).collect();
        self.services.push(Manifests { name: name(service), path, variables: BTreeMap::new(), needs });
    }

    pub(crate) fn wish(&self) -> ServicesWanted {
        service::read_files(&self.services, &|path| path.file_name().unwrap().to_string_lossy().into_owned(), &[])
    }

    pub(crate) async fn records(&self) -> BTreeMap<String, Recorded> {
        let listed = self.kube.list(&object("v1", "ConfigMap", "kube-system", "")).await.unwrap().items;
        let objects: Vec<Live> = listed.into_iter().map(|item| Live::read("v1", "ConfigMap", item).unwrap()).collect();
        service::records(&objects)
    }

    pub(crate) async fn facts(&self) -> ServiceFacts {
        service::observe(&self.kube, &self.wish(), &self.records().await).await.unwrap()
    }

    /// The plan in an order in which it can run; it must be one that may.
    pub(crate) async fn plan(&self) -> Plan<Action> {
        let facts = self.facts().await;
        let part = service::plan(&self.wish(), &Fact::Known(facts.clone()), &self.records().await, &Around::default());
        let steps: BTreeSet<_> = part.steps.iter().map(|step| step.id.clone()).collect();
        let mut part: Part<Action> = part;
        part.steps.iter_mut().for_each(|step| step.after.retain(|id| steps.contains(id)));
        let plan = Plan::new(String::new(), String::new(), part).unwrap();
        assert_eq!(service::faults(Some(&facts), plan.steps.iter().map(|step| (step, &step.action))), Vec::<String>::new());
        let modelled = plan.steps.iter().fold((facts, ApiFacts::default()), |(mut facts, mut api), step| {
            service::model(&step.action, &mut facts, &mut api);
            (facts, api)
        });
        assert!(modelled.0.lacks.is_empty() || !plan.held.is_empty(), "what is applied brings all kinds");
        plan
    }

    /// Runs the steps that ask for nothing, or are consented to, and whatever waits for no other.
    pub(crate) async fn run(&self, plan: &Plan<Action>, consent: &[&str]) -> Vec<String> {
        let (mut out, mut failed) = (BTreeSet::new(), Vec::new());
        for step in &plan.steps {
            if step.needs_consent() && !consent.contains(&step.id.0.as_str()) || step.after.iter().any(|id| out.contains(id)) {
                out.insert(step.id.clone());
            } else if let Err(error) = self.apply(step).await {
                failed.push(format!("{}: {error}", step.id));
                out.insert(step.id.clone());
            }
        }
        failed
    }

    async fn apply(&self, step: &Step<Action>) -> Result<(), service::Error> {
        // There are no controllers here.
        if matches!(step.action, Action::Ready { .. }) {
            return Ok(());
        }
        service::apply(&step.action, &self.kube).await.map(|_| ())
    }

    pub(crate) async fn get(&self, object: &ObjectRef) -> Option<Value> {
        self.kube.get(object).await.unwrap()
    }
}

pub(crate) fn ids(plan: &Plan<Action>) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.0.as_str()).collect()
}

pub(crate) fn held(plan: &Plan<Action>) -> Vec<String> {
    plan.held.iter().map(|held| format!("{}: {}", held.object, held.reason)).collect()
}

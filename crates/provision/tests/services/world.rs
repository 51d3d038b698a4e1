//! Services of a folder, and a cluster that they are planned and applied on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use kubestead_core::fact::Fact;
use kubestead_core::kube::{Api, ObjectRef};
use kubestead_core::name::Name;
use kubestead_core::plan::{Part, Plan, Step};
use kubestead_core::secret::Secret;
use kubestead_provision::file::{Cluster, Manifests, SealedVariable, Source};
use kubestead_provision::objects::{ApiFacts, Live};
use kubestead_provision::secret::Keys;
use kubestead_provision::service::{self, Action, Around, Beside, Local, Recorded, ServiceFacts, ServicesWanted};
use kubestead_secrets::Escrow;
use kubestead_secrets::sops::{Identities, Policy, Selector, Sops, Value as SopsValue};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct World<K> {
    pub(crate) kube: K,
    pub(crate) folder: TempDir,
    pub(crate) services: Vec<Manifests>,
    /// What kubestead's own services are made for.
    pub(crate) cluster: Option<Cluster>,
    /// The encrypted variables that every service has.
    pub(crate) secrets: BTreeMap<String, SealedVariable>,
    pub(crate) programs: Local,
    /// What opens them.
    pub(crate) escrow: Escrow,
    /// What else is planned.
    pub(crate) around: Around,
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
        let folder = tempfile::tempdir().unwrap();
        let (keys, identity) = (folder.path().join("escrow"), folder.path().join("age.txt"));
        Escrow::init(&keys, &identity).unwrap();
        let escrow = Escrow::open(&keys, &identity).unwrap();
        let program = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let programs = Local { helm: program("HELM"), kustomize: program("KUSTOMIZE"), cache: Some(folder.path().join("cache")) };
        Self { kube, folder, services: Vec::new(), cluster: None, secrets: BTreeMap::new(), programs, escrow, around: Around::default() }
    }

    /// Writes the manifests of a service, which is in the cluster file from now on.
    pub(crate) fn service(&mut self, service: &str, needs: &[&str], text: &str) {
        let path = self.folder.path().join(format!("{service}.yaml"));
        std::fs::write(&path, text).unwrap();
        self.from(service, needs, Source::Path(path));
    }

    /// A service from elsewhere.
    pub(crate) fn from(&mut self, service: &str, needs: &[&str], source: Source) {
        self.services.retain(|known| known.name.as_str() != service);
        let needs = needs.iter().map(|need| name(need)).collect();
        let secrets = self.secrets.clone();
        self.services.push(Manifests { name: name(service), source, variables: BTreeMap::new(), secrets, needs });
    }

    pub(crate) fn wish(&self) -> ServicesWanted {
        let shown = |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
        service::read_files(
            &self.services,
            &Beside { shown: &shown, taken: Vec::new(), version: Some("1.37.1"), cluster: self.cluster.as_ref(), programs: &self.programs },
        )
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
        let part = service::plan(&self.wish(), &Fact::Known(facts.clone()), &self.records().await, &self.around);
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

    pub(crate) async fn apply(&self, step: &Step<Action>) -> Result<(), service::Error> {
        // There are no controllers here.
        if matches!(step.action, Action::Ready { .. }) {
            return Ok(());
        }
        service::apply(&step.action, &self.escrow, &Keys::default(), &self.kube).await.map(|_| ())
    }

    pub(crate) async fn get(&self, object: &ObjectRef) -> Option<Value> {
        self.kube.get(object).await.unwrap()
    }
}

impl<K: Api> World<K> {
    fn identities(&self) -> Identities {
        Identities::new().with_age_file(&self.folder.path().join("age.txt")).unwrap()
    }

    /// A file of sops with one value, which stands for `${PW}` from now on.
    pub(crate) fn seal(&mut self, value: &str) {
        let file = self.folder.path().join("values.sops.yaml");
        let recipients = std::fs::read_to_string(self.folder.path().join("escrow/recipients")).unwrap();
        let policy = Policy::age([recipients.trim().to_owned()]).with_selector(Selector::encrypted_regex("^db$").unwrap());
        let _ = std::fs::remove_file(&file);
        let plain = Secret::new(b"clear: x\ndb:\n    password: y\n    port: 1\n".to_vec());
        let mut document = Sops::encrypt_new(&file, &plain, &policy, &self.identities()).unwrap();
        document.set(["db", "password"], &SopsValue::text(value)).unwrap();
        document.save().unwrap();
        self.variable("PW", &["db", "password"]);
    }

    pub(crate) fn variable(&mut self, name: &str, key: &[&str]) {
        let file = self.folder.path().join("values.sops.yaml");
        let key = key.iter().map(|key| (*key).to_owned()).collect();
        self.secrets.insert(name.to_owned(), SealedVariable { file, key });
    }

    pub(crate) fn change(&self, value: &str) {
        let mut document = Sops::open(&self.folder.path().join("values.sops.yaml"), &self.identities()).unwrap();
        document.set(["db", "password"], &SopsValue::text(value)).unwrap();
        document.save().unwrap();
    }
}

pub(crate) fn ids(plan: &Plan<Action>) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.0.as_str()).collect()
}

pub(crate) fn held(plan: &Plan<Action>) -> Vec<String> {
    plan.held.iter().map(|held| format!("{}: {}", held.object, held.reason)).collect()
}

//! What a plan does to what is seen: the models of all domains, folded. For tests, and to see ahead.

use kubestead_core::claim::Adoption;
use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::{Step, Target};
use kubestead_storage::model as storage;

use super::{Action, Seen};
use crate::encryption::{self, ModelServer};
use crate::kubeadm::{self, KubeadmSpec};
use crate::objects::{self, ApiFacts, NodeState};
use crate::secret::{self, SecretFacts};
use crate::service::{self, ServiceFacts};
use crate::{keyserver, kubelet, node};

/// What is seen of a cluster in a model, and what API servers hold of encryption at rest, which no probe tells as a whole.
#[derive(Clone, Debug)]
pub struct World {
    /// As a look would find it now.
    pub seen: Seen,
    at_rest: encryption::World,
}

impl World {
    /// A world of what was seen before any cluster began.
    pub fn new(seen: Seen) -> Self {
        Self { seen, at_rest: encryption::World::default() }
    }

    /// The world after a step that succeeded, or why it would have refused.
    pub fn after(mut self, step: &Step<Action>) -> Result<Self, String> {
        let host = match &step.target {
            Target::Host(host) => Some(Name::new(host).map_err(|e| e.to_string())?),
            Target::Operator | Target::Cluster => None,
        };
        match &step.action {
            Action::Escrow { name, .. } => _ = self.seen.escrow.insert(name.clone()),
            Action::Keys(action) => keyserver::model(machine(host.as_ref(), step)?, action, &mut self.seen.servers, &mut self.seen.keys),
            Action::Storage(action) => {
                let found = self.node(host.as_ref(), step)?;
                found.storage = storage::model(action, found.storage.clone());
            }
            Action::Node(action) => {
                if let Some(setup) = &mut self.node(host.as_ref(), step)?.setup {
                    node::model(action, setup);
                }
            }
            Action::Kubelet(action) => kubelet::model(action, &mut self.seen.kubelets),
            Action::Kubeadm(kubeadm::Action::Mount { node, before, folders, sockets, .. }) => {
                let (node, before) = (node.clone(), before.clone());
                let mount = encryption::Action::Mount { node, before, folders: folders.clone(), sockets: sockets.clone() };
                self.encryption(step, &mount)?;
            }
            Action::Kubeadm(action) => {
                let found = self.node(host.as_ref(), step)?;
                if let Some(member) = &mut found.kubeadm {
                    kubeadm::model(action, member);
                }
                self.membership(machine(host.as_ref(), step)?, action);
            }
            Action::Encryption(action) => self.encryption(step, action)?,
            Action::Objects(action) => {
                let Fact::Known(api) = &mut self.seen.api else { return Err(format!("{}: there is no API", step.id)) };
                objects::model(action, api);
                let namespaces = api.objects.iter().filter(|live| live.object.kind == "Namespace");
                if let Fact::Known(secrets) = &mut self.seen.secrets {
                    secrets.namespaces.extend(namespaces.clone().map(|live| (live.object.name.clone(), true)));
                }
                if let Fact::Known(services) = &mut self.seen.services {
                    services.namespaces.extend(namespaces.map(|live| live.object.name.clone()));
                }
            }
            Action::Secret(action) => {
                let Fact::Known(facts) = &mut self.seen.secrets else { return Err(format!("{}: there is no API", step.id)) };
                secret::model(action, facts);
            }
            Action::Service(action) => {
                let (Fact::Known(api), Fact::Known(facts)) = (&mut self.seen.api, &mut self.seen.services) else {
                    return Err(format!("{}: there is no API", step.id));
                };
                service::model(action, facts, api);
            }
        }
        if let Some(host) = host {
            self.files(&host, &step.action);
        }
        Ok(self)
    }

    fn node(&mut self, host: Option<&Name>, step: &Step<Action>) -> Result<&mut super::NodeSeen, String> {
        match self.seen.nodes.get_mut(machine(host, step)?) {
            Some(Fact::Known(found)) => Ok(found),
            Some(Fact::Absent | Fact::Unknown(_)) | None => Err(format!("{}: it is no node that was seen", step.id)),
        }
    }

    /// What the API tells of nodes that get in or leave.
    fn membership(&mut self, name: &Name, action: &kubeadm::Action) {
        let joined = |spec: &KubeadmSpec| {
            let taints = spec.added.taints.get(name).into_iter().flatten().map(ToString::to_string).collect();
            (spec.hostname(name).to_string(), NodeState { taints, ..NodeState::default() })
        };
        let (spec, inside) = match action {
            kubeadm::Action::Init { spec, .. } => {
                let record = Some(kubeadm::record(spec));
                let api = ApiFacts { answers: true, version: Some(spec.version.clone()), record, ..ApiFacts::default() };
                self.seen.api = Fact::Known(ApiFacts { nodes: [joined(spec)].into(), unready: vec!["no network".into()], ..api });
                self.seen.secrets = Fact::Known(SecretFacts::default());
                // Definitions of the files aside, all that they ask for is of kinds that a cluster has.
                let lacks = self.seen.asked.defined();
                let namespaces = ["default".to_owned()].into();
                self.seen.services = Fact::Known(ServiceFacts { lacks, namespaces, ..ServiceFacts::default() });
                self.at_rest.servers.insert(name.clone(), ModelServer::new(spec.encryption.layout()));
                (spec, true)
            }
            kubeadm::Action::Join { spec, .. } => {
                if let Fact::Known(api) = &mut self.seen.api {
                    api.nodes.extend([joined(spec)]);
                }
                (spec, true)
            }
            kubeadm::Action::Reset { spec } => {
                self.seen.kubelets.0.remove(spec.hostname(name).as_str());
                if spec.first == *name {
                    (self.seen.api, self.seen.secrets, self.seen.services) = (Fact::Absent, Fact::Absent, Fact::Absent);
                    self.at_rest.servers.remove(name);
                }
                (spec, false)
            }
            kubeadm::Action::Adoption(_)
            | kubeadm::Action::Prepare { .. }
            | kubeadm::Action::Mount { .. }
            | kubeadm::Action::PutBack
            | kubeadm::Action::StartKubelet => return,
            kubeadm::Action::Components { spec, .. } => {
                if let Fact::Known(api) = &mut self.seen.api {
                    api.record = Some(kubeadm::record(spec));
                }
                return;
            }
        };
        if let Some(Fact::Known(found)) = self.seen.nodes.get_mut(name) {
            found.setup.iter_mut().for_each(|setup| setup.member = inside);
            let facts = self.at_rest.facts(name).filter(|_| spec.first == *name);
            found.encryption = facts.map_or(Fact::Absent, Fact::Known);
        }
    }

    fn encryption(&mut self, step: &Step<Action>, action: &encryption::Action) -> Result<(), String> {
        self.at_rest = encryption::model(&step.clone().map(|_| action.clone()), std::mem::take(&mut self.at_rest))?;
        for (name, fact) in &mut self.seen.nodes {
            if let (Fact::Known(found), Some(facts)) = (fact, self.at_rest.facts(name)) {
                found.encryption = Fact::Known(facts);
            }
        }
        Ok(())
    }

    /// What is where files belong, which all domains of a host look at.
    fn files(&mut self, host: &Name, action: &Action) {
        let adoption: Option<&Adoption> = action.adoption();
        let nodes = self.seen.nodes.get_mut(host).into_iter().filter_map(|fact| match fact {
            Fact::Known(found) => match &mut found.storage.files {
                Fact::Known(files) => Some(files),
                Fact::Absent | Fact::Unknown(_) => None,
            },
            Fact::Absent | Fact::Unknown(_) => None,
        });
        let servers = self.seen.servers.get_mut(host).into_iter().filter_map(|fact| match fact {
            Fact::Known(server) => Some(&mut server.files),
            Fact::Absent | Fact::Unknown(_) => None,
        });
        for files in nodes.chain(servers) {
            action.writes().iter().for_each(|file| files.put(file));
            for path in action.removes() {
                files.found.remove(*path);
                files.written.remove(*path);
                files.left.remove(*path);
            }
            if let Some(adoption) = adoption {
                adoption.model(files);
            }
        }
        self.seen.share_files();
    }
}

fn machine<'a>(host: Option<&'a Name>, step: &Step<Action>) -> Result<&'a Name, String> {
    host.ok_or_else(|| format!("{}: it is on no machine", step.id))
}

//! From spec and facts to steps.

use std::net::Ipv4Addr;

use kubestead_core::claim::Claims;
use kubestead_core::name::Name;
use kubestead_core::plan::{Deed, Held, Part, Risk, Target};
use kubestead_core::put::{Files, Owned};
use serde_json::{Map, Value};

use super::action::Action;
use super::approver::{self, APPROVER, Known};
use super::ids;
use super::link::{self, LINK};
use super::spec::{KubeletSpec, PATHS};

/// A node with what was seen of it.
pub struct Candidate<'a> {
    /// As it shall be.
    pub spec: &'a KubeletSpec,
    /// What is where its files belong.
    pub files: &'a Files,
    /// What its kubelet says that it runs with; `None` if it did not answer.
    pub told: Option<&'a Map<String, Value>>,
    /// Whether it is a node of the cluster whose kubelet runs.
    pub runs: bool,
    /// Whether the API calls it ready: then its kubelet can be asked.
    pub ready: bool,
}

/// The step of one node, and what is held. A node for which nothing was ever set has neither.
pub fn plan(candidate: &Candidate<'_>) -> Part<Action> {
    let Candidate { spec, files, told, runs, ready } = candidate;
    let mut part = Part::default();
    let name = &spec.name;
    let start =
        |why: String| if *runs { (Risk::Disrupts, format!("{why}; the kubelet starts again, pods stay")) } else { (Risk::Safe, why) };
    let Some(settings) = &spec.settings else {
        if remains(&PATHS, files) {
            let (risk, why) = start("take settings away that the file does not name any more".to_owned());
            part.push(ids::UNSET.step(Target::Host(name.to_string()), Action::Unset { runs: *runs }, why).risk(risk));
        }
        return part;
    };
    let mut claims = match Claims::new(name.as_str(), files, PATHS) {
        Ok(claims) => claims,
        Err(held) => {
            part.held.extend(held);
            return part;
        }
    };
    let owned = settings.files();
    let claim = claims.claim(&owned);
    let differences = told.filter(|_| *runs).map(|told| settings.differences(told));
    let names = settings.names().collect::<Vec<_>>().join(", ");
    let why = match &differences {
        _ if !claim.changed.is_empty() || claims.pending() => Some(format!("settings: {names}")),
        Some(differences) if !differences.is_empty() => Some(format!("it does not run with its settings: {}", differences.join(", "))),
        None if *runs && *ready => {
            let reason = "its kubelet does not tell what it runs with, so that nobody knows whether its settings hold";
            let hint =
                format!("see `kubectl get --raw /api/v1/nodes/{}/proxy/configz`: control planes must reach port 10250", spec.hostname);
            part.held.push(Held::on(name, "kubelet", reason, hint));
            None
        }
        Some(_) | None => None,
    };
    if let Some(why) = why {
        let (risk, why) = start(why);
        let asks = runs.then(|| spec.first.clone());
        let action = Action::Settings { files: owned, settings: settings.clone(), hostname: spec.hostname.clone(), asks };
        part.push(
            ids::SETTINGS
                .step(Target::Host(name.to_string()), action, why)
                .risk(risk)
                .after(claim.after)
                .after([ids::APPROVER.on(&spec.first), ids::LINK.on(name)]),
        );
    }
    let mut all = claims.into_part("kubelet-settings", Action::Adoption);
    all.extend(part);
    all
}

/// Whether a file of ours is there that the cluster file does not ask for any more.
fn remains(paths: &[&str], files: &Files) -> bool {
    paths.iter().any(|path| files.left.contains(*path) || files.written.contains_key(*path) && files.found.contains_key(*path))
}

/// The step that takes files of ours away, where some are.
fn gone(name: &Name, paths: &[&str], files: &Files, deed: Deed, action: Action, why: &str) -> Part<Action> {
    let mut part = Part::default();
    if remains(paths, files) {
        part.push(deed.step(Target::Host(name.to_string()), action, why));
    }
    part
}

/// What writes files of ours that the cluster file asks for.
struct Written<'a, const N: usize> {
    paths: [&'static str; N],
    owned: Vec<Owned>,
    /// What an adoption of theirs is called.
    adoption: &'static str,
    deed: Deed,
    why: &'a str,
}

impl<const N: usize> Written<'_, N> {
    /// The step that writes them, where they are not there as they shall be.
    fn part(self, name: &Name, files: &Files, action: impl FnOnce(Vec<Owned>) -> Action) -> Part<Action> {
        let mut part = Part::default();
        let mut claims = match Claims::new(name.as_str(), files, self.paths) {
            Ok(claims) => claims,
            Err(held) => {
                part.held.extend(held);
                return part;
            }
        };
        let claim = claims.claim(&self.owned);
        if !claim.changed.is_empty() || claims.pending() {
            part.push(self.deed.step(Target::Host(name.to_string()), action(self.owned), self.why).after(claim.after));
        }
        let mut all = claims.into_part(self.adoption, Action::Adoption);
        all.extend(part);
        all
    }
}

/// The step of a machine that approves certificates of these nodes, or of one that did and shall not any more: of none.
pub fn approver(name: &Name, nodes: &[Known], files: &Files) -> Part<Action> {
    if nodes.is_empty() {
        let why = "no kubelet asks for a certificate any more";
        return gone(name, &APPROVER, files, ids::NO_APPROVER, Action::NoApprover, why);
    }
    let why = "approve the certificates by which kubelets are known, of the nodes in the file for their own names";
    let written = Written { paths: APPROVER, owned: approver::files(nodes), adoption: "kubelet-approver", deed: ids::APPROVER, why };
    written.part(name, files, |files| Action::Approver { files })
}

/// The step of a machine that shall have the address of a cache of names, or of one that had it and shall not any more.
pub fn link(name: &Name, address: Option<Ipv4Addr>, files: &Files) -> Part<Action> {
    let Some(address) = address else {
        let why = "pods are not told of a cache of names any more; those that were made before still ask at its address first, are refused there, and ask the \
                   cluster's own service: the address stays until the node starts anew";
        return gone(name, &LINK, files, ids::NO_LINK, Action::NoLink, why);
    };
    let why = format!("the address {address}, at which the node's cache of names answers its pods");
    let written = Written { paths: LINK, owned: link::files(address), adoption: "kubelet-dns-address", deed: ids::LINK, why: &why };
    written.part(name, files, |files| Action::Link { files, address })
}

#[cfg(test)]
mod tests {
    use kubestead_core::name::{HostName, Name};
    use kubestead_core::put::Found;
    use serde_json::json;

    use super::super::check::fault;
    use super::super::spec::FILE;
    use super::*;

    fn spec(settings: Option<Value>) -> KubeletSpec {
        KubeletSpec {
            name: Name::new("kube1").unwrap(),
            hostname: HostName::new("kube1.example.com").unwrap(),
            settings: settings.map(|value| serde_json::from_value(value).unwrap()),
            first: Name::new("cp1").unwrap(),
        }
    }

    fn run(spec: &KubeletSpec, files: &Files, told: Option<Value>) -> Part<Action> {
        let told = told.and_then(|told| told.as_object().cloned());
        let part = plan(&Candidate { spec, files, told: told.as_ref(), runs: true, ready: true });
        assert!(part.steps.iter().all(|step| fault(files, step).is_none()), "{part:?}");
        part
    }

    #[test]
    fn settings_are_written_once_and_then_the_kubelet_has_the_word() {
        let spec = spec(Some(json!({"maxPods": 50})));
        let part = run(&spec, &Files::default(), Some(json!({"maxPods": 110})));
        let [step] = part.steps.as_slice() else { panic!("{part:?}") };
        assert!(step.risk == Risk::Disrupts && step.why.contains("maxPods") && step.id.0 == "kube1/kubelet/settings", "{step:?}");
        let mut files = Files::holding(step.action.writes());
        let same = Some(json!({"maxPods": 50}));
        assert_eq!(run(&spec, &files, same.clone()), Part::default());
        let other = run(&spec, &files, Some(json!({"maxPods": 110})));
        assert!(other.steps[0].why.contains("maxPods is 110 and shall be 50"), "{other:?}");
        let silent = run(&spec, &files, None);
        assert!(silent.steps.is_empty() && silent.held[0].object == "kube1/kubelet", "{silent:?}");
        files.pending = true;
        assert_eq!(run(&spec, &files, same).steps.len(), 1, "what was cut off is taken up again");
        files.pending = false;
        let not_yet = plan(&Candidate { spec: &spec, files: &files, told: None, runs: false, ready: false });
        assert_eq!(not_yet, Part::default(), "no kubelet runs that could be asked");
    }

    #[test]
    fn a_node_that_is_not_in_yet_is_not_disturbed_and_nothing_is_written_where_nothing_is_set() {
        let part =
            plan(&Candidate { spec: &spec(Some(json!({"maxPods": 50}))), files: &Files::default(), told: None, runs: false, ready: false });
        assert!(part.steps[0].risk == Risk::Safe && matches!(&part.steps[0].action, Action::Settings { asks: None, .. }), "{part:?}");
        assert_eq!(run(&spec(None), &Files::default(), None), Part::default());
    }

    #[test]
    fn what_the_file_does_not_set_any_more_goes() {
        let mut files = Files::default();
        files.left.insert(FILE.into());
        let part = run(&spec(None), &files, None);
        let [step] = part.steps.as_slice() else { panic!("{part:?}") };
        assert!(
            step.action == Action::Unset { runs: true } && step.risk == Risk::Disrupts && step.id.0 == "kube1/kubelet/unset",
            "{step:?}"
        );
        // Somebody's own drop-ins are none of ours.
        files.left = ["/etc/kubernetes/kubelet.conf.d/90-own.conf".to_owned()].into();
        assert_eq!(run(&spec(None), &files, None), Part::default());
    }

    #[test]
    fn a_file_of_somebody_else_asks_and_a_link_is_held() {
        let mut files = Files::default();
        files.foreign(FILE, "theirs\n");
        let part = run(&spec(Some(json!({"maxPods": 50}))), &files, None);
        assert!(part.steps.len() == 2 && part.steps[0].needs_consent() && part.steps[1].after.contains(&part.steps[0].id), "{part:?}");
        files.found.insert(FILE.into(), Found::Other);
        let part = run(&spec(Some(json!({"maxPods": 50}))), &files, None);
        assert!(part.steps.is_empty() && part.held.len() == 1, "{part:?}");
    }

    #[test]
    fn who_approves_certificates_is_written_once_and_goes_when_no_kubelet_asks() {
        let known = |hostname: &str| Known { hostname: HostName::new(hostname).unwrap(), address: [10, 77, 0, 21].into() };
        let (name, nodes) = (Name::new("cp1").unwrap(), [known("kube1")]);
        let part = super::approver(&name, &nodes, &Files::default());
        assert_eq!(part.steps.iter().map(|step| step.id.0.as_str()).collect::<Vec<_>>(), ["cp1/kubelet/approver"]);
        let mut files = Files::holding(part.steps[0].action.writes());
        assert_eq!(super::approver(&name, &nodes, &files), Part::default());
        assert_eq!(super::approver(&name, &[known("kube2")], &files).steps.len(), 1, "another node");
        assert_eq!(super::approver(&name, &[], &files).steps[0].action, Action::NoApprover);
        files = Files::default();
        assert_eq!(super::approver(&name, &[], &files), Part::default());
    }
}

//! The second pair of eyes on a node's steps: it asks only whether a step may be, and shares no code with the planner.

use kubestead_core::claim;
use kubestead_core::plan::Step;
use kubestead_core::put::Found;

use super::action::Action;
use super::observe::NodeFacts;

/// Why a step with this action must not run on what was seen; `None` for every step of a plan of [`super::plan()`].
pub fn step<A>(facts: &NodeFacts, step: &Step<A>, action: &Action) -> Option<String> {
    if let Some(fault) = claim::fault(&facts.files, step, action.writes()) {
        return Some(fault);
    }
    let adopted = |path: &str| step.after.contains(&claim::adopts(&step.target.to_string(), path));
    match action {
        Action::Install { files, .. } => {
            if files.iter().any(|f| !f.is_for(&facts.architecture)) {
                return Some(format!("{}: the machine would get programs for another architecture", step.id));
            }
            if facts.member && files.iter().any(|f| other_version(facts, &f.name, &f.version)) {
                return Some(format!("{}: a member of a cluster would get programs of another version", step.id));
            }
            files.iter().find_map(|file| {
                let path = file.target()?;
                if facts.files.found.get(&path) == Some(&Found::Other) {
                    return Some(format!("{}: {path} would be replaced, which is no regular file", step.id));
                }
                let there = facts.strange.get(&path)?;
                let ours = *there == file.sha256 || facts.files.wrote(&path, there) || adopted(&path);
                (!ours).then(|| format!("{}: {path} would be replaced, which is not ours", step.id))
            })
        }
        Action::Adoption(adoption) => claim::unasked(&facts.files, step, adoption),
        Action::Kernel { .. }
        | Action::Source { .. }
        | Action::Containerd { .. }
        | Action::Kubelet { .. }
        | Action::SwapOff { .. }
        | Action::Packages { .. }
        | Action::Images { .. } => None,
    }
}

/// Whether what is there is known to be of another version, or not known at all.
fn other_version(facts: &NodeFacts, name: &str, wanted: &str) -> bool {
    let wanted = wanted.trim_start_matches('v');
    facts.versions.get(name).is_some_and(|v| v.installed.as_deref() != Some(wanted))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kubestead_core::claim::Adoption;
    use kubestead_core::plan::{StepId, Target};
    use kubestead_core::put::{Files, Mark};

    use super::super::Version;
    use super::super::plan::fixture::spec;
    use super::super::spec::{CONTAINERD_CONFIG, containerd_files, own_files};
    use super::*;

    fn step(facts: &NodeFacts, step: &Step<Action>) -> Option<String> {
        super::step(facts, step, &step.action)
    }

    fn of(action: Action) -> Step<Action> {
        Step::new(Target::Host("kube1".into()), "x", "do", action, "")
    }

    fn facts(mark: Mark) -> NodeFacts {
        let mut facts = NodeFacts { files: Files::holding(&own_files(&spec())), ..NodeFacts::default() };
        facts.files.written.remove(CONTAINERD_CONFIG);
        facts.files.found.insert(CONTAINERD_CONFIG.into(), Found::File { sum: "a".repeat(64), mark, headings: vec![] });
        facts
    }

    #[test]
    fn what_is_not_ours_is_replaced_by_no_step_without_its_adoption() {
        let write = || of(Action::Containerd { files: containerd_files(&spec()), package: None });
        let adoption = StepId("kube1/etc/containerd/config.toml/adopt".into());
        for mark in [Mark::None, Mark::Package] {
            assert!(step(&facts(mark), &write()).is_some_and(|why| why.contains("config.toml would be replaced")));
            assert_eq!(step(&facts(mark), &write().after([adoption.clone()])), None);
        }
        let adopt = || of(Action::Adoption(Adoption::Adopt { path: CONTAINERD_CONFIG.into(), sum: "a".repeat(64) }));
        assert!(step(&facts(Mark::None), &adopt()).is_some_and(|why| why.contains("without consent")));
        assert_eq!(step(&facts(Mark::None), &adopt().asking()), None);
        assert_eq!(step(&facts(Mark::Package), &adopt()), None);
    }

    #[test]
    fn programs_of_somebody_else_and_of_another_version_are_found() {
        let files = || spec().files.iter().filter(|f| f.target().is_some()).cloned().collect();
        let install = || of(Action::Install { bundle: "/b".into(), files: files() });
        let strange: BTreeMap<String, String> = [("/usr/local/bin/kubelet".to_owned(), "ff".to_owned())].into();
        let facts = NodeFacts { strange, ..NodeFacts::default() };
        assert!(step(&facts, &install()).is_some());
        assert_eq!(step(&facts, &install().after([StepId("kube1/usr/local/bin/kubelet/adopt".into())])), None);
        let versions = [("kubelet".to_owned(), Version { installed: Some("0.9".into()), ..Version::default() })].into();
        let facts = NodeFacts { member: true, versions, ..NodeFacts::default() };
        assert!(step(&facts, &install()).is_some_and(|why| why.contains("another version")));
        assert_eq!(step(&NodeFacts { member: false, ..facts }, &install()), None);
    }
}

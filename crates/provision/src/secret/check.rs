//! The second pair of eyes over steps for Secrets: what must not run on what was seen. It shares no code with the planner.

use kubestead_core::plan::{Risk, Step};

use super::action::{Action, Expected};
use super::observe::SecretFacts;
use super::spec::owner;

/// Which steps must not run, each a sentence.
pub(crate) fn faults<'a, A: 'a>(facts: Option<&SecretFacts>, steps: impl IntoIterator<Item = (&'a Step<A>, &'a Action)>) -> Vec<String> {
    steps.into_iter().filter_map(|(step, action)| fault(facts, step, action).map(|why| format!("{}: {why}", step.id))).collect()
}

fn fault<A>(facts: Option<&SecretFacts>, step: &Step<A>, action: &Action) -> Option<String> {
    let live = |name: &str| facts.and_then(|facts| facts.ours.get(name));
    let ours = |name: &str, uid: &str| live(name).filter(|live| live.uid == *uid && !live.deleting);
    let (name, loses, fits) = match action {
        Action::Apply { secret, on } => {
            let name = secret.owner();
            let (loses, fits) = match on {
                Expected::Nothing => (false, live(&name).is_none() && facts.is_none_or(|facts| !facts.types.contains_key(&name))),
                Expected::Ours { uid } => (false, ours(&name, uid).is_some()),
                Expected::Changed { uid, .. } | Expected::Fixed { uid } => (true, ours(&name, uid).is_some()),
                Expected::Foreign => (true, live(&name).is_none() && facts.is_some_and(|facts| facts.types.contains_key(&name))),
            };
            (name, loses, fits)
        }
        Action::Delete { namespace, name, uid } => {
            let name = owner(namespace, name);
            let applied = ours(&name, uid).is_some_and(|live| live.digest.is_some());
            (name, true, applied)
        }
    };
    if !fits {
        return Some(format!("it is not proven that Secret {name} is as the step expects it"));
    }
    (loses && step.risk != Risk::Destroys).then(|| format!("values of Secret {name} are lost, unasked"))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use kubestead_core::plan::Target;

    use super::super::observe::Live;
    use super::super::spec::SecretSpec;
    use super::*;

    fn facts() -> SecretFacts {
        let live = Live {
            uid: "1".into(),
            digest: Some("d".into()),
            keys: BTreeSet::new(),
            others: BTreeMap::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            immutable: false,
            deleting: false,
        };
        let types = ["apps/ours", "apps/theirs"].map(|name| (name.to_owned(), "Opaque".to_owned()));
        SecretFacts { namespaces: [("apps".to_owned(), true)].into(), types: types.into(), ours: [("apps/ours".to_owned(), live)].into() }
    }

    fn apply(name: &str, on: Expected) -> Action {
        let secret = SecretSpec {
            file: "f".into(),
            namespace: "apps".into(),
            name: name.into(),
            kind: "Opaque".into(),
            immutable: false,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            keys: BTreeSet::new(),
            digest: "d".into(),
        };
        Action::Apply { secret, on }
    }

    fn found(facts: Option<&SecretFacts>, action: &Action, risk: Risk) -> Option<String> {
        fault(facts, &Step::new(Target::Cluster, "secret", "apply", (), "").risk(risk), action)
    }

    #[test]
    fn what_is_not_as_the_step_expects_is_left() {
        let (facts, uid) = (facts(), |uid: &str| uid.to_owned());
        let delete = |name: &str, uid: &str| Action::Delete { namespace: "apps".into(), name: name.into(), uid: uid.into() };
        let fits = [
            apply("new", Expected::Nothing),
            apply("ours", Expected::Ours { uid: uid("1") }),
            apply("ours", Expected::Fixed { uid: uid("1") }),
            apply("theirs", Expected::Foreign),
            delete("ours", "1"),
        ];
        let not = [
            apply("ours", Expected::Nothing),
            apply("theirs", Expected::Nothing),
            apply("theirs", Expected::Ours { uid: uid("1") }),
            apply("ours", Expected::Changed { uid: uid("2"), keys: BTreeSet::new() }),
            apply("ours", Expected::Foreign),
            apply("new", Expected::Foreign),
            delete("ours", "2"),
            delete("theirs", "1"),
        ];
        for action in &fits {
            assert_eq!(found(Some(&facts), action, Risk::Destroys), None, "{action:?}");
        }
        for action in &not {
            assert!(found(Some(&facts), action, Risk::Destroys).unwrap().contains("not proven"), "{action:?}");
        }
        assert_eq!(found(None, &fits[0], Risk::Safe), None, "a cluster that has yet to begin has no Secret");
        assert!(found(None, &fits[1], Risk::Safe).is_some());
    }

    #[test]
    fn values_are_lost_by_consent_alone() {
        let (facts, uid) = (facts(), || "1".to_owned());
        let asks = [
            apply("ours", Expected::Changed { uid: uid(), keys: BTreeSet::new() }),
            apply("ours", Expected::Fixed { uid: uid() }),
            apply("theirs", Expected::Foreign),
            Action::Delete { namespace: "apps".into(), name: "ours".into(), uid: uid() },
        ];
        for action in &asks {
            for risk in [Risk::Safe, Risk::Disrupts] {
                assert!(found(Some(&facts), action, risk).unwrap().contains("lost, unasked"), "{action:?}");
            }
        }
    }
}

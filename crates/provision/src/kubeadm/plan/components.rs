//! What the file adds to the programs of a control plane that is there: a difference becomes a step.

use std::collections::BTreeSet;

use kubestead_core::claim::Claims;
use kubestead_core::name::Name;
use kubestead_core::plan::{Part, Risk, Target};
use kubestead_core::put::{Files, Owned};

use super::super::action::Action;
use super::super::components::recorded;
use super::super::ids;
use super::super::served::{is_served, named, owned};
use super::super::spec::KubeadmSpec;
use crate::objects::ApiFacts;

/// A control plane of a cluster that is there.
pub struct Plane<'a> {
    /// Its name.
    pub name: &'a Name,
    /// Its address.
    pub address: &'a str,
    /// The folders of KMS plugins that its API server mounts.
    pub plugins: &'a [String],
    /// What is where files of ours belong.
    pub files: &'a Files,
    /// Whether a run was cut off that gave its programs other arguments.
    pub is_cut: bool,
}

/// The step by which a cluster that is there gets what the file adds to its programs, after the adoption of what is in the place of files that they read;
/// nothing if it has it, or if that was not seen.
pub fn change(spec: &KubeadmSpec, plane: &Plane<'_>, api: &ApiFacts) -> Part<Action> {
    let mut part = Part::default();
    let Some(record) = &api.record else { return part };
    let before = recorded(record, &spec.endpoint);
    let files: Vec<Owned> = owned(&spec.added.files).collect();
    let mut claims = match Claims::new(plane.name.as_str(), plane.files, files.iter().map(|file| &file.path)) {
        Ok(claims) => claims,
        Err(held) => {
            part.held.extend(held);
            return part;
        }
    };
    let claim = claims.claim(&files);
    let mut differences = before.differences(&spec.added.components);
    // One that somebody changed may have been read since.
    let read: Vec<&str> =
        claim.changed.iter().map(|file| file.path.as_str()).filter(|path| named(&before).any(|one| one == *path)).collect();
    let again = !read.is_empty();
    if again {
        differences.push(format!("{} was changed, or is gone", read.join(", ")));
    }
    let left = plane.files.left.iter().map(String::as_str).filter(|path| is_served(path));
    let old: BTreeSet<String> =
        named(&before).chain(left).filter(|path| files.iter().all(|file| file.path != *path)).map(str::to_owned).collect();
    if !old.is_empty() {
        differences.push(format!("{} goes", old.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    if plane.is_cut {
        differences.push("a run was cut off: each program must be seen to run".to_owned());
    }
    if differences.is_empty() {
        return claims.into_part("kubeadm", Action::Adoption);
    }
    let action = Action::Components {
        spec: spec.of(plane.name),
        node: plane.name.clone(),
        address: plane.address.to_owned(),
        before: Box::new(before),
        plugins: plane.plugins.to_vec(),
        again,
        all: plane.is_cut,
        old,
    };
    let why = format!("{}; what changes starts again, and is put back if it does not run", differences.join("; "));
    let step = ids::COMPONENTS.step(Target::Host(plane.name.to_string()), action, why).risk(Risk::Disrupts).after(claim.after);
    part.extend(claims.into_part("kubeadm", Action::Adoption));
    part.push(step);
    part
}

#[cfg(test)]
mod tests {
    use super::super::super::components::{Added, Arguments, Components};
    use super::super::super::fixture::spec as any;
    use super::*;
    use crate::objects::{Record, RecordedArgument, RecordedComponent};

    fn arguments(all: &[(&str, &str)]) -> Arguments {
        all.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect()
    }

    fn api(api_server: &[(&str, &str)], names: &[&str]) -> ApiFacts {
        let recorded = |(name, value): &(&str, &str)| RecordedArgument { name: (*name).to_owned(), value: (*value).to_owned() };
        let api_server = RecordedComponent {
            extra_args: api_server.iter().map(recorded).collect(),
            cert_sans: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        ApiFacts { answers: true, record: Some(Record { api_server, ..Record::default() }), ..ApiFacts::default() }
    }

    fn planned(wanted: Components, api: &ApiFacts) -> Option<kubestead_core::plan::Step<Action>> {
        let spec = KubeadmSpec { added: Box::new(Added { components: wanted, ..Added::default() }), ..any() };
        let cp1 = Name::new("cp1").unwrap();
        let plane = Plane { name: &cp1, address: "10.0.0.11", plugins: &["/run/kms".to_owned()], files: &Files::default(), is_cut: false };
        let part = change(&spec, &plane, api);
        assert!(part.held.is_empty() && part.steps.len() < 2, "{part:?}");
        part.steps.into_iter().next()
    }

    #[test]
    fn what_the_cluster_has_otherwise_becomes_one_step_with_both_values() {
        let own = ("encryption-provider-config", "/x");
        let wanted =
            Components { api_server: arguments(&[("v", "4")]), names: BTreeSet::from(["api.example.com".into()]), ..Components::default() };
        assert_eq!(planned(wanted.clone(), &api(&[own, ("v", "4")], &["10.0.0.11", "api.example.com"])), None);
        let step = planned(wanted.clone(), &api(&[own, ("v", "2"), ("profiling", "false")], &["10.0.0.11"])).unwrap();
        assert_eq!((step.id.0.as_str(), step.risk), ("cp1/kubeadm/components", Risk::Disrupts));
        let words = "kube-apiserver: profiling from false to not set, v from 2 to 4; names in the API server's certificate, beside its own, from none to \
                     api.example.com; what changes starts again";
        assert!(step.why.starts_with(words), "{}", step.why);
        let Action::Components { before, plugins, .. } = &step.action else { panic!("{step:?}") };
        assert_eq!((before.api_server.len(), plugins.as_slice()), (2, &["/run/kms".to_owned()][..]));
        assert_eq!(planned(wanted.clone(), &ApiFacts::default()), None, "what was not seen is not judged");
        // A run was cut off: what the record says may not be what runs.
        let spec = KubeadmSpec { added: Box::new(Added { components: wanted.clone(), ..Added::default() }), ..any() };
        let cp1 = Name::new("cp1").unwrap();
        let plane = Plane { name: &cp1, address: "10.0.0.11", plugins: &[], files: &Files::default(), is_cut: true };
        let part = change(&spec, &plane, &api(&[own, ("v", "4")], &["10.0.0.11", "api.example.com"]));
        assert!(matches!(part.steps[0].action, Action::Components { all: true, .. }) && part.steps[0].why.contains("a run was cut off"));
        let etcd = Components { etcd: arguments(&[("quota-backend-bytes", "1")]), ..Components::default() };
        assert!(planned(etcd, &api(&[own], &["10.0.0.11"])).unwrap().why.starts_with("etcd: quota-backend-bytes from not set to 1;"));
    }
}

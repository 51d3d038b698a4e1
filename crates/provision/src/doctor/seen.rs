//! What the one look tells already: machines that do not answer, certificates, images, and what is not as the file says.

use std::collections::BTreeSet;

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::Plan;

use super::finding::{Finding, Verdict};
use super::kind::Kind;
use crate::bundle::BundleFile;
use crate::compose::{Action, Seen};
use crate::file::Cluster;
use crate::{kubeadm, node};

/// The machines that answer, and those that do not.
pub(super) fn reach(cluster: &Cluster, seen: &Seen) -> Vec<Finding> {
    let gap = |name: &Name| {
        let node = seen.nodes.get(name).map(Fact::gap);
        node.or_else(|| seen.servers.get(name).map(Fact::gap)).flatten()
    };
    let names = cluster.nodes.iter().map(|node| &node.name).chain(cluster.servers.iter().map(|server| &server.name));
    let each = names.map(|name| match (seen.unreachable.contains(name), gap(name)) {
        (false, None) => Finding::good(Kind::Reach, name.as_str(), "it answers"),
        (is_away, gap) => {
            let why = gap.map_or_else(|| "it does not answer".to_owned(), ToString::to_string);
            let next =
                "nothing else is known of it: see that it runs, and that ssh reaches it; kubestead plan tells the command that failed";
            let verdict = if is_away { Verdict::NotSeen } else { Verdict::Bad };
            Finding { verdict, ..Finding::bad(Kind::Reach, name.as_str(), why, next) }
        }
    });
    each.collect()
}

/// Certificates of control planes. `now` is in seconds since 1970.
pub(super) fn certificates(cluster: &Cluster, seen: &Seen, now: i64) -> Vec<Finding> {
    let facts = |name| seen.nodes.get(name).and_then(Fact::known).and_then(|found| found.kubeadm.as_ref());
    let servers: Vec<_> = cluster.control_planes().filter_map(|node| Some((&node.name, facts(&node.name)?))).collect();
    let lines = kubeadm::certificate_lines(now, &servers);
    if lines.is_empty() {
        return vec![Finding::not_looked(Kind::Certificates, "cluster", "no control plane tells of certificates")];
    }
    let next = "kubeadm certs renew all on that machine, then restart its static pods: docs/recovery/certificates.md goes through it";
    let one = |(name, text, is_good): (Name, String, bool)| {
        if is_good {
            Finding::good(Kind::Certificates, name.as_str(), text)
        } else {
            Finding::bad(Kind::Certificates, name.as_str(), text, next)
        }
    };
    lines.into_iter().map(one).collect()
}

/// Whether the images of the bundle are in the store of each node, by what was seen there: a plan that is held has no step that would tell. Nothing if the
/// file names no bundle.
pub(super) fn images(cluster: &Cluster, seen: &Seen, plan: &Plan<Action>) -> Vec<Finding> {
    let bundle = match &seen.bundle {
        Fact::Known(bundle) => bundle,
        Fact::Absent => return Vec::new(),
        Fact::Unknown(gap) => return vec![Finding::not_looked(Kind::Images, "cluster", gap.to_string())],
    };
    let brings = |action: &Action| matches!(action, Action::Node(node::Action::Images { .. }));
    let planned: BTreeSet<String> = plan.steps.iter().filter(|step| brings(&step.action)).map(|step| step.target.to_string()).collect();
    let [of_servers, of_workers] = [true, false].map(|control_plane| bundle.files_for(control_plane));
    let each = cluster.nodes.iter().map(|of| {
        let place = of.name.as_str();
        let found = seen.nodes.get(&of.name).and_then(Fact::known).and_then(|found| found.setup.as_ref());
        let Some(found) = found else { return Finding::not_looked(Kind::Images, place, "its images were not seen") };
        let files = if of.is_control_plane() { &of_servers } else { &of_workers };
        let absent = |file: &&BundleFile| file.image.as_ref().is_some_and(|image| !found.images.contains(image));
        let missing: BTreeSet<&str> = files.iter().filter(absent).map(|file| file.name.as_str()).collect();
        if missing.is_empty() {
            return Finding::good(Kind::Images, place, "no image of the bundle is missing");
        }
        let next =
            if planned.contains(place) { "kubestead up brings them" } else { "kubestead plan tells what keeps them from being brought" };
        let missing: Vec<&str> = missing.into_iter().collect();
        Finding::bad(Kind::Images, place, format!("images are missing: {}", missing.join(", ")), next)
    });
    each.collect()
}

/// What `plan` would say.
pub(super) fn plan(plan: &Plan<Action>) -> Vec<Finding> {
    let held = plan.held.iter().filter(|held| !held.unreachable).map(|held| {
        let why = held.reason.strip_prefix(&format!("{}: ", held.object)).unwrap_or(&held.reason);
        Finding::bad(Kind::Plan, held.object.as_str(), why, held.hint.as_str())
    });
    let mut found: Vec<Finding> = held.collect();
    if let Some(first) = plan.steps.first() {
        let more = plan.steps.len() - 1;
        let rest = if more == 0 { String::new() } else { format!(", and {more} more") };
        let told = format!("not all is as the file says: {} ({}){rest}", first.id, first.why);
        found.push(Finding::bad(Kind::Plan, "cluster", told, "kubestead plan tells each step; kubestead up does them"));
    }
    // Why it was not reached, the finding of its connection tells; what is to do there nobody knows.
    let unseen: BTreeSet<&str> = plan.held.iter().filter(|held| held.unreachable).map(|held| held.object.as_str()).collect();
    found.extend(
        unseen.into_iter().map(|object| Finding::not_looked(Kind::Plan, object, "it was not reached: what is to do there is not known")),
    );
    if found.is_empty() {
        found.push(Finding::good(Kind::Plan, "cluster", "all that was seen is as the file says"));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kubestead_core::fact::Gap;
    use kubestead_core::plan::{Held, Part, Step, Target};
    use kubestead_core::probe::Answers;

    use super::super::fixture::{self, name};
    use super::*;
    use crate::bundle::{self, Bundle};
    use crate::compose::{self, NodeSeen};
    use crate::kubelet::KubeletFacts;
    use crate::machine::Machine;
    use crate::secret::SecretsWanted;
    use crate::service::ServicesWanted;

    /// A bundle with an image for all nodes, and one for control planes.
    fn bundle() -> Bundle {
        let image = |name: &str, roles: &[&str]| BundleFile {
            path: name.into(),
            kind: bundle::Kind::Image,
            name: name.into(),
            version: "1".into(),
            sha256: "ab".repeat(32),
            size: 1,
            arch: None,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            image: Some(format!("r/{name}:1")),
        };
        let files = vec![image("pause", &["control-plane", "worker"]), image("etcd", &["control-plane"])];
        Bundle { format_version: 1, kubernetes: "1.37.1".into(), source: "built".into(), files }
    }

    /// All nodes, with these images.
    fn seen(cluster: &Cluster, images: &[&str]) -> Seen {
        let one = |of: &Name| NodeSeen {
            machine: Machine { system: ("debian".into(), "12".into()), missing: vec![], clock: 0, free: vec![] },
            storage: kubestead_storage::observe::read(&compose::storage(cluster, of), &Answers::default()),
            setup: Some(node::NodeFacts { images: images.iter().map(|image| (*image).to_owned()).collect(), ..Default::default() }),
            kubeadm: None,
            encryption: Fact::Absent,
        };
        Seen {
            nodes: cluster.nodes.iter().map(|of| (of.name.clone(), Fact::Known(one(&of.name)))).collect(),
            keys: BTreeMap::new(),
            servers: BTreeMap::new(),
            escrow: BTreeSet::new(),
            bundle: Fact::Known(bundle()),
            keyring: Fact::Absent,
            api: Fact::Absent,
            wish: SecretsWanted::default(),
            secrets: Fact::Absent,
            asked: ServicesWanted::default(),
            services: Fact::Absent,
            kubelets: KubeletFacts::default(),
            unreachable: BTreeSet::new(),
        }
    }

    fn told(seen: &Seen, steps: Vec<Step<Action>>) -> Vec<(String, Verdict, String)> {
        let plan = Plan::new(String::new(), String::new(), Part { steps, held: vec![] }).unwrap();
        let found = images(&fixture::cluster(), seen, &plan);
        found.into_iter().map(|one| (one.place, one.verdict, format!("{} {}", one.found, one.next))).collect()
    }

    fn said(place: &str, verdict: Verdict, text: &str) -> (String, Verdict, String) {
        (place.to_owned(), verdict, text.to_owned())
    }

    #[test]
    fn no_image_is_missing_only_where_it_was_seen() {
        let cluster = fixture::cluster();
        let mut seen = seen(&cluster, &["r/pause:1"]);
        seen.nodes.insert(name("kube2"), Fact::Unknown(Gap::new("no route to host")));
        let good = said("kube1", Verdict::Good, "no image of the bundle is missing ");
        let not_seen = said("kube2", Verdict::NotLooked, "its images were not seen ");
        let held = said("cp1", Verdict::Bad, "images are missing: etcd kubestead plan tells what keeps them from being brought");
        assert_eq!(told(&seen, vec![]), [held, good.clone(), not_seen.clone()]);
        let action = Action::Node(node::Action::Images { bundle: "/b".into(), files: vec![] });
        let step = Step::new(Target::Host("cp1".to_owned()), "images", "import", action, "import etcd");
        let planned = said("cp1", Verdict::Bad, "images are missing: etcd kubestead up brings them");
        assert_eq!(told(&seen, vec![step]), [planned, good, not_seen]);
        // What the file asks of nodes is not known without the bundle; a file that names none asks for no images.
        seen.bundle = Fact::Unknown(Gap::new("/b/bundle.json: no such file"));
        assert_eq!(told(&seen, vec![]), [said("cluster", Verdict::NotLooked, "/b/bundle.json: no such file ")]);
        seen.bundle = Fact::Absent;
        assert_eq!(told(&seen, vec![]), []);
    }

    #[test]
    fn a_plan_is_not_good_where_a_host_was_not_reached() {
        let judged = |held: Vec<Held>| {
            let plan = Plan::new(String::new(), String::new(), Part { steps: vec![], held }).unwrap();
            super::plan(&plan).into_iter().map(|one| (one.place, one.verdict)).collect::<Vec<_>>()
        };
        assert_eq!(judged(vec![]), [("cluster".to_owned(), Verdict::Good)]);
        let gone = Held { unreachable: true, ..Held::cluster("kube1", "kube1: no route to host".to_owned(), "look at it") };
        assert_eq!(judged(vec![gone.clone()]), [(gone.object, Verdict::NotLooked)]);
    }
}

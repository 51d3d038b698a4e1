//! What of a cluster never changes while it lives, and which versions run: all in one place, each with how it is seen and what to do instead.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kubestead_core::kube::ObjectRef;
use kubestead_core::name::Name;
use kubestead_core::plan::Held;

use super::observe::KubeadmFacts;
use super::spec::KubeadmSpec;
use crate::file::Backend;
use crate::objects::{ApiFacts, plain_version};

/// A field of the cluster file that kubeadm puts into certificates, etcd and every node at the beginning.
struct Field {
    /// As the file calls it.
    file: &'static str,
    /// What the file says.
    wanted: fn(&KubeadmSpec) -> &str,
    /// What was seen, and where.
    seen: fn(&ApiFacts) -> Vec<(String, String)>,
    /// Whether what was seen fits what the file says.
    fits: fn(&str, &str) -> bool,
    /// What to do instead.
    instead: &'static str,
}

const RECORD: &str = "kube-system/kubeadm-config";
const ANEW: &str = "put it back; another one needs a new cluster: `kubestead reset`, then `kubestead up`";

const FIELDS: [Field; 7] = [
    Field { file: "name", wanted: |s| s.name.as_str(), seen: |a| record(a, |r| r.cluster_name.as_ref()), fits: same, instead: ANEW },
    Field {
        file: "endpoint",
        wanted: |s| &s.endpoint,
        seen: |a| record(a, |r| r.control_plane_endpoint.as_ref()),
        fits: same,
        instead: "put it back: it stands in the certificates and in every node's kubeconfig. A name whose address changes needs no new endpoint",
    },
    Field {
        file: "network.podSubnet",
        wanted: |s| &s.pods,
        seen: |a| record(a, |r| r.networking.pod_subnet.as_ref()),
        fits: same,
        instead: ANEW,
    },
    Field { file: "network.podSubnet", wanted: |s| &s.pods, seen: flannel, fits: same, instead: ANEW },
    Field { file: "network.podSubnet", wanted: |s| &s.pods, seen: nodes, fits: within, instead: ANEW },
    Field {
        file: "network.serviceSubnet",
        wanted: |s| &s.services,
        seen: |a| record(a, |r| r.networking.service_subnet.as_ref()),
        fits: same,
        instead: ANEW,
    },
    Field {
        file: "network.dnsDomain",
        wanted: |s| &s.dns_domain,
        seen: |a| record(a, |r| r.networking.dns_domain.as_ref()),
        fits: same,
        instead: ANEW,
    },
];

fn record(api: &ApiFacts, field: fn(&crate::objects::Record) -> Option<&String>) -> Vec<(String, String)> {
    let value = api.record.as_ref().and_then(field).filter(|value| !value.is_empty());
    value.map(|value| (RECORD.to_owned(), value.clone())).into_iter().collect()
}

/// The range that flannel hands out.
fn flannel(api: &ApiFacts) -> Vec<(String, String)> {
    let (place, net) = net(api);
    net["Network"].as_str().map(|range| (place, range.to_owned())).into_iter().collect()
}

/// What flannel is told of the network, and where that stands.
fn net(api: &ApiFacts) -> (String, serde_json::Value) {
    let reference =
        ObjectRef { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: "kube-flannel".into(), name: "kube-flannel-cfg".into() };
    let text = api.objects.iter().find(|live| live.object == reference).and_then(|live| live.content["data"]["net-conf.json"].as_str());
    (reference.to_string(), text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default())
}

/// Another way from node to node, or another size of packets, than the network began with: a daemon reads them when it starts, so that for a time
/// some nodes would talk past others, and every pod keeps the size that it began with.
pub fn backend(wanted: Backend, api: &ApiFacts) -> Option<Held> {
    let (place, net) = net(api);
    let words = |word: &str, mtu: Option<u64>| mtu.map_or_else(|| word.to_owned(), |mtu| format!("{word} with an MTU of {mtu}"));
    let seen = words(net["Backend"]["Type"].as_str()?, net["Backend"]["MTU"].as_u64());
    let wanted = words(wanted.word(), wanted.mtu());
    (seen != wanted).then(|| {
        let reason = format!("pods' packets go by {seen} ({place}), and the file says {wanted}: it never changes while the cluster lives");
        Held::cluster("network.backend", reason, ANEW)
    })
}

/// The ranges that nodes have.
fn nodes(api: &ApiFacts) -> Vec<(String, String)> {
    api.nodes.iter().flat_map(|(name, node)| node.pods.iter().map(move |range| (format!("node {name}"), range.clone()))).collect()
}

fn same(seen: &str, wanted: &str) -> bool {
    let parts = |text: &str| text.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>();
    parts(seen) == parts(wanted)
}

/// Whether a range lies in one of the file's. What is no range is not judged.
fn within(seen: &str, wanted: &str) -> bool {
    let Some((inner, length)) = range(seen) else { return true };
    let mut all = wanted.split(',').map(|part| range(part.trim()));
    all.any(|outer| {
        outer.is_none_or(|(outer, most)| outer.is_ipv4() == inner.is_ipv4() && most <= length && masked(inner, most) == masked(outer, most))
    })
}

fn range(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let length: u8 = length.parse().ok()?;
    (length <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, length))
}

/// The first bits of an address.
fn masked(address: IpAddr, length: u8) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4).checked_shr(32 - u32::from(length)).unwrap_or(0)),
        IpAddr::V6(v6) => u128::from(v6).checked_shr(128 - u32::from(length)).unwrap_or(0),
    }
}

/// Fields of the file that say something else than the cluster that is there: what of Kubernetes the file asks for would be made for another one.
pub fn fixed(spec: &KubeadmSpec, api: &ApiFacts) -> Vec<Held> {
    let mut found: BTreeMap<&str, Held> = BTreeMap::new();
    for field in FIELDS {
        let wanted = (field.wanted)(spec);
        for (place, value) in (field.seen)(api) {
            if !(field.fits)(&value, wanted) {
                let reason =
                    format!("the cluster has {value} ({place}), and the file says {wanted}: it never changes while the cluster lives");
                let held = Held::cluster(field.file, reason, field.instead);
                found.entry(field.file).or_insert(held);
            }
        }
    }
    found.into_values().collect()
}

/// Taints of nodes that are in and do not have them: Kubernetes itself sets and takes others in the same list, which is written as a whole.
pub fn taints(spec: &KubeadmSpec, api: &ApiFacts) -> Vec<Held> {
    let mut held = Vec::new();
    for (name, taints) in &spec.added.taints {
        let hostname = spec.hostname(name);
        let Some(node) = api.nodes.get(hostname.as_str()) else { continue };
        let missing: Vec<String> = taints.iter().map(ToString::to_string).filter(|taint| !node.taints.contains(taint)).collect();
        if !missing.is_empty() {
            let missing = missing.join(" ");
            let reason = format!("it lacks the taints {missing}, which a node gets when it joins");
            held.push(Held::on(name, "taints", reason, format!("kubectl taint nodes {hostname} --overwrite {missing}")));
        }
    }
    held
}

/// The version of the cluster that is there, when it is not the file's: the API server's own word, its manifest while it does not answer, and
/// kubeadm's record.
pub fn version(spec: &KubeadmSpec, api: Option<&ApiFacts>, first: Option<&KubeadmFacts>) -> Option<Held> {
    let answers = api.filter(|api| api.answers);
    let recorded = answers.and_then(|api| api.record.as_ref()?.kubernetes_version.as_deref().and_then(plain_version));
    let seen = [
        ("API server", answers.and_then(|api| api.version.clone())),
        ("the API server's manifest", first.and_then(|facts| facts.server.clone())),
        (RECORD, recorded),
    ];
    let (place, runs) = seen.into_iter().find_map(|(place, version)| Some((place, version.filter(|v| *v != spec.version)?)))?;
    let reason = format!("the cluster runs {runs} ({place}), and the file says {}: upgrades are not there yet", spec.version);
    let hint = format!("put kubernetes.version back to {runs}; nothing of Kubernetes is installed or changed on any node before");
    Some(Held::cluster("version", reason, hint))
}

/// A member whose kubelet is of another version than the file's, by the API's word or by the program that is installed.
pub fn kubelet(spec: &KubeadmSpec, name: &Name, api: Option<&ApiFacts>, program: Option<&str>) -> Option<Held> {
    let told = api.and_then(|api| api.nodes.get(spec.hostname(name).as_str())?.kubelet.clone());
    let seen = [("runs", told), ("has the program of", program.map(str::to_owned))];
    let (verb, version) = seen.into_iter().find_map(|(verb, version)| Some((verb, version.filter(|v| *v != spec.version)?)))?;
    let reason =
        format!("it {verb} kubelet {version}, and the file says {}: nothing of another version is installed over it", spec.version);
    let hint =
        format!("put kubelet, kubeadm and kubectl {} there by hand; kubestead does not move a node between versions yet", spec.version);
    Some(Held::on(name, "version", reason, hint))
}

#[cfg(test)]
mod tests {
    use super::super::components::Added;
    use super::super::fixture::spec;
    use super::super::observe::State;
    use super::*;
    use crate::file::{Effect, Taint};
    use crate::objects::{Live, Networking, NodeState, Record};

    type Change = fn(&mut KubeadmSpec);

    fn api() -> ApiFacts {
        let text = |t: &str| Some(t.to_owned());
        let flannel = serde_json::json!({"metadata": {"name": "kube-flannel-cfg", "namespace": "kube-flannel", "uid": "u"},
            "data": {"net-conf.json": "{\"Network\": \"10.244.0.0/16\", \"Backend\": {\"Type\": \"vxlan\", \"MTU\": 1400}}"}});
        ApiFacts {
            answers: true,
            version: text("1.37.1"),
            objects: vec![Live::read("v1", "ConfigMap", flannel).unwrap()],
            nodes: BTreeMap::from([(
                "cp1".to_owned(),
                NodeState { pods: vec!["10.244.3.0/24".into()], kubelet: text("1.37.1"), ..NodeState::default() },
            )]),
            record: Some(Record {
                kubernetes_version: text("v1.37.1"),
                cluster_name: text("home"),
                control_plane_endpoint: text("10.0.0.11:6443"),
                networking: Networking {
                    pod_subnet: text("10.244.0.0/16"),
                    service_subnet: text("10.96.0.0/12"),
                    dns_domain: text("cluster.local"),
                },
                ..Record::default()
            }),
            ..ApiFacts::default()
        }
    }

    #[test]
    fn every_field_that_never_changes_is_held_with_what_the_cluster_has() {
        assert!(fixed(&spec(), &api()).is_empty());
        let changes: [(Change, &str, &str); 5] = [
            (|s| s.name = Name::new("work").unwrap(), "cluster/name", "home"),
            (|s| s.endpoint = "k8s.example:6443".into(), "cluster/endpoint", "10.0.0.11:6443"),
            (|s| s.pods = "10.32.0.0/16".into(), "cluster/network.podSubnet", "10.244.0.0/16"),
            (|s| s.services = "10.112.0.0/12".into(), "cluster/network.serviceSubnet", "10.96.0.0/12"),
            (|s| s.dns_domain = "home.arpa".into(), "cluster/network.dnsDomain", "cluster.local"),
        ];
        for (change, object, value) in changes {
            let mut spec = spec();
            change(&mut spec);
            let held = fixed(&spec, &api());
            assert!(held.len() == 1 && held[0].object == object && held[0].reason.contains(value), "{held:?}");
        }
    }

    /// kubeadm's record can be edited by hand; what flannel and the nodes have cannot be told away.
    #[test]
    fn flannel_and_the_nodes_are_asked_too() {
        let mut edited = api();
        edited.record.as_mut().unwrap().networking.pod_subnet = Some("10.32.0.0/16".into());
        let spec = KubeadmSpec { pods: "10.32.0.0/16".into(), ..spec() };
        assert!(fixed(&spec, &edited)[0].reason.contains("ConfigMap kube-flannel/kube-flannel-cfg"));
        edited.objects.clear();
        assert!(fixed(&spec, &edited)[0].reason.contains("10.244.3.0/24 (node cp1)"));
        edited.nodes.clear();
        assert!(fixed(&spec, &edited).is_empty() && fixed(&spec, &ApiFacts::default()).is_empty(), "what was not seen is not judged");
    }

    #[test]
    fn the_way_from_node_to_node_stays_as_it_began() {
        assert_eq!(backend(Backend::Vxlan { mtu: Some(1400) }, &api()), None);
        assert_eq!(backend(Backend::HostGw, &ApiFacts::default()), None, "what was not seen is not judged");
        for wanted in [Backend::HostGw, Backend::Vxlan { mtu: None }, Backend::Wireguard { mtu: Some(1400) }] {
            let held = backend(wanted, &api()).unwrap();
            assert!(held.object == "cluster/network.backend" && held.reason.contains("vxlan with an MTU of 1400 (ConfigMap"), "{held:?}");
        }
    }

    #[test]
    fn a_taint_that_a_member_lacks_is_held_with_the_command() {
        let taint = Taint { key: "for".into(), value: "db".into(), effect: Effect::NoSchedule };
        let spec = KubeadmSpec {
            added: Box::new(Added { taints: [(Name::new("cp1").unwrap(), vec![taint])].into(), ..Added::default() }),
            ..spec()
        };
        let mut api = api();
        let held = taints(&spec, &api);
        assert!(
            held.len() == 1 && held[0].object == "cp1/taints" && held[0].hint == "kubectl taint nodes cp1 --overwrite for=db:NoSchedule",
            "{held:?}"
        );
        api.nodes.get_mut("cp1").unwrap().taints =
            ["for=db:NoSchedule".to_owned(), "node.kubernetes.io/unreachable:NoExecute".to_owned()].into();
        assert_eq!(taints(&spec, &api), []);
        assert_eq!(taints(&spec, &ApiFacts::default()), [], "it is not in yet");
    }

    #[test]
    fn ranges_lie_in_ranges() {
        for (inner, outer, fits) in [
            ("10.244.1.0/24", "10.244.0.0/16", true),
            ("10.245.1.0/24", "10.244.0.0/16", false),
            ("10.0.0.0/8", "10.244.0.0/16", false),
            ("1.2.3.0/24", "0.0.0.0/0", true),
            ("fd00:1::/64", "10.244.0.0/16,fd00::/16", true),
            ("fe80::/64", "10.244.0.0/16, fd00::/16", false),
            ("::/0", "::/0", true),
            ("not/24", "10.244.0.0/16", true),
            ("10.244.1.0/99", "10.244.0.0/16", true),
        ] {
            assert_eq!(within(inner, outer), fits, "{inner} in {outer}");
        }
    }

    #[test]
    fn another_version_than_the_one_that_runs_is_held_wherever_it_shows() {
        assert_eq!(version(&spec(), Some(&api()), None), None);
        let wanted = KubeadmSpec { version: "1.38.0".into(), ..spec() };
        let held = version(&wanted, Some(&api()), None).unwrap();
        assert_eq!(held.reason, "the cluster runs 1.37.1 (API server), and the file says 1.38.0: upgrades are not there yet");
        assert!(held.hint.starts_with("put kubernetes.version back to 1.37.1"));
        // An API server that does not answer has a manifest.
        let first = KubeadmFacts { state: State::ControlPlane, server: Some("1.36.2".into()), ..KubeadmFacts::default() };
        let silent = ApiFacts::default();
        assert!(version(&spec(), Some(&silent), Some(&first)).unwrap().reason.contains("1.36.2 (the API server's manifest)"));
        let mut half = api();
        half.record.as_mut().unwrap().kubernetes_version = Some("v1.36.2".into());
        assert!(version(&spec(), Some(&half), None).unwrap().reason.contains("kubeadm-config"));
        assert_eq!(version(&spec(), None, None), None, "there is no cluster yet");
    }

    #[test]
    fn a_kubelet_of_another_version_is_held_by_the_apis_word_and_by_its_program() {
        let name = Name::new("cp1").unwrap();
        assert_eq!(kubelet(&spec(), &name, Some(&api()), Some("1.37.1")), None);
        let mut old = api();
        old.nodes.get_mut("cp1").unwrap().kubelet = Some("1.36.2".into());
        assert!(kubelet(&spec(), &name, Some(&old), Some("1.37.1")).unwrap().reason.starts_with("it runs kubelet 1.36.2"));
        assert!(kubelet(&spec(), &name, Some(&api()), Some("1.38.0")).unwrap().reason.starts_with("it has the program of kubelet 1.38.0"));
        assert_eq!(kubelet(&spec(), &name, None, None), None);
    }
}

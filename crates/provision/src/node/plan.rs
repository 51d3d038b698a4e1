//! From spec and facts to steps.

use std::path::PathBuf;

use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, Risk, Step, StepId, Target};
use kubestead_core::put::Owned;
use kubestead_core::put::digest;
use serde::{Deserialize, Serialize};

use super::apt;
use super::observe::NodeFacts;
use super::spec::{NodeSpec, containerd_files, kernel_files, kubelet_files};
use crate::bundle::{BundleFile, Kind};

/// What can be done to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Writes modules and settings of the kernel, and loads them.
    Kernel {
        /// The files.
        files: Vec<Owned>,
    },
    /// Swap off, now and at boot.
    SwapOff,
    /// Installs programs of the bundle.
    Install {
        /// The bundle's folder on the operator's computer.
        bundle: PathBuf,
        /// Which files.
        files: Vec<BundleFile>,
    },
    /// Writes the source of apt and its keyring.
    Source {
        /// The files.
        files: Vec<Owned>,
    },
    /// Installs kubeadm, kubelet and kubectl as packages, and holds them.
    Packages {
        /// Exactly this version, such as `1.37.1`.
        version: String,
        /// The repository of its minor.
        address: String,
    },
    /// Writes containerd's configuration and, for the bundle's, its unit, and starts it.
    Containerd {
        /// The files.
        files: Vec<Owned>,
    },
    /// Imports images of the bundle, pinned so that no garbage collection takes them.
    Images {
        /// The bundle's folder on the operator's computer.
        bundle: PathBuf,
        /// Which files.
        files: Vec<BundleFile>,
    },
    /// Writes the kubelet's unit and lets it start at boot.
    Kubelet {
        /// The files.
        files: Vec<Owned>,
    },
}

/// The last step of a node's set-up, after which kubeadm may run.
pub fn ready(node: &Name) -> StepId {
    StepId::new(node.as_str(), "kubelet", "unit")
}

/// The steps of one node, and what is held.
pub fn plan(spec: &NodeSpec, facts: &NodeFacts) -> Part<Action> {
    let mut part = Part::default();
    let name = &spec.name;
    let hostname = &spec.hostname;
    if facts.hostname != hostname.as_str() {
        let reason = format!("its hostname is {}, and the file calls it {hostname}", facts.hostname);
        part.held.push(Held::new(
            format!("{name}/hostname"),
            reason,
            format!("hostnamectl set-hostname {hostname}, or write `hostname: {}` in the file", facts.hostname),
        ));
    }
    if !facts.cgroup2 {
        let hint = "boot with systemd.unified_cgroup_hierarchy=1: the kubelet refuses version 1";
        part.held.push(Held::new(format!("{name}/cgroup"), "/sys/fs/cgroup is not cgroup version 2", hint));
    }
    if let (Some(packages), Some(found)) = (&spec.packages, &facts.apt) {
        part.held.extend(apt::obstacles(name, packages, found));
    }
    if !spec.brings_containerd() {
        part.held.extend(runtime(name, facts.runtime.as_deref()));
    }
    if !part.held.is_empty() {
        return part;
    }
    let mut step = |object: &str, deed: &str, action: Action, why: String, risk: Risk| {
        part.push(Step::new(Target::Host(name.to_string()), object, deed, action, why).risk(risk));
    };
    let same = |files: &[Owned]| files.iter().all(|f| facts.files.get(&f.path) == Some(&digest(&f.text)));
    let files = kernel_files();
    if !same(&files) || !facts.kernel {
        step("kernel", "settings", Action::Kernel { files }, "modules and settings that pods' networks need".into(), Risk::Safe);
    }
    if !facts.swap.is_empty() {
        step("swap", "off", Action::SwapOff, format!("no more swap on {}: the kubelet refuses it", facts.swap.join(", ")), Risk::Disrupts);
    }
    let programs: Vec<BundleFile> =
        spec.files.iter().filter(|f| f.target().is_some_and(|t| facts.installed.get(&t) != Some(&f.sha256))).cloned().collect();
    let runtime = programs.iter().any(|f| f.name == "containerd");
    if !programs.is_empty() {
        let why = format!("install {}", programs.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", "));
        let risk = if facts.containerd && runtime { Risk::Disrupts } else { Risk::Safe };
        step("software", "install", Action::Install { bundle: spec.bundle.clone(), files: programs }, why, risk);
    }
    if let (Some(packages), Some(found)) = (&spec.packages, &facts.apt) {
        let files = packages.files();
        if !same(&files) {
            step("packages", "source", Action::Source { files }, format!("the apt repository {}", packages.address()), Risk::Safe);
        }
        if !found.done(packages) {
            let action = Action::Packages { version: packages.version.clone(), address: packages.address() };
            step("packages", "install", action, format!("install and hold {} {}", apt::NAMES.join(", "), packages.version), Risk::Safe);
        }
    }
    let files = containerd_files(spec);
    if !same(&files) || !facts.containerd || runtime {
        let risk = if facts.containerd { Risk::Disrupts } else { Risk::Safe };
        step("containerd", "run", Action::Containerd { files }, "configure containerd and start it".into(), risk);
    }
    let absent = |f: &&BundleFile| f.kind == Kind::Image && f.image.as_ref().is_some_and(|i| !facts.images.contains(i));
    let images: Vec<BundleFile> = spec.files.iter().filter(absent).cloned().collect();
    if !images.is_empty() {
        let why = format!("import {}", images.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", "));
        step("images", "import", Action::Images { bundle: spec.bundle.clone(), files: images }, why, Risk::Safe);
    }
    let files = kubelet_files(spec);
    if !same(&files) || !facts.kubelet_enabled {
        step("kubelet", "unit", Action::Kubelet { files }, "the kubelet's unit, started at boot".into(), Risk::Safe);
    }
    part
}

/// Why the machine's own containerd does not do.
fn runtime(name: &Name, version: Option<&str>) -> Option<Held> {
    let major = version.and_then(|v| v.split('.').next()?.parse::<u32>().ok());
    let reason = match (version, major) {
        (_, Some(2..)) => return None,
        (Some(version), _) => format!("its containerd is {version}, and Kubernetes' configuration of it asks for 2.0 or newer"),
        (None, _) => "containerd is missing, and the file names no bundle that brings it".to_owned(),
    };
    let hint = "install the package containerd.io of Docker's repository, or name a bundle in kubernetes.bundle";
    Some(Held::new(format!("{name}/containerd"), reason, hint))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::apt::{AptFacts, Package, Packages};
    use super::*;

    fn file(kind: Kind, name: &str, image: Option<&str>) -> BundleFile {
        BundleFile {
            path: format!("x/{name}"),
            kind,
            name: name.into(),
            version: "1".into(),
            sha256: "ab".into(),
            size: 3,
            roles: vec!["worker".into()],
            image: image.map(str::to_owned),
        }
    }

    fn spec() -> NodeSpec {
        let files = vec![
            file(Kind::Binary, "containerd", None),
            file(Kind::Binary, "kubelet", None),
            file(Kind::Image, "pause", Some("r/pause:1")),
        ];
        let name = Name::new("kube1").unwrap();
        NodeSpec { hostname: (&name).into(), name, bundle: "/b".into(), files, packages: None, pause_image: Some("r/pause:1".into()) }
    }

    fn blank() -> NodeFacts {
        NodeFacts {
            hostname: "kube1".into(),
            cgroup2: true,
            swap: vec!["/dev/sda2".into()],
            kernel: false,
            files: BTreeMap::new(),
            installed: BTreeMap::new(),
            apt: None,
            runtime: None,
            containerd: false,
            images: BTreeSet::new(),
            kubelet_enabled: false,
        }
    }

    #[test]
    fn a_blank_node_gets_all_in_order_and_a_finished_one_nothing() {
        let spec = spec();
        let part = plan(&spec, &blank());
        let ids: Vec<&str> = part.steps.iter().map(|s| s.id.0.as_str()).collect();
        let all = ["kernel/settings", "swap/off", "software/install", "containerd/run", "images/import", "kubelet/unit"];
        assert_eq!(ids, all.map(|s| format!("kube1/{s}")));
        assert_eq!(part.steps.last().map(|s| s.id.clone()), Some(ready(&spec.name)));
        let own = [kernel_files(), containerd_files(&spec), kubelet_files(&spec)].concat();
        let done = NodeFacts {
            swap: vec![],
            kernel: true,
            files: own.iter().map(|f| (f.path.clone(), digest(&f.text))).collect(),
            installed: ["containerd", "kubelet"].map(|p| (format!("/usr/local/bin/{p}"), "ab".to_owned())).into(),
            containerd: true,
            images: BTreeSet::from(["r/pause:1".into()]),
            kubelet_enabled: true,
            ..blank()
        };
        assert!(plan(&spec, &done).steps.is_empty());
    }

    fn packaged() -> NodeSpec {
        let packages = Packages { version: "1.37.1".into(), repository: "https://example.com/k8s".into(), key: "KEY\n".into() };
        NodeSpec { files: vec![], packages: Some(packages), pause_image: None, ..spec() }
    }

    #[test]
    fn packages_come_before_what_needs_them_and_once() {
        let spec = packaged();
        let facts = NodeFacts { swap: vec![], apt: Some(AptFacts::default()), runtime: Some("2.1.4".into()), ..blank() };
        let part = plan(&spec, &facts);
        let ids: Vec<&str> = part.steps.iter().map(|s| s.id.0.as_str()).collect();
        let all = ["kernel/settings", "packages/source", "packages/install", "containerd/run", "kubelet/unit"];
        assert_eq!(ids, all.map(|s| format!("kube1/{s}")));
        let source = spec.packages.as_ref().map(Packages::files).unwrap();
        let own = [kernel_files(), containerd_files(&spec), kubelet_files(&spec), source].concat();
        let package = Package { version: "1.37.1-1.1".into(), whole: true, held: true };
        let packages = apt::NAMES.map(|n| (n.to_owned(), package.clone())).into();
        let done = NodeFacts {
            kernel: true,
            files: own.iter().map(|f| (f.path.clone(), digest(&f.text))).collect(),
            apt: Some(AptFacts { packages, ..AptFacts::default() }),
            containerd: true,
            kubelet_enabled: true,
            ..facts
        };
        assert!(plan(&spec, &done).steps.is_empty());
        let mut next = spec.clone();
        next.packages.as_mut().unwrap().version = "1.38.0".into();
        let part = plan(&next, &done);
        assert!(part.steps.is_empty() && part.held.len() == 3, "another version is held, package by package");
    }

    #[test]
    fn a_containerd_that_is_missing_or_old_is_named() {
        let facts = NodeFacts { apt: Some(AptFacts::default()), ..blank() };
        for (runtime, word) in [(None, "missing"), (Some("1.7.24~ds1"), "1.7.24"), (Some("unknown"), "unknown")] {
            let part = plan(&packaged(), &NodeFacts { runtime: runtime.map(str::to_owned), ..facts.clone() });
            assert!(part.steps.is_empty() && part.held[0].reason.contains(word), "{:?}", part.held);
        }
    }

    #[test]
    fn a_wrong_hostname_or_old_cgroups_hold_the_whole_node() {
        let facts = NodeFacts { hostname: "debian".into(), cgroup2: false, ..blank() };
        let part = plan(&spec(), &facts);
        assert!(part.steps.is_empty());
        assert_eq!(part.held.len(), 2);
    }
}

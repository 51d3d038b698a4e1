//! What of a node's set-up is there.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Gap;
use kubestead_core::probe::{Answers, Section};
use kubestead_core::put::{Files, INSTALLED};
use serde::{Deserialize, Serialize};

use super::apt::{self, AptFacts};
use super::sources;
use super::spec::{NETWORK, NodeSpec, SYSCTLS, places};
use super::swap::{self, Swap};
use super::version::{self, Version};

/// A node's set-up as seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools)] // independent facts
pub struct NodeFacts {
    /// The kernel's hostname.
    pub hostname: String,
    /// What the machine is, as uname(1) says it.
    pub architecture: String,
    /// Whether /sys/fs/cgroup is version 2: the kubelet asks for it since 1.35.
    pub cgroup2: bool,
    /// Swap that is on, and what would turn it on at the next boot.
    pub swap: Vec<Swap>,
    /// Whether modules are loaded and the settings of the kernel hold.
    pub kernel: bool,
    /// What is where our files belong; kept once a host, with its storage ([`compose::Seen::share_files`](crate::compose::Seen::share_files)).
    #[serde(skip)]
    pub files: Files,
    /// Path to sha256 of what was installed and was not touched since.
    pub installed: BTreeMap<String, String>,
    /// Path to sha256 of what is where a program belongs and was not installed by us, or was touched since.
    pub strange: BTreeMap<String, String>,
    /// Versions of kubelet, kubeadm, containerd and runc, those that are there.
    pub versions: BTreeMap<String, Version>,
    /// Whether it is a member of a cluster, or was made one in part.
    pub member: bool,
    /// What apt and dpkg say; `None` if the programs come from the bundle.
    pub apt: Option<AptFacts>,
    /// The version of the machine's own containerd; `None` if it is missing or the bundle brings one.
    pub runtime: Option<String>,
    /// Whether containerd runs.
    pub containerd: bool,
    /// The references of its images.
    pub images: BTreeSet<String>,
    /// Whether the kubelet starts at boot, and with it what waits for the pods' network.
    pub kubelet_enabled: bool,
}

/// The sections of the probe, beside [`kubestead_core::put::section`] with [`own_files`](super::own_files) and
/// [`places`].
pub fn sections(spec: &NodeSpec) -> Vec<Section> {
    let exists = |name: &str, path: &str| Section::script(name, include_str!("scripts/probe-exists.sh")).var("path", path);
    let mut all = vec![
        Section::program("node/hostname", ["show", "/proc/sys/kernel/hostname"]),
        Section::script("node/architecture", include_str!("scripts/probe-architecture.sh")),
        Section::program("node/cgroup", ["stat", "-fc", "%T", "/sys/fs/cgroup"]),
        swap::section(),
        Section::script("node/kernel", include_str!("scripts/probe-kernel.sh")).list("settings", SYSCTLS.map(|s| s.replace('.', "/"))),
        Section::script("node/installed", include_str!("scripts/programs.sh")).var("installed", INSTALLED).list("paths", places(spec)),
        version::section(spec),
        exists("node/member", "/etc/kubernetes/kubelet.conf"),
        Section::script("node/images", include_str!("scripts/probe-images.sh")),
    ];
    all.extend(sources::sections(spec));
    all
}

/// Reads the answers.
pub fn read(spec: &NodeSpec, answers: &Answers) -> Result<NodeFacts, Gap> {
    let kernel = answers.text("node/kernel")?;
    let yes = |name: &str| Ok(answers.text(name)?.trim() == "yes");
    let apt = spec.packages.as_ref().map(|wanted| apt::read(wanted, spec.runtime.is_some(), answers)).transpose()?;
    let programs = version::read(spec, apt.as_ref(), answers.text("node/versions")?)?;
    let containerd = programs.says("containerd", "ActiveState", "active")?;
    let starts = |unit: &str| programs.says(unit, "UnitFileState", "enabled");
    let kubelet_enabled = starts("kubelet")? && starts(NETWORK)? && programs.says(NETWORK, "ActiveState", "active")?;
    let (installed, strange) = recorded(answers.text("node/installed")?)?;
    Ok(NodeFacts {
        hostname: hostname(answers.text("node/hostname")?)?,
        architecture: word(answers.text("node/architecture")?)?,
        cgroup2: answers.text("node/cgroup")?.trim() == "cgroup2fs",
        swap: swap::read(answers.text("node/swap")?)?,
        kernel: kernel.lines().count() == SYSCTLS.len() && kernel.lines().all(|l| l.trim() == "1"),
        files: Files::of(answers)?,
        installed,
        strange,
        runtime: if spec.brings_containerd() { None } else { programs.versions.get("containerd").and_then(|v| v.installed.clone()) },
        versions: programs.versions,
        member: yes("node/member")?,
        apt,
        containerd,
        kubelet_enabled,
        images: answers.text("node/images")?.lines().map(str::to_owned).collect(),
    })
}

/// Linux's own limit is 64 bytes.
fn hostname(text: &str) -> Result<String, Gap> {
    let name = text.trim();
    if name.len() > 64 || name.chars().any(char::is_control) {
        return Err(Gap::new("its hostname is none that Linux allows"));
    }
    Ok(name.to_owned())
}

/// One of uname(1)'s words.
fn word(text: &str) -> Result<String, Gap> {
    let word = text.trim();
    let good = (1..=32).contains(&word.len()) && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    good.then(|| word.to_owned()).ok_or_else(|| Gap::new("what it says of its architecture was not understood"))
}

/// Path to sha256.
type Sums = BTreeMap<String, String>;

/// What the record says of files whose size and time are still as recorded, and the sums of files that it does not tell of.
fn recorded(text: &str) -> Result<(Sums, Sums), Gap> {
    let mut parts = text.split("@@\n");
    let (Some(record), Some(found), Some(strange), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(Gap::new("what is said of installed programs was not understood"));
    };
    let now: BTreeSet<&str> = found.lines().collect();
    let fits = |line: &str| {
        let (sum, rest) = line.split_once(' ')?;
        let path = rest.splitn(3, ' ').nth(2)?;
        now.contains(rest).then(|| (path.to_owned(), sum.to_owned()))
    };
    Ok((record.lines().filter_map(fits).collect(), read_sums(strange)))
}

/// `sha256sum` lines: path to sum.
fn read_sums(text: &str) -> Sums {
    text.lines()
        .filter_map(|line| line.strip_prefix('\\').map_or_else(|| line.split_once("  "), |l| l.split_once("  ")))
        .map(|(sum, path)| (path.replace("\\\\", "\\"), sum.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use kubestead_core::plan::{Kinds, Plan};

    use super::super::ids;
    use super::super::plan::fixture::{packaged, spec};
    use super::*;

    #[test]
    fn a_file_that_was_touched_since_counts_as_not_installed() {
        let text = "aa 3 100 /usr/local/bin/a\nbb 4 100 /usr/local/bin/b\n@@\n3 100 /usr/local/bin/a\n4 101 /usr/local/bin/b\n@@\ncc  /usr/local/bin/b\n";
        let (installed, strange) = recorded(text).unwrap();
        assert_eq!(installed, BTreeMap::from([("/usr/local/bin/a".to_owned(), "aa".to_owned())]));
        assert_eq!(strange, BTreeMap::from([("/usr/local/bin/b".to_owned(), "cc".to_owned())]));
        assert!(recorded("aa 3 100 /a\n@@\n").is_err(), "cut");
    }

    /// The real sections, on the machine of this test.
    #[test]
    fn the_sections_look_at_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["node/hostname", "node/architecture", "node/cgroup", "node/kernel", "node/member", "node/images"];
        let sections: Vec<Section> = sections(&spec()).into_iter().filter(|s| names.contains(&s.name.as_str())).collect();
        assert_eq!(sections.len(), names.len());
        let look = || {
            let script = kubestead_core::probe::command(&sections, "n1").script().into_owned();
            let script = script.replace("/etc/kubernetes/kubelet.conf", folder.path().join("member").to_str().unwrap());
            let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
            kubestead_core::probe::parse(&out.stdout, "n1").unwrap()
        };
        let answers = look();
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(hostname(answers.text("node/hostname").unwrap()).unwrap(), name.trim());
        let uname = std::process::Command::new("uname").arg("-m").output().unwrap();
        assert_eq!(word(answers.text("node/architecture").unwrap()).unwrap(), String::from_utf8(uname.stdout).unwrap().trim());
        for bad in ["", "x86_64 aarch64", "a\u{1b}[2J", &"x".repeat(33)] {
            assert!(word(bad).is_err(), "{bad:?}");
        }
        let kernel = answers.text("node/kernel").unwrap();
        assert!(kernel.lines().count() >= SYSCTLS.len(), "{kernel}");
        assert!(answers.text("node/member").unwrap().is_empty());
        std::fs::write(folder.path().join("member"), "").unwrap();
        assert_eq!(look().text("node/member").unwrap(), "yes\n");
    }

    #[test]
    fn a_hostname_that_linux_does_not_allow_is_a_gap() {
        assert_eq!(hostname("kube1\n").unwrap(), "kube1");
        for bad in ["a\u{1b}[2Jb".to_owned(), "a\nb".to_owned(), "x".repeat(65)] {
            assert!(hostname(&bad).is_err());
        }
    }

    fn answer() -> impl Strategy<Value = (i32, String)> {
        let words = prop::sample::select(vec![
            "\t",
            "\n",
            " ",
            "@@\n",
            "installed",
            "running",
            "kubelet",
            "same",
            "as-wanted",
            "package",
            "f",
            "w",
            "h",
            "o",
            "active",
            "fstab",
            "-",
            "kubestead",
            "1.37.1-1.1",
            "yes",
            "ActiveState=active\n\n",
            "\u{0}",
            "\u{1b}]0;x\u{7}",
            "\u{202e}",
            "9223372036854775808",
            "\\",
        ]);
        let mixed = prop::collection::vec(words, 0..12).prop_map(|words| words.concat());
        (
            prop::sample::select(vec![0, 0, 0, 1, 127]),
            prop_oneof![mixed, any::<String>(), any::<Vec<u8>>().prop_map(|b| String::from_utf8_lossy(&b).into_owned())],
        )
    }

    proptest! {
        /// Whatever a machine answers, it is understood or a gap, and a plan of it is no panic.
        #[test]
        fn no_answer_makes_it_panic(answers in prop::collection::vec(answer(), 16)) {
            for spec in [spec(), packaged()] {
                let mut sections = sections(&spec);
                sections.push(kubestead_core::put::section([""], [""]));
                let pairs = sections.iter().zip(&answers).map(|(section, (status, text))| (section.name.clone(), *status, text.clone()));
                let answers = Answers::from_pairs(pairs);
                if let Ok(facts) = read(&spec, &answers) {
                    let part = super::super::plan(&spec, &facts);
                    for step in &part.steps {
                        prop_assert_eq!(super::super::check::step(&facts, step, &step.action), None);
                    }
                    let own = Kinds::of(&[ids::KINDS, kubestead_core::claim::KINDS]);
                    prop_assert!(part.steps.iter().all(|step| own.name(&step.id)));
                    prop_assert!(Plan::new(String::new(), String::new(), part.without_idle(&own)).is_ok());
                }
            }
        }
    }
}

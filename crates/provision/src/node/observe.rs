//! What of a node's set-up is there.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::command::quote;
use kubestead_core::fact::Gap;
use kubestead_core::probe::{Answers, Section};
use kubestead_storage::observe::{PENDING, read_sums};
use serde::{Deserialize, Serialize};

use super::INSTALLED;
use super::apt::{self, AptFacts, Packages};
use super::spec::{NodeSpec, SYSCTLS, containerd_files, kernel_files, kubelet_files};
use crate::bundle::BundleFile;

/// A node's set-up as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools)] // independent facts
pub struct NodeFacts {
    /// The kernel's hostname.
    pub hostname: String,
    /// Whether /sys/fs/cgroup is version 2: the kubelet asks for it since 1.35.
    pub cgroup2: bool,
    /// Swap devices and files in use.
    pub swap: Vec<String>,
    /// Whether modules are loaded and the settings of the kernel hold.
    pub kernel: bool,
    /// sha256 of our files.
    pub files: BTreeMap<String, String>,
    /// Path to sha256 of what was installed and was not touched since.
    pub installed: BTreeMap<String, String>,
    /// What apt and dpkg say; nothing when the programs come from the bundle.
    pub apt: Option<AptFacts>,
    /// The version of the machine's own containerd; nothing when it is missing or the bundle brings one.
    pub runtime: Option<String>,
    /// Whether containerd runs.
    pub containerd: bool,
    /// The references of its images.
    pub images: BTreeSet<String>,
    /// Whether the kubelet starts at boot.
    pub kubelet_enabled: bool,
}

/// The sections of the probe.
pub fn sections(spec: &NodeSpec) -> Vec<Section> {
    let source = spec.packages.as_ref().map(Packages::files).unwrap_or_default();
    let own = [kernel_files(), containerd_files(spec), kubelet_files(spec), source].concat();
    let own: Vec<String> = own.iter().map(|f| quote(&f.path)).collect();
    let targets: Vec<String> = spec.files.iter().filter_map(BundleFile::target).map(|t| quote(&t)).collect();
    let mut all = vec![
        Section::new("node/hostname", "cat /proc/sys/kernel/hostname"),
        Section::new("node/cgroup", "stat -fc %T /sys/fs/cgroup"),
        Section::new("node/swap", "tail -n +2 /proc/swaps"),
        Section::new(
            "node/kernel",
            format!(
                "grep -qw overlay /proc/filesystems || echo 0; cd /proc/sys && cat {} 2>&1; true",
                SYSCTLS.map(|s| s.replace('.', "/")).join(" ")
            ),
        ),
        Section::new("node/files", format!("[ -e {PENDING} ] || sha256sum {} 2>/dev/null; true", own.join(" "))),
        Section::new(
            "node/installed",
            format!("cat {INSTALLED} 2>/dev/null; echo @@; stat -c '%s %Y %n' {} 2>/dev/null; true", targets.join(" ")),
        ),
        Section::new("node/containerd", "systemctl show -p ActiveState -p UnitFileState containerd kubelet"),
        Section::new("node/images", "[ ! -S /run/containerd/containerd.sock ] || ctr -n k8s.io images ls -q 2>/dev/null; true"),
    ];
    if let Some(packages) = &spec.packages {
        all.extend(apt::sections(packages));
    }
    if !spec.brings_containerd() {
        all.push(Section::new("node/runtime", "containerd --version 2>/dev/null; true"));
    }
    all
}

/// Reads the answers.
pub fn read(spec: &NodeSpec, answers: &Answers) -> Result<NodeFacts, Gap> {
    let kernel = answers.text("node/kernel")?;
    // A block of properties a unit, in the order asked.
    let (containerd, kubelet) = answers.text("node/containerd")?.split_once("\n\n").unwrap_or_default();
    let says = |block: &str, property: &str| block.lines().any(|line| line == property);
    Ok(NodeFacts {
        hostname: answers.text("node/hostname")?.trim().to_owned(),
        cgroup2: answers.text("node/cgroup")?.trim() == "cgroup2fs",
        swap: answers.text("node/swap")?.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect(),
        kernel: kernel.lines().count() == SYSCTLS.len() && kernel.lines().all(|l| l.trim() == "1"),
        files: read_sums(answers.text("node/files")?),
        installed: installed(answers.text("node/installed")?),
        apt: spec.packages.as_ref().map(|_| apt::read(answers)).transpose()?,
        runtime: if spec.brings_containerd() { None } else { runtime(answers.text("node/runtime")?) },
        containerd: says(containerd, "ActiveState=active"),
        kubelet_enabled: says(kubelet, "UnitFileState=enabled"),
        images: answers.text("node/images")?.lines().map(str::to_owned).collect(),
    })
}

/// The version in what `containerd --version` prints: a program, a package, a version and perhaps a commit.
fn runtime(text: &str) -> Option<String> {
    text.split_whitespace().nth(2).map(|version| version.trim_start_matches('v').to_owned())
}

/// What the record says of files whose size and time are still as recorded.
fn installed(text: &str) -> BTreeMap<String, String> {
    let (record, found) = text.split_once("@@\n").unwrap_or_default();
    let now: BTreeSet<&str> = found.lines().collect();
    let fits = |line: &str| {
        let (sum, rest) = line.split_once(' ')?;
        let path = rest.splitn(3, ' ').nth(2)?;
        now.contains(rest).then(|| (path.to_owned(), sum.to_owned()))
    };
    record.lines().filter_map(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containerds_version_is_read_as_packages_print_it() {
        for (text, version) in [
            ("containerd github.com/containerd/containerd/v2 v2.3.0 0123abc\n", Some("2.3.0")),
            ("containerd containerd.io 1.7.27 05044ec\n", Some("1.7.27")),
            ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+b1\n", Some("1.6.20~ds1")),
            ("", None),
        ] {
            assert_eq!(runtime(text).as_deref(), version);
        }
    }

    #[test]
    fn a_file_that_was_touched_since_counts_as_not_installed() {
        let text = "aa 3 100 /usr/local/bin/a\nbb 4 100 /usr/local/bin/b\n@@\n3 100 /usr/local/bin/a\n4 101 /usr/local/bin/b\n";
        assert_eq!(installed(text), BTreeMap::from([("/usr/local/bin/a".to_owned(), "aa".to_owned())]));
    }
}

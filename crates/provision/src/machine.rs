//! What every machine must be before anything is done to it.

use kubestead_core::fact::Gap;
use kubestead_core::name::Name;
use kubestead_core::plan::Held;
use kubestead_core::probe::{Answers, Section};
use serde::{Deserialize, Serialize};

/// Distributions that are supported by design: (ID, VERSION_ID) of os-release(5). Debian 12 is the one that the lab proves.
const SUPPORTED: [(&str, &str); 4] = [("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")];
/// Programs that storage and Kubernetes need, and their packages.
const PROGRAMS: [(&str, &str); 10] = [
    ("lvm", "lvm2"),
    ("cryptsetup", "cryptsetup"),
    ("wipefs", "util-linux"),
    ("findmnt", "util-linux"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mkfs.xfs", "xfsprogs"),
    ("ssh-keygen", "openssh-client"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("nft", "nftables"),
];
/// How far a clock may be off, in seconds: certificates and tokens fail beyond.
const CLOCK: i64 = 30;

/// A machine as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// ID and VERSION_ID of os-release(5).
    pub system: (String, String),
    /// Programs that are missing.
    pub missing: Vec<String>,
    /// Its clock minus ours, in seconds.
    pub clock: i64,
    /// Free bytes of the root file system.
    pub free: u64,
}

/// The sections of the probe.
pub fn sections() -> Vec<Section> {
    let programs = PROGRAMS.map(|(program, _)| program).join(" ");
    vec![
        Section::new("machine/system", ". /etc/os-release; echo \"$ID\"; echo \"$VERSION_ID\""),
        Section::new("machine/missing", format!("for p in {programs}; do command -v $p >/dev/null || echo $p; done; true")),
        Section::new("machine/clock", "printf '%(%s)T\\n' -1"),
        Section::new("machine/free", "df --output=avail -B1 / | tail -n 1"),
    ]
}

/// Reads the answers. `asked` is our clock, in seconds since 1970, before the machine was asked and after it answered: its clock was read somewhere
/// in between, and counts as off only by what that cannot explain.
pub fn read(answers: &Answers, asked: (i64, i64)) -> Result<Machine, Gap> {
    let number = |name: &str| answers.text(name)?.trim().parse::<i64>().map_err(|_| Gap::new(format!("{name} is no number")));
    let mut system = answers.text("machine/system")?.lines().map(str::to_owned);
    Ok(Machine {
        system: (system.next().unwrap_or_default(), system.next().unwrap_or_default()),
        missing: answers.text("machine/missing")?.lines().map(str::to_owned).collect(),
        clock: off(number("machine/clock")?, asked),
        free: u64::try_from(number("machine/free")?).unwrap_or(0),
    })
}

/// How far a clock is off at least, that was read some time between two readings of ours.
pub(crate) fn off(clock: i64, (before, after): (i64, i64)) -> i64 {
    if clock < before { clock.saturating_sub(before) } else { clock.saturating_sub(after).max(0) }
}

/// What stands against doing anything on it.
pub fn held(name: &Name, machine: &Machine) -> Vec<Held> {
    let mut found = Vec::new();
    let (id, version) = (&machine.system.0, &machine.system.1);
    if !SUPPORTED.iter().any(|(i, v)| i == id && v == version) {
        let known = SUPPORTED.map(|(i, v)| format!("{i} {v}")).join(", ");
        found.push(Held::new(format!("{name}/system"), format!("{id} {version} is not supported"), format!("supported are {known}")));
    }
    if !machine.missing.is_empty() {
        let mut packages: Vec<&str> =
            PROGRAMS.iter().filter(|(p, _)| machine.missing.iter().any(|m| m == p)).map(|(_, package)| *package).collect();
        packages.dedup();
        found.push(Held::new(
            format!("{name}/programs"),
            format!("missing: {}", machine.missing.join(", ")),
            format!("apt-get install {}", packages.join(" ")),
        ));
    }
    if machine.clock.saturating_abs() > CLOCK {
        let reason =
            format!("its clock is {} s {} ours", machine.clock.saturating_abs(), if machine.clock > 0 { "ahead of" } else { "behind" });
        found.push(Held::new(format!("{name}/clock"), reason, "set up time synchronisation: timedatectl set-ntp true"));
    }
    if machine.free < 100 << 20 {
        found.push(Held::new(
            format!("{name}/disk"),
            format!("{} bytes are free on its root file system", machine.free),
            "make at least 100 MiB free",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_compared_with_the_time_of_its_own_answer() {
        assert_eq!((off(100, (100, 140)), off(120, (100, 140)), off(140, (100, 140))), (0, 0, 0));
        assert_eq!((off(69, (100, 140)), off(171, (100, 140))), (-31, 31));
        assert_eq!(off(i64::MIN, (100, 140)), i64::MIN);
    }

    #[test]
    fn what_stands_against_a_machine_is_named_with_the_next_step() {
        let name = Name::new("kube1").unwrap();
        let good = Machine { system: ("debian".into(), "12".into()), missing: vec![], clock: -3, free: 1 << 30 };
        assert!(held(&name, &good).is_empty());
        let bad = Machine { system: ("arch".into(), String::new()), missing: vec!["lvm".into(), "wipefs".into()], clock: 900, free: 0 };
        let text: String = held(&name, &bad).iter().map(|h| format!("{}: {} {}\n", h.object, h.reason, h.hint)).collect();
        for part in ["kube1/system", "apt-get install lvm2 util-linux", "900 s ahead", "0 bytes are free"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

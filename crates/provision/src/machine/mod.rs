//! What every machine must be before anything is done to it.

mod programs;
mod room;
#[cfg(test)]
mod shell;
mod system;

use std::collections::BTreeSet;

use kubestead_core::fact::Gap;
use kubestead_core::name::Name;
use kubestead_core::plan::Held;
use kubestead_core::probe::{Answers, Section};
use serde::{Deserialize, Serialize};

use programs::NEEDS;
pub use room::Room;

/// Distributions that are supported by design: (ID, VERSION_ID) of os-release(5). The lab proves Debian 12 and 13.
const SUPPORTED: [(&str, &str); 4] = [("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")];
/// How far a clock may be off, in seconds: certificates and tokens fail beyond.
const CLOCK: u64 = 30;

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
    /// What is free on the file systems that are written to.
    pub free: Vec<Room>,
}

/// The sections of the probe.
pub fn sections() -> Vec<Section> {
    vec![
        Section::script("machine/system", include_str!("scripts/probe-system.sh")),
        Section::script("machine/missing", include_str!("scripts/probe-missing.sh"))
            .list("programs", NEEDS.iter().map(|need| need.program)),
        Section::program("machine/clock", ["printf", "%(%s)T\\n", "-1"]),
        room::section(),
    ]
}

/// Reads the answers. `asked` is our clock, in seconds since 1970, before the machine was asked and after it answered: its clock was read somewhere
/// in between, and counts as off only by what that cannot explain.
pub fn read(answers: &Answers, asked: (i64, i64)) -> Result<Machine, Gap> {
    Ok(Machine {
        system: system::read(answers.text("machine/system")?),
        missing: missing(answers.text("machine/missing")?)?,
        clock: off(number(answers, "machine/clock")?, asked),
        free: room::read(answers.text("machine/free")?)?,
    })
}

/// How far a clock is off at least, that was read some time between two readings of ours.
pub(crate) fn off(clock: i64, (before, after): (i64, i64)) -> i64 {
    if clock < before { clock.saturating_sub(before) } else { clock.saturating_sub(after).max(0) }
}

/// Only programs that were asked for.
fn missing(text: &str) -> Result<Vec<String>, Gap> {
    let known = |line: &str| NEEDS.iter().any(|need| need.program == line);
    match text.lines().find(|line| !known(line)) {
        Some(line) => Err(Gap::new(format!("what is said of missing programs was not understood: {line:?}"))),
        None => Ok(text.lines().map(str::to_owned).collect()),
    }
}

fn number(answers: &Answers, name: &str) -> Result<i64, Gap> {
    answers.text(name)?.trim().parse().map_err(|_| Gap::new(format!("{name} is no number that is understood")))
}

/// Reasons not to touch this machine.
pub fn held(name: &Name, machine: &Machine) -> Vec<Held> {
    let mut found = Vec::new();
    let (id, version) = (&machine.system.0, &machine.system.1);
    if !SUPPORTED.iter().any(|(i, v)| i == id && v == version) {
        let known = SUPPORTED.map(|(i, v)| format!("{i} {v}")).join(", ");
        let reason = match (id.as_str(), version.as_str()) {
            ("", _) => "/etc/os-release does not say which distribution it is".to_owned(),
            (id, "") => format!("{id} without a version (VERSION_ID of /etc/os-release) is not supported"),
            (id, version) => format!("{id} {version} is not supported"),
        };
        found.push(Held::on(name, "system", reason, format!("supported are {known}")));
    }
    if !machine.missing.is_empty() {
        let needs = NEEDS.iter().filter(|need| machine.missing.iter().any(|m| m == need.program));
        let packages: BTreeSet<&str> = needs.map(|need| need.package(id, version)).collect();
        let packages: Vec<&str> = packages.into_iter().collect();
        found.push(Held::on(
            name,
            "programs",
            format!("missing: {}", machine.missing.join(", ")),
            format!("apt-get install {}", packages.join(" ")),
        ));
    }
    if machine.clock.unsigned_abs() > CLOCK {
        let reason =
            format!("its clock is {} s {} ours", machine.clock.unsigned_abs(), if machine.clock > 0 { "ahead of" } else { "behind" });
        found.push(Held::on(name, "clock", reason, "set up time synchronisation: timedatectl set-ntp true"));
    }
    found.extend(room::held(name, &machine.free));
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_stands_against_a_machine_is_named_with_the_next_step() {
        let name = Name::new("kube1").unwrap();
        let good = Machine { system: ("debian".into(), "12".into()), missing: vec![], clock: -3, free: vec![] };
        assert!(held(&name, &good).is_empty());
        let bad = Machine {
            system: ("arch".into(), String::new()),
            missing: vec!["lvm".into(), "wipefs".into()],
            clock: 900,
            free: vec![Room { folder: "/".into(), bytes: 0, inodes: None }],
        };
        let text: String = held(&name, &bad).iter().map(|h| format!("{}: {} {}\n", h.object, h.reason, h.hint)).collect();
        for part in ["kube1/system: arch without a version", "apt-get install lvm2 util-linux", "900 s ahead", "0 bytes are free"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn the_package_of_a_missing_program_is_that_of_its_distribution() {
        let missing = vec!["/usr/lib/systemd/systemd-cryptsetup".to_owned(), "cmp".to_owned()];
        let name = Name::new("kube1").unwrap();
        for (version, hint) in [("12", "apt-get install diffutils systemd"), ("13", "apt-get install diffutils systemd-cryptsetup")] {
            let machine = Machine { system: ("debian".into(), version.into()), missing: missing.clone(), clock: 0, free: vec![] };
            assert_eq!(held(&name, &machine)[0].hint, hint);
        }
    }

    fn answers(clock: &str) -> Answers {
        let system = "ID=debian\nVERSION_ID=\"12\"\n";
        Answers::from_pairs([
            ("machine/system", 0, system),
            ("machine/missing", 0, ""),
            ("machine/clock", 0, clock),
            (
                "machine/free",
                0,
                "Avail Inodes IFree Filesystem Mounted on\n1 1 1 a /\n1 1 1 a /\n1 1 1 a /\n1 1 1 a /\n1 1 1 a /\n1 1 1 a /\n",
            ),
        ])
    }

    #[test]
    fn a_clock_is_compared_with_the_time_of_its_own_answer() {
        assert_eq!((off(100, (100, 140)), off(120, (100, 140)), off(140, (100, 140))), (0, 0, 0));
        assert_eq!((off(69, (100, 140)), off(171, (100, 140))), (-31, 31));
        assert_eq!(off(i64::MIN, (100, 140)), i64::MIN);
        for (hostile, words) in [(i64::MIN, "behind"), (i64::MAX, "ahead of")] {
            let machine = read(&answers(&hostile.to_string()), (1000, 1100)).unwrap();
            assert!(held(&Name::new("kube1").unwrap(), &machine)[0].reason.contains(words));
        }
        assert!(read(&answers("99999999999999999999"), (0, 0)).is_err());
    }

    #[test]
    fn only_programs_that_were_asked_for_are_missing() {
        assert_eq!(missing("cmp\nlvm\n").unwrap(), ["cmp", "lvm"]);
        assert!(missing("cmp\n\u{1b}[2Jall is well\n").is_err());
    }

    /// The probe as it is, on the machine of this test.
    #[test]
    fn the_sections_answer_for_this_machine() {
        let script = kubestead_core::probe::command(&sections(), "n1").script().into_owned();
        let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        let answers = kubestead_core::probe::parse(&out.stdout, "n1").unwrap();
        let now = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let machine = read(&answers, (now, now)).unwrap();
        assert!(!machine.system.0.is_empty() && machine.clock.abs() < 30 && machine.free[0].bytes > 0, "{machine:?}");
        assert!(!machine.missing.iter().any(|p| p == "cat"), "{machine:?}");
    }

    proptest! {
        /// Whatever a machine answers, it is understood or a gap.
        #[test]
        fn no_answer_makes_it_panic(
            texts in prop::collection::vec(prop_oneof![any::<String>(), any::<i64>().prop_map(|n| n.to_string()), "[A-Z_]{2,10}=[\"'\\\\a-z0-9]{0,9}"], 4),
            asked: i64, answered: i64,
        ) {
            let answers = Answers::from_pairs(sections().into_iter().zip(texts).map(|(section, text)| (section.name, 0, text)));
            if let Ok(machine) = read(&answers, (asked, answered)) {
                let _ = held(&Name::new("kube1").unwrap(), &machine);
            }
        }
    }
}

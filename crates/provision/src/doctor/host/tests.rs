use std::path::Path;

use kubestead_core::probe::Answers;
use proptest::prelude::*;

use super::super::finding::Verdict;
use super::super::fixture::{name, run};
use super::*;

fn all(_: Kind) -> bool {
    true
}

fn probed(pairs: &[(&str, &str)], asked: (i64, i64)) -> Probed {
    Probed { answers: Answers::from_pairs(pairs.iter().map(|(name, text)| (*name, 0, *text))), asked }
}

#[test]
fn the_sections_answer_for_this_machine() {
    let now = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let probed = Probed { answers: run(&sections(true, &all), &[], None), asked: (now, now + 5) };
    let found = judge(&name("kube1"), &probed, true, &all);
    assert!(found.iter().any(|found| found.check == Kind::Disk && found.verdict != Verdict::NotLooked), "{found:?}");
    let clocks = clocks(&BTreeMap::from([(name("kube1"), Ok(probed))]));
    assert!(clocks.len() == 1 && matches!(clocks[0].verdict, Verdict::Good | Verdict::Warn), "{clocks:?}");
}

#[test]
fn clocks_are_held_against_ours_and_against_each_other() {
    let at = |time: i64, kept: &str| Ok(probed(&[("doctor/time", &format!("{time}\n{kept}\n"))], (1000, 1001)));
    let verdicts = |machines: Vec<(&str, Result<Probed, Gap>)>| {
        let machines = machines.into_iter().map(|(machine, probed)| (name(machine), probed)).collect();
        clocks(&machines).into_iter().map(|found| (found.place, found.verdict, found.found)).collect::<Vec<_>>()
    };
    let good = verdicts(vec![("a", at(1000, "yes")), ("b", at(1001, "yes"))]);
    assert!(good.iter().all(|(_, verdict, _)| *verdict == Verdict::Good), "{good:?}");
    let off = verdicts(vec![("a", at(990, "yes")), ("b", at(1001, "no")), ("c", Err(Gap::new("away")))]);
    assert_eq!(off.iter().map(|(_, verdict, _)| *verdict).collect::<Vec<_>>(), [Verdict::Bad, Verdict::Warn, Verdict::Bad]);
    assert!(
        off[0].2 == "its clock is at least 9 s behind ours" && off[2].2 == "the clock of b is at least 8 s ahead of that of a",
        "{off:?}"
    );
    // Each is near ours, and they are apart.
    let apart = verdicts(vec![("a", at(998, "yes")), ("b", at(1003, "yes"))]);
    assert!(apart.last().is_some_and(|(place, verdict, _)| place == "cluster" && *verdict == Verdict::Bad), "{apart:?}");
    for (text, verdict) in
        [("x\n", Verdict::NotLooked), ("", Verdict::NotLooked), ("1000\n", Verdict::Good), ("-9223372036854775808\nyes", Verdict::Bad)]
    {
        let found = clocks(&BTreeMap::from([(name("a"), Ok(probed(&[("doctor/time", text)], (1000, 1001))))]));
        assert_eq!(found[0].verdict, verdict, "{text}");
    }
    assert!(verdicts(vec![("a", at(1000, ""))])[0].2.contains("is not known"), "a machine without timedatectl");
}

#[test]
fn a_table_of_connections_that_is_full_is_wrong_and_one_that_is_not_there_was_not_looked_at() {
    let of = |text: &str| conntrack(&name("a"), Ok(text));
    for (text, verdict) in [
        ("10\n1000\n", Verdict::Good),
        ("800\n1000\n", Verdict::Warn),
        ("999\n1000\n", Verdict::Bad),
        ("0\n0\n", Verdict::NotLooked),
        ("", Verdict::NotLooked),
        ("12\n", Verdict::NotLooked),
        ("a b\n", Verdict::NotLooked),
        ("18446744073709551615\n1\n", Verdict::Bad),
    ] {
        assert_eq!(of(text).verdict, verdict, "{text}");
    }
}

#[test]
fn a_file_system_is_full_by_bytes_or_by_inodes_and_is_told_once() {
    let heading = "   1B-blocks       Avail  Inodes  IFree Mounted on\n";
    let of = |lines: &str| disks(&name("a"), Ok(&format!("{heading}{lines}")));
    let good = of("1000 500 100 50 /\n1000 500 100 50 /\n2000 800 0 0 /var/lib/my etcd\n");
    assert!(good.len() == 1 && good[0].verdict == Verdict::Good && good[0].found.contains("/var/lib/my etcd, is 60 % full"), "{good:?}");
    let bad = of("1000 10 100 50 /\n1000 500 100 3 /var\n1000 150 - - /var/log\n");
    assert_eq!(bad.iter().map(|found| found.verdict).collect::<Vec<_>>(), [Verdict::Bad, Verdict::Bad, Verdict::Warn]);
    assert!(bad[0].found.starts_with("/ is 99 % full") && bad[1].found.starts_with("97 % of the inodes of /var"), "{bad:?}");
    for text in ["", "x y z\n", "1 2 3 4\n", "99999999999999999999 1 1 1 /\n"] {
        assert_eq!(of(text)[0].verdict, Verdict::NotLooked, "{text}");
    }
    assert_eq!(of("18446744073709551615 0 18446744073709551615 0 /\n")[0].verdict, Verdict::Bad);
}

/// Runs the procedure over a folder: its status and what it said.
fn fsync_in(folder: &Path) -> (i32, String, String) {
    let lock = folder.join("lock");
    let script = fsync().command().script().replace(ETCD, folder.to_str().unwrap()).replace("/run/kubestead.act", lock.to_str().unwrap());
    let script = script.replace("= 0:1 ]", "= \"$(id -u):1\" ]");
    let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
    (out.status.code().unwrap(), String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap())
}

#[test]
fn writes_are_timed_in_a_file_that_is_gone_afterwards_and_nothing_else_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".kubestead-doctor");
    assert_eq!(fsync_in(folder.path()).0, 91, "without etcd there is nothing to do");
    std::fs::create_dir(folder.path().join("member")).unwrap();
    let (status, said, error) = fsync_in(folder.path());
    assert_eq!((status, file.exists()), (0, false), "{error}");
    let found = of_fsync(&name("cp1"), true, &said);
    assert!(
        matches!(found.verdict, Verdict::Good | Verdict::Warn) && found.found.contains(" writes below /var/lib/etcd: half within "),
        "{found:?}"
    );
    // What a run that was killed left is taken away by the next one.
    std::fs::write(&file, "left").unwrap();
    assert_eq!((fsync_in(folder.path()).0, file.exists()), (0, false));
    // What is not ours stays, and so does what it leads to.
    let theirs = folder.path().join("theirs");
    std::fs::write(&theirs, "precious").unwrap();
    std::os::unix::fs::symlink(&theirs, &file).unwrap();
    let (status, said, error) = fsync_in(folder.path());
    assert!(status == 90 && said.is_empty() && error.contains("is not ours"), "{error}");
    std::fs::remove_file(&file).unwrap();
    std::fs::hard_link(&theirs, &file).unwrap();
    assert_eq!(fsync_in(folder.path()).0, 90);
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "precious");
}

#[test]
fn a_slow_disk_is_told_with_its_figures() {
    let times = |slow: &str| format!("{}{slow}\n{slow}\n", "900\n".repeat(98));
    let of = |text: &str, is_lab| of_fsync(&name("cp1"), is_lab, text);
    assert_eq!(of(&times("1000"), false).verdict, Verdict::Good);
    let slow = of(&times("20000"), false);
    assert_eq!(slow.verdict, Verdict::Warn);
    assert_eq!(slow.found, "100 writes below /var/lib/etcd: half within 0.9 ms, 99 of 100 within 20.0 ms; etcd asks for 10 ms");
    assert_eq!((of(&times("900000"), false).verdict, of(&times("900000"), true).verdict), (Verdict::Bad, Verdict::Warn));
    assert_eq!((of("", false).verdict, of("fast\n", false).verdict), (Verdict::NotLooked, Verdict::NotLooked));
}

proptest! {
    /// Whatever a machine answers, it is understood or not looked at.
    #[test]
    fn no_answer_makes_it_panic(text in "([0-9]{1,20}|-|\n| |/var|yes|no|\\PC){0,30}", asked: (i64, i64)) {
        let probed = probed(&[("doctor/time", &text), ("doctor/conntrack", &text), ("doctor/disk", &text)], asked);
        judge(&name("a"), &probed, true, &all);
        of_fsync(&name("a"), false, &text);
        clocks(&BTreeMap::from([(name("a"), Ok(probed.clone())), (name("b"), Ok(probed))]));
    }
}

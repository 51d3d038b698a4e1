//! `kubestead doctor`: named checks over the machines and the cluster.

use std::collections::BTreeSet;
use std::sync::Arc;

use kubestead_backend::ssh::Ssh;
use kubestead_provision::doctor::{self, Count, Finding, Kind, Verdict};
use kubestead_provision::session::Session;

use crate::args::{Common, Format};
use crate::exit::{Exit, Failure};
use crate::paint::{self, Tone};
use crate::print::{self, Shown};
use crate::progress::Progress;

/// The names of all checks, for `--only`.
pub(crate) fn names() -> Vec<&'static str> {
    Kind::ALL.map(Kind::name).to_vec()
}

pub(crate) async fn run(common: &Common, only: &[String], all: bool) -> Result<Exit, Failure> {
    let session = Session::over(super::check::load(common)?, Arc::<Ssh>::default());
    let only: BTreeSet<Kind> = only.iter().filter_map(|name| Kind::named(name)).collect();
    let progress = if common.output == Format::Json { Progress::new(None) } else { Progress::of_looks() };
    let examined = doctor::examine(&session, &only, &progress).await?;
    drop(progress);
    let count = Count::of(&examined.findings);
    match common.output {
        Format::Json => {
            let checks: Vec<_> = examined
                .findings
                .iter()
                .map(|finding| finding.check)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .map(|kind| serde_json::json!({"check": kind, "means": kind.means()}))
                .collect();
            print::json(&serde_json::json!({"checks": checks, "findings": examined.findings, "count": count}))?;
        }
        Format::Text => print::data(&shown(&examined.findings, all, paint::wanted())),
    }
    Ok(verdict(count))
}

fn verdict(count: Count) -> Exit {
    match (count.bad, count.not_seen) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Unreachable,
        _ => Exit::Failed,
    }
}

fn word(verdict: Verdict) -> (Tone, &'static str) {
    match verdict {
        Verdict::Good => (Tone::Good, "good"),
        Verdict::Warn => (Tone::Warn, "look"),
        Verdict::Bad => (Tone::Bad, "WRONG"),
        Verdict::NotLooked => (Tone::Plain, "not looked"),
        Verdict::NotSeen => (Tone::Bad, "not seen"),
    }
}

/// What was found, a check after the other: one line where all of it is good and not all lines are asked for.
pub(super) fn shown(findings: &[Finding], all: bool, colour: bool) -> Shown {
    let mut shown = Shown::default();
    let line = |shown: &mut Shown, verdict: Verdict, text: &str| {
        let (tone, word) = word(verdict);
        shown.spans(colour, &[(tone, &format!("{word:<10}")), (Tone::Plain, &format!(" {text}"))]);
    };
    for kind in Kind::ALL {
        let of: Vec<&Finding> = findings.iter().filter(|finding| finding.check == kind).collect();
        let good = of.iter().filter(|finding| finding.verdict == Verdict::Good).count();
        if !all && good > 0 {
            line(&mut shown, Verdict::Good, &format!("{}: {good}", kind.name()));
        }
        for finding in of.iter().filter(|finding| all || finding.verdict != Verdict::Good) {
            line(&mut shown, finding.verdict, &format!("{} {}: {}", kind.name(), finding.place, finding.found));
            if !finding.next.is_empty() {
                shown.line(format!("{:<10} do: {}", "", finding.next));
            }
        }
        if of.iter().any(|finding| matches!(finding.verdict, Verdict::Bad | Verdict::NotSeen)) {
            shown.line(format!("{:<10} what {} is about: {}", "", kind.name(), kind.means()));
        }
    }
    let Count { good, warn, bad, not_looked, not_seen } = Count::of(findings);
    shown.line(format!("{good} good, {warn} to look at, {bad} wrong, {not_looked} not looked at, {not_seen} not seen"));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    fn finding(check: Kind, place: &str, verdict: Verdict, found: &str, next: &str) -> Finding {
        Finding { check, place: place.into(), verdict, found: found.into(), next: next.into() }
    }

    fn some() -> Vec<Finding> {
        vec![
            finding(Kind::Reach, "cp1", Verdict::Good, "it answers", ""),
            finding(Kind::Reach, "kube2", Verdict::NotSeen, "no connection", "see that it runs"),
            finding(Kind::Dns, "cp1", Verdict::Good, "UDP: 0 of 200 lost", ""),
            finding(Kind::Dns, "kube1", Verdict::Bad, "UDP: all of 4 lost", "ethtool -K flannel.1 tx-checksum-ip-generic off"),
            finding(Kind::Clock, "cp1", Verdict::Warn, "nothing keeps it", "timedatectl set-ntp true"),
            finding(Kind::Mtu, "cp1", Verdict::NotLooked, "ping is not installed there", ""),
        ]
    }

    #[test]
    fn what_is_good_is_a_line_and_what_is_not_says_what_to_do() {
        golden::holds("doctor", &format!("{}== --all\n{}", shown(&some(), false, false), shown(&some(), true, false)));
    }

    #[test]
    fn what_is_wrong_comes_before_a_machine_that_is_away_and_a_look_is_no_failure() {
        let of = |verdicts: &[Verdict]| {
            verdict(Count::of(&verdicts.iter().map(|verdict| finding(Kind::Dns, "a", *verdict, "", "")).collect::<Vec<_>>()))
        };
        assert_eq!(of(&[Verdict::Good, Verdict::Warn, Verdict::NotLooked]), Exit::Done);
        assert_eq!(of(&[Verdict::Good, Verdict::NotSeen]), Exit::Unreachable);
        assert_eq!(of(&[Verdict::Bad, Verdict::NotSeen]), Exit::Failed);
    }

    #[test]
    fn no_word_of_a_machine_paints_or_makes_a_line() {
        let text = shown(&[finding(Kind::Dns, "a", Verdict::Bad, "\u{1b}[2Jall is well\n9 good, 0 wrong", "")], false, true).to_string();
        assert!(
            !text.contains("\u{1b}[2J") && text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).count() == 1,
            "{text}"
        );
    }
}

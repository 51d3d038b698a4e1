//! Tries from every node what the forced command must refuse and what it must give, and looks at the servers' files: one round trip a
//! machine, and few logins. Nothing is changed; what a key must open is asked of a copy of the header in memory.

use std::collections::BTreeMap;

use kubestead_core::fact::Gap;
use kubestead_core::name::Name;
use kubestead_core::probe::{Answers, Section};
use kubestead_storage::spec::Volume;
use serde::Serialize;

use super::line::{self, Entry, Line};
use super::login;
use super::observe::{self, ServerFacts};
use super::server_doctor;
use super::spec::{CLIENT_PATH, KNOWN_HOSTS, KeyServerSpec};
use crate::machine::off;

/// How far a clock may be off, in seconds: certificates of the cluster fail beyond.
const CLOCK: i64 = 30;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It is as it must be.
    Good,
    /// It is not.
    Bad,
    /// It could not be tried here.
    NotTried,
    /// The machine did not answer.
    NotSeen,
}

/// One thing that was tried or looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The machine where.
    pub host: Name,
    /// The key server that it is about.
    pub server: Name,
    /// What must be so.
    pub what: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found, when it is not good.
    pub found: String,
}

/// A node from which things are tried.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name.
    pub node: Name,
    /// Its volumes.
    pub volumes: Vec<Volume>,
    /// A share of another node, as `NODE/VOLUME`; one that nobody has when there is no other.
    pub stranger: String,
}

/// What an answer must be.
#[derive(Clone, Debug)]
enum Expect {
    /// The share, 64 bytes.
    Share,
    /// The forced command's refusal: status 64 and not a byte.
    Refused,
    /// No such key: status 66 and not a byte.
    NoKey,
    /// ssh says this, and not a byte comes.
    Says(&'static str),
    /// cryptsetup's status.
    Status(i32),
}

/// One thing that is tried.
struct Try {
    /// The word by which the node's script tells it.
    word: String,
    what: String,
    expect: Expect,
}

/// What is asked for over the one login, what must come of it in words, and what that is. `own` is the node's first volume.
fn requests(own: &Name, stranger: &str) -> Vec<(&'static str, String, Expect)> {
    let refused = |what, request: String| (what, request, Expect::Refused);
    vec![
        refused("another node's share, by a path is refused", format!("get ../{stranger}")),
        refused("another node's share, by its name is refused", format!("get {stranger}")),
        refused("an absolute path is refused", "get /etc/passwd".to_owned()),
        refused("a pattern is refused", "get *".to_owned()),
        refused("a second command is refused", format!("get {own}; id")),
        refused("a second line is refused", format!("get {own}\nid")),
        refused("two names is refused", format!("get {own} {own}")),
        refused("no name is refused", "get ".to_owned()),
        refused("a name that is too long is refused", format!("get {}", "a".repeat(64))),
        refused("another command is refused", "id".to_owned()),
        refused("a shell is refused", String::new()),
        refused("scp is refused", "scp -f /etc/passwd".to_owned()),
        ("a key that nobody made is not there", "get kubestead-doctor-none".to_owned(), Expect::NoKey),
    ]
}

fn tries(subject: &Subject) -> Vec<Try> {
    let Some(first) = subject.volumes.first() else { return Vec::new() };
    let mut all = Vec::new();
    let mut add = |word: String, what: String, expect: Expect| all.push(Try { word, what, expect });
    for Volume { name, .. } in &subject.volumes {
        add(format!("share:{name}"), format!("its own share of {name} comes, 64 bytes"), Expect::Share);
        add(format!("both:{name}"), format!("the two shares together open {name}"), Expect::Status(0));
        add(format!("alone:{name}"), format!("the server's share alone does not open {name}"), Expect::Status(2));
    }
    for (index, (what, _, expect)) in requests(&first.name, &subject.stranger).into_iter().enumerate() {
        add(format!("request:{index}"), what.to_owned(), expect);
    }
    let rest = [
        ("sftp", "sftp is refused", Expect::Refused),
        ("terminal", "a terminal is refused", Expect::Says("PTY allocation request failed")),
        ("forward", "forwarding of a port is refused", Expect::Says("administratively prohibited")),
        ("backward", "forwarding of a port from the server is refused", Expect::Says("remote port forwarding failed")),
        ("x11", "X11 is refused", Expect::Says("X11 forwarding request failed")),
        ("elsewhere", "the node's key is refused from another address", Expect::Says("Permission denied")),
        ("pinned", "a host key that is not pinned stops the node", Expect::Says("Host key verification failed")),
        ("stranger", "a key without a line is refused: to remove a line is to stop its node", Expect::Says("Permission denied")),
    ];
    for (word, what, expect) in rest {
        add(word.to_owned(), what.to_owned(), expect);
    }
    all
}

/// A node's sections: one for each server, with the same text.
pub fn node_sections(servers: &[KeyServerSpec], subject: &Subject) -> Vec<Section> {
    let mut found = vec![Section::program("doctor/clock", ["date", "+%s"])];
    let Some(first) = subject.volumes.first() else { return found };
    for spec in servers {
        let section = Section::script(format!("doctor/{}", spec.server), include_str!("scripts/doctor-node.sh"))
            .var("config", CLIENT_PATH)
            .var("known_hosts", KNOWN_HOSTS)
            .var("user", spec.site.user.as_str())
            .var("address", spec.address.to_string())
            .var("port", spec.port.to_string())
            .list("volumes", subject.volumes.iter().map(|v| v.name.as_str()))
            .list("devices", subject.volumes.iter().map(Volume::device))
            .list("requests", requests(&first.name, &subject.stranger).into_iter().map(|(_, request, _)| request));
        found.push(section);
    }
    found
}

/// How long a machine may take, in seconds: a login and a few requests for each server, and three looks at a header for each volume, of
/// which one meets the slow key derivation of the recovery slot.
pub fn limit(servers: &[KeyServerSpec], subject: Option<&Subject>) -> u64 {
    60 + servers.len() as u64 * (180 + 6 * subject.map_or(0, |s| s.volumes.len() as u64))
}

/// A server's sections.
pub fn server_sections(spec: &KeyServerSpec) -> Vec<Section> {
    server_doctor::sections(spec)
}

/// The checks of all machines. `asked` is our clock, in seconds since 1970, before a machine was asked and after it answered.
pub fn judge(
    servers: &[KeyServerSpec],
    subjects: &[Subject],
    answers: &BTreeMap<Name, Result<Answers, Gap>>,
    asked: &BTreeMap<Name, (i64, i64)>,
) -> Vec<Check> {
    let mut found = Vec::new();
    let mut facts: BTreeMap<&Name, ServerFacts> = BTreeMap::new();
    for spec in servers {
        let check = |what: &str, verdict, found: String| Check {
            host: spec.server.clone(),
            server: spec.server.clone(),
            what: what.to_owned(),
            verdict,
            found,
        };
        match answers.get(&spec.server) {
            Some(Ok(answers)) => {
                facts.extend(observe::read_server(answers).ok().map(|facts| (&spec.server, facts)));
                found.extend(server_doctor::judge(spec, answers).into_iter().map(|(what, bad)| {
                    let verdict = if bad.is_empty() { Verdict::Good } else { Verdict::Bad };
                    check(&what, verdict, bad)
                }));
                found.push(clock(&spec.server, spec, answers, asked));
            }
            Some(Err(gap)) => found.push(check("it answers", Verdict::NotSeen, gap.to_string())),
            None => found.push(check("it answers", Verdict::NotSeen, "it was not looked at".into())),
        }
    }
    for subject in subjects {
        for spec in servers {
            let check =
                |what: String, (verdict, found)| Check { host: subject.node.clone(), server: spec.server.clone(), what, verdict, found };
            match answers.get(&subject.node) {
                Some(Ok(answers)) => {
                    let answer = answers.get(&format!("doctor/{}", spec.server)).map(|a| a.text.as_str());
                    found.extend(of_node(spec, subject, answer, facts.get(&spec.server)).into_iter().map(|(what, out)| check(what, out)));
                    found.push(clock(&subject.node, spec, answers, asked));
                }
                Some(Err(gap)) => found.push(check("it answers".into(), (Verdict::NotSeen, gap.to_string()))),
                None => found.push(check("it answers".into(), (Verdict::NotSeen, "it was not looked at".into()))),
            }
        }
    }
    found
}

/// What came of one node's tries at one server. When it does not get in at all that is told once, with its cause.
fn of_node(
    spec: &KeyServerSpec,
    subject: &Subject,
    answer: Result<&str, Gap>,
    facts: Option<&ServerFacts>,
) -> Vec<(String, (Verdict, String))> {
    let lets_in = || "it lets the node in".to_owned();
    let text = match answer {
        Ok(text) => text,
        Err(gap) => return vec![(lets_in(), (Verdict::Bad, gap.to_string()))],
    };
    let said: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let tries = tries(subject);
    match said.get("login").and_then(|login| login.split_once(' ')) {
        Some(("0", _)) => {}
        Some((status, rest)) => {
            let words = rest.split_once(' ').map_or("", |(_, words)| words).trim();
            let cause = cause(spec, &subject.node, &Refusal { words, source: said.get("source"), banner: said.get("banner") }, facts);
            let cause = format!("{cause}; ssh ended with {status}{}{words}", if words.is_empty() { "" } else { ": " });
            return vec![
                (lets_in(), (Verdict::Bad, cause)),
                (format!("{} more checks", tries.len()), (Verdict::NotTried, "it is not let in".into())),
            ];
        }
        None => return vec![(lets_in(), (Verdict::Bad, format!("no answer: {:?}", text.trim())))],
    }
    let none = |word: &str| if word == "elsewhere" { Ok("none") } else { Err(Gap::new("it was not told how this came out")) };
    let all = tries.iter().map(|one| {
        let answer = said.get(one.word.as_str()).map_or_else(|| none(&one.word), |text| Ok(*text));
        (one.what.clone(), verdict(&one.expect, answer))
    });
    std::iter::once((lets_in(), (Verdict::Good, String::new()))).chain(all).collect()
}

/// A login that failed, as the node saw it.
struct Refusal<'a> {
    /// What ssh said.
    words: &'a str,
    /// The address that the node comes from.
    source: Option<&'a &'a str>,
    /// What the server said in the clear.
    banner: Option<&'a &'a str>,
}

/// The one cause why a node is not let in, as far as it can be seen from both sides.
fn cause(spec: &KeyServerSpec, node: &Name, refusal: &Refusal<'_>, facts: Option<&ServerFacts>) -> String {
    let Refusal { words, source, banner } = refusal;
    let any = |texts: &[&str]| texts.iter().any(|text| words.contains(text) || banner.is_some_and(|b| b.contains(text)));
    let rules = facts.and_then(|f| f.sshd.known());
    if any(&["Not allowed at this time"]) {
        let value = rules.and_then(|all| all.first()?.1.penalties.clone()).map_or(String::new(), |value| format!(" ({value})"));
        return format!(
            "sshd refuses this address for a while (PerSourcePenalties{value}), as logins from it failed before: wait, or name the nodes in PerSourcePenaltyExemptList"
        );
    }
    if any(&["Exceeded MaxStartups", "onnection closed by", "onnection reset by"]) && !banner.is_some_and(|b| b.starts_with("SSH-")) {
        return "sshd closes connections before the login (MaxStartups, or PerSourcePenalties): too many come at once".to_owned();
    }
    if any(&["Host key verification failed"]) {
        return "the server has another host key than the node has pinned: `kubestead plan` says what is to do".to_owned();
    }
    if !any(&["Permission denied"]) {
        return "the server is not reached".to_owned();
    }
    let Some(facts) = facts else { return "the server refuses the node's key".to_owned() };
    let rules: &[_] = rules.map_or(&[], Vec::as_slice);
    if let Some((reason, _)) = login::not_ours(&spec.site, &facts.account) {
        return reason;
    }
    if let Some(reason) = login::refused(spec, &facts.account, rules) {
        return reason;
    }
    if login::locked(&facts.account) && !rules.first().is_some_and(|(_, rules)| rules.pam) {
        return format!("the account {} is locked, and sshd without PAM takes no keys for it: `kubestead up` fixes it", spec.site.user);
    }
    let lines = || facts.lines.iter().map(|text| line::parse(text));
    if lines().any(|entry| matches!(&entry, Entry::Revoked { cluster, node: named } if *cluster == spec.site.cluster && named == node)) {
        return "it was shut out".to_owned();
    }
    let own: Vec<Line> =
        lines().filter_map(|entry| if let Entry::Enrolled(line) = entry { Some(line) } else { None }).filter(|l| l.node == *node).collect();
    if own.is_empty() {
        return "the server has no line for it: `kubestead plan` says what is to do".to_owned();
    }
    match source.filter(|source| !source.is_empty()) {
        Some(source) if own.iter().all(|line| line.address != **source) => {
            format!(
                "it comes from {source} and is let in from {} alone: nodes[].address must be the address that it comes from",
                own[0].address
            )
        }
        _ => "the server refuses its key: it has another one than the line there, or its address is changed on the way".to_owned(),
    }
}

fn clock(host: &Name, spec: &KeyServerSpec, answers: &Answers, asked: &BTreeMap<Name, (i64, i64)>) -> Check {
    let read = answers.text("doctor/clock").ok().and_then(|text| text.trim().parse::<i64>().ok());
    let (verdict, found) = match read.zip(asked.get(host)).map(|(time, asked)| off(time, *asked)) {
        Some(off) if off.saturating_abs() <= CLOCK => (Verdict::Good, String::new()),
        Some(off) => (Verdict::Bad, format!("{} s {} ours", off.saturating_abs(), if off > 0 { "ahead of" } else { "behind" })),
        None => (Verdict::Bad, "it told no time".to_owned()),
    };
    Check { host: host.clone(), server: spec.server.clone(), what: format!("its clock is within {CLOCK} s of ours"), verdict, found }
}

fn verdict(expect: &Expect, answer: Result<&str, Gap>) -> (Verdict, String) {
    let text = match answer {
        Ok(text) => text,
        Err(gap) => return (Verdict::Bad, gap.to_string()),
    };
    if text.trim() == "none" {
        return (Verdict::NotTried, "the node has no other address on the way to the server".to_owned());
    }
    let mut words = text.splitn(3, ' ');
    let numbers = words.next().zip(words.next()).and_then(|(s, b)| Some((s.parse::<i32>().ok()?, b.trim().parse::<u64>().ok()?)));
    let said = words.next().unwrap_or_default();
    let Some((status, bytes)) = numbers else { return (Verdict::Bad, format!("no answer: {:?}", text.trim())) };
    let good = match expect {
        Expect::Share => status == 0 && bytes == 64,
        Expect::Refused => status == 64 && bytes == 0,
        Expect::NoKey => status == 66 && bytes == 0,
        Expect::Says(words) => status != 0 && bytes == 0 && said.contains(words),
        Expect::Status(wanted) => status == *wanted,
    };
    if good {
        return (Verdict::Good, String::new());
    }
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = if said.is_empty() { said } else { format!(": {said}") };
    (Verdict::Bad, format!("status {status}, {bytes} bytes{said}"))
}

#[cfg(test)]
mod tests {
    use kubestead_core::fact::Fact;
    use kubestead_core::size::Bytes;
    use kubestead_storage::spec::Filesystem;

    use super::super::fixture::{KEY, address, enrolled, name, second, server, spec};
    use super::super::login::{Password, Rules};
    use super::*;

    fn subject() -> Subject {
        let volume = Volume {
            name: name("data"),
            group: name("vg01"),
            size: Bytes(1 << 30),
            filesystem: Filesystem::Ext4,
            inodes: None,
            path: "/data".into(),
            discard: false,
            encryption: kubestead_storage::spec::Encryption::default(),
        };
        Subject { node: name("kube1"), volumes: vec![volume], stranger: "kube2/data".into() }
    }

    /// A node's answer with all as it must be.
    fn good() -> String {
        let words = |expect: &Expect| match expect {
            Expect::Share => "0 64 ".to_owned(),
            Expect::Refused => "64 0 ".to_owned(),
            Expect::NoKey => "66 0 ".to_owned(),
            Expect::Says(words) => format!("255 0 {words} "),
            Expect::Status(status) => format!("{status} 0 "),
        };
        let all: String = tries(&subject()).iter().map(|one| format!("{} {}\n", one.word, words(&one.expect))).collect();
        format!("source 10.77.0.21\nlogin 0 0 \n{all}")
    }

    fn found(answer: &str, facts: Option<&ServerFacts>) -> Vec<(String, (Verdict, String))> {
        of_node(&spec(), &subject(), Ok(answer), facts)
    }

    #[test]
    fn what_is_told_is_judged_and_what_is_not_told_is_not_good() {
        let all = found(&good(), None);
        assert!(all.len() == tries(&subject()).len() + 1 && all.iter().all(|(_, (verdict, _))| *verdict == Verdict::Good), "{all:?}");
        let cut: String = good().lines().filter(|line| !line.starts_with("alone:")).map(|line| format!("{line}\n")).collect();
        let bad: Vec<_> = found(&cut, None).into_iter().filter(|(_, (verdict, _))| *verdict != Verdict::Good).collect();
        assert_eq!(bad.len(), 1);
        assert!(bad[0].0.contains("alone does not open") && bad[0].1.0 == Verdict::Bad, "{bad:?}");
        let one = good().replace("elsewhere ", "nowhere ");
        assert!(found(&one, None).iter().any(|(what, (verdict, _))| what.contains("another address") && *verdict == Verdict::NotTried));
        assert_eq!(found("", None)[0].1.0, Verdict::Bad);
    }

    /// The cause of a login that failed, from the node's words and from what the server is.
    fn why(words: &str, source: &str, change: impl FnOnce(&mut ServerFacts)) -> String {
        let spec = spec();
        let mut facts = server(&spec, &[enrolled(&spec, KEY)]);
        change(&mut facts);
        let all = found(&format!("source {source}\nbanner SSH-2.0-OpenSSH_9.2\nlogin 255 0 {words} \n"), Some(&facts));
        assert_eq!(all.iter().map(|(_, (verdict, _))| *verdict).collect::<Vec<_>>(), [Verdict::Bad, Verdict::NotTried], "one cause");
        assert_eq!(all[1].0, format!("{} more checks", tries(&subject()).len()));
        all[0].1.1.clone()
    }

    #[test]
    fn a_node_that_is_not_let_in_is_told_once_with_the_cause() {
        const DENIED: &str = "masterlock@10.77.0.5: Permission denied (publickey).";
        let own = "10.77.0.21";
        let rules = |rules: Rules| move |f: &mut ServerFacts| f.sshd = Fact::Known(vec![(address("10.77.0.21"), rules)]);
        let allow = Rules { allow_users: vec!["deploy".into()], ..Rules::default() };
        assert!(why(DENIED, own, rules(allow)).starts_with("sshd lets in deploy only (AllowUsers): add masterlock"));
        let groups = Rules { allow_groups: vec!["ssh-users".into()], ..Rules::default() };
        assert!(why(DENIED, own, rules(groups)).contains("(AllowGroups): add masterlock"));
        assert!(why(DENIED, own, |f| f.account.password = Password::Locked).contains("is locked, and sshd without PAM"));
        assert!(why(DENIED, "10.99.0.1", |_| ()).starts_with("it comes from 10.99.0.1 and is let in from 10.77.0.21 alone"));
        assert!(why(DENIED, own, |f| f.lines.clear()).starts_with("the server has no line for it"));
        assert!(why(DENIED, own, |f| f.lines = vec![line::revoked(&name("home"), &name("kube1"))]).starts_with("it was shut out"));
        assert!(why(DENIED, own, |f| f.account.entry = Some((1000, "/home/me".into()))).contains("was not made by kubestead"));
        assert!(why(DENIED, own, |_| ()).starts_with("the server refuses its key"));
        assert!(why("Host key verification failed.", own, |_| ()).starts_with("the server has another host key"));
        let refused = why("ssh: connect to host 10.77.0.5 port 22: Connection refused", own, |_| ());
        assert!(refused.starts_with("the server is not reached; ssh ended with 255: ssh: connect to host"), "{refused}");
    }

    #[test]
    fn penalties_and_limits_of_sshd_are_named() {
        let login = "kex_exchange_identification: Connection closed by remote host Connection closed by 10.77.0.5 port 22";
        let told = |banner: &str, facts: &ServerFacts| {
            found(&format!("source 10.77.0.21\nbanner {banner}\nlogin 255 0 {login} \n"), Some(facts))[0].1.1.clone()
        };
        let spec = spec();
        let mut facts = server(&spec, &[enrolled(&spec, KEY)]);
        let rules = Rules { penalties: Some("crash:90 authfail:5 min:15".into()), ..Rules::default() };
        facts.sshd = Fact::Known(vec![(address("10.77.0.21"), rules)]);
        let penalty = told("Not allowed at this time", &facts);
        assert!(
            penalty.contains("(PerSourcePenalties (crash:90 authfail:5 min:15))") && penalty.contains("PerSourcePenaltyExemptList"),
            "{penalty}"
        );
        assert!(told("Exceeded MaxStartups", &facts).contains("MaxStartups"));
        assert!(told("", &facts).contains("MaxStartups, or PerSourcePenalties"));
    }

    #[test]
    fn sixty_volumes_and_two_servers_are_asked_in_a_small_script_of_few_logins() {
        let volumes = (0..60).map(|n| Volume { name: name(&format!("volume-{n:02}")), ..subject().volumes[0].clone() }).collect();
        let many = Subject { volumes, ..subject() };
        let command = kubestead_core::probe::command(&node_sections(&[spec(), second()], &many), "n1");
        assert!(command.script().len() < 24 * 1024, "{}", command.script().len());
        let logins =
            include_str!("scripts/doctor-node.sh").lines().filter(|line| line.starts_with("try ") && !line.contains("over")).count();
        assert_eq!(logins, 6, "the one that carries all requests comes to them, and another address if there is one");
    }

    #[test]
    fn a_connection_that_failed_is_no_refusal() {
        let judge = |expect: &Expect, text: &str| verdict(expect, Ok(text)).0;
        assert_eq!(judge(&Expect::Refused, "64 0 "), Verdict::Good);
        assert_eq!(judge(&Expect::Refused, "255 0 ssh: connect to host 10.77.0.5 port 22: Connection refused"), Verdict::Bad);
        assert_eq!(judge(&Expect::Refused, "64 12 "), Verdict::Bad);
        assert_eq!(judge(&Expect::Refused, "0 64 "), Verdict::Bad);
        assert_eq!(judge(&Expect::Share, "0 64 "), Verdict::Good);
        assert_eq!(judge(&Expect::Share, "0 63 "), Verdict::Bad);
        let pty = Expect::Says("PTY allocation request failed");
        assert_eq!(judge(&pty, "64 0 PTY allocation request failed on channel 0"), Verdict::Good);
        assert_eq!(judge(&pty, "64 0 "), Verdict::Bad);
        assert_eq!(judge(&Expect::Says("Permission denied"), "none"), Verdict::NotTried);
        assert_eq!(judge(&Expect::Status(2), "0 0 "), Verdict::Bad);
        assert_eq!(verdict(&Expect::Share, Err(Gap::new("cut"))), (Verdict::Bad, "cut".to_owned()));
    }

    #[test]
    fn machines_that_do_not_answer_are_said() {
        let found = judge(&[spec()], &[subject()], &BTreeMap::from([(name("kube1"), Err(Gap::new("no connection")))]), &BTreeMap::new());
        assert_eq!(found.iter().map(|c| c.verdict).collect::<Vec<_>>(), [Verdict::NotSeen, Verdict::NotSeen]);
    }
}

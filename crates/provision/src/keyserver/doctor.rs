//! Tries from every node what the forced command must refuse and what it must give, and looks at the servers' files: one round trip a
//! machine. Nothing is changed; what a key must open is asked of a copy of the header in memory.

use std::collections::BTreeMap;

use kubestead_core::command::quote;
use kubestead_core::fact::Gap;
use kubestead_core::name::Name;
use kubestead_core::probe::{Answers, Section};
use kubestead_storage::key::copy_header;
use kubestead_storage::spec::Volume;
use serde::Serialize;

use super::server_doctor;
use super::spec::{CLIENT_PATH, KNOWN_HOSTS, KeyServerSpec};

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

struct Try {
    what: String,
    script: String,
    expect: Expect,
}

/// Answers `STATUS BYTES` and the last lines that ssh said. Content goes to wc(1) and nowhere else. A server that is asked by many at
/// once closes connections before the login (sshd_config(5), MaxStartups): that is no answer, and it is asked again.
const ASK: &str = "umask 077; t=$(mktemp -d /run/kubestead-doctor.XXXXXX) || exit 70; trap 'rm -rf \"$t\"' EXIT\n\
    ask() {\nfor round in 1 2 3; do\nr=$(timeout 30 ssh \"$@\" 2>\"$t/said\" < /dev/null | wc -c; echo \"${PIPESTATUS[0]}\")\n\
    case $(tail -n 1 \"$t/said\") in *'Connection closed by'* | *'Connection reset by'*) sleep $((1 + RANDOM % 4)) ;; *) break ;; esac\ndone\n\
    set -- $r; echo \"$2 $1\"; tail -n 4 \"$t/said\"\n}\n";

fn tries(spec: &KeyServerSpec, subject: &Subject) -> Vec<Try> {
    let to = format!("-F {CLIENT_PATH} -o ConnectTimeout=5 -p {} {}@{}", spec.port, quote(&spec.user), spec.address);
    let Some(first) = subject.volumes.first() else { return Vec::new() };
    let own = format!("get {}", first.name);
    let mut all = Vec::new();
    let mut add = |what: &str, script: String, expect: Expect| all.push(Try { what: what.to_owned(), script, expect });
    for volume in &subject.volumes {
        let name = &volume.name;
        add(&format!("its own share of {name} comes, 64 bytes"), format!("{ASK}ask {to} 'get {name}'"), Expect::Share);
        let test = |input: &str| {
            format!(
                "{}\nget() {{ for round in 1 2 3; do timeout 30 ssh {to} 'get {name}' < /dev/null 2>/dev/null && break; sleep $((1 + RANDOM % 4)); done; }}\n\
                 {{ get{input}; }} | cryptsetup open --test-passphrase --key-file - \"$t/header\" > /dev/null 2>&1; \
                 echo \"${{PIPESTATUS[1]}} 0\"",
                copy_header(volume)
            )
        };
        add(&format!("the two shares together open {name}"), test(&format!("; cat /etc/kubestead/share.d/{name}")), Expect::Status(0));
        add(&format!("the server's share alone does not open {name}"), test(""), Expect::Status(2));
    }
    let refused = [
        ("another node's share, by a path", format!("get ../{}", subject.stranger)),
        ("another node's share, by its name", format!("get {}", subject.stranger)),
        ("an absolute path", "get /etc/passwd".to_owned()),
        ("a pattern", "get *".to_owned()),
        ("a second command", format!("{own}; id")),
        ("a second line", format!("{own}\nid")),
        ("two names", format!("{own} {}", first.name)),
        ("no name", "get ".to_owned()),
        ("a name that is too long", format!("get {}", "a".repeat(64))),
        ("another command", "id".to_owned()),
        ("a shell", String::new()),
        ("scp", "scp -f /etc/passwd".to_owned()),
    ];
    for (what, request) in refused {
        let request = if request.is_empty() { request } else { format!(" {}", quote(&request)) };
        add(&format!("{what} is refused"), format!("{ASK}ask {to}{request}"), Expect::Refused);
    }
    add("a key that nobody made is not there", format!("{ASK}ask {to} 'get kubestead-doctor-none'"), Expect::NoKey);
    add("sftp is refused", format!("{ASK}ask -s {to} sftp"), Expect::Refused);
    add("a terminal is refused", format!("{ASK}ask -tt {to} id"), Expect::Says("PTY allocation request failed"));
    add(
        "forwarding of a port is refused",
        format!("{ASK}ask -o LogLevel=INFO -W 127.0.0.1:22 {to}"),
        Expect::Says("administratively prohibited"),
    );
    add(
        "forwarding of a port from the server is refused",
        format!("{ASK}ask -N -o ExitOnForwardFailure=yes -R 127.0.0.1:0:127.0.0.1:22 {to}"),
        Expect::Says("remote port forwarding failed"),
    );
    add(
        "X11 is refused",
        format!("{ASK}export DISPLAY=127.0.0.1:0; ask -o LogLevel=INFO -o ForwardX11=yes -o ForwardX11Trusted=yes {to} id"),
        Expect::Says("X11 forwarding request failed"),
    );
    add(
        "a host key that is not pinned stops the node",
        format!("{ASK}ask -o UserKnownHostsFile=/dev/null {to} {}", quote(&own)),
        Expect::Says("Host key verification failed"),
    );
    // The node's other addresses on the way to the server, if it has any.
    add(
        "the node's key is refused from another address",
        format!(
            "{ASK}set -- $(ip -o route get {0} | sed -n 's/.* dev \\([^ ]*\\).* src \\([^ ]*\\).*/\\1 \\2/p')\n\
             other=$(ip -o addr show dev \"$1\" scope global | awk -v own=\"$2\" '{{ sub(/\\/.*/, \"\", $4); if ($4 != own) {{ print $4; exit }} }}')\n\
             [ -n \"$other\" ] || {{ echo none; exit; }}\nask -b \"$other\" {to} {1}",
            spec.address,
            quote(&own)
        ),
        Expect::Says("Permission denied"),
    );
    add(
        "a key without a line is refused: to remove a line is to stop its node",
        format!(
            "{ASK}ssh-keygen -q -t ed25519 -N '' -f \"$t/key\"\nask -F /dev/null -o StrictHostKeyChecking=yes -o UserKnownHostsFile={KNOWN_HOSTS} \
             -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o ConnectTimeout=5 -i \"$t/key\" -p {} {}@{} {}",
            spec.port,
            quote(&spec.user),
            spec.address,
            quote(&own)
        ),
        Expect::Says("Permission denied"),
    );
    all
}

/// A node's sections.
pub fn node_sections(servers: &[KeyServerSpec], subject: &Subject) -> Vec<Section> {
    let mut found = vec![Section::new("doctor/clock", "date +%s")];
    for spec in servers {
        for (index, one) in tries(spec, subject).into_iter().enumerate() {
            found.push(Section::new(format!("doctor/{}/{index}", spec.server), one.script));
        }
    }
    found
}

/// A server's sections.
pub fn server_sections(spec: &KeyServerSpec) -> Vec<Section> {
    server_doctor::sections(spec)
}

/// The checks of all machines. `now` is our clock in seconds since 1970.
pub fn judge(servers: &[KeyServerSpec], subjects: &[Subject], answers: &BTreeMap<Name, Result<Answers, Gap>>, now: i64) -> Vec<Check> {
    let mut found = Vec::new();
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
                found.extend(server_doctor::judge(spec, answers).into_iter().map(|(what, bad)| {
                    let verdict = if bad.is_empty() { Verdict::Good } else { Verdict::Bad };
                    check(&what, verdict, bad)
                }));
                found.push(clock(&spec.server, spec, answers, now));
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
                    for (index, one) in tries(spec, subject).iter().enumerate() {
                        let answer = answers.get(&format!("doctor/{}/{index}", spec.server)).map(|a| a.text.clone());
                        found.push(check(one.what.clone(), verdict(&one.expect, answer.as_deref().map_err(Clone::clone))));
                    }
                    found.push(clock(&subject.node, spec, answers, now));
                }
                Some(Err(gap)) => found.push(check("it answers".into(), (Verdict::NotSeen, gap.to_string()))),
                None => found.push(check("it answers".into(), (Verdict::NotSeen, "it was not looked at".into()))),
            }
        }
    }
    found
}

fn clock(host: &Name, spec: &KeyServerSpec, answers: &Answers, now: i64) -> Check {
    let read = answers.text("doctor/clock").ok().and_then(|text| text.trim().parse::<i64>().ok());
    let (verdict, found) = match read.map(|time| time.saturating_sub(now)) {
        Some(off) if off.saturating_abs() <= CLOCK => (Verdict::Good, String::new()),
        // The probe of a node takes as long as its tries; its clock is read first.
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
    let (head, said) = text.split_once('\n').unwrap_or((text, ""));
    let numbers = head.split_once(' ').and_then(|(s, b)| Some((s.parse::<i32>().ok()?, b.trim().parse::<u64>().ok()?)));
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
    use kubestead_core::size::Bytes;
    use kubestead_storage::spec::Filesystem;

    use super::super::fixture::{name, spec};
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
        };
        Subject { node: name("kube1"), volumes: vec![volume], stranger: "kube2/data".into() }
    }

    #[test]
    fn every_try_is_a_script_that_bash_can_read_and_changes_nothing() {
        for one in tries(&spec(), &subject()) {
            assert!(std::process::Command::new("bash").args(["-n", "-c", &one.script]).status().unwrap().success(), "{}", one.script);
            assert!(!one.script.contains("luksFormat") && !one.script.contains("StrictHostKeyChecking=no"));
        }
    }

    #[test]
    fn a_connection_that_failed_is_no_refusal() {
        let judge = |expect: &Expect, text: &str| verdict(expect, Ok(text)).0;
        assert_eq!(judge(&Expect::Refused, "64 0\n"), Verdict::Good);
        assert_eq!(judge(&Expect::Refused, "255 0\nssh: connect to host 10.77.0.5 port 22: Connection refused\n"), Verdict::Bad);
        assert_eq!(judge(&Expect::Refused, "64 12\n"), Verdict::Bad);
        assert_eq!(judge(&Expect::Refused, "0 64\n"), Verdict::Bad);
        assert_eq!(judge(&Expect::Share, "0 64\n"), Verdict::Good);
        assert_eq!(judge(&Expect::Share, "0 63\n"), Verdict::Bad);
        let pty = Expect::Says("PTY allocation request failed");
        assert_eq!(judge(&pty, "64 0\nPTY allocation request failed on channel 0\n"), Verdict::Good);
        assert_eq!(judge(&pty, "64 0\n"), Verdict::Bad);
        assert_eq!(judge(&Expect::Says("Permission denied"), "none\n"), Verdict::NotTried);
        assert_eq!(judge(&Expect::Status(2), "0 0\n"), Verdict::Bad);
        assert_eq!(verdict(&Expect::Share, Err(Gap::new("cut"))), (Verdict::Bad, "cut".to_owned()));
    }

    #[test]
    fn machines_that_do_not_answer_are_said() {
        let found = judge(&[spec()], &[subject()], &BTreeMap::from([(name("kube1"), Err(Gap::new("no connection")))]), 0);
        assert_eq!(found.iter().map(|c| c.verdict).collect::<Vec<_>>(), [Verdict::NotSeen, Verdict::NotSeen]);
    }
}

//! What helps another person to understand a cluster that is not well: texts of its machines and of its API, without secrets and of a bounded size.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use kubestead_core::event::Reporter;
use kubestead_core::fact::Gap;
use kubestead_core::name::Name;
use kubestead_core::probe::Section;

use super::redact::Redactor;
use crate::compose;
use crate::fleet::Probed;
use crate::session::Session;

/// The most of one text, in bytes: its end is kept. One byte more is asked for, which tells that something stood before it.
const TEXT: usize = 300_000;
/// The most of one machine, and of all.
const MACHINE: usize = 2 << 20;
const WHOLE: usize = 64 << 20;
/// How long a machine may take, in seconds.
const LIMIT: u64 = 300;

/// A journal: the name of its file, and whose it is; the kernel's where it is nobody's.
const JOURNALS: [(&str, &[&str]); 4] = [
    ("journal-kubelet", &["kubelet.service"]),
    ("journal-containerd", &["containerd.service"]),
    ("journal-kubestead", &["kubestead-*", "systemd-cryptsetup@*"]),
    ("journal-kernel", &[]),
];

/// A listing: the name of its file, and what kubectl is asked. Nothing shows a Secret, a ConfigMap's values, or a pod's environment.
const LISTINGS: [(&str, &[&str]); 14] = [
    ("nodes", &["get", "nodes", "-o", "wide"]),
    ("nodes-described", &["describe", "nodes"]),
    ("pods", &["get", "pods", "-A", "-o", "wide"]),
    ("pods-states", &["get", "pods", "-A", "-o", POD_STATES]),
    ("events", &["get", "events", "-A", "--sort-by=.lastTimestamp"]),
    ("workloads", &["get", "deployments,daemonsets,statefulsets,jobs", "-A", "-o", "wide"]),
    ("services", &["get", "services,endpointslices", "-A", "-o", "wide"]),
    ("volumes", &["get", "persistentvolumes,persistentvolumeclaims,storageclasses", "-A", "-o", "wide"]),
    ("volumes-described", &["describe", "persistentvolumes"]),
    ("claims-described", &["describe", "persistentvolumeclaims", "-A"]),
    ("names-of-configmaps", &["get", "configmaps", "-A", "-o", "name"]),
    ("namespaces", &["get", "namespaces", "--show-labels"]),
    ("network-policies", &["get", "networkpolicies", "-A", "-o", "wide"]),
    ("version", &["version"]),
];
const POD_STATES: &str = "custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name,NODE:.spec.nodeName,PHASE:.status.phase,\
                          WHY:.status.conditions[*].message,WAITS:.status.containerStatuses[*].state.waiting,ENDED:.status.containerStatuses[*].lastState.terminated";

/// A text of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Its path within the archive.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// Asks every machine that answers, side by side, and the API of the first control plane. What could not be asked is said in its text.
pub async fn collect(session: &Session, redactor: &Redactor, reporter: &dyn Reporter) -> Vec<Text> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nonce = format!("{:x}{:x}", since.as_nanos(), std::process::id());
    let cluster = &session.cluster;
    let first = compose::first(cluster);
    let names = cluster.nodes.iter().map(|node| &node.name).chain(cluster.servers.iter().map(|server| &server.name));
    let sections = names.map(|name| (name.clone(), sections(first == Some(name)))).collect();
    let answers = session.fleet.probe_within(Some(LIMIT), sections, &nonce, reporter).await;
    texts(answers, first, redactor, WHOLE)
}

fn sections(is_first: bool) -> Vec<Section> {
    let most = (TEXT + 1).to_string();
    let mut found = vec![Section::script("collect/system", include_str!("scripts/system.sh")).var("most", &most)];
    for (name, units) in JOURNALS {
        let section = Section::script(format!("collect/{name}"), include_str!("scripts/journal.sh"));
        found.push(section.var("most", &most).list("units", units));
    }
    if is_first {
        for (name, words) in LISTINGS {
            let section = Section::script(format!("collect/{name}"), include_str!("scripts/kubectl.sh"));
            found.push(section.var("most", &most).list("words", words));
        }
    }
    found
}

/// What was answered, redacted; each text, each machine and the whole no larger than they may be.
fn texts(answers: BTreeMap<Name, Result<Probed, Gap>>, first: Option<&Name>, redactor: &Redactor, most: usize) -> Vec<Text> {
    let mut found = Vec::new();
    let mut whole = 0_usize;
    for (name, probed) in answers {
        let probed = match probed {
            Ok(probed) => probed,
            Err(gap) => {
                found.push(Text { path: format!("machines/{name}/not-collected.txt"), text: redactor.redact(&format!("{gap}\n")) });
                continue;
            }
        };
        let of_machine =
            ["system"].into_iter().chain(JOURNALS.map(|(file, _)| file)).map(|file| (file, format!("machines/{name}/{file}.txt")));
        let of_cluster = LISTINGS.iter().filter(|_| first == Some(&name)).map(|(file, _)| (*file, format!("cluster/{file}.txt")));
        let mut machine = 0_usize;
        for (file, path) in of_machine.chain(of_cluster) {
            let text = match probed.answers.get(&format!("collect/{file}")) {
                Ok(answer) => redactor.redact(end(&answer.text, TEXT)),
                Err(gap) => redactor.redact(&format!("not collected: {gap}\n")),
            };
            let is_room = machine + text.len() <= MACHINE && whole + text.len() <= most;
            let text = if is_room { text } else { "left out: there was too much of it\n".to_owned() };
            machine += text.len();
            whole += text.len();
            found.push(Text { path, text });
        }
    }
    found
}

/// The end of a text, from the begin of a line on. Of a line that is cut nothing stays: the name that says what its end is may be what was cut off.
fn end(text: &str, most: usize) -> &str {
    let Some(from) = text.len().checked_sub(most).filter(|from| *from > 0) else { return text };
    let line = text.as_bytes()[from - 1..].iter().position(|byte| *byte == b'\n');
    line.map_or("", |at| &text[from + at..])
}

#[cfg(test)]
mod tests {
    use kubestead_core::probe::Answers;

    use super::super::fixture::{name, program, run};
    use super::*;

    fn probed(pairs: &[(&str, &str)]) -> Probed {
        Probed { answers: Answers::from_pairs(pairs.iter().map(|(name, text)| (*name, 0, *text))), asked: (0, 0) }
    }

    #[test]
    fn no_listing_asks_for_what_holds_values() {
        for (_, words) in LISTINGS {
            let described = words[0] == "describe";
            let kinds: Vec<&str> = words[1..].iter().flat_map(|word| word.split(',')).collect();
            assert!(!kinds.iter().any(|kind| kind.starts_with("secret")), "{words:?}");
            assert!(!described || !kinds.iter().any(|kind| ["pods", "configmaps", "deployments"].contains(kind)), "{words:?}");
            assert!(!words.contains(&"yaml") && !words.contains(&"json"), "{words:?}");
        }
    }

    #[test]
    fn the_sections_answer_for_this_machine_and_no_process_is_told() {
        let answers = run(&sections(true), &[], None);
        assert!(answers.text("collect/system").unwrap().contains("# uname -a\n"));
        assert!(answers.get("collect/journal-kubelet").is_ok() && answers.get("collect/nodes").is_ok());
        assert!(!include_str!("scripts/system.sh").contains("tell ps"));
    }

    #[test]
    fn every_text_is_redacted_and_bounded() {
        let line = "a line of a journal\n";
        let large = line.repeat(2 * TEXT / line.len());
        let mut pairs = vec![("collect/system", "password: canaryword\n"), ("collect/nodes", "https://u:canaryword@x\n")];
        pairs.extend([("collect/journal-kubelet", large.as_str()), ("collect/events", "token=canaryword\n")]);
        let machines = BTreeMap::from([
            (name("cp1"), Ok(probed(&pairs))),
            (name("kube1"), Err(Gap::new("no connection; Authorization: Bearer canaryword"))),
        ]);
        let first = name("cp1");
        let found = texts(machines, Some(&first), &Redactor::default(), WHOLE);
        assert!(found.iter().all(|text| !text.text.contains("canaryword") && text.text.len() <= TEXT), "{found:?}");
        let of = |path: &str| found.iter().find(|text| text.path == path).unwrap().text.as_str();
        assert!(of("machines/cp1/journal-kubelet.txt").starts_with(line) && of("machines/cp1/journal-kubelet.txt").len() > TEXT / 2);
        assert!(of("machines/cp1/journal-kernel.txt").starts_with("not collected: "));
        assert!(of("machines/kube1/not-collected.txt").starts_with("no connection"));
        assert!(of("cluster/nodes.txt").contains("[redacted]@x"));
    }

    /// The last bytes that are kept of what programs say begin within the name of a secret.
    #[test]
    fn of_a_line_that_is_cut_on_its_machine_nothing_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (line, kept) = ("password: hunter2canary\n", "ord: hunter2canary\n");
        let rest = " ".repeat(TEXT - kept.len() - 8) + "the end\n";
        std::fs::write(folder.path().join("said"), format!("{line}{rest}")).unwrap();
        std::fs::write(folder.path().join("admin.conf"), "x").unwrap();
        let own = folder.path().display();
        for of in ["journalctl", "kubectl", "uname"] {
            // Bytes of zero are lost on the way here.
            program(folder.path(), of, &format!("printf '\\0\\0\\0' >> {own}/zero; cat {own}/said {own}/zero"));
        }
        // What else the machine's state is would move the place of the cut.
        let other = "for file in /etc/os-release /proc/uptime /proc/loadavg /proc/meminfo; do";
        let mut changes = vec![("/etc/kubernetes/admin.conf", format!("{own}/admin.conf")), (other, "exit 0; for file in; do".to_owned())];
        changes.push(("/run/kubestead.", format!("{own}/cache.")));
        let changes: Vec<(&str, &str)> = changes.iter().map(|(from, to)| (*from, to.as_str())).collect();
        let answers = run(&sections(true), &changes, Some(folder.path()));
        for section in ["collect/system", "collect/journal-kubelet", "collect/nodes"] {
            assert_eq!(answers.text(section).unwrap().len(), TEXT + 1, "{section}");
        }
        let probed = Probed { answers, asked: (0, 0) };
        let first = name("cp1");
        let found = texts(BTreeMap::from([(first.clone(), Ok(probed))]), Some(&first), &Redactor::default(), WHOLE);
        let told: Vec<&Text> = found.iter().filter(|text| text.text.ends_with("the end\n")).collect();
        assert!(told.len() > 5 && told.iter().all(|text| !text.text.contains("hunter2")), "{told:?}");
    }

    #[test]
    fn kubectl_leaves_no_cache_on_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().display();
        std::fs::write(folder.path().join("admin.conf"), "x").unwrap();
        program(folder.path(), "kubectl", r#"[ "$3" = --cache-dir ] && mkdir "$4/discovery" && echo "it keeps in $4""#);
        let changes = [("/etc/kubernetes/admin.conf", format!("{own}/admin.conf")), ("/run/kubestead.", format!("{own}/cache."))];
        let changes: Vec<(&str, &str)> = changes.iter().map(|(from, to)| (*from, to.as_str())).collect();
        let answers = run(&sections(true), &changes, Some(folder.path()));
        for (listing, _) in LISTINGS {
            let told = answers.text(&format!("collect/{listing}")).unwrap();
            let place = told.trim().strip_prefix("it keeps in ").unwrap();
            assert!(place.starts_with(&format!("{own}/cache.")) && !std::path::Path::new(place).exists(), "{told}");
        }
    }

    #[test]
    fn all_machines_together_are_bounded() {
        let (big, most) = ("x\n".repeat(5000), 1 << 20);
        let names: Vec<String> = JOURNALS.iter().map(|(file, _)| format!("collect/{file}")).chain(["collect/system".to_owned()]).collect();
        let pairs: Vec<(&str, &str)> = names.iter().map(|section| (section.as_str(), big.as_str())).collect();
        let machines = (0..100).map(|n| (name(&format!("n{n:03}")), Ok(probed(&pairs)))).collect();
        let found = texts(machines, None, &Redactor::default(), most);
        assert!(found.iter().map(|text| text.text.len()).sum::<usize>() < most + 100 * 5 * 40);
        assert!(found.iter().filter(|text| text.text.starts_with("left out")).count() > 50);
    }

    #[test]
    fn the_end_of_a_text_begins_with_a_line() {
        assert_eq!(end("one\ntwo\nthree\n", 8), "three\n");
        assert_eq!(end("one\ntwo\nthree\n", 6), "three\n");
        assert_eq!(end("äöü\näöü", 7), "äöü");
        assert_eq!(end("äöüäöü", 3), "");
        assert_eq!(end("short", 100), "short");
    }
}

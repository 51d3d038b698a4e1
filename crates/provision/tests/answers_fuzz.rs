//! Damaged and hostile answers for a while: whatever a machine says, it becomes facts or a gap, in a bounded time, and no plan over it
//! crashes, destroys without consent, or touches a machine that was not seen.
//!
//! `FUZZ_SECONDS` says how long (2 when it is not set), `FUZZ_SEED` where to begin. A failure names its seed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)] // a test fails by it, and says how much was tried

mod answers;

use std::path::Path;
use std::time::{Duration, Instant};

use answers::{ADMIN_CONF, CORPUS, World, frame, sections};
use jiff::Timestamp;
use kubestead_core::command::Output;
use kubestead_core::credentials::Credentials;
use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::twin::ScriptedHost;
use kubestead_provision::compose::Seen;
use kubestead_provision::facts::{self, Facts};
use kubestead_provision::{access, kubeconfig};
use kubestead_storage::observe::Header;
use serde_json::Value;

/// The longest that one look and one plan may take, in a build that is not optimized, on a computer that does other things too.
const PATIENCE: Duration = Duration::from_secs(20);
/// How far an answer is blown up.
const LARGE: usize = 400_000;

/// How many of the words are numbers.
const NUMBERS: usize = 8;

/// What breaks parsers, planners and shells.
const WORDS: [&str; 34] = [
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "-9223372036854775808",
    "-1",
    "0",
    "1e999",
    "0x10",
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}",
    "\0",
    "\x1b[2K\x1b[1A",
    "\u{202e}",
    "\u{feff}",
    "zwölf 日本",
    "\r\n",
    "\n\n",
    "\t",
    " ",
    "@@\n",
    "\n@@status 200\n",
    "\n@@status 500\n",
    "@@n1 end 0 0\n\n",
    "../../../../etc/passwd",
    "$(touch /tmp/x); `id`",
    "'\"\\",
    "&a *a !!str <<: ",
    "present\n",
    "kubestead",
];

struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % (most.max(1) as u64)).unwrap()
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }
}

/// One change of bytes.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let to = (at + dice.below(40)).min(bytes.len());
    match dice.below(10) {
        0 => bytes.truncate(at),
        1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        2 => drop(bytes.drain(at..to)),
        3 => {
            let piece = bytes[at..to].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => bytes.clear(),
        // A number for another.
        5 | 6 => {
            let digits = |from: usize| bytes[from..].iter().take_while(|c| c.is_ascii_digit()).count();
            if let Some(from) = (at..bytes.len()).find(|from| digits(*from) > 0) {
                let until = from + digits(from);
                // The first of the words are numbers.
                bytes.splice(from..until, WORDS[dice.below(NUMBERS)].bytes());
            }
        }
        // Many times the same line.
        7 if dice.below(8) == 0 && !bytes.is_empty() => {
            let begin = bytes[..at].iter().rposition(|c| *c == b'\n').map_or(0, |n| n + 1);
            let end = bytes[at..].iter().position(|c| *c == b'\n').map_or(bytes.len(), |n| at + n + 1);
            let line = bytes[begin..end].to_vec();
            if !line.is_empty() {
                let numbered = (0..LARGE / (line.len() + 6))
                    .flat_map(|n| [line.strip_suffix(b"\n").unwrap_or(&line).to_vec(), format!("{n}\n").into_bytes()].concat());
                let many: Vec<u8> = numbered.collect();
                bytes.splice(begin..begin, many);
            }
        }
        _ => drop(bytes.splice(at..to.min(at + 3), dice.word().bytes())),
    }
}

/// Another value somewhere in a JSON text.
fn twist(value: &mut Value, dice: &mut Dice, depth: usize) {
    let here = dice.below(5) == 0 || depth > 12;
    match value {
        Value::Object(map) if !here && !map.is_empty() => {
            let key = map.keys().nth(dice.below(map.len())).cloned().unwrap();
            match dice.below(12) {
                0 => drop(map.remove(&key)),
                1 => {
                    let inner = map.remove(&key).unwrap();
                    map.insert(dice.word().to_owned(), inner);
                }
                _ => twist(&mut map[&key], dice, depth + 1),
            }
        }
        Value::Array(list) if !here && !list.is_empty() => {
            let at = dice.below(list.len());
            match dice.below(12) {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                2 if dice.below(6) == 0 => {
                    let size = list[at].to_string().len() + 1;
                    let many = vec![list[at].clone(); LARGE / size];
                    list.extend(many);
                }
                _ => twist(&mut list[at], dice, depth + 1),
            }
        }
        _ => {
            *value = match dice.below(8) {
                0 => Value::Null,
                1 => true.into(),
                2 => u64::MAX.into(),
                3 => i64::MIN.into(),
                4 => serde_json::json!({dice.word(): dice.word()}),
                5 => vec![value.clone(), value.clone()].into(),
                _ => dice.word().into(),
            }
        }
    }
}

/// JSON within a text, from one brace or bracket at a line's begin to the line's end or the text's.
fn twisted(text: &[u8], dice: &mut Dice) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let begins: Vec<usize> = text.match_indices('{').map(|(at, _)| at).filter(|at| *at == 0 || text.as_bytes()[at - 1] == b'\n').collect();
    let at = *begins.get(dice.below(begins.len()))?;
    let mut stream = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
    let mut value = stream.next()?.ok()?;
    let end = at + stream.byte_offset();
    for _ in 0..=dice.below(3) {
        twist(&mut value, dice, 0);
    }
    Some(format!("{}{value}{}", &text[..at], &text[end..]).into_bytes())
}

fn answer(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    if dice.below(8) == 0 {
        let mut raw = bytes.to_vec();
        for _ in 0..=dice.below(3) {
            damage(&mut raw, dice);
        }
        return raw;
    }
    let mut all = sections(bytes);
    for _ in 0..=dice.below(4) {
        let at = dice.below(all.len());
        match dice.below(12) {
            0 => all[at].1 = [1, 2, 9, 127, 255, i32::MIN][dice.below(6)],
            1 => drop(all.remove(at)),
            2 => {
                let other = dice.below(all.len());
                let text = all[other].2.clone();
                all[at].2 = text;
            }
            3..=6 => {
                if let Some(text) = twisted(&all[at].2, dice) {
                    all[at].2 = text;
                }
            }
            _ => {
                for _ in 0..=dice.below(3) {
                    damage(&mut all[at].2, dice);
                }
            }
        }
        if all.is_empty() {
            break;
        }
    }
    frame(&all)
}

fn round(world: &World, dice: &mut Dice) {
    // Often one machine answers alone: the others are not seen then.
    let alone = (dice.below(3) > 0).then(|| dice.below(CORPUS.len()));
    let mut hosts: Vec<(&str, Vec<u8>)> = Vec::new();
    for (n, (host, bytes)) in CORPUS.iter().enumerate().filter(|(n, _)| alone.is_none_or(|alone| alone == *n)) {
        let damaged = alone == Some(n) || dice.below(3) > 0;
        hosts.push((host, if damaged { answer(bytes, dice) } else { bytes.to_vec() }));
    }
    let answers: Vec<(&str, &[u8])> = hosts.iter().map(|(host, bytes)| (*host, bytes.as_slice())).collect();
    let begin = Instant::now();
    let seen = world.look(&answers);
    let looked = begin.elapsed();
    world.judge(&seen);
    if dice.below(8) == 0 {
        world.judge_kept(&seen);
    }
    assert!(begin.elapsed() < PATIENCE, "a look of {looked:?}, and a plan of {:?}", begin.elapsed().saturating_sub(looked));
}

/// Saved facts that somebody changed: as bytes, which the digest finds, and as facts that no machine tells, with a digest that fits.
fn saved(world: &World, dice: &mut Dice) {
    let seen = world.look(&CORPUS);
    let good = facts::text(&world.cluster, &seen, Timestamp::UNIX_EPOCH).unwrap();
    let mut bytes = good.clone().into_bytes();
    damage(&mut bytes, dice);
    if bytes != good.as_bytes()
        && let Ok(read) = Facts::read(Path::new("facts.json"), &bytes)
        && let Ok(recall) = read.plan(&world.cluster)
    {
        // The time is not part of what was seen, nor is white space.
        let same = Facts::read(Path::new("facts.json"), good.as_bytes()).unwrap().plan(&world.cluster).unwrap();
        assert_eq!(recall.plan, same.plan, "a change that nobody noticed");
    }
    let mut value = serde_json::to_value(&seen).unwrap();
    for _ in 0..=dice.below(5) {
        twist(&mut value, dice, 0);
    }
    if let Ok(other) = serde_json::from_value::<Seen>(value) {
        let text = facts::text(&world.cluster, &other, Timestamp::UNIX_EPOCH).unwrap();
        let begin = Instant::now();
        // A plan or an error.
        let _ = Facts::read(Path::new("facts.json"), text.as_bytes()).unwrap().plan(&world.cluster);
        assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    }
}

/// What comes of kubeadm and of token requests, and the operator's own kubeconfig.
fn credentials(dice: &mut Dice) {
    let mut bytes = ADMIN_CONF.as_bytes().to_vec();
    for _ in 0..=dice.below(3) {
        damage(&mut bytes, dice);
    }
    let text = String::from_utf8_lossy(&bytes);
    let begin = Instant::now();
    if Credentials::parse("cp1", "admin.conf", &text).is_ok() {
        // Another reader finds nothing else in it.
        let found: Value = serde_saphyr::from_str(&text).unwrap();
        for (path, known) in [
            ("/users/0/user", &["client-certificate-data", "client-key-data"][..]),
            ("/clusters/0/cluster", &["certificate-authority-data", "server"]),
            ("/users/0", &["name", "user"]),
            ("/clusters/0", &["cluster", "name"]),
        ] {
            let keys: Vec<&String> = found.pointer(path).unwrap().as_object().unwrap().keys().collect();
            assert_eq!(keys, known, "{path}: {text}");
        }
        for list in ["users", "clusters", "contexts"] {
            assert_eq!(found[list].as_array().unwrap().len(), 1, "{text}");
        }
    }
    let ours = serde_json::json!({"clusters": [{"name": "home", "cluster": {"server": "https://e:6443"}}], "users": [{"name": "me@home-sudo", "user": {"client-certificate-data": "QUJD"}}],
        "contexts": [{"name": "sudo", "context": {"cluster": "home", "user": "me@home-sudo"}}], "current-context": "sudo"});
    if let Ok(merged) = kubeconfig::merge(&[Some(text.into_owned())], &ours)
        && let Some(new) = &merged[0]
    {
        assert_eq!(kubeconfig::merge(&[Some(new.clone())], &ours).unwrap(), [None], "a second merge changes nothing:\n{new}");
    }
    let mut token =
        serde_json::json!({"kind": "TokenRequest", "status": {"token": "eyJh.eyJp.c2ln", "expirationTimestamp": "2030-01-01T00:00:00Z"}});
    twist(&mut token, dice, 0);
    let mut stdout = token.to_string().into_bytes();
    if dice.below(2) == 0 {
        damage(&mut stdout, dice);
    }
    let host = ScriptedHost::new("cp1", [Ok(Output { status: 0, stdout, stderr: vec![] })]);
    let name = Name::new("apps").unwrap();
    if let Ok(found) = futures::executor::block_on(access::credential(&host, &name, &name)) {
        let plain = found.exec_credential().to_string();
        assert!(plain.chars().all(|c| (' '..='~').contains(&c)), "{plain}");
    }
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}

#[test]
fn the_answers_that_are_damaged_here_are_understood_as_they_are() {
    let world = World::new();
    let seen = world.look(&CORPUS);
    for (name, node) in &seen.nodes {
        let Fact::Known(node) = node else { panic!("{name}: {node:?}") };
        let made = name.as_str() != "kube2";
        assert!(
            node.storage.volumes.values().all(|v| matches!(&v.header, Fact::Known(Header::Ours(slots)) if slots == &[0, 7]) == made),
            "{name}"
        );
        assert!(node.storage.volumes.values().all(|v| v.opened.is_some() == made && v.mounted.is_some() == made), "{name}");
        assert!(node.storage.groups.values().all(|g| g.known().is_some() == made), "{name}");
        assert_eq!(node.encryption.known().is_some(), name.as_str() == "cp1", "{:?}", node.encryption);
    }
    let (api, secrets) = (seen.api.known().unwrap(), seen.secrets.known().unwrap());
    assert!(
        api.answers && api.nodes.len() == 3 && api.objects.len() > 20 && api.unready.is_empty(),
        "{} {} {:?}",
        api.nodes.len(),
        api.objects.len(),
        api.unready
    );
    assert_eq!((secrets.ours.len(), secrets.types.len(), secrets.namespaces.len()), (2, 3, 6));
    let server = seen.servers.values().next().unwrap().known().unwrap();
    assert!(server.shares.len() == 10 && server.lines.len() >= 3, "{server:?}");
    assert!(seen.keys.values().all(|k| k.known().is_some()));
    let plan = world.judge(&seen);
    world.judge_kept(&seen);
    assert!(plan.steps.iter().any(|s| s.id.0.starts_with("kube2/")), "the one that is not made is: {:?}", plan.held);
}

/// Sizes, clocks and counts at the ends of what 64 bits hold, each by itself and all of a section at once.
#[test]
fn every_number_may_be_any_other() {
    let world = World::new();
    let mut tried = 0;
    for (host, bytes) in &CORPUS[..2] {
        let all = sections(bytes);
        for (at, (name, _, text)) in all.iter().enumerate() {
            let numbers = ["machine/", "storage/lvm", "storage/device", "storage/volumes", "encryption/values"];
            if !numbers.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            let text = std::str::from_utf8(text).unwrap();
            let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
            let begins = |at: &usize| digits(*at) > 0 && (*at == 0 || !text.as_bytes()[at - 1].is_ascii_alphanumeric());
            let most = 24;
            let found: Vec<(usize, usize)> = (0..text.len()).filter(begins).map(|from| (from, from + digits(from))).take(most).collect();
            for number in [u64::MAX.to_string(), (1_u64 << 53).to_string(), i64::MAX.to_string(), i64::MIN.to_string(), "0".into()] {
                let mut one_of = found.iter().map(|range| vec![*range]).collect::<Vec<_>>();
                one_of.push(found.clone());
                for ranges in one_of {
                    let mut new = text.to_owned();
                    for (from, to) in ranges.iter().rev() {
                        new.replace_range(*from..*to, &number);
                    }
                    let mut changed = all.clone();
                    changed[at].2 = new.into_bytes();
                    let answer = frame(&changed);
                    let seen = world.look(&[(*host, answer.as_slice()), CORPUS[3]]);
                    world.judge(&seen);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 200, "{tried}");
}

#[test]
fn no_answer_crashes_destroys_or_hangs() {
    let number = |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (seconds, first) = (number("FUZZ_SECONDS", 2), number("FUZZ_SEED", 1));
    let world = World::new();
    let begin = Instant::now();
    let (mut seed, mut tried) = (first, 0);
    while begin.elapsed() < Duration::from_secs(seconds) {
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut dice = Dice::new(seed);
            round(&world, &mut dice);
            credentials(&mut dice);
            saved(&world, &mut dice);
        }));
        assert!(told.is_ok(), "FUZZ_SEED={seed} repeats it");
        (seed, tried) = (seed + 1, tried + 4);
    }
    eprintln!("{tried} hostile answers from seed {first} on in {seconds} s, no crash");
}

/// Takes the answers anew from machines that are made as examples/three-nodes says: CAPTURE_SSH_CONFIG names the ssh configuration of such a lab, CAPTURE
/// the machines.
#[test]
fn answers_are_taken_anew_when_asked() {
    let (Ok(config), Ok(machines)) = (std::env::var("CAPTURE_SSH_CONFIG"), std::env::var("CAPTURE")) else { return };
    let world = World::new();
    let sections = world.sections();
    for machine in machines.split(' ') {
        let (_, own) = sections.iter().find(|(name, _)| name.as_str() == machine).unwrap();
        let command = kubestead_core::probe::command(own, answers::NONCE);
        let mut ssh = std::process::Command::new("ssh");
        ssh.args(["-F", &config, machine, &kubestead_core::frame::line(command.limits)]);
        let mut child = ssh.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), kubestead_core::frame::stream(&command).expose()).unwrap();
        let out = child.wait_with_output().unwrap();
        kubestead_core::probe::parse(&out.stdout, answers::NONCE).unwrap();
        std::fs::write(format!("{}/tests/answers/{machine}.probe", env!("CARGO_MANIFEST_DIR")), out.stdout).unwrap();
    }
}

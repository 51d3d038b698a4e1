//! The harness itself, with functions that stand for proofs: this program is their worker too.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kubestead_proof::batch::batches;
use kubestead_proof::event::Outcome::{self, Failed, Panicked, Passed, TimedOut};
use kubestead_proof::report::{Finished, Report};
use kubestead_proof::runner::Runner;
use kubestead_proof::scenario::{Fixture, Leaves, Scenario};
use kubestead_proof::stage::{Done, Stage, is};
use kubestead_proof::worker::{Place, work};
use kubestead_proof::{promises, scenarios};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubestead-proof");
/// The test that is a worker.
const WORKER: [&str; 6] = ["a_worker_for_the_other_tests", "--exact", "--ignored", "--nocapture", "-q", "--"];
const MARK: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/panicked");
const ONCE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/failed");

const fn one(name: &'static str, limit: u64, takes: u64, run: fn(&Stage) -> Done) -> Scenario {
    Scenario { name, shows: &[], fixture: Fixture::Own, leaves: Leaves::WornOut, limit, takes, core: true, run }
}
static HANGS: Scenario = one("it hangs", 1, 9, hangs);
static FAILS: Scenario = one("it fails", 60, 8, |s| claimed(s, "the sky is green", false));
static PANICS: Scenario = one("it panics once", 60, 7, |s| if first(MARK) { panics(s) } else { Ok(()) });
static PANICKING: Scenario = one("it panics always", 60, 6, panics);
static FAILS_ONCE: Scenario = one("it fails once", 60, 9, |s| claimed(s, "it was here before", !first(ONCE)));
static PASSES: Scenario = one("it passes", 60, 5, |s| claimed(s, "the sky is blue", true));

#[expect(clippy::unnecessary_wraps, reason = "the form of every scenario")]
fn claimed(s: &Stage, what: &str, holds: bool) -> Done {
    s.claim(what, is(holds, || "it does not hold".to_owned()));
    Ok(())
}

/// Whether the file was not there; it is now.
fn first(path: &str) -> bool {
    std::fs::File::create_new(path).is_ok()
}

/// What it starts hangs beside it, below it and above it, and says so.
fn hangs(_: &Stage) -> Done {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/hangs.sh");
    Err(format!("it ended: {:?}", Command::new("bash").arg(script).status()))
}

/// What it claims is not so, and a kernel panicked.
fn panics(s: &Stage) -> Done {
    s.folder("labs/lab/machines/kube1")?;
    s.write("labs/lab/machines/kube1/console.log", "Kernel panic - not syncing: it\n")?;
    Err("a machine is gone".to_owned())
}

#[test]
#[ignore = "the other tests start it as a process of its own"]
fn a_worker_for_the_other_tests() {
    let place = Place {
        top: top(),
        folder: std::env::var_os("TMPDIR").unwrap().into(),
        // It has no lab to take away.
        kubestead: "true".into(),
        grace: Duration::from_secs(1),
    };
    let ended = work(place, vec![&HANGS, &FAILS, &PANICS, &PANICKING, &FAILS_ONCE, &PASSES]).unwrap();
    std::process::exit(i32::from(ended != std::process::ExitCode::SUCCESS));
}

fn worker() -> Vec<String> {
    let own = std::env::current_exe().unwrap().to_string_lossy().into_owned();
    std::iter::once(own).chain(WORKER.map(str::to_owned)).collect()
}

/// A run ends what its process has started: two at once in one process would end each other's.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Write for Told {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn run(lanes: usize, chosen: &[&'static Scenario]) -> (Vec<Finished>, String) {
    run_again(lanes, 0, chosen)
}

fn run_again(lanes: usize, again: usize, chosen: &[&'static Scenario]) -> (Vec<Finished>, String) {
    let told = Told::default();
    let report = Report::new(lanes, Box::new(told.clone()));
    let finished = Runner { worker: worker(), lanes, folder: std::env::temp_dir(), report: &report, again: again.into() };
    let finished = finished.run(batches(chosen)).unwrap();
    let text = String::from_utf8(told.0.lock().unwrap().clone()).unwrap();
    (finished, text + &report.failed())
}

fn outcomes(finished: &[Finished]) -> Vec<(&str, Outcome, Option<Outcome>)> {
    finished.iter().map(|one| (one.name, one.outcome, one.first)).collect()
}

/// What comes after a word in lines of a text.
fn after<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.strip_prefix(word)).collect()
}

/// A process that has not ended; one that nobody has asked for its end is one that has.
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with(['Z', 'X']))
}

#[test]
fn one_that_hangs_is_ended_with_all_that_it_started_and_the_next_one_runs() {
    let _alone = alone();
    let (finished, text) = run(1, &[&HANGS, &PASSES]);
    assert_eq!(outcomes(&finished), [("it hangs", TimedOut, None), ("it passes", Passed, None)], "{text}");
    let pids = after(&text, "pid ");
    assert_eq!(pids.len(), 3, "{text}");
    assert!(!pids.iter().any(|pid| lives(pid)), "{text}");
    assert!(!Path::new(after(&text, "folder ")[0]).exists());
    assert!(text.contains("not at its end after 1 s"), "{text}");
}

#[test]
fn one_that_fails_does_not_stop_others_and_what_it_said_is_told() {
    let _alone = alone();
    let (finished, text) = run(2, &[&FAILS, &PASSES]);
    let mut ended = outcomes(&finished);
    ended.sort_by_key(|(name, ..)| *name);
    assert_eq!(ended, [("it fails", Failed, None), ("it passes", Passed, None)]);
    assert!(text.contains("FAIL  the sky is green\n") && text.contains("=== FAILED: it fails"), "{text}");
}

#[test]
fn one_whose_machines_panicked_is_made_once_more_and_only_once() {
    let _alone = alone();
    let _ = std::fs::remove_file(MARK);
    let (finished, _) = run(1, &[&PANICS, &PANICKING]);
    assert_eq!(outcomes(&finished), [("it panics once", Passed, Some(Panicked)), ("it panics always", Panicked, Some(Panicked))]);
}

#[test]
fn as_many_that_failed_as_the_run_may_are_made_once_more_and_what_failed_is_told() {
    let _alone = alone();
    let _ = std::fs::remove_file(ONCE);
    let (finished, text) = run_again(1, 1, &[&FAILS_ONCE, &FAILS]);
    assert_eq!(outcomes(&finished), [("it fails once", Passed, Some(Failed)), ("it fails", Failed, None)], "{text}");
    assert!(text.contains("\nFAILED: it fails once\nFAIL  it was here before\n"), "{text}");
    let (finished, text) = run_again(1, 1, &[&FAILS]);
    assert_eq!(outcomes(&finished), [("it fails", Failed, Some(Failed))], "{text}");
}

#[test]
fn a_worker_whose_runner_is_gone_leaves_nothing() {
    leaves_nothing(|worker| drop(worker.stdin.take())); // as when the runner was killed
}

#[test]
fn a_worker_that_is_asked_to_end_leaves_nothing() {
    leaves_nothing(|worker| assert!(Command::new("kill").arg(worker.id().to_string()).status().unwrap().success()));
    // Who ends all that runs under a name ends both.
    leaves_nothing(|worker| {
        assert!(Command::new("kill").args(["-INT", &worker.id().to_string()]).status().unwrap().success());
        drop(worker.stdin.take());
    });
}

fn leaves_nothing(end: impl FnOnce(&mut Child)) {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap().keep();
    let program = worker();
    let mut worker = Command::new(&program[0]);
    worker.args(&program[1..]).env("TMPDIR", &folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut worker = worker.spawn().unwrap();
    let job = r#"{"fixture":"makes its own","items":[{"name":"it hangs","limit":600,"as_found":false}]}"#;
    writeln!(worker.stdin.as_mut().unwrap(), "{job}").unwrap();
    let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
    let mut pids = Vec::new();
    while pids.len() < 3 {
        pids.extend(lines.next().unwrap().unwrap().strip_prefix("pid ").map(str::to_owned));
    }
    assert!(pids.iter().all(|pid| lives(pid)));
    end(&mut worker);
    assert!(!worker.wait().unwrap().success());
    let begin = Instant::now();
    while pids.iter().any(|pid| lives(pid)) {
        assert!(begin.elapsed() < Duration::from_secs(60), "{pids:?}");
    }
    assert!(!folder.exists());
}

fn program(arguments: &[&str]) -> (Option<i32>, String) {
    // It is one of what this process has started.
    let _alone = alone();
    let out = Command::new(PROGRAM).args(arguments).output().unwrap();
    (out.status.code(), format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)))
}

#[test]
fn a_pattern_that_matches_nothing_is_an_error_and_starts_nothing() {
    let (status, said) = program(&["--only", "a teapot"]);
    assert_eq!(status, Some(2));
    assert_eq!(said, "no scenario is meant by \"a teapot\", and nothing was made; `kubestead-proof --list` tells all of them\n");
}

#[test]
fn a_pattern_means_sentences_fixtures_and_promises() {
    let names = |pattern: &str| scenarios::all().iter().filter(|s| s.is_meant(pattern)).count();
    assert!(names("API servers") >= 1 && names("a cluster of three nodes and a key") >= 1 && names("F17") >= 1);
    assert_eq!(names(""), scenarios::all().len());
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_sentence_is_a_name_of_its_own_and_everything_that_it_shows_was_promised() {
    let all = scenarios::all();
    let safety = std::fs::read_to_string(top().join("docs/safety.md")).unwrap();
    assert_eq!(promises::mistakes(&all, &safety, &top()), []);
    for one in &all {
        assert_eq!(all.iter().filter(|other| other.name == one.name).count(), 1, "{}", one.name);
        assert!(one.takes < one.limit, "{}: it takes more than its limit", one.name);
    }
}

#[test]
fn the_page_of_promises_is_not_stale() {
    let page = top().join("docs/promises.md");
    let (status, said) = program(&["--check-promises", &page.to_string_lossy()]);
    assert_eq!((status, said.as_str()), (Some(0), ""));
}

#[test]
fn a_page_that_is_stale_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("promises.md");
    let path = page.to_string_lossy().into_owned();
    assert_eq!(program(&["--promises", &path]).0, Some(0));
    assert_eq!(program(&["--check-promises", &path]).0, Some(0));
    let text = std::fs::read_to_string(&page).unwrap();
    std::fs::write(&page, text.replacen("| F05 |", "| F5 |", 1)).unwrap();
    let (status, said) = program(&["--check-promises", &path]);
    assert_eq!((status, said), (Some(2), format!("{path} is not what the scenarios show: run `make promises`\n")));
}

/// Scripts of `tests/`: what the house's commands call.
const SCRIPTS: [&str; 3] = ["gate.sh", "prove.sh", "python.sh"];

#[test]
fn no_proof_is_a_script() {
    for entry in std::fs::read_dir(top().join("tests")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_script = Path::new(&name).extension().is_some_and(|kind| kind == "sh");
        assert!(!is_script || SCRIPTS.contains(&name.as_str()), "tests/{name}: a proof is a scenario in crates/proof/src/scenarios");
    }
}

/// How many claims the scripts made that are no more.
const MOVED: usize = 597;

/// All text below a folder of this crate.
fn texts(folder: &str) -> String {
    let (mut text, mut folders) = (String::new(), vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { text.push_str(&std::fs::read_to_string(path).unwrap()) }
        }
    }
    text
}

#[test]
fn every_function_that_is_asked_of_a_machine_is_there() {
    let (sources, scripts) = (texts("src/scenarios"), texts("src/scripts"));
    // A program's name has no underscore.
    let is_function = |name: &&str| name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let asked: Vec<&str> = sources.split("&[\"").skip(1).filter_map(|rest| rest.split('"').next()).filter(is_function).collect();
    assert!(asked.len() > 100, "{asked:?}");
    let missing: Vec<&&str> = asked.iter().filter(|name| !scripts.contains(&format!("\n{name}() "))).collect();
    assert!(missing.is_empty(), "no script has {missing:?}");
}

#[test]
fn no_claim_of_a_script_that_is_no_more_is_lost() {
    let sources = texts("src/scenarios");
    let table = std::fs::read_to_string(top().join("crates/proof/tests/moved.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), MOVED);
    for row in &rows {
        let &[from, _, name, claim] = row.as_slice() else { panic!("{row:?}") };
        let fixture = Fixture::ALL.iter().any(|fixture| fixture.name() == name);
        assert!(fixture || scenarios::all().iter().any(|scenario| scenario.name == name), "{from}: there is no scenario \"{name}\"");
        let wanted = rows.iter().filter(|other| other[3] == claim).count();
        let made = sources.matches(&format!("\"{claim}\"")).count();
        assert!(fixture || made >= wanted, "{from}: \"{claim}\" is claimed {made} times, and {wanted} times by the scripts");
    }
}

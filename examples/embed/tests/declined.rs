//! Somebody is asked before a plan runs: after another answer than yes no machine was told to change anything.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kubestead_core::command::{Command, Effect, Output};
use kubestead_core::host::{Host, HostError};
use kubestead_core::plan::Plan;
use kubestead_core::twin::Silent;
use kubestead_embed::{key_server, node, transport};
use kubestead_provision::approval::{Approver, Concerns};
use kubestead_provision::compose::Action;
use kubestead_provision::engine::Terms;
use kubestead_provision::file;
use kubestead_provision::session::{Session, Settled};
use kubestead_secrets::{Escrow, make_identity, public_keys};
use tokio_util::sync::CancellationToken;

/// A machine that counts what may change it.
struct Counted(Arc<dyn Host>, Arc<AtomicUsize>);

#[async_trait]
impl Host for Counted {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn run(&self, command: &Command) -> Result<Output, HostError> {
        if command.effect != Effect::Read {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
        self.0.run(command).await
    }
}

/// Answers so, and keeps what it was asked about.
struct Answers(bool, Mutex<Vec<Concerns>>);

#[async_trait]
impl Approver for Answers {
    async fn approve(&self, plan: &Plan<Action>, concerns: &Concerns) -> bool {
        assert!(concerns.runs <= plan.steps.len());
        self.1.lock().unwrap().push(concerns.clone());
        self.0
    }
}

/// How it ended, what was asked, how many commands could change something, and whether a key was made.
async fn settled(answer: bool) -> (Settled, Vec<Concerns>, usize, bool) {
    let folder = tempfile::tempdir().unwrap();
    let (escrow, identity) = (folder.path().join("secrets/escrow"), folder.path().join("age.key"));
    std::fs::create_dir_all(&escrow).unwrap();
    make_identity(&identity).unwrap();
    std::fs::write(escrow.join("recipients"), public_keys(&identity).unwrap().join("\n") + "\n").unwrap();
    let text = include_str!("../cluster.yaml");
    let cluster = file::load("cluster.yaml", text, Path::new(folder.path())).unwrap();
    let changes = Arc::new(AtomicUsize::new(0));
    let machines = [node("kube1", ("data", "/srv/data"), ""), key_server("masterlock")];
    let machines = machines.map(|host| Arc::new(Counted(host, changes.clone())) as Arc<dyn Host>);
    let session = Session::over(cluster, transport(machines));
    let (escrow, answers) = (Escrow::open(&escrow, &identity).unwrap(), Answers(answer, Mutex::default()));
    let settled = session.settle(&escrow, &Terms::default(), &answers, &Silent, &CancellationToken::new()).await.unwrap();
    let made = Escrow::names(&folder.path().join("secrets/escrow")).unwrap();
    (settled, answers.1.into_inner().unwrap(), changes.load(Ordering::Relaxed), !made.is_empty())
}

#[tokio::test]
async fn without_a_yes_nothing_is_done_and_both_machines_are_named_as_new() {
    let (settled, asked, changes, made) = settled(false).await;
    assert!(matches!(settled, Settled::Declined(1)), "{settled:?}");
    assert_eq!((changes, made, asked.len()), (0, false, 1));
    assert_eq!(asked[0].first, ["kube1".to_owned(), "masterlock".to_owned()].into());
    assert!(asked[0].ask());
}

#[tokio::test]
async fn with_a_yes_it_begins() {
    let (settled, asked, changes, made) = settled(true).await;
    // These machines answer every look alike, so that no run of them comes to an end.
    assert!(!matches!(settled, Settled::Declined(_)), "{settled:?}");
    assert!(changes > 0 && made && !asked.is_empty(), "{changes}");
}

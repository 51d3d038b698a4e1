//! `kubestead key`: the key servers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use kubestead_backend::ssh::Ssh;
use kubestead_core::name::Name;
use kubestead_provision::engine::{self, Terms};
use kubestead_provision::key_servers::{KeyServers, Machines};
use kubestead_provision::keyserver::doctor::{Check, Verdict};
use kubestead_provision::keyserver::export::Archive;
use kubestead_secrets::new_file;

use super::session;
use crate::args::{Common, Format};
use crate::exit::{Exit, Failure, fail};
use crate::progress::Progress;
use crate::{print, render};

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Shut a node out of all key servers, at once, also while another run is at work: its line goes and its connections end. Its shares stay.
    #[command(
        after_help = "Example: kubestead key revoke kube2\nWith its shares, when it has left the cluster file: kubestead key revoke kube2 --wipe volumes\n\
        A node that was shut out and is in the file comes back only by consent: kubestead up --yes SERVER/kube2/enrol"
    )]
    Revoke {
        #[command(flatten)]
        common: Common,
        /// The node; it need not be in the file any more.
        node: String,
        /// Delete the servers' share of this volume too: only the recovery key opens it then. May be given several times.
        #[arg(long, value_name = "VOLUME")]
        wipe: Vec<String>,
    },
    /// Try from every node what the key servers must refuse and what they must give, and look at the servers. Changes nothing.
    #[command(
        after_help = "Example: kubestead key doctor --output json\nExit code 1 when anything is wrong, 5 when a machine does not answer."
    )]
    Doctor {
        #[command(flatten)]
        common: Common,
        /// Show what is good too.
        #[arg(long)]
        all: bool,
    },
    /// Write a whole key server into one file, encrypted to the recipients of secrets/escrow.
    #[command(after_help = "Example: kubestead key export masterlock --to masterlock.age")]
    Export {
        #[command(flatten)]
        common: Common,
        /// The key server.
        server: String,
        /// The file; one that is there is not replaced.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Put an export on a key server that the file names. A share that is there is never replaced.
    #[command(after_help = "Example: kubestead key restore masterlock.age spare && kubestead up")]
    Restore {
        #[command(flatten)]
        common: Common,
        /// The export.
        from: PathBuf,
        /// The key server.
        server: String,
    },
}

pub(crate) async fn run(command: Key) -> Result<Exit, Failure> {
    match command {
        Key::Revoke { common, node, wipe } => revoke(&common, &node, &wipe).await,
        Key::Doctor { common, all } => doctor(&common, all).await,
        Key::Export { common, server, to } => export(&common, &server, &to).await,
        Key::Restore { common, from, server } => restore(&common, &from, &server).await,
    }
}

async fn revoke(common: &Common, node: &str, wipe: &[String]) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let node = Name::new(node)?;
    let wipe = wipe.iter().map(Name::new).collect::<Result<BTreeSet<_>, _>>()?;
    let (journal, member) = (session::journal(&cluster)?, cluster.nodes.iter().any(|n| n.name == node));
    // No lease: a stolen node is shut out also while another run is at work.
    let servers = KeyServers::connect(cluster, &Machines::Servers, Arc::<Ssh>::default()).await?;
    let reporter = Progress::new(Some(&journal));
    let plan = servers.revocation(&servers.observe(&reporter).await, &node, &wipe)?;
    // What is deleted was named on the command line, volume by volume.
    let terms = Terms { consent: plan.steps.iter().map(|s| s.id.clone()).collect(), fail_fast: false };
    let report = servers.apply(&plan, &terms, &reporter, session::Stop::on_ctrl_c().acting().token()).await;
    let seen = servers.observe(&Progress::new(None)).await;
    drop(reporter);
    if !engine::succeeded(&report) {
        return Err(fail(
            Exit::Failed,
            format!("{node} may still fetch keys: see above, and run it again; the journal is {}", journal.display()),
        ));
    }
    let again = servers.revocation(&seen, &node, &wipe)?;
    match common.output {
        Format::Json => print::json(&again)?,
        Format::Text if !again.is_empty() => print::data(&render::plan(&again, None)),
        Format::Text => {
            print::data(&format!("{node} is let in by no key server"));
            for share in KeyServers::shares_of(&seen, &node) {
                print::note(&format!("the share of {share} is still there; --wipe VOLUME deletes it when {node} has left the file"));
            }
            if member {
                print::note(&format!(
                    "{node} is still in the cluster file: take it out, or `kubestead up` asks for your consent to let it in again"
                ));
            }
            print::note("what it fetched before may have been kept: if it was stolen, what its volumes hold is no secret any more");
        }
    }
    Ok(match session::verdict(&again) {
        Exit::Changes => Exit::Failed,
        other => other,
    })
}

async fn doctor(common: &Common, all: bool) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let servers = KeyServers::connect(cluster, &Machines::All, Arc::<Ssh>::default()).await?;
    let checks = servers.examine(&Progress::new(None)).await;
    let count = |verdict: Verdict| checks.iter().filter(|c| c.verdict == verdict).count();
    match common.output {
        Format::Json => print::json(&checks)?,
        Format::Text => {
            for check in checks.iter().filter(|c| all || c.verdict != Verdict::Good) {
                print::data(&line(check));
            }
            print::data(&format!(
                "{} good, {} wrong, {} not tried, {} not seen",
                count(Verdict::Good),
                count(Verdict::Bad),
                count(Verdict::NotTried),
                count(Verdict::NotSeen)
            ));
        }
    }
    Ok(match (count(Verdict::Bad), count(Verdict::NotSeen)) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Unreachable,
        _ => Exit::Failed,
    })
}

fn line(check: &Check) -> String {
    let word = match check.verdict {
        Verdict::Good => "good",
        Verdict::Bad => "WRONG",
        Verdict::NotTried => "not tried",
        Verdict::NotSeen => "not seen",
    };
    let place = if check.host == check.server { check.host.to_string() } else { format!("{} at {}", check.host, check.server) };
    let found = if check.found.is_empty() { String::new() } else { format!(" ({})", check.found) };
    format!("{word:<9} {place}: {}{found}", check.what)
}

async fn export(common: &Common, server: &str, to: &Path) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let server = Name::new(server)?;
    if to.exists() {
        return Err(fail(Exit::Usage, format!("{} is there already and is not replaced", to.display())));
    }
    let escrow = session::escrow(&cluster)?;
    let servers = KeyServers::connect(cluster, &Machines::One(server.clone()), Arc::<Ssh>::default()).await?;
    let archive = servers.export(&server).await?;
    let plain = archive.render();
    let sealed = escrow.seal(to, &plain)?;
    new_file(to, &sealed).map_err(|e| fail(Exit::Failed, format!("cannot write {}: {e}", to.display())))?;
    let shares = archive.shares.len();
    if escrow.can_open() {
        let back = escrow.unseal(to, &std::fs::read(to)?)?;
        if back.expose() != plain.expose() {
            return Err(fail(Exit::Failed, format!("{} does not open to what was written: do not rely on it", to.display())));
        }
        print::data(&format!("{}: {shares} shares and {} lines of {server}, read back and compared", to.display(), archive.lines.len()));
    } else {
        print::data(&format!("{}: {shares} shares and {} lines of {server}", to.display(), archive.lines.len()));
        print::note("no identity is at hand here, so that it was not opened again: check it where one is, with `age -d`");
    }
    Ok(Exit::Done)
}

async fn restore(common: &Common, from: &Path, server: &str) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let server = Name::new(server)?;
    let escrow = session::escrow(&cluster)?;
    let sealed = std::fs::read(from).map_err(|e| fail(Exit::Usage, format!("cannot read {}: {e}", from.display())))?;
    let archive = Archive::parse(escrow.unseal(from, &sealed)?.expose());
    let archive = archive.map_err(|e| fail(Exit::Usage, format!("{}: {e}", from.display())))?;
    if archive.cluster != cluster.name.as_str() {
        let what =
            format!("{} is of the cluster {}, and this file is of {}; nothing was touched", from.display(), archive.cluster, cluster.name);
        return Err(fail(Exit::Usage, what));
    }
    let servers = KeyServers::connect(cluster, &Machines::One(server.clone()), Arc::<Ssh>::default()).await?;
    let _leases = servers.lease().await?;
    let done = servers.restore(&server, &archive, &Progress::new(None)).await?;
    let word = if done.changed { "put back, read and compared" } else { "there already" };
    print::data(&format!("{server}: {} shares of {}: {word}", done.shares, archive.server));
    if !done.left.is_empty() {
        print::note("what is of no node of this file, or is there in another form, was left out:");
    }
    for line in &done.left {
        print::note(&format!("left out: {line}"));
    }
    print::note("next: kubestead up, so that the nodes ask this server");
    Ok(Exit::Done)
}

//! `kubestead recovery`: the identity that opens the recovery keys, split among people.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use kubestead_backend::ssh::Ssh;
use kubestead_core::key::KeyRef;
use kubestead_core::name::Name;
use kubestead_core::secret::Secret;
use kubestead_provision::compose;
use kubestead_provision::file::Cluster;
use kubestead_provision::fleet::Fleet;
use kubestead_secrets::kit::{self, Facts, Share, VolumeRow};
use kubestead_secrets::{Escrow, new_file};
use kubestead_storage::key::recovery_opens;
use serde::Serialize;

use super::session;
use crate::args::{Common, Format};
use crate::exit::{Exit, Failure, fail};
use crate::print;

#[derive(Debug, Subcommand)]
pub(crate) enum Recovery {
    /// Split the key of the recovery keys into shares, and write a page for each, as text and as HTML with a QR code.
    #[command(
        after_help = "Example: kubestead recovery kit --shares 3 --threshold 2 --out kit --backups 'USB stick in the safe, room 2'\n\
        Print the pages, give them to different people, then remove the files: shred -u kit/*"
    )]
    Kit {
        #[command(flatten)]
        common: Common,
        /// How many shares.
        #[arg(long, value_name = "N")]
        shares: u8,
        /// How many of them open everything.
        #[arg(long, value_name = "K")]
        threshold: u8,
        /// The folder for the pages; files that are there are not replaced.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Where copies of secrets/escrow and exports lie, for the pages. May be given several times.
        #[arg(long, value_name = "TEXT")]
        backups: Vec<String>,
        /// The date on the pages; today when not given.
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<String>,
    },
    /// Prove that shares open every recovery key of the escrow. Shows names only.
    #[command(
        after_help = "Example: kubestead recovery verify share-1.txt share-3.txt --nodes\nA share is a file, or - for standard input."
    )]
    Verify {
        #[command(flatten)]
        common: Common,
        /// Files with shares.
        #[arg(required = true)]
        shares: Vec<PathBuf>,
        /// Prove on the nodes too that each recovery key opens its volume.
        #[arg(long)]
        nodes: bool,
    },
    /// Join shares to the identity that opens the recovery keys.
    #[command(after_help = "Example: kubestead recovery open share-1.txt share-3.txt --to identity.txt\n\
        Then: KUBESTEAD_AGE_KEY_FILE=identity.txt kubestead volume recovery kube1 volumes")]
    Open {
        /// Files with shares, or - for standard input.
        #[arg(required = true)]
        shares: Vec<PathBuf>,
        /// The file for the identity, 0600; one that is there is not replaced.
        #[arg(long, value_name = "FILE", required_unless_present = "stdout")]
        to: Option<PathBuf>,
        /// Print it instead.
        #[arg(long, conflicts_with = "to")]
        stdout: bool,
    },
}

pub(crate) async fn run(command: Recovery) -> Result<Exit, Failure> {
    match command {
        Recovery::Kit { common, shares, threshold, out, backups, date } => {
            let date = date.unwrap_or_else(|| jiff::Zoned::now().date().to_string());
            write(&common, (shares, threshold), &out, backups, date)
        }
        Recovery::Verify { common, shares, nodes } => verify(&common, &shares, nodes).await,
        Recovery::Open { shares, to, stdout } => open(&shares, to.as_deref().filter(|_| !stdout)),
    }
}

/// The recovery keys of an escrow, by name.
fn recovery_names(cluster: &Cluster) -> Result<BTreeSet<String>, Failure> {
    Ok(Escrow::names(&cluster.secrets.join("escrow"))?.into_iter().filter(|n| n.starts_with("recovery.")).collect())
}

/// Every secret of the escrow opens with the identity, or the names of those that do not are told.
fn opens_all(cluster: &Cluster, identity: &Secret) -> Result<(Escrow, BTreeSet<String>), Failure> {
    let escrow = Escrow::open_with(&cluster.secrets.join("escrow"), identity)?;
    let names = recovery_names(cluster)?;
    let closed: Vec<&str> = names.iter().filter(|n| !matches!(escrow.get(n), Ok(Some(_)))).map(String::as_str).collect();
    if closed.is_empty() {
        return Ok((escrow, names));
    }
    Err(fail(Exit::Failed, format!("the identity does not open {}", closed.join(", "))))
}

fn write(common: &Common, (total, threshold): (u8, u8), out: &Path, backups: Vec<String>, date: String) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let (identity, recipient) = session::escrow(&cluster)?.identity()?;
    if opens_all(&cluster, &identity)?.1.is_empty() {
        print::note("the escrow has no recovery key yet: `kubestead up` makes them, and these shares will open them");
    }
    let row = |node: &kubestead_provision::file::Node| {
        let volumes = compose::storage(&cluster, &node.name).volumes;
        let row = |v: kubestead_storage::spec::Volume| VolumeRow {
            node: node.name.to_string(),
            address: node.address.clone(),
            device: v.device(),
            mapper: v.mapper(),
            volume: v.name.to_string(),
            path: v.path,
        };
        volumes.into_iter().filter(kubestead_storage::spec::Volume::is_encrypted).map(row).collect::<Vec<_>>()
    };
    let facts =
        Facts { cluster: cluster.name.to_string(), date, recipient, volumes: cluster.nodes.iter().flat_map(row).collect(), backups };
    let shares = kit::split(&identity, &facts.recipient, total, threshold)?;
    let file = |share: &Share, end: &str| out.join(format!("share-{}-of-{total}.{end}", share.number()));
    for share in &shares {
        for (path, page) in [(file(share, "txt"), kit::text(share, &facts)), (file(share, "html"), kit::html(share, &facts)?)] {
            new_file(&path, page.as_bytes()).map_err(|e| fail(Exit::Failed, format!("cannot write {}: {e}", path.display())))?;
        }
    }
    // What was written is what people will have: it is read back as they will type it.
    for end in ["txt", "html"] {
        let paths: Vec<PathBuf> = shares.iter().map(|s| file(s, end)).collect();
        let (back, _) = kit::join(&read(&paths)?)?;
        if back.expose() != identity.expose() {
            return Err(fail(Exit::Failed, "the pages do not give the identity back: do not use them"));
        }
    }
    print::data(&format!("{}: {total} shares, each as text and as HTML; any {threshold} open everything", out.display()));
    print::note(&format!("print them, give them to different people, then: shred -u {}/share-*", out.display()));
    Ok(Exit::Done)
}

/// The shares of files; `-` is standard input. They are never arguments.
fn read(paths: &[PathBuf]) -> Result<Vec<Share>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let (name, bytes) = if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes)?;
            ("standard input".to_owned(), bytes)
        } else {
            let hint = "a share is read from a file: it is no argument";
            let bytes = std::fs::read(path).map_err(|e| fail(Exit::Usage, format!("cannot read {}: {e}", path.display())).hint(hint))?;
            (path.display().to_string(), bytes)
        };
        let secret = Secret::new(bytes);
        let text = std::str::from_utf8(secret.expose()).map_err(|_| fail(Exit::Usage, format!("{name} is no text")))?;
        found.extend(Share::read(&name, text)?);
    }
    Ok(found)
}

/// What one recovery key opens.
#[derive(Serialize)]
struct Row {
    key: String,
    opens: bool,
    found: String,
}

async fn verify(common: &Common, shares: &[PathBuf], nodes: bool) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let (identity, recipient) = kit::join(&read(shares)?)?;
    let (escrow, names) = opens_all(&cluster, &identity)?;
    if !escrow.recipients().contains(&recipient) {
        return Err(fail(
            Exit::Failed,
            format!("{recipient} is no recipient any more: keys that are made from now on would stay closed to these shares"),
        ));
    }
    let mut rows: Vec<Row> = names.iter().map(|n| Row { key: n.clone(), opens: true, found: "opens with the shares".into() }).collect();
    let mut exit = Exit::Done;
    if nodes {
        (rows, exit) = on_nodes(&cluster, &escrow, &names).await;
    }
    match common.output {
        Format::Json => print::json(&rows)?,
        Format::Text => {
            for row in &rows {
                print::data(&format!("{:<6} {}: {}", if row.opens { "good" } else { "WRONG" }, row.key, row.found));
            }
            print::data(&format!("the shares give the identity of {recipient}: {} recovery keys open", names.len()));
        }
    }
    Ok(exit)
}

/// Each volume of the file on its node, its recovery key on standard input.
async fn on_nodes(cluster: &Cluster, escrow: &Escrow, names: &BTreeSet<String>) -> (Vec<Row>, Exit) {
    let wanted: BTreeSet<&Name> =
        cluster.nodes.iter().map(|n| &n.name).filter(|n| cluster.volumes_of(n).any(|v| v.is_encrypted())).collect();
    let logins = cluster.logins().into_iter().filter(|(name, _)| wanted.contains(name));
    let fleet = Fleet::over(logins, Arc::<Ssh>::default());
    fleet.connect().await;
    let hosts = fleet.hosts();
    let (mut rows, mut exit) = (Vec::new(), Exit::Done);
    for node in wanted {
        for volume in compose::storage(cluster, node).volumes.into_iter().filter(kubestead_storage::spec::Volume::is_encrypted) {
            let key = KeyRef::recovery(node.as_str(), volume.name.as_str()).0;
            let value = escrow.get(&key).ok().flatten().filter(|_| names.contains(&key));
            let (opens, found) = match (hosts.get(node.as_str()), value) {
                (_, None) => (false, "it is not in the escrow".to_owned()),
                (None, _) => (false, fleet.failed().get(node).map_or_else(|| "not connected".to_owned(), ToString::to_string)),
                (Some(host), Some(value)) => match host.run(&recovery_opens(&volume, value)).await {
                    Ok(output) => told(output.status, &volume.device()),
                    Err(error) => (false, error.to_string()),
                },
            };
            let seen = hosts.contains_key(node.as_str());
            if !opens && (seen || exit == Exit::Done) {
                exit = if seen { Exit::Failed } else { Exit::Unreachable };
            }
            rows.push(Row { key, opens, found });
        }
    }
    (rows, exit)
}

fn told(status: i32, device: &str) -> (bool, String) {
    match status {
        0 => (true, format!("opens slot 7 of {device}")),
        1 => (false, format!("{device} has no slot 7")),
        2 => (false, format!("it does not open slot 7 of {device}")),
        4 => (false, format!("{device} is not there")),
        other => (false, format!("cryptsetup ended with status {other}")),
    }
}

fn open(shares: &[PathBuf], to: Option<&Path>) -> Result<Exit, Failure> {
    let (identity, recipient) = kit::join(&read(shares)?)?;
    let text = Secret::new([identity.expose(), b"\n"].concat());
    match to {
        Some(path) => {
            new_file(path, text.expose()).map_err(|e| fail(Exit::Failed, format!("cannot write {}: {e}", path.display())))?;
            print::note(&format!("{}: the identity of {recipient}; afterwards: shred -u {}", path.display(), path.display()));
        }
        None => print::bytes().all(text.expose())?,
    }
    Ok(Exit::Done)
}

//! `kubestead bundle`.

use std::path::PathBuf;

use clap::Subcommand;
use kubestead_provision::releases::{self, Fetched, Progress};

use crate::exit::{Exit, Failure, fail};
use crate::print;

#[derive(Debug, Subcommand)]
pub(crate) enum Bundle {
    /// Download official releases into a bundle, compared with the sums of a lock file of yours.
    #[command(
        after_help = "Example: kubestead bundle fetch --lock releases.json --to bundle\nStopped? Run it again: it goes on where it was. docs/bundle.md has the lock file."
    )]
    Fetch {
        /// What to download, and the sha256 of each download.
        #[arg(long, value_name = "FILE")]
        lock: PathBuf,
        /// The bundle's folder; it must not be there yet.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Another server that has the same files, in a folder for each host: URL/dl.k8s.io/release/...
        #[arg(long, value_name = "URL")]
        mirror: Option<String>,
    },
    /// Compare every file of a bundle with its sum.
    #[command(after_help = "Example: kubestead bundle check bundle")]
    Check {
        /// The bundle's folder.
        dir: PathBuf,
    },
}

pub(crate) async fn run(command: Bundle) -> Result<Exit, Failure> {
    match command {
        Bundle::Fetch { lock, to, mirror } => {
            let mut show = |progress: Progress| match progress {
                Progress::Started(url, number, of) => print::note(&format!("{number}/{of} {url}")),
                Progress::Bytes(url, bytes) => print::note(&format!("    {} MB of {url}", bytes / 1_000_000)),
                Progress::Checked(url, bytes) => print::note(&format!("    {bytes} bytes, and the sha256 of the lock file: {url}")),
            };
            let fetched = tokio::select! {
                fetched = releases::fetch(&lock, &to, mirror.as_deref(), &mut show) => fetched?,
                pressed = tokio::signal::ctrl_c() => {
                    pressed?;
                    return Err(fail(Exit::Failed, "stopped; run it again, and it goes on where it was"));
                }
            };
            match fetched {
                Fetched::Made(bundle) => print::note(&format!("{} files of Kubernetes {}", bundle.files.len(), bundle.kubernetes)),
                Fetched::Already(_) => print::note("nothing to do: every file is there and has its sum"),
            }
            print::data(&to.display().to_string());
        }
        Bundle::Check { dir } => {
            let bundle = releases::verify(&dir)?;
            print::note(&format!("{} files of Kubernetes {}, {}: each has its sum", bundle.files.len(), bundle.kubernetes, bundle.source));
        }
    }
    Ok(Exit::Done)
}

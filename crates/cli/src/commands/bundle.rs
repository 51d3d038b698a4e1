//! `kubestead bundle`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use kubestead_provision::bundle;
use kubestead_provision::releases::{self, Fetched, Lock, Packed, Pinned, Progress, TrustRoot, Wish};

use super::check;
use crate::exit::{Exit, Failure, fail};
use crate::print;

#[derive(Debug, Subcommand)]
pub(crate) enum Bundle {
    /// Write the lock file from the official places: the sums that the projects publish, the digests that registries give for images.
    ///
    /// All is asked over TLS, and nothing is downloaded but sums, digests, signatures and kubeadm's constants. Look at the file, and keep it in your repository: what
    /// `bundle fetch` downloads is compared with it, whatever a server says later. A proxy is taken from https_proxy and no_proxy, an authority of your
    /// own from SSL_CERT_FILE.
    #[command(
        after_help = "Example: kubestead bundle lock --kubernetes 1.37.1 --services cluster.yaml\nRun again, it changes nothing as long as the official places say the same. docs/bundle.md has the lock file."
    )]
    Lock {
        /// The version of Kubernetes. etcd, CoreDNS and pause are those that its kubeadm asks for.
        #[arg(long, value_name = "VERSION")]
        kubernetes: String,
        /// What the machines are; once for each, if the cluster has several.
        #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Arch::Amd64])]
        arch: Vec<Arch>,
        /// The lock file.
        #[arg(long, value_name = "FILE", default_value = "releases.json")]
        out: PathBuf,
        /// Also write over a lock file with other content.
        #[arg(long)]
        replace: bool,
        /// The version of containerd.
        #[arg(long, value_name = "VERSION", default_value = releases::CONTAINERD)]
        containerd: String,
        /// The version of runc.
        #[arg(long, value_name = "VERSION", default_value = releases::RUNC)]
        runc: String,
        /// The version of the CNI plugins.
        #[arg(long, value_name = "VERSION", default_value = releases::CNI)]
        cni_plugins: String,
        /// A cluster file: the images that its services run are in the bundle too, kubestead's own and yours. Of one with `@sha256:` its digest counts.
        #[arg(long, value_name = "CLUSTER-FILE")]
        services: Option<PathBuf>,
        /// One more image, NAME:TAG or NAME:TAG@sha256:DIGEST. May be given several times.
        #[arg(long, value_name = "IMAGE")]
        image: Vec<String>,
        /// A domain that the official places may redirect to, beside those that they are known to serve from.
        #[arg(long, value_name = "DOMAIN")]
        redirect_to: Vec<String>,
        /// What is made of the signatures of what Kubernetes publishes.
        #[arg(long, value_enum, default_value_t = Signatures::Check)]
        signatures: Signatures,
        /// The authorities and logs that signatures are believed by, as `cosign trusted-root create` writes them; without it Sigstore's public ones.
        #[arg(long, value_name = "FILE")]
        trust_root: Option<PathBuf>,
    },
    /// Download official releases and images into a bundle, compared with the digests of a lock file.
    #[command(
        after_help = "Example: kubestead bundle fetch --lock releases.json --to bundle\nStopped? Run it again: it goes on where it was. docs/bundle.md has the lock file."
    )]
    Fetch {
        /// What to download, and the sha256 of each download: `bundle lock` writes it.
        #[arg(long, value_name = "FILE")]
        lock: PathBuf,
        /// The bundle's folder; it must not be there yet.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Another server that has the same files, in a folder for each host: URL/dl.k8s.io/release/...
        #[arg(long, value_name = "URL")]
        mirror: Option<String>,
    },
    /// Write a bundle as one file, to be carried.
    #[command(
        after_help = "Example: kubestead bundle pack bundle --to bundle.tar.zst\nThe same bundle makes the same bytes. It needs tar and zstd."
    )]
    Pack {
        /// The bundle's folder.
        dir: PathBuf,
        /// The file; it must not be there yet.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Make a bundle's folder of such a file, and compare every file with its sum.
    #[command(after_help = "Example: kubestead bundle unpack bundle.tar.zst --to bundle")]
    Unpack {
        /// The file.
        file: PathBuf,
        /// The bundle's folder; it must not be there yet.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Compare every file of a bundle with its sum.
    #[command(after_help = "Example: kubestead bundle check bundle")]
    Check {
        /// The bundle's folder.
        dir: PathBuf,
    },
}

/// What machines are.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Arch {
    /// x86-64.
    Amd64,
    Arm64,
}

impl From<Arch> for releases::Arch {
    fn from(arch: Arch) -> Self {
        match arch {
            Arch::Amd64 => Self::Amd64,
            Arch::Arm64 => Self::Arm64,
        }
    }
}

/// What is made of signatures.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Signatures {
    /// A wrong one is refused; where none is, or nothing can be said of it, that is told.
    Check,
    /// Without a good one nothing is written.
    Require,
    /// They are not looked at.
    Skip,
}

impl Signatures {
    fn with(self, file: Option<&Path>) -> Result<releases::Signatures, Failure> {
        let root = || match file {
            None => TrustRoot::sigstore().map_err(|cause| fail(Exit::Failed, format!("kubestead's own trust root: {cause}"))),
            Some(file) => {
                let wrong = |cause: String| fail(Exit::Usage, format!("the trust root {}: {cause}", file.display()));
                let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
                TrustRoot::parse(&text).map_err(|cause| wrong(format!("{cause}; `cosign trusted-root create` writes one")))
            }
        };
        Ok(match self {
            Self::Check => releases::Signatures::Check(root()?),
            Self::Require => releases::Signatures::Require(root()?),
            Self::Skip => releases::Signatures::Skip,
        })
    }
}

/// A file that is not what it should be ends the command as a bad file does.
fn failed(error: releases::Error) -> Failure {
    let exit = match &error {
        releases::Error::Lock { .. } | releases::Error::Bundle(bundle::Error::Format { .. }) => Exit::Usage,
        _ => Exit::Failed,
    };
    Failure { exit, ..Failure::from(error) }
}

/// How many there are in it, and how many of them were seen to be signed.
fn summary(lock: &Lock) -> String {
    let (downloads, images) = (lock.downloads.len(), lock.images.len());
    let signed = lock.downloads.iter().map(|d| &d.signed_by).chain(lock.images.iter().map(|i| &i.signed_by)).flatten().count();
    format!("{downloads} downloads and {images} images are pinned, {signed} of them by signature too")
}

pub(crate) async fn run(command: Bundle) -> Result<Exit, Failure> {
    match command {
        Bundle::Lock {
            kubernetes,
            arch,
            out,
            replace,
            containerd,
            runc,
            cni_plugins,
            services,
            image,
            redirect_to,
            signatures,
            trust_root,
        } => {
            let mut images: BTreeSet<String> = image.into_iter().collect();
            if let Some(file) = services {
                let (run, version) = check::images(&file)?;
                if let Some(version) = version.filter(|version| *version != kubernetes) {
                    let why = format!("{} is about Kubernetes {version}, and the bundle would be of {kubernetes}", file.display());
                    return Err(fail(Exit::Usage, why).hint("let both say the same: charts are made for a version"));
                }
                images.extend(run);
            }
            let wish = Wish {
                kubernetes,
                arch: arch.into_iter().map(Into::into).collect(),
                containerd,
                runc,
                cni: cni_plugins,
                images,
                redirects: redirect_to,
                signatures: signatures.with(trust_root.as_deref())?,
            };
            let mut show = |address: &str| print::note(address);
            let (lock, pinned) = tokio::select! {
                pinned = releases::pin(&wish, &out, None, replace, &mut show) => pinned.map_err(failed)?,
                pressed = tokio::signal::ctrl_c() => {
                    pressed?;
                    return Err(fail(Exit::Failed, "stopped; nothing was written"));
                }
            };
            match pinned {
                Pinned::Written => print::note(&summary(&lock)),
                Pinned::Already => print::note("nothing to do: the official places say the same"),
            }
            print::data(&out.display().to_string());
        }
        Bundle::Fetch { lock, to, mirror } => {
            let mut show = |progress: Progress| match progress {
                Progress::Started(url, number, of) => print::note(&format!("{number}/{of} {url}")),
                Progress::Bytes(url, bytes) => print::note(&format!("    {} MB of {url}", bytes / 1_000_000)),
                Progress::Checked(url, bytes) => print::note(&format!("    {bytes} bytes, as the lock file says: {url}")),
            };
            let fetched = tokio::select! {
                fetched = releases::fetch(&lock, &to, mirror.as_deref(), &mut show) => fetched.map_err(failed)?,
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
        Bundle::Pack { dir, to } => {
            told(&releases::pack(&dir, &to).await.map_err(failed)?, "it is there, and is this bundle");
            print::data(&to.display().to_string());
        }
        Bundle::Unpack { file, to } => {
            told(&releases::unpack(&file, &to).await.map_err(failed)?, "the bundle is there, and every file has its sum");
            print::data(&to.display().to_string());
        }
        Bundle::Check { dir } => {
            let bundle = releases::verify(&dir).map_err(failed)?;
            print::note(&format!("{} files of Kubernetes {}, {}: each has its sum", bundle.files.len(), bundle.kubernetes, bundle.source));
        }
    }
    Ok(Exit::Done)
}

fn told((bundle, done): &(kubestead_provision::bundle::Bundle, Packed), already: &str) {
    match done {
        Packed::Made => print::note(&format!("{} files of Kubernetes {}: each has its sum", bundle.files.len(), bundle.kubernetes)),
        Packed::Already => print::note(&format!("nothing to do: {already}")),
    }
}

//! `kubestead init`.

use std::io::IsTerminal as _;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use kubestead_backend::ssh::Ssh;
use kubestead_core::diagnostic::Diagnostic;
use kubestead_core::name::Name;
use kubestead_core::transport::Login;
use kubestead_provision::file;
use kubestead_provision::survey::{self, Note, Proposal, Seen, Software, Wanted};
use kubestead_secrets::{Escrow, new_file};
use kubestead_storage::ways::Way;

use super::address::{self, Typed};
use crate::excerpt::Source;
use crate::exit::{Exit, Failure, fail};
use crate::folders;
use crate::print::{self, Shown};
use crate::progress::Progress;

/// What may be typed.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools)] // each is a switch
pub(crate) struct Args {
    /// The machines, in the order of the file: addresses or names, ADDRESS:PORT where sshd has another port.
    #[arg(value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// The cluster's name.
    #[arg(long, default_value = "home")]
    name: String,
    /// The folder to write into.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// A machine beside them for half of each volume's key.
    #[arg(long, value_name = "ADDRESS")]
    key_server: Option<String>,
    /// How volumes are unlocked at boot: `ssh`, from the key server, or `recovery`, by hand with `kubestead volume unlock`.
    #[arg(long, value_name = "WAY", value_parser = way)]
    unlock: Option<Way>,
    /// How many of the machines are control planes, the first ones: an odd number; 1 when left out.
    #[arg(long, value_name = "N")]
    control_planes: Option<usize>,
    /// Log in as; the ssh configuration decides when left out.
    #[arg(long)]
    user: Option<String>,
    /// Another ssh configuration than ~/.ssh/config. The file names it.
    #[arg(long, value_name = "FILE")]
    ssh_config: Option<PathBuf>,
    /// A bundle with all the software (docs/bundle.md); the official repositories when left out.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// No Kubernetes: machines and volumes alone.
    #[arg(long, conflicts_with = "bundle")]
    no_kubernetes: bool,
    /// No encrypted volumes.
    #[arg(long, conflicts_with_all = ["key_server", "unlock"])]
    no_volumes: bool,
    /// Ask nothing: take what is not said as it is by default. Without a key server volumes are unlocked by hand then.
    #[arg(long)]
    yes: bool,
}

impl Args {
    /// An option that has a meaning only for machines, and was given.
    fn of_machines(&self) -> Option<&'static str> {
        let given = [
            ("--key-server", self.key_server.is_some()),
            ("--unlock", self.unlock.is_some()),
            ("--control-planes", self.control_planes.is_some()),
            ("--user", self.user.is_some()),
            ("--ssh-config", self.ssh_config.is_some()),
            ("--bundle", self.bundle.is_some()),
            ("--no-kubernetes", self.no_kubernetes),
            ("--no-volumes", self.no_volumes),
        ];
        given.into_iter().find_map(|(option, given)| given.then_some(option))
    }
}

/// A way by its word.
fn way(text: &str) -> Result<Way, String> {
    Way::from_name(text).ok_or_else(|| format!("known are {}", Way::ALL.map(Way::as_str).join(", ")))
}

/// The operator's age identity: `KUBESTEAD_AGE_KEY_FILE`, else where sops looks for it.
pub(crate) fn identity() -> Result<PathBuf, Failure> {
    match ["KUBESTEAD_AGE_KEY_FILE", "SOPS_AGE_KEY_FILE"].into_iter().find_map(std::env::var_os) {
        Some(named) => Ok(named.into()),
        None => Ok(folders::config("KUBESTEAD_AGE_KEY_FILE to the file of your age key")?.join("sops/age/keys.txt")),
    }
}

pub(crate) async fn run(args: &Args) -> Result<Exit, Failure> {
    let name = Name::new(&args.name).map_err(|e| fail(Exit::Usage, e.to_string()))?;
    let path = args.dir.join("cluster.yaml");
    let there = std::fs::symlink_metadata(&path).is_ok();
    let identity = identity()?;
    if args.addresses.is_empty() {
        if let Some(option) = args.of_machines() {
            return Err(fail(Exit::Usage, format!("{option} is for machines that are looked at: name their addresses too")));
        }
        if there {
            print::note(&format!("{} is there and stays as it is", path.display()));
            keys(&args.dir, &identity)?;
        } else {
            keys(&args.dir, &identity)?;
            write(&path, &survey::example(&name))?;
        }
        print::note(&format!("next: fill in what says CHANGE-ME in {0}, then kubestead check -f {0}", path.display()));
        return Ok(Exit::Done);
    }
    if there {
        let failure = fail(Exit::Usage, format!("{} is there, and stays as it is: no machine was looked at", path.display()));
        return Err(failure.hint("name another folder (--dir), or move the file away"));
    }
    let proposal = propose(args, &name).await?;
    let found = checked(&path, &args.dir, &proposal)?;
    // Whatever keeps the key from being made is told while this can be run again.
    keys(&args.dir, &identity)?;
    write(&path, &proposal.text)?;
    for note in &proposal.notes {
        print::note(&format!("note: {note}"));
    }
    tell(&path, &proposal.text, &found);
    if proposal.text.contains("\n  unlock: [recovery]\n") {
        print::note(&format!("note: {BY_HAND}"));
    }
    print::note(&format!("next: read {0}, then kubestead check -f {0}, and kubestead plan -f {0}", path.display()));
    Ok(Exit::Done)
}

/// Looks at the machines, and makes a file of what they say.
async fn propose(args: &Args, name: &Name) -> Result<Proposal, Failure> {
    let machines = args.addresses.len();
    let control_planes = args.control_planes.unwrap_or(1);
    if control_planes.is_multiple_of(2) || control_planes > machines {
        let message = format!("--control-planes {control_planes}: write an odd number, at most that of the machines, {machines}");
        return Err(fail(Exit::Usage, message)
            .hint("etcd needs more than half of them: two bear no more losses than one, and four no more than three"));
    }
    let asks = !args.yes && std::io::stdin().is_terminal();
    let server = match (&args.key_server, args.unlock) {
        (Some(_), Some(Way::Recovery)) => {
            let failure = fail(Exit::Usage, "--unlock recovery is without a key server, and --key-server names one");
            return Err(failure.hint("leave one of them out; in the file, `unlock: [recovery]` says it for one volume"));
        }
        (Some(server), _) => Some(server.clone()),
        (None, _) if args.no_volumes => None,
        (None, None | Some(Way::Ssh)) if asks => ask("address of the key server, a machine that is none of these (Enter for none):"),
        (None, _) => None,
    };
    if server.is_none() && !args.no_volumes && !by_hand(args, asks) {
        let failure = fail(Exit::Usage, "volumes are encrypted, and half of each key lies on another machine: no key server is named");
        return Err(failure.hint(
            "give --key-server ADDRESS (a small machine does), or --unlock recovery to unlock them by hand after each boot, or --no-volumes for a \
             cluster on plain disks",
        ));
    }
    let config = args.ssh_config.as_ref().map(std::path::absolute).transpose()?;
    let mut logins = Vec::new();
    let mut places = Vec::new();
    for text in args.addresses.iter().chain(&server) {
        let (typed, ip) = place(text, !args.no_kubernetes)?;
        logins.push(Login {
            name: text.clone(),
            destination: ip.to_string(),
            user: args.user.clone(),
            port: typed.port,
            config: config.clone(),
        });
        places.push((text.clone(), ip.to_string(), typed.port));
    }
    let mut seen = look(&logins, places).await?;
    let server = if server.is_some() { seen.pop() } else { None };
    let wanted = Wanted {
        name: name.clone(),
        control_planes,
        software: match &args.bundle {
            Some(bundle) => Software::Bundle(std::path::absolute(bundle)?),
            None if args.no_kubernetes => Software::None,
            None => Software::Official,
        },
        volumes: !args.no_volumes,
        user: args.user.clone(),
        config,
    };
    survey::propose(&wanted, &seen, server.as_ref()).map_err(|notes| refuse(&notes))
}

/// Whether volumes are unlocked by hand where no key server is: asked for, or the default of who wants no question.
fn by_hand(args: &Args, asks: bool) -> bool {
    match args.unlock {
        Some(way) => way == Way::Recovery,
        None if args.yes => true,
        None if asks => {
            let answer = ask(&format!("{BY_HAND} Is that what you want? (yes, or Enter for no):"));
            answer.is_some_and(|answer| ["y", "yes"].contains(&answer.to_ascii_lowercase().as_str()))
        }
        None => false,
    }
}

/// What it means to have no key server.
const BY_HAND: &str = "without a key server no machine unlocks its volumes by itself: after each boot, also one after a power cut, etcd, containerd and \
                       the kubelet wait until somebody who has the age key types `kubestead volume unlock NODE`.";

/// An answer that is not empty.
fn ask(question: &str) -> Option<String> {
    print::ask(question);
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).ok()?;
    Some(line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// The address that a machine has in the file: it is looked at by that, as `plan` does.
fn place(text: &str, kubernetes: bool) -> Result<(Typed, IpAddr), Failure> {
    let typed = address::parse(text)?;
    if let Ok(ip) = typed.host.parse() {
        return Ok((typed, ip));
    }
    let unknown = |why: String| fail(Exit::Usage, format!("{text}: {why}")).hint("write its address: the cluster file has addresses");
    if typed.host.contains('@') {
        return Err(unknown("a login is said by --user".to_owned()));
    }
    let all = (typed.host.as_str(), 22).to_socket_addrs().map_err(|e| unknown(format!("its address is not known: {e}")))?;
    let ips: Vec<IpAddr> = all.map(|at| at.ip()).collect();
    let ip = ips.iter().find(|ip| ip.is_ipv4()).or_else(|| ips.first().filter(|_| !kubernetes)).copied();
    let ip = ip.ok_or_else(|| unknown("it has no IPv4 address, which Kubernetes needs here".to_owned()))?;
    print::note(&format!("{text} is {ip}"));
    Ok((typed, ip))
}

async fn look(logins: &[Login], places: Vec<(String, String, Option<u16>)>) -> Result<Vec<Seen>, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nonce = format!("{:x}{:x}", since.as_nanos(), std::process::id());
    let looked = survey::look(logins, Arc::<Ssh>::default(), &nonce, &Progress::new(None)).await;
    let mut seen = Vec::new();
    let mut unseen = 0;
    for ((typed, address, port), found) in places.into_iter().zip(looked) {
        match found {
            Ok(found) => seen.push(Seen { typed, address, port, found }),
            Err(gap) => {
                unseen += 1;
                print::note(&format!("{typed}: not seen: {gap}"));
            }
        }
    }
    if unseen > 0 {
        let failure = fail(Exit::Unreachable, format!("{unseen} of {} machines were not seen; nothing is written", logins.len()));
        return Err(failure.hint("an unknown host key: kubestead trust ADDRESS...; a refused login: --user, or your ssh configuration"));
    }
    Ok(seen)
}

/// What speaks against machines, as a failure.
fn refuse(notes: &[Note]) -> Failure {
    for note in notes {
        print::note(&format!("{}{note}", if note.refuses { "" } else { "note: " }));
    }
    let count = notes.iter().filter(|note| note.refuses).count();
    fail(Exit::Held, format!("no cluster is made of these machines as they are: {count} of the above; nothing is written"))
}

/// The warnings of the file, which has no mistakes: those would be told here, and nothing written.
fn checked(path: &Path, dir: &Path, proposal: &Proposal) -> Result<Vec<Diagnostic>, Failure> {
    match file::load(&path.display().to_string(), &proposal.text, &std::path::absolute(dir)?) {
        Ok(cluster) => Ok(cluster.warnings),
        Err(found) => {
            tell(path, &proposal.text, &found);
            Err(fail(Exit::Usage, "a cluster file of these machines would have the mistakes above; nothing is written")
                .hint("name other addresses or a name by --name"))
        }
    }
}

fn tell(path: &Path, text: &str, found: &[Diagnostic]) {
    let name = path.display().to_string();
    let source = Source::new(&name, text, print::note_width());
    for finding in found {
        print::note(&Shown::finding(finding, Some(&source)));
    }
}

/// Writes a new file; one that came there meanwhile stays.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    new_file(path, text.as_bytes()).map_err(|e| fail(Exit::Failed, format!("{}: {e}", path.display())))?;
    print::data(&format!("wrote {}", path.display()));
    Ok(())
}

/// The key of the recovery keys, and the folder for them.
fn keys(dir: &Path, identity: &Path) -> Result<(), Failure> {
    let escrow = dir.join("secrets/escrow");
    if escrow.join("recipients").exists() {
        print::note(&format!("{} is there and stays as it is", escrow.display()));
        return Ok(());
    }
    Escrow::init(&escrow, identity)?;
    print::data(&format!("wrote {}: recovery keys are encrypted to {}", escrow.join("recipients").display(), identity.display()));
    print::note(&format!("keep a copy of {} off this computer: it opens the recovery keys", identity.display()));
    Ok(())
}

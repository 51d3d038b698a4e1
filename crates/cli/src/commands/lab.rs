//! `kubestead lab`.

use std::process::Stdio;

use clap::ValueEnum as _;
use kubestead_lab::build::{self, Artifacts, Progress};
use kubestead_lab::{Backend, Lab, Parts, Release};
use tokio::signal::unix::{SignalKind, signal};

use crate::args;
use crate::exit::{Exit, Failure, fail};
use crate::print;

pub(crate) async fn run(command: args::Lab) -> Result<Exit, Failure> {
    match command {
        args::Lab::Build { backend, debian, internet } => tokio::select! {
            built = build(Parts { backend: backend.map_or_else(usual, |one| Ok(chosen(one)))?, debian: [release(debian)].into(), internet }) => print::data(&built?.bundle().display().to_string()),
            name = stopped() => return Err(fail(Exit::Failed, format!("stopped by {}; what is whole is kept", name?))),
        },
        args::Lab::Up { lab, backend } => {
            let lab = Lab::named(&lab.lab);
            let asked = match (backend, lab.backend()?) {
                (Some(asked), _) => Some(chosen(asked)),
                (None, Some(_)) => None,
                (None, None) => Some(usual()?),
            };
            up(&lab, asked).await?;
        }
        args::Lab::Status(name) => return status(&Lab::named(&name.lab)).await,
        args::Lab::Ssh { lab, machine, command } => return ssh(&Lab::named(&lab.lab), &machine, &command).await,
        args::Lab::Reboot { lab, machine } => Lab::named(&lab.lab).reboot(&machine).await?,
        args::Lab::Kill { lab, machine } => Lab::named(&lab.lab).kill(&machine).await?,
        args::Lab::Start { lab, machine } => Lab::named(&lab.lab).start(&machine).await?,
        args::Lab::Down { lab, wipe } => Lab::named(&lab.lab).down(wipe).await?,
        args::Lab::Save { lab, name } => {
            let saved = Lab::named(&lab.lab).save(&name.parse()?).await?;
            print::note(&format!("saved {name}: {} on the disk", mebibytes(saved.bytes)));
        }
        args::Lab::Restore { lab, name, replace } => {
            Lab::named(&lab.lab).restore(&name.parse()?, replace).await?;
            print::note(&format!("restored {name}: start it with `kubestead lab up`"));
        }
        args::Lab::Snapshots { lab, remove: Some(name) } => Lab::named(&lab.lab).remove_snapshot(&name.parse()?)?,
        args::Lab::Snapshots { lab, remove: None } => return snapshots(&Lab::named(&lab.lab)),
        args::Lab::Serve { dir } => kubestead_lab::serve(&dir).await?,
    }
    Ok(Exit::Done)
}

fn chosen(backend: args::Backend) -> Backend {
    match backend {
        args::Backend::Uml => Backend::Uml,
        args::Backend::Qemu => Backend::Qemu,
        args::Backend::QemuTcg => Backend::QemuTcg,
    }
}

/// What a lab runs on of which nothing says it.
fn usual() -> Result<Backend, Failure> {
    if let Some(said) = std::env::var_os("KUBESTEAD_LAB_BACKEND") {
        let said = said.to_string_lossy();
        let known = args::Backend::from_str(&said, false).map(chosen);
        return known.map_err(|_| fail(Exit::Usage, format!("KUBESTEAD_LAB_BACKEND={said}: write uml, qemu or qemu-tcg")));
    }
    let (backend, why) = kubestead_lab::usual();
    match why {
        Some(why) => print::note(&format!("the machines run on User Mode Linux: {why}")),
        None => print::note("the machines run on QEMU, as KVM works here"),
    }
    Ok(backend)
}

fn release(release: args::Release) -> Release {
    match release {
        args::Release::Bookworm => Release::Bookworm,
        args::Release::Trixie => Release::Trixie,
    }
}

/// Answers when somebody asks this program to end: Ctrl-C, a closed terminal, kill.
async fn stopped() -> std::io::Result<&'static str> {
    let (mut ask, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.map(|()| "Ctrl-C"),
        _ = ask.recv() => Ok("SIGTERM"),
        _ = hang_up.recv() => Ok("SIGHUP"),
    }
}

async fn build(parts: Parts) -> Result<Artifacts, Failure> {
    kubestead_lab::requirements(&parts)?;
    let mut show = |progress: Progress| match progress {
        Progress::Cached(_) => {}
        Progress::Started(name) => print::note(&format!("making {name}")),
        Progress::Running(name, seconds) => print::note(&format!("making {name}: {} min so far", seconds / 60)),
        Progress::Finished(name, seconds) => print::note(&format!("built {name} in {seconds} s")),
        Progress::Downloaded(name, seconds) => print::note(&format!("downloaded the release of {name} in {seconds} s")),
    };
    Ok(build::build(&parts, &mut show).await?)
}

async fn up(lab: &Lab, asked: Option<Backend>) -> Result<(), Failure> {
    let spec = lab.spec(asked)?;
    if let Some(advice) = kubestead_lab::advice(&spec.parts()) {
        print::note(&advice);
    }
    let ran = lab.runs();
    let work = async {
        let artifacts = build(spec.parts()).await?;
        let mut show = |machine: &str, seconds: u64| print::note(&format!("{machine} answers after {seconds} s"));
        lab.up(&spec, &artifacts, &mut show).await.map_err(Failure::from)
    };
    tokio::select! {
        done = work => done?,
        name = stopped() => {
            // One that ran, or that another `lab up` has brought to its end meanwhile, goes on.
            let left = if ran || !lab.ended().await? { "the machines that ran go on" } else { "no machine was left running" };
            return Err(fail(Exit::Failed, format!("stopped by {}; {left}", name?)));
        }
    }
    print::note(&format!("the machines answer: ssh -F {} NAME", lab.ssh_config().display()));
    print::data(&lab.ssh_config().display().to_string());
    Ok(())
}

async fn status(lab: &Lab) -> Result<Exit, Failure> {
    let machines = lab.status().await?;
    for machine in &machines {
        let state = machine.pid.map_or_else(|| "off".to_owned(), |pid| format!("runs as process {pid}"));
        print::data(&format!("{:<12} {:<12} {state}", machine.name, machine.address));
    }
    Ok(if machines.iter().all(|m| m.pid.is_some()) { Exit::Done } else { Exit::Failed })
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

fn snapshots(lab: &Lab) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for (name, found) in lab.snapshots()? {
        let text = match found {
            Ok(found) => {
                let saved = i64::try_from(found.saved).ok().and_then(|saved| jiff::Timestamp::from_second(saved).ok());
                let saved = saved.map_or_else(|| "at no known time".to_owned(), |saved| saved.to_string());
                format!("{saved}  {:>10}  {}", mebibytes(found.bytes), found.backend.name())
            }
            Err(error) => {
                exit = Exit::Failed;
                format!("cannot be restored: {error}")
            }
        };
        print::data(&format!("{name:<24} {text}"));
    }
    Ok(exit)
}

async fn ssh(lab: &Lab, machine: &str, command: &[String]) -> Result<Exit, Failure> {
    let mut ssh = tokio::process::Command::new("ssh");
    ssh.arg("-F").arg(lab.ssh_config()).arg(machine).args(command).stdin(Stdio::inherit());
    let status = ssh.status().await?;
    if status.success() { Ok(Exit::Done) } else { Err(fail(Exit::Failed, format!("{machine}: {status}"))) }
}

//! `kubestead lab`.

use std::process::Stdio;

use kubestead_lab::build::{self, Artifacts, Progress};
use kubestead_lab::{Lab, LabSpec};

use crate::args;
use crate::exit::{Exit, Failure, fail};
use crate::print;

pub(crate) async fn run(command: args::Lab) -> Result<Exit, Failure> {
    match command {
        args::Lab::Build => {
            let artifacts = build().await?;
            print::data(&artifacts.bundle().display().to_string());
        }
        args::Lab::Up(name) => up(&Lab::named(&name.lab)).await?,
        args::Lab::Status(name) => return status(&Lab::named(&name.lab)).await,
        args::Lab::Ssh { lab, machine, command } => return ssh(&Lab::named(&lab.lab), &machine, &command).await,
        args::Lab::Reboot { lab, machine } => Lab::named(&lab.lab).reboot(&machine).await?,
        args::Lab::Kill { lab, machine } => Lab::named(&lab.lab).kill(&machine).await?,
        args::Lab::Start { lab, machine } => Lab::named(&lab.lab).start(&machine).await?,
        args::Lab::Down { lab, wipe } => Lab::named(&lab.lab).down(wipe).await?,
        args::Lab::Serve { dir } => kubestead_lab::serve(&dir).await?,
    }
    Ok(Exit::Done)
}

async fn build() -> Result<Artifacts, Failure> {
    kubestead_lab::requirements()?;
    let mut show = |progress: Progress| match progress {
        Progress::Cached(_) => {}
        Progress::Started(name) => print::note(&format!("building {name}")),
        Progress::Finished(name, seconds) => print::note(&format!("built {name} in {seconds} s")),
    };
    Ok(build::build(&mut show).await?)
}

async fn up(lab: &Lab) -> Result<(), Failure> {
    let artifacts = build().await?;
    let spec = LabSpec::default();
    let up = lab.up(&spec, &artifacts);
    tokio::select! {
        done = up => done?,
        _ = tokio::signal::ctrl_c() => {
            lab.down(false).await?;
            return Err(fail(Exit::Failed, "stopped; no machine was left running"));
        }
    }
    print::note(&format!("the machines answer: ssh -F {} kube1", lab.ssh_config().display()));
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

async fn ssh(lab: &Lab, machine: &str, command: &[String]) -> Result<Exit, Failure> {
    let mut ssh = tokio::process::Command::new("ssh");
    ssh.arg("-F").arg(lab.ssh_config()).arg(machine).args(command).stdin(Stdio::inherit());
    let status = ssh.status().await?;
    if status.success() { Ok(Exit::Done) } else { Err(fail(Exit::Failed, format!("{machine}: {status}"))) }
}

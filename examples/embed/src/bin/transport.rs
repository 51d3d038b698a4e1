//! Machines that are reached another way than over SSH: a host, its connection and a transport of one's own. A machine is here a bash on this computer;
//! with `podman exec -i NAME bash --norc -s` instead it is a container.
#![allow(clippy::print_stdout)] // a program for a terminal

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kubestead_core::command::{Command, Output, Stdin};
use kubestead_core::frame;
use kubestead_core::host::{Host, HostError, ReadOnly};
use kubestead_core::kube::{Api, KubeError};
use kubestead_core::name::Name;
use kubestead_core::probe::Section;
use kubestead_core::transport::{Lease, Login, Remote, Transport};
use kubestead_core::twin::{MemoryKube, Silent};
use kubestead_provision::file;
use kubestead_provision::fleet::Fleet;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;

/// A machine, by a program that takes a script on its standard input.
struct Exec {
    name: String,
    program: Vec<String>,
    lock: Arc<Mutex<()>>,
}

impl Exec {
    fn lost(&self, detail: &dyn Display) -> HostError {
        HostError::Lost { host: self.name.clone(), detail: detail.to_string() }
    }

    async fn answer(&self, command: &Command) -> Result<Output, HostError> {
        let mut process = tokio::process::Command::new(&self.program[0]);
        process.args(&self.program[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = process.spawn().map_err(|e| HostError::Connect { host: self.name.clone(), detail: e.to_string() })?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut output = Output::default();
        let write = async {
            if let Some(mut pipe) = stdin {
                // One that ends early closes the pipe: its status tells the story.
                let _ = pipe.write_all(frame::stream(command).expose()).await;
            }
            Ok(())
        };
        let limit = command.limits.output;
        let (out, err) = (&mut output.stdout, &mut output.stderr);
        tokio::try_join!(write, self.take(stdout, limit, out), self.take(stderr, limit, err))?;
        let status = child.wait().await.map_err(|e| self.lost(&e))?;
        Ok(Output { status: status.code().ok_or_else(|| self.lost(&"a signal ended it"))?, ..output })
    }

    /// All that comes, and no more than the command may answer.
    async fn take(&self, from: Option<impl AsyncRead + Unpin>, limit: usize, into: &mut Vec<u8>) -> Result<(), HostError> {
        let Some(from) = from else { return Ok(()) };
        from.take(limit as u64 + 1).read_to_end(into).await.map_err(|e| self.lost(&e))?;
        if into.len() > limit { Err(HostError::TooMuch { host: self.name.clone(), limit, at: None }) } else { Ok(()) }
    }
}

#[async_trait]
impl Host for Exec {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, command: &Command) -> Result<Output, HostError> {
        if matches!(command.stdin, Stdin::Files(_)) {
            return Err(self.lost(&"it takes no files: those follow the frame, hashed on the way"));
        }
        let seconds = command.limits.seconds;
        let late = || HostError::Timeout { host: self.name.clone(), seconds, at: None };
        tokio::time::timeout(Duration::from_secs(seconds), self.answer(command)).await.map_err(|_| late())?
    }
}

#[async_trait]
impl Remote for Exec {
    /// Keeps other writers of this process away; a real one keeps away those of other computers too.
    async fn lease(&self) -> Result<Option<Lease>, HostError> {
        Ok(Arc::clone(&self.lock).try_lock_owned().ok().map(Lease::new))
    }

    async fn forward(&self, remote: u16) -> Result<u16, HostError> {
        Err(self.lost(&format!("port {remote} cannot be reached")))
    }
}

/// All machines are of one kind.
struct Containers;

#[async_trait]
impl Transport for Containers {
    async fn connect(&self, login: &Login) -> Result<Arc<dyn Remote>, HostError> {
        let program = ["bash", "--norc", "-s"].map(str::to_owned).into();
        Ok(Arc::new(Exec { name: login.name.clone(), program, lock: Arc::default() }))
    }

    fn room(&self, _: usize) -> Result<(), String> {
        Ok(())
    }

    async fn kube(&self, _: &dyn Remote) -> Result<Arc<dyn Api>, KubeError> {
        Ok(Arc::new(MemoryKube::default()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let cluster =
        file::load("cluster.yaml", include_str!("../../cluster.yaml"), Path::new("/nowhere")).map_err(|found| format!("{found:?}"))?;
    let nodes = cluster.logins().into_iter().filter(|(name, _)| name.as_str() != "masterlock");
    let fleet = Fleet::over(nodes, Arc::new(Containers));
    // One round trip to each, side by side.
    let asked = |name: &Name| (name.clone(), vec![Section::program("greeting", ["printf", "hello from %s", name.as_str()])]);
    let sections: BTreeMap<_, _> = cluster.nodes.iter().map(|node| asked(&node.name)).collect();
    for (name, probed) in fleet.probe(sections, "n1", &Silent).await {
        println!("{name} answers: {}", probed?.answers.text("greeting")?);
    }
    let leases = fleet.lease().await.map_err(|name| format!("{name} has another writer"))?;
    println!("{} machines are locked", leases.len());
    if let Err(name) = fleet.lease().await {
        println!("{name} is locked already");
    }
    let hosts = fleet.hosts();
    for host in hosts.values() {
        let output = host.run(&Command::read(["cat"]).stdin(Stdin::Plain(b"what is read\n".to_vec()))).await?;
        print!("{}: status {}: {}", host.name(), output.status, output.text());
        let refused = ReadOnly(host.as_ref()).run(&Command::write(["touch", "/nowhere/file"])).await.err();
        println!("{}", refused.ok_or("a look wrote something")?);
    }
    Ok(())
}

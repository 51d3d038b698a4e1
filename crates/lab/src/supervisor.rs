//! The process that holds a lab together. It lives in the lab's network namespace, is the parent of every machine, and answers on a
//! socket. When it ends, by whatever cause, the machines end with it, and the namespace goes with the last of them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use tokio::process::Child;
use tokio::sync::{Mutex, Notify};
use tokio::time::{sleep, timeout};

use crate::control::{Answer, Ask};
use crate::error::Error;
use crate::lab::{Files, WAIT};
use crate::spec::{GATEWAY, LabSpec, PACKAGES};
use crate::{dns, http, uml};

struct Supervisor {
    files: Files,
    kernel: PathBuf,
    spec: LabSpec,
    running: Mutex<BTreeMap<String, Child>>,
    end: Notify,
}

/// Runs a lab until it is told to end. Must run inside the lab's network namespace; `Lab::up` starts it there.
pub async fn serve(dir: &Path) -> Result<(), Error> {
    let files = Files::new(dir);
    let spec = files.spec()?;
    let kernel = files.kernel()?;
    uml::network(spec.machines.len()).await?;
    let address = |name: &str, text: &str| Some((name.to_owned(), text.parse::<Ipv4Addr>().ok()?));
    let names = spec.machines.iter().filter_map(|m| address(&m.name, &m.address)).chain(address(PACKAGES, GATEWAY)).collect();
    let dns = UdpSocket::bind((GATEWAY, 53)).await.map_err(Error::file("cannot answer names at", GATEWAY))?;
    tokio::spawn(dns::serve(dns, names));
    let web = TcpListener::bind((GATEWAY, 80)).await.map_err(Error::file("cannot serve packages at", GATEWAY))?;
    tokio::spawn(http::serve(web, files.packages()?));
    let socket = files.socket();
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).map_err(Error::file("cannot listen at", &socket))?;
    let supervisor = Arc::new(Supervisor { files, kernel, spec, running: Mutex::default(), end: Notify::new() });
    loop {
        tokio::select! {
            () = supervisor.end.notified() => break,
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                tokio::spawn(Arc::clone(&supervisor).answer(stream));
            },
        }
    }
    let _ = std::fs::remove_file(&socket);
    Ok(())
}

impl Supervisor {
    async fn answer(self: Arc<Self>, stream: UnixStream) {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        if stream.read_line(&mut line).await.is_err() {
            return;
        }
        let answer = match serde_json::from_str::<Ask>(&line) {
            Ok(ask) => self.carry_out(&ask).await.unwrap_or_else(|e| Answer::Refused(e.to_string())),
            Err(error) => Answer::Refused(error.to_string()),
        };
        if let Ok(mut line) = serde_json::to_string(&answer) {
            line.push('\n');
            let _ = stream.write_all(line.as_bytes()).await;
        }
        if serde_json::from_str::<Ask>(&line).is_ok_and(|ask| ask == Ask::Down) {
            self.end.notify_one();
        }
    }

    async fn carry_out(&self, ask: &Ask) -> Result<Answer, Error> {
        match ask {
            Ask::Status => Ok(self.status().await),
            Ask::Boot(name) => self.boot(name).await,
            Ask::Kill(name) => {
                let child = self.running.lock().await.remove(name);
                match child {
                    Some(child) => uml::cut(child).await,
                    None => return Ok(Answer::Refused(format!("{name} is not running"))),
                }
                Ok(Answer::Done)
            }
            Ask::Wait(name) => self.wait(name).await,
            Ask::Down => {
                let all = std::mem::take(&mut *self.running.lock().await);
                futures_all(all.into_values().map(uml::cut)).await;
                Ok(Answer::Done)
            }
        }
    }

    async fn status(&self) -> Answer {
        let mut running = self.running.lock().await;
        running.retain(|_, child| matches!(child.try_wait(), Ok(None)));
        Answer::Running(running.iter().filter_map(|(name, child)| Some((name.clone(), child.id()?))).collect())
    }

    async fn boot(&self, name: &str) -> Result<Answer, Error> {
        let (index, machine) = self.spec.machines.iter().enumerate().find(|(_, m)| m.name == name).ok_or_else(|| self.no_machine(name))?;
        let mut running = self.running.lock().await;
        running.retain(|_, child| matches!(child.try_wait(), Ok(None)));
        if !running.contains_key(name) {
            running.insert(name.to_owned(), uml::boot(self.files.dir(), &self.kernel, machine, index)?);
        }
        Ok(Answer::Done)
    }

    /// Waits until the machine's sshd sends its banner.
    async fn wait(&self, name: &str) -> Result<Answer, Error> {
        let machine = self.spec.machines.iter().find(|m| m.name == name).ok_or_else(|| self.no_machine(name))?;
        let address = format!("{}:22", machine.address);
        let answered = timeout(WAIT, async {
            while !banner(&address).await {
                sleep(Duration::from_millis(200)).await;
            }
        });
        Ok(if answered.await.is_ok() { Answer::Done } else { Answer::Late })
    }

    fn no_machine(&self, name: &str) -> Error {
        let all: Vec<&str> = self.spec.machines.iter().map(|m| m.name.as_str()).collect();
        Error::NoMachine(name.to_owned(), all.join(", "))
    }
}

async fn futures_all(cuts: impl Iterator<Item = impl Future<Output = ()> + Send + 'static>) {
    let mut set = tokio::task::JoinSet::new();
    for cut in cuts {
        set.spawn(cut);
    }
    set.join_all().await;
}

async fn banner(address: &str) -> bool {
    let read = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let mut start = [0_u8; 4];
        stream.read_exact(&mut start).await.ok()?;
        (&start == b"SSH-").then_some(())
    };
    timeout(Duration::from_secs(2), read).await.is_ok_and(|found| found.is_some())
}

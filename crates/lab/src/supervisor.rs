//! The process that holds a lab together. It lives in the lab's network namespace, is the parent of every machine, and answers on a
//! socket. When it ends, by whatever cause, the machines end with it, and the namespace goes with the last of them. Until it is told to
//! go on alone it ends with whoever started it.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use tokio::process::Child;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::control::{Answer, Ask};
use crate::cpus::Cpus;
use crate::error::Error;
use crate::files::Files;
use crate::lab::{START, WAIT};
use crate::runner::{Runner, boot, cut, network, runner};
use crate::spec::{GATEWAY, LabSpec, Machine, PACKAGES};
use crate::{dns, http, internet};

struct Supervisor {
    files: Files,
    runner: Box<dyn Runner>,
    spec: LabSpec,
    /// Locked, and held open by this process and by every machine: what is free has no process left.
    alive: File,
    /// Told to go on alone.
    kept: AtomicBool,
    running: Mutex<BTreeMap<String, Child>>,
    cpus: std::sync::Mutex<Cpus>,
    end: Notify,
}

/// Runs a lab until it is told to end. Must run inside the lab's network namespace; `Lab::up` starts it there.
pub async fn serve(dir: &Path) -> Result<(), Error> {
    let files = Files::new(dir);
    let starter = std::io::stdin().as_fd().try_clone_to_owned().and_then(pipe::Receiver::from_owned_fd);
    let alive = alone(&files).await?;
    files.this_process()?;
    let spec = files.spec()?;
    let runner = runner(spec.runs_on(), files.kernel()?);
    network(&*runner, spec.machines.len()).await?;
    let address = |name: &str, text: &str| Some((name.to_owned(), text.parse::<Ipv4Addr>().ok()?));
    let served = internet::HOSTS.iter().filter(|_| spec.internet).chain([&PACKAGES]);
    let names = served.filter_map(|name| address(name, GATEWAY)).chain(spec.machines.iter().filter_map(|m| address(&m.name, &m.address)));
    let names = names.collect();
    let dns = UdpSocket::bind((GATEWAY, 53)).await.map_err(Error::file("cannot answer names at", GATEWAY))?;
    tokio::spawn(dns::serve(dns, names));
    let web = TcpListener::bind((GATEWAY, 80)).await.map_err(Error::file("cannot serve packages at", GATEWAY))?;
    tokio::spawn(http::serve(web, http::Folder(files.packages()?)));
    if spec.internet {
        let secure = TcpListener::bind((GATEWAY, 443)).await.map_err(Error::file("cannot serve the lab's internet at", GATEWAY))?;
        tokio::spawn(http::serve_tls(secure, internet::tls(&files)?, internet::Internet::of(&files)?));
    }
    let socket = files.socket();
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).map_err(Error::file("cannot listen at", &socket))?;
    let kept = AtomicBool::new(false);
    let cpus = std::sync::Mutex::new(Cpus::new());
    let supervisor = Arc::new(Supervisor { files, runner, spec, alive, kept, running: Mutex::default(), cpus, end: Notify::new() });
    // Without a pipe nobody waits for it: it was started by hand.
    if let Ok(starter) = starter {
        tokio::spawn(Arc::clone(&supervisor).end_with(starter));
    }
    if supervisor.runner.takes_turns() {
        tokio::spawn(Arc::clone(&supervisor).balance());
    }
    loop {
        tokio::select! {
            () = supervisor.end.notified() => break,
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                tokio::spawn(Arc::clone(&supervisor).answer(stream));
            },
        }
    }
    let _ = std::fs::remove_file(&socket);
    supervisor.cut_all().await;
    Ok(())
}

/// Waits until the machines of a supervisor that was killed have ended: two must never write to one disk.
async fn alone(files: &Files) -> Result<File, Error> {
    let begin = Instant::now();
    loop {
        match files.alive()? {
            Some(alive) => return Ok(alive),
            None if begin.elapsed() > START / 2 => {
                return Err(Error::Refused(format!(
                    "processes of an earlier run have {} open: end them with `kubestead lab down`",
                    files.dir().display()
                )));
            }
            None => sleep(Duration::from_millis(50)).await,
        }
    }
}

impl Supervisor {
    /// Ends when the pipe closes, unless it was told to go on.
    async fn end_with(self: Arc<Self>, mut starter: pipe::Receiver) {
        let _ = starter.read(&mut [0_u8; 1]).await;
        if !self.kept.load(Ordering::SeqCst) {
            self.end.notify_one();
        }
    }

    /// Once a second.
    async fn balance(self: Arc<Self>) {
        loop {
            sleep(Duration::from_secs(1)).await;
            let running = self.running.lock().await.values().filter_map(Child::id).collect();
            let own = Arc::clone(&self);
            let _ = tokio::task::spawn_blocking(move || own.cpus().balance(&running)).await;
        }
    }

    fn cpus(&self) -> std::sync::MutexGuard<'_, Cpus> {
        self.cpus.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn cut_all(&self) {
        let all = std::mem::take(&mut *self.running.lock().await);
        let mut cuts = JoinSet::new();
        for child in all.into_values() {
            cuts.spawn(cut(child));
        }
        cuts.join_all().await;
    }

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
                    Some(child) => cut(child).await,
                    None => return Ok(Answer::Refused(format!("{name} is not running"))),
                }
                Ok(Answer::Done)
            }
            Ask::Wait(name) => self.wait(name).await,
            Ask::Keep => {
                self.kept.store(true, Ordering::SeqCst);
                Ok(Answer::Done)
            }
            Ask::Down => {
                self.cut_all().await;
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
            let alive = self.alive.try_clone().map_err(Error::file("cannot hold", self.files.dir()))?;
            let child = boot(&*self.runner, self.files.dir(), machine, index, alive)?;
            let begun = child.id();
            running.insert(name.to_owned(), child);
            if let (Some(begun), true) = (begun, self.runner.takes_turns()) {
                let memory = |m: &Machine| Some((running.get(&m.name)?.id()?, m.memory));
                self.cpus().place(begun, &self.spec.machines.iter().filter_map(memory).collect());
            }
        }
        Ok(Answer::Done)
    }

    /// Waits until the machine's sshd sends its banner.
    async fn wait(&self, name: &str) -> Result<Answer, Error> {
        let machine = self.spec.machines.iter().find(|m| m.name == name).ok_or_else(|| self.no_machine(name))?;
        let address = format!("{}:22", machine.address);
        let answered = timeout(WAIT, async {
            while !banner(&address).await {
                if !self.runs(name).await {
                    return Answer::Ended;
                }
                sleep(Duration::from_millis(200)).await;
            }
            Answer::Done
        });
        Ok(answered.await.unwrap_or(Answer::Late))
    }

    async fn runs(&self, name: &str) -> bool {
        self.running.lock().await.get_mut(name).is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    fn no_machine(&self, name: &str) -> Error {
        let all: Vec<&str> = self.spec.machines.iter().map(|m| m.name.as_str()).collect();
        Error::NoMachine(name.to_owned(), all.join(", "))
    }
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

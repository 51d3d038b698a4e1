//! A lab as its user sees it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::build::Artifacts;
use crate::control::{Answer, Ask, ask};
use crate::error::Error;
use crate::process::{began, run};
use crate::requirements::rootless;
use crate::spec::LabSpec;
use crate::{access, build, disk};

/// How long a machine may take to answer. Twelve seconds are usual; a busy host needs more.
pub(crate) const WAIT: Duration = Duration::from_secs(300);
/// When a reboot is asked for again, while the machine still answers as the same boot.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// How long the supervisor may take to make its network.
const START: Duration = Duration::from_secs(30);

/// The files of a lab.
#[derive(Clone, Debug)]
pub(crate) struct Files(PathBuf);

/// Which process supervises.
#[derive(Debug, Serialize, Deserialize)]
struct Process {
    pid: u32,
    began: u64,
}

impl Files {
    pub(crate) fn new(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    pub(crate) fn spec(&self) -> Result<LabSpec, Error> {
        self.json("lab.json")
    }

    pub(crate) fn kernel(&self) -> Result<PathBuf, Error> {
        self.json("kernel.json")
    }

    pub(crate) fn packages(&self) -> Result<PathBuf, Error> {
        self.json("packages.json")
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        let path = self.0.join(name);
        let text = std::fs::read_to_string(&path).map_err(Error::file("cannot read", &path))?;
        serde_json::from_str(&text).map_err(|e| Error::Format { path, detail: e.to_string() })
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.0.join(name);
        std::fs::write(&path, text).map_err(Error::file("cannot write", path))
    }

    fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(value).map_err(|e| Error::Format { path: self.0.join(name), detail: e.to_string() })?;
        self.write(name, &text)
    }

    /// The supervisor, if it lives.
    fn supervisor(&self) -> Option<u32> {
        let process: Process = self.json("supervisor.json").ok()?;
        (began(process.pid) == Some(process.began)).then_some(process.pid)
    }
}

/// How a machine is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MachineStatus {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// The number of its kernel's process, when it runs.
    pub pid: Option<u32>,
}

/// A lab in its state folder.
#[derive(Clone, Debug)]
pub struct Lab {
    name: String,
    files: Files,
}

impl Lab {
    /// The lab of that name, running or not.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), files: Files::new(&crate::cache::lab_directory(name)) }
    }

    /// The ssh configuration that reaches the machines.
    pub fn ssh_config(&self) -> PathBuf {
        self.files.dir().join("ssh_config")
    }

    /// Starts what does not run. Machines that run are left alone; disks are kept from run to run.
    pub async fn up(&self, spec: &LabSpec, artifacts: &Artifacts) -> Result<(), Error> {
        std::fs::create_dir_all(self.files.dir()).map_err(Error::file("cannot make", self.files.dir()))?;
        let spec = match self.files.supervisor() {
            Some(_) => self.files.spec()?,
            None => self.begin(spec, artifacts).await?,
        };
        for machine in &spec.machines {
            self.ask(Ask::Boot(machine.name.clone())).await?;
        }
        for machine in &spec.machines {
            self.wait(&machine.name).await?;
        }
        Ok(())
    }

    async fn begin(&self, spec: &LabSpec, artifacts: &Artifacts) -> Result<LabSpec, Error> {
        let dir = self.files.dir();
        let spec = self.files.spec().unwrap_or_else(|_| spec.clone());
        self.files.write_json("lab.json", &spec)?;
        self.files.write_json("kernel.json", &artifacts.kernel())?;
        self.files.write_json("packages.json", &artifacts.packages())?;
        disk::key_pair(&dir.join("id"), "kubestead-lab").await?;
        for machine in &spec.machines {
            disk::prepare(dir, machine, &artifacts.root()).await?;
        }
        self.files.write("known_hosts", &access::known_hosts(dir, &spec)?)?;
        let pid = self.start_supervisor().await?;
        self.files.write("ssh_config", &access::ssh_config(dir, &spec, pid, rootless()))?;
        Ok(spec)
    }

    /// Starts this program again inside a network namespace of its own.
    async fn start_supervisor(&self) -> Result<u32, Error> {
        let path = self.files.dir().join("supervisor.log");
        let log = std::fs::File::create(&path).map_err(Error::file("cannot write", &path))?;
        let errors = log.try_clone().map_err(Error::file("cannot write", &path))?;
        let own = std::env::current_exe().map_err(Error::file("cannot find", "this program"))?;
        let mut command = tokio::process::Command::new("setsid");
        command.arg("unshare").arg(if rootless() { "-Urn" } else { "-n" }).arg("--").arg(own).args(["lab", "serve"]).arg(self.files.dir());
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let mut child = command.spawn().map_err(|e| Error::Program { program: "setsid".into(), detail: e.to_string() })?;
        let pid = child.id().unwrap_or_default();
        let begin = Instant::now();
        while ask(&self.files.socket(), &Ask::Status).await.is_err() {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(Error::Program { program: "the lab's supervisor".into(), detail: format!("{status}\n{}", build::tail(&path)) });
            }
            if begin.elapsed() > START {
                let _ = child.kill().await;
                return Err(Error::Program {
                    program: "the lab's supervisor".into(),
                    detail: format!("no answer in time\n{}", build::tail(&path)),
                });
            }
            sleep(Duration::from_millis(50)).await;
        }
        self.files.write_json("supervisor.json", &Process { pid, began: began(pid).unwrap_or_default() })?;
        Ok(pid)
    }

    async fn ask(&self, what: Ask) -> Result<Answer, Error> {
        if self.files.supervisor().is_none() {
            return Err(Error::NotRunning(self.name.clone()));
        }
        match ask(&self.files.socket(), &what).await? {
            Answer::Refused(why) => Err(Error::Refused(why)),
            answer => Ok(answer),
        }
    }

    /// Waits until a machine answers ssh.
    pub async fn wait(&self, machine: &str) -> Result<(), Error> {
        match self.ask(Ask::Wait(machine.to_owned())).await? {
            Answer::Late => {
                let console = disk::folder(self.files.dir(), machine).join("console.log");
                Err(Error::Boot { machine: machine.to_owned(), seconds: WAIT.as_secs(), tail: build::tail(&console), console })
            }
            _ => Ok(()),
        }
    }

    /// How the machines are. An error when the lab was never made.
    pub async fn status(&self) -> Result<Vec<MachineStatus>, Error> {
        let spec = self.files.spec().map_err(|_| Error::NotRunning(self.name.clone()))?;
        let running = match self.ask(Ask::Status).await {
            Ok(Answer::Running(running)) => running,
            Ok(_) | Err(_) => Vec::new(),
        };
        let pid = |name: &str| running.iter().find(|(n, _)| n == name).map(|(_, pid)| *pid);
        Ok(spec.machines.iter().map(|m| MachineStatus { name: m.name.clone(), address: m.address.clone(), pid: pid(&m.name) }).collect())
    }

    /// Cuts a machine's power.
    pub async fn kill(&self, machine: &str) -> Result<(), Error> {
        self.ask(Ask::Kill(machine.to_owned())).await.map(drop)
    }

    /// Boots a machine that is off, and waits for it.
    pub async fn start(&self, machine: &str) -> Result<(), Error> {
        self.ask(Ask::Boot(machine.to_owned())).await?;
        self.wait(machine).await
    }

    /// Reboots a machine from inside, and waits until it is another boot.
    pub async fn reboot(&self, machine: &str) -> Result<(), Error> {
        let before = self.boot_id(machine).await?;
        let begin = Instant::now();
        let mut said = String::new();
        let mut asked = None;
        while self.boot_id(machine).await.map_or(true, |now| now == before) {
            if begin.elapsed() > WAIT {
                let console = build::tail(&disk::folder(self.files.dir(), machine).join("console.log"));
                return Err(Error::Refused(format!("{machine} did not reboot\n{said}\n{console}")));
            }
            // On a busy host the request itself may be lost; the connection also breaks when it is carried out, so nothing is
            // concluded from its failure.
            if asked.is_none_or(|at: Instant| at.elapsed() > ASK_AGAIN) {
                asked = Some(Instant::now());
                if let Err(error) = self.ssh(machine, "systemctl reboot").await {
                    said = error.to_string();
                }
            }
            sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    async fn boot_id(&self, machine: &str) -> Result<String, Error> {
        self.ssh(machine, "cat /proc/sys/kernel/random/boot_id").await
    }

    async fn ssh(&self, machine: &str, command: &str) -> Result<String, Error> {
        let config = self.ssh_config();
        run("ssh", &["-F", &config.to_string_lossy(), "-o", "ConnectTimeout=5", "-o", "BatchMode=yes", machine, command]).await
    }

    /// Stops every machine. With `wipe` their disks and keys go too.
    pub async fn down(&self, wipe: bool) -> Result<(), Error> {
        if let Some(pid) = self.files.supervisor() {
            self.ask(Ask::Down).await?;
            let begin = Instant::now();
            while self.files.supervisor().is_some() {
                if begin.elapsed() > START {
                    run("kill", &["-KILL", &pid.to_string()]).await?;
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
        let _ = std::fs::remove_file(self.files.dir().join("supervisor.json"));
        if wipe && self.files.dir().exists() {
            std::fs::remove_dir_all(self.files.dir()).map_err(Error::file("cannot remove", self.files.dir()))?;
        }
        Ok(())
    }
}

//! A lab as its user sees it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::process::ChildStdin;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::build::Artifacts;
use crate::control::{Answer, Ask, ask};
use crate::error::Error;
use crate::files::Files;
use crate::namespaces::Namespaces;
use crate::process::run;
use crate::snapshot::no_restore;
use crate::spec::{Backend, LabSpec};
use crate::{access, build, cache, disk, internet};

/// How long a machine may take to answer. Twelve seconds are usual; a busy host needs more.
pub(crate) const WAIT: Duration = Duration::from_secs(300);
/// When a reboot is asked for again, while the machine still answers as the same boot.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// How long the supervisor may take to make its network, and to end.
pub(crate) const START: Duration = Duration::from_secs(30);

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
    pub(crate) snapshots: PathBuf,
}

impl Lab {
    /// The lab of that name, running or not.
    pub fn named(name: &str) -> Self {
        Self::in_folders(name, &cache::lab_directory(name), cache::snapshots_directory(name))
    }

    pub(crate) fn in_folders(name: &str, dir: &Path, snapshots: PathBuf) -> Self {
        Self { name: name.to_owned(), files: Files::new(dir), snapshots }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// The ssh configuration that reaches the machines.
    pub fn ssh_config(&self) -> PathBuf {
        self.files.ssh_config()
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.files.supervisor().is_some()
    }

    /// What it ran on before, or what its lab.json says; `None` if nothing does.
    pub fn backend(&self) -> Result<Option<Backend>, Error> {
        Ok(self.files.spec_before()?.and_then(|spec| spec.backend))
    }

    /// What it will be: the machines that it had before, else the usual ones, on what was asked for, else on what it ran on before. A lab that
    /// runs keeps its backend.
    pub fn spec(&self, asked: Option<Backend>) -> Result<LabSpec, Error> {
        let mut spec = self.files.spec_before()?.unwrap_or_default();
        match asked {
            Some(asked) if asked != spec.runs_on() && self.runs() => {
                return Err(Error::OtherBackend { lab: self.name.clone(), runs: spec.runs_on().name(), asked: asked.name() });
            }
            asked => spec.backend = Some(asked.unwrap_or(spec.runs_on())),
        }
        Ok(spec)
    }

    /// Starts what does not run. Machines that run are left alone; disks are kept from run to run. A lab that this began ends again when
    /// it does not come to its end, because it was dropped or its process was killed.
    pub async fn up(&self, spec: &LabSpec, artifacts: &Artifacts, progress: &mut (dyn FnMut(&str, u64) + Send)) -> Result<(), Error> {
        let dir = self.files.dir();
        std::fs::create_dir_all(dir).map_err(Error::file("cannot make", dir))?;
        let begin = Instant::now();
        let turn = self.files.turn().await?;
        let (spec, held) = match self.files.supervisor() {
            Some(_) => (self.files.spec()?, None),
            None => self.begin(spec, artifacts).await?,
        };
        let supervisor = self.files.supervisor().ok_or_else(|| Error::NotRunning(self.name.clone()))?;
        self.files.put(access::REACH_NAME, access::REACH)?;
        self.files.put("ssh_config", &access::ssh_config(dir, &spec, supervisor, self.files.namespaces()?))?;
        drop(turn);
        for machine in &spec.machines {
            self.ask(Ask::Boot(machine.name.clone())).await?;
        }
        for machine in &spec.machines {
            self.wait(&machine.name).await?;
            progress(&machine.name, begin.elapsed().as_secs());
        }
        if spec.internet {
            self.tell_authority(&spec).await?;
        }
        self.ask(Ask::Keep).await?;
        drop(held);
        Ok(())
    }

    /// Makes the machines trust the authority of the lab's internet.
    async fn tell_authority(&self, spec: &LabSpec) -> Result<(), Error> {
        let trust = internet::trust(&self.files)?;
        let mut told = JoinSet::new();
        for machine in &spec.machines {
            let (lab, name, trust) = (self.clone(), machine.name.clone(), trust.clone());
            told.spawn(async move { lab.ssh(&name, &trust).await });
        }
        while let Some(ended) = told.join_next().await {
            ended.map_err(|e| Error::Program { program: "ssh".into(), detail: e.to_string() })??;
        }
        Ok(())
    }

    async fn begin(&self, spec: &LabSpec, artifacts: &Artifacts) -> Result<(LabSpec, Option<ChildStdin>), Error> {
        let dir = self.files.dir();
        no_restore(&self.files)?;
        let mut spec = self.files.spec_before()?.unwrap_or_else(|| spec.clone());
        spec.backend = Some(artifacts.backend());
        spec.check()?;
        let namespaces = Namespaces::choose().map_err(|why| Error::Missing(vec![format!("  {why}")]))?;
        self.files.put_spec(&spec)?;
        self.files.put_parts(&artifacts.kernel(), &artifacts.packages())?;
        self.files.put_namespaces(namespaces)?;
        if spec.internet {
            let not_built = || Error::Refused("the lab's internet was not built: ask again".to_owned());
            internet::prepare(&self.files, &artifacts.internet().ok_or_else(not_built)?).await?;
        }
        disk::key_pair(&dir.join("id"), "kubestead-lab").await?;
        for machine in &spec.machines {
            // Its file may have been written anew since the parts were chosen.
            let root = artifacts
                .root(machine.debian)
                .ok_or_else(|| Error::Refused(format!("Debian {} was not built for {}: ask again", machine.debian.name(), machine.name)))?;
            disk::prepare(dir, machine, &root).await?;
        }
        self.files.put("known_hosts", &access::known_hosts(dir, &spec)?)?;
        let held = self.start_supervisor(namespaces).await?;
        Ok((spec, held))
    }

    /// Starts this program again inside namespaces of its own. It ends when the answer is dropped, until it is told to go on.
    async fn start_supervisor(&self, namespaces: Namespaces) -> Result<Option<ChildStdin>, Error> {
        let path = self.files.log();
        let log = std::fs::File::create(&path).map_err(Error::file("cannot write", &path))?;
        let errors = log.try_clone().map_err(Error::file("cannot write", &path))?;
        let own = std::env::current_exe().map_err(Error::file("cannot find", "this program"))?;
        let failed = |detail: String| Error::Program { program: "the lab's supervisor".into(), detail };
        let mut command = tokio::process::Command::new("setsid");
        command.args(["unshare", namespaces.unshare(), "--"]).arg(own).args(["lab", "serve"]).arg(self.files.dir());
        command.stdin(Stdio::piped()).stdout(log).stderr(errors);
        let mut child = command.spawn().map_err(|e| failed(e.to_string()))?;
        let held = child.stdin.take();
        let begin = Instant::now();
        while self.ask(Ask::Status).await.is_err() {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(failed(format!("{status}\n{}", build::tail(&path))));
            }
            if begin.elapsed() > START {
                let _ = child.kill().await;
                return Err(failed(format!("no answer in time\n{}", build::tail(&path))));
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(held)
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
        let what = match self.ask(Ask::Wait(machine.to_owned())).await? {
            Answer::Late => format!("did not answer ssh within {} s", WAIT.as_secs()),
            Answer::Ended => "ended while it booted".to_owned(),
            _ => return Ok(()),
        };
        let console = disk::folder(self.files.dir(), machine).join("console.log");
        Err(Error::Boot { machine: machine.to_owned(), what, tail: build::tail(&console), console })
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

    /// Stops every machine. With `wipe` their disks and keys go too. A supervisor that does not answer is ended, and its machines with it.
    pub async fn down(&self, wipe: bool) -> Result<(), Error> {
        if !self.files.dir().exists() {
            return Ok(());
        }
        let turn = self.files.turn().await?;
        if self.files.supervisor().is_some() && !matches!(timeout(START, self.ask(Ask::Down)).await, Ok(Ok(_))) {
            self.end_supervisor().await;
        }
        if !self.ended().await? {
            self.end_supervisor().await;
            if !self.ended().await? {
                return Err(Error::Refused(format!(
                    "the lab {} does not end: its processes hold {}",
                    self.name,
                    self.files.dir().display()
                )));
            }
        }
        let _ = std::fs::remove_file(self.files.dir().join("supervisor.json"));
        if wipe {
            std::fs::remove_dir_all(self.files.dir()).map_err(Error::file("cannot remove", self.files.dir()))?;
        }
        drop(turn);
        Ok(())
    }

    async fn end_supervisor(&self) {
        if let Some(pid) = self.files.supervisor() {
            let _ = run("kill", &["-KILL", &pid.to_string()]).await;
        }
    }

    /// Waits a while until no process of the lab is left, and answers whether none is.
    pub async fn ended(&self) -> Result<bool, Error> {
        let begin = Instant::now();
        while self.files.dir().exists() && self.files.alive()?.is_none() {
            if begin.elapsed() > START {
                return Ok(false);
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_runs_on_what_was_asked_for_or_its_file_says_or_it_ran_on() {
        let dir = tempfile::tempdir().unwrap();
        let lab = Lab::in_folders("one", dir.path(), dir.path().join("snapshots"));
        let write = |backend: &str| std::fs::write(dir.path().join("lab.json"), format!("{{{backend} \"machines\": []}}")).unwrap();
        let on = |asked| lab.spec(asked).unwrap().backend;
        assert_eq!((lab.backend().unwrap(), on(Some(Backend::Qemu))), (None, Some(Backend::Qemu)));
        write("");
        assert_eq!((lab.backend().unwrap(), on(None)), (None, Some(Backend::Uml)), "a file of machines alone leaves it open");
        write("\"backend\": \"qemu-tcg\",");
        assert_eq!(
            (lab.backend().unwrap(), on(None), on(Some(Backend::Uml))),
            (Some(Backend::QemuTcg), Some(Backend::QemuTcg), Some(Backend::Uml))
        );
        write("\"backend\": \"xen\",");
        assert!(lab.backend().is_err());
    }
}

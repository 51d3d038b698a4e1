//! The files of a lab in its state folder, and which process holds it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::namespaces::Namespaces;
use crate::process::{began, lock};
use crate::spec::LabSpec;

/// The folder of what makes a lab's internet its own.
pub(crate) const INTERNET: &str = "internet";

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

    pub(crate) fn ssh_config(&self) -> PathBuf {
        self.0.join("ssh_config")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("supervisor.log")
    }

    pub(crate) fn spec(&self) -> Result<LabSpec, Error> {
        self.json("lab.json")
    }

    /// The machines that the lab was made with; `None` if it was not made yet.
    pub(crate) fn spec_before(&self) -> Result<Option<LabSpec>, Error> {
        if self.0.join("lab.json").exists() { self.spec().map(Some) } else { Ok(None) }
    }

    pub(crate) fn put_spec(&self, spec: &LabSpec) -> Result<(), Error> {
        self.put_json("lab.json", spec)
    }

    /// The folder of the kernel.
    pub(crate) fn kernel(&self) -> Result<PathBuf, Error> {
        self.json("kernel.json")
    }

    /// The folder of the apt repositories.
    pub(crate) fn packages(&self) -> Result<PathBuf, Error> {
        self.json("packages.json")
    }

    pub(crate) fn put_parts(&self, kernel: &Path, packages: &Path) -> Result<(), Error> {
        self.put_json("kernel.json", &kernel)?;
        self.put_json("packages.json", &packages)
    }

    /// What makes the lab's internet its own.
    pub(crate) fn own_internet(&self) -> PathBuf {
        self.0.join(INTERNET)
    }

    /// The folder of what the lab's internet serves.
    pub(crate) fn internet(&self) -> Result<PathBuf, Error> {
        self.json("internet.json")
    }

    pub(crate) fn put_internet(&self, folder: &Path) -> Result<(), Error> {
        self.put_json("internet.json", &folder)
    }

    /// The namespaces that the supervisor is in.
    pub(crate) fn namespaces(&self) -> Result<Namespaces, Error> {
        self.json("namespaces.json")
    }

    pub(crate) fn put_namespaces(&self, namespaces: Namespaces) -> Result<(), Error> {
        self.put_json("namespaces.json", &namespaces)
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        let path = self.0.join(name);
        let text = std::fs::read_to_string(&path).map_err(Error::file("cannot read", &path))?;
        serde_json::from_str(&text).map_err(|e| Error::Format { path, detail: e.to_string() })
    }

    pub(crate) fn put_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(value).map_err(|e| Error::Format { path: self.0.join(name), detail: e.to_string() })?;
        self.put(name, &text)
    }

    /// Writes a file whole: a reader sees the old one or the new one.
    pub(crate) fn put(&self, name: &str, text: &str) -> Result<(), Error> {
        let (path, part) = (self.0.join(name), self.0.join(format!(".{name}.{}", std::process::id())));
        std::fs::write(&part, text).map_err(Error::file("cannot write", &part))?;
        std::fs::rename(&part, &path).map_err(Error::file("cannot rename", part))
    }

    /// Says that this process supervises.
    pub(crate) fn this_process(&self) -> Result<(), Error> {
        let pid = std::process::id();
        self.put_json("supervisor.json", &Process { pid, began: began(pid).unwrap_or_default() })
    }

    /// The supervisor, if it lives.
    pub(crate) fn supervisor(&self) -> Option<u32> {
        let process: Process = self.json("supervisor.json").ok()?;
        (began(process.pid) == Some(process.began)).then_some(process.pid)
    }

    /// The file that the supervisor and every machine hold open and locked, locked by this process; `None` if one of them lives.
    /// The kernel frees it with the last of them, whatever ended them.
    pub(crate) fn alive(&self) -> Result<Option<File>, Error> {
        let path = self.0.join("alive");
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(Error::file("cannot write", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::file("cannot lock", path)(error)),
        }
    }

    /// Waits for the turn to start or stop the lab; it is given back when the answer is dropped, or with this process.
    pub(crate) async fn turn(&self) -> Result<File, Error> {
        lock(&self.0.join("turn")).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_held_is_seen_and_what_ended_is_not() {
        let dir = std::env::temp_dir().join(format!("kubestead-files-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let files = Files::new(&dir);
        assert_eq!(files.supervisor(), None);
        files.this_process().unwrap();
        assert_eq!(files.supervisor(), Some(std::process::id()));
        files.put_json("supervisor.json", &Process { pid: std::process::id(), began: 1 }).unwrap();
        assert_eq!(files.supervisor(), None, "a number that another process has now");
        let held = files.alive().unwrap().unwrap();
        // A machine holds a copy of the supervisor's file.
        let machine = held.try_clone().unwrap();
        drop(held);
        assert!(files.alive().unwrap().is_none());
        drop(machine);
        assert!(files.alive().unwrap().is_some());
        drop(files.turn().await.unwrap());
        drop(files.turn().await.unwrap());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

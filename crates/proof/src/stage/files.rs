//! Files of a scenario, and the Secret that every cluster of the fixture has.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Done, Stage};

/// The file with the value of the Secret that every cluster of the fixture has.
const KEPT: &str = "kept";

fn told(path: &Path) -> impl FnOnce(std::io::Error) -> String {
    let path = path.display().to_string();
    move |error| format!("{path}: {error}")
}

/// A value that nobody has seen before, on no command line. 30 bytes: its base64 is the begin of that of any text that begins with it.
pub fn fresh_value() -> Result<String, String> {
    let mut bytes = [0; 12];
    let path = Path::new("/dev/urandom");
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).map_err(told(path))?;
    Ok(format!("value-{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

impl Stage {
    /// The path of a file of the scenario's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    /// The same, as an argument.
    pub fn word(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// The path of the command that is proved, as an argument.
    pub fn kubestead_path(&self) -> String {
        self.kubestead.to_string_lossy().into_owned()
    }

    /// The path of a file of the repository, as an argument.
    pub fn repository_word(&self, name: &str) -> String {
        self.top.join(name).to_string_lossy().into_owned()
    }

    /// A file of the repository.
    pub fn repository(&self, name: &str) -> Result<String, String> {
        let path = self.top.join(name);
        std::fs::read_to_string(&path).map_err(told(&path))
    }

    /// The KMS plugin's program: what KMS_PLUGIN names, else it is built.
    pub fn kms_plugin(&self) -> Result<String, String> {
        std::env::var("KMS_PLUGIN").or_else(|_| self.program("bash", &[&self.repository_word("scripts/kms-plugin.sh")]).run().answer())
    }

    /// The definitions of kinds that a Go module has in a folder or a file, as a file of the scenario's folder.
    pub fn definitions(&self, module: &str, path: &str, name: &str) -> Done {
        let script = self.repository_word("scripts/definitions.sh");
        let file = PathBuf::from(self.program("bash", &[&script, module, path]).run().answer()?);
        std::fs::copy(&file, self.path(name)).map(|_| ()).map_err(told(&file))
    }

    /// Makes a folder below the scenario's.
    pub fn folder(&self, name: &str) -> Done {
        let path = self.path(name);
        std::fs::create_dir_all(&path).map_err(told(&path))
    }

    /// Reads a file of the scenario's folder.
    pub fn read(&self, name: &str) -> Result<String, String> {
        let path = self.path(name);
        std::fs::read_to_string(&path).map_err(told(&path))
    }

    /// Writes a file of the scenario's folder.
    pub fn write(&self, name: &str, text: &str) -> Done {
        let path = self.path(name);
        std::fs::write(&path, text).map_err(told(&path))
    }

    /// Removes a file of the scenario's folder.
    pub fn remove(&self, name: &str) -> Done {
        let path = self.path(name);
        std::fs::remove_file(&path).map_err(told(&path))
    }

    /// Replaces a text of a file of the scenario's folder, which must be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) -> Done {
        let text = self.read(name)?;
        if text.contains(from) { self.write(name, &text.replace(from, to)) } else { Err(format!("{name} does not have \"{from}\"")) }
    }

    /// Encrypts a Secret of the namespace apps into a file below `secrets/`.
    pub fn secret(&self, name: &str, file: &str, values: &[(&str, &str)]) -> Done {
        let path = self.path("secrets").join(file);
        path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(told(&path))?;
        let path = path.to_string_lossy().into_owned();
        for (number, (key, value)) in values.iter().enumerate() {
            let field = format!("stringData/{key}");
            let new = ["secret", "new", &path, "--name", name, "--namespace", "apps", "--key", key];
            let call = if number == 0 { self.kubestead(&new) } else { self.kubestead(&["secret", "set", &path, &field]) };
            call.input(*value).run().ok()?;
        }
        Ok(())
    }

    /// Gives the cluster that will be made a Secret with a value of its own, by which it is looked for where it must not be.
    pub(super) fn keep_a_secret(&self) -> Done {
        let value = fresh_value()?;
        self.write(KEPT, &value)?;
        self.kubestead(&["secret", "init"]).run().ok()?;
        self.secret("kept", "kept.yaml", &[("word", &value)])
    }

    /// The value of that Secret.
    pub fn kept(&self) -> Result<String, String> {
        self.read(KEPT)
    }

    /// From here on every command line of this computer is kept.
    pub(super) fn watch_command_lines(&self) {
        let seen = std::sync::Arc::clone(&self.seen);
        std::thread::spawn(move || {
            loop {
                let mut words = BTreeSet::new();
                for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                    // Of those that have ended meanwhile there is none.
                    let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    words.extend(line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()));
                }
                seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).append(&mut words);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
    }

    /// The words of all command lines of this computer since the fixture began.
    pub fn command_lines(&self) -> String {
        let seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.iter().cloned().collect::<Vec<_>>().join("\n")
    }
}

//! Builds what is missing, two recipes at a time, each into a folder of its own that is renamed when it is whole. When this program ends,
//! by whatever cause, so does everything that a recipe has started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::cache;
use crate::error::Error;
use crate::process::{lock, run};
use crate::recipe::{FILES, Recipe, edition, recipes};
use crate::spec::{Backend, Parts, Release};

/// How many recipes run at once. Each uses all cores for most of its time.
const AT_ONCE: usize = 2;
/// How often it is said what is still being built.
const SAY: Duration = Duration::from_secs(60);

/// Something that happened while building.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It is in the cache.
    Cached(&'static str),
    /// It begins.
    Started(&'static str),
    /// It is still being built, after so many seconds.
    Running(&'static str, u64),
    /// It is made, in so many seconds.
    Finished(&'static str, u64),
}

/// What has been built: a folder for each recipe.
#[derive(Debug, Clone)]
pub struct Artifacts {
    backend: Backend,
    folders: BTreeMap<&'static str, PathBuf>,
}

impl Artifacts {
    fn of(parts: &Parts) -> Self {
        Self { backend: parts.backend, folders: recipes(parts).map(|r| (r.name, folder(r))).collect() }
    }

    fn path(&self, name: &str, file: &str) -> PathBuf {
        self.folders.get(name).map(|dir| dir.join(file)).unwrap_or_default()
    }

    /// What they are for.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The folder of the backend's kernel.
    pub fn kernel(&self) -> PathBuf {
        self.path(self.backend.kernel(), "")
    }

    /// The root file system of a release, when it was asked for.
    pub fn root(&self, release: Release) -> Option<PathBuf> {
        self.folders.get(release.root()).map(|dir| dir.join("root.img"))
    }

    /// The folder of the apt repositories.
    pub fn packages(&self) -> PathBuf {
        self.path("packages", "repository")
    }

    /// The folder of what the lab's internet serves, if it was asked for.
    pub fn internet(&self) -> Option<PathBuf> {
        self.folders.get("internet").cloned()
    }

    /// The bundle's folder.
    pub fn bundle(&self) -> PathBuf {
        self.path("bundle", "")
    }
}

fn folder(recipe: &Recipe) -> PathBuf {
    cache::directory().join("lab/artifacts").join(recipe.folder())
}

/// The parts, when all of them are in the cache.
pub fn cached(parts: &Parts) -> Option<Artifacts> {
    let all = Artifacts::of(parts);
    all.folders.values().all(|dir| dir.is_dir()).then_some(all)
}

/// Builds what is missing.
pub async fn build(parts: &Parts, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Artifacts, Error> {
    let base = cache::directory().join("lab");
    let (scripts, logs) = (base.join("recipes").join(edition()), base.join("logs"));
    for dir in [&base.join("artifacts"), &logs, &scripts] {
        std::fs::create_dir_all(dir).map_err(Error::file("cannot make", dir))?;
    }
    for file in FILES {
        let (path, part) = (scripts.join(file.name), scripts.join(format!(".{}.{}", file.name, std::process::id())));
        std::fs::write(&part, file.text).map_err(Error::file("cannot write", &part))?;
        std::fs::rename(&part, &path).map_err(Error::file("cannot rename", &part))?;
    }
    run_all(parts, &scripts, &logs, progress).await?;
    Ok(Artifacts::of(parts))
}

async fn run_all(parts: &Parts, scripts: &Path, logs: &Path, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<(), Error> {
    let mut open: Vec<&'static Recipe> = Vec::new();
    for recipe in recipes(parts) {
        if folder(recipe).is_dir() { progress(Progress::Cached(recipe.name)) } else { open.push(recipe) }
    }
    let mut running = JoinSet::new();
    let mut begun: BTreeMap<&'static str, Instant> = BTreeMap::new();
    let mut say = interval(SAY);
    say.set_missed_tick_behavior(MissedTickBehavior::Delay);
    say.tick().await;
    while !open.is_empty() || !running.is_empty() {
        while running.len() < AT_ONCE {
            let ready = |r: &&'static Recipe| r.after.iter().filter_map(|n| crate::recipe::recipe(n)).all(|before| folder(before).is_dir());
            let Some(index) = open.iter().position(ready) else { break };
            let recipe = open.remove(index);
            progress(Progress::Started(recipe.name));
            begun.insert(recipe.name, Instant::now());
            running.spawn(one(recipe, scripts.to_owned(), logs.join(format!("{}.log", recipe.name))));
        }
        let ended = tokio::select! {
            ended = running.join_next() => ended,
            _ = say.tick() => {
                for (name, at) in &begun {
                    progress(Progress::Running(name, at.elapsed().as_secs()));
                }
                continue;
            }
        };
        match ended {
            Some(Ok(result)) => {
                let (name, seconds) = result?;
                begun.remove(name);
                progress(Progress::Finished(name, seconds));
            }
            Some(Err(error)) => return Err(Error::Program { program: "a recipe".into(), detail: error.to_string() }),
            None => break,
        }
    }
    Ok(())
}

/// Runs one recipe. A lock file keeps two builds from making the same thing; it is held by the kernel, so a crash frees it.
async fn one(recipe: &'static Recipe, scripts: PathBuf, log: PathBuf) -> Result<(&'static str, u64), Error> {
    let begin = Instant::now();
    let target = folder(recipe);
    let _lock = lock(&target.with_extension("lock")).await?;
    if target.is_dir() {
        return Ok((recipe.name, begin.elapsed().as_secs()));
    }
    let part = target.with_extension("part");
    clear(&part).await?;
    let script = scripts.join(recipe.script());
    let arguments = recipe.after.iter().filter_map(|name| crate::recipe::recipe(name)).map(folder);
    let output = std::fs::File::create(&log).map_err(Error::file("cannot write", &log))?;
    let errors = output.try_clone().map_err(Error::file("cannot write", &log))?;
    let failed = |e: std::io::Error| Error::Program { program: "bash".into(), detail: e.to_string() };
    let mut command = tokio::process::Command::new("bash");
    command.arg(scripts.join("guard.sh")).arg("bash").arg(script).arg(&part).args(recipe.argument()).args(arguments);
    // The guard's standard input is held here for as long as the recipe may run.
    let mut child = command.process_group(0).stdin(Stdio::piped()).stdout(output).stderr(errors).spawn().map_err(failed)?;
    let held = child.stdin.take();
    let status = child.wait().await.map_err(failed)?;
    drop(held);
    if !status.success() {
        let _ = clear(&part).await;
        return Err(Error::Build { name: recipe.name, tail: tail(&log), log });
    }
    std::fs::rename(&part, &target).map_err(Error::file("cannot rename", &part))?;
    Ok((recipe.name, begin.elapsed().as_secs()))
}

/// Removes what a recipe that was stopped left. Without root some of it belongs to the numbers that the user was given.
async fn clear(part: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(part) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let remove = ["-Ur", "--map-auto", "--map-root-user", "--", "rm", "-rf", "--", &part.to_string_lossy()];
            run("unshare", &remove).await.map(drop)
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("cannot remove", part)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The last lines of a log.
pub(crate) fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recipe that leaves a process behind, under the guard.
    fn guarded(script: &str) -> tokio::process::Child {
        let guard = FILES.iter().find(|f| f.name == "guard.sh").unwrap().text;
        let mut command = tokio::process::Command::new("bash");
        command.args(["-c", guard, "guard.sh", "bash", "-c", script]).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().unwrap()
    }

    #[tokio::test]
    async fn a_recipe_ends_with_whoever_started_it_and_all_that_it_started() {
        let mut child = guarded("sleep 1000 & sleep 1000");
        drop(child.stdin.take());
        // Its standard output closes only when the last process of the group is gone.
        let output = tokio::time::timeout(Duration::from_secs(20), child.wait_with_output()).await.unwrap().unwrap();
        assert!(!output.status.success());
        let mut child = guarded("exit 7");
        let held = child.stdin.take();
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
        drop(held);
    }
}

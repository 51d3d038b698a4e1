//! Builds what is missing, two recipes at a time, each into a folder of its own that is renamed when it is whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use tokio::task::JoinSet;

use crate::cache;
use crate::error::Error;
use crate::recipe::{FILES, RECIPES, Recipe};

/// How many recipes run at once. Each uses all cores for most of its time.
const AT_ONCE: usize = 2;

/// Something that happened while building.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It is in the cache.
    Cached(&'static str),
    /// It begins.
    Started(&'static str),
    /// It is made.
    Finished(&'static str, u64),
}

/// What has been built: a folder for each recipe.
#[derive(Debug, Clone)]
pub struct Artifacts(BTreeMap<&'static str, PathBuf>);

impl Artifacts {
    fn path(&self, name: &str, file: &str) -> PathBuf {
        self.0.get(name).map(|dir| dir.join(file)).unwrap_or_default()
    }

    /// The kernel.
    pub fn kernel(&self) -> PathBuf {
        self.path("kernel", "linux")
    }

    /// The root file system.
    pub fn root(&self) -> PathBuf {
        self.path("root", "root.img")
    }

    /// The folder of the apt repositories.
    pub fn packages(&self) -> PathBuf {
        self.path("packages", "repository")
    }

    /// The bundle's folder.
    pub fn bundle(&self) -> PathBuf {
        self.path("bundle", "")
    }
}

fn folder(recipe: &Recipe) -> PathBuf {
    cache::directory().join("lab/artifacts").join(recipe.folder())
}

/// Everything, when all of it is in the cache.
pub fn cached() -> Option<Artifacts> {
    let all: BTreeMap<&'static str, PathBuf> = RECIPES.iter().map(|r| (r.name, folder(r))).collect();
    all.values().all(|dir| dir.is_dir()).then_some(Artifacts(all))
}

/// Builds what is missing.
pub async fn build(progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Artifacts, Error> {
    let base = cache::directory().join("lab");
    let (scripts, logs) = (base.join(format!("recipes-{}", std::process::id())), base.join("logs"));
    for dir in [&base.join("artifacts"), &logs, &scripts] {
        std::fs::create_dir_all(dir).map_err(Error::file("cannot make", dir))?;
    }
    for file in FILES {
        let path = scripts.join(file.name);
        std::fs::write(&path, file.text).map_err(Error::file("cannot write", path))?;
    }
    let built = run_all(&scripts, &logs, progress).await;
    let _ = std::fs::remove_dir_all(&scripts);
    built.map(|()| Artifacts(RECIPES.iter().map(|r| (r.name, folder(r))).collect()))
}

async fn run_all(scripts: &Path, logs: &Path, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<(), Error> {
    let mut open: Vec<&'static Recipe> = Vec::new();
    for recipe in RECIPES {
        if folder(recipe).is_dir() { progress(Progress::Cached(recipe.name)) } else { open.push(recipe) }
    }
    let mut running = JoinSet::new();
    while !open.is_empty() || !running.is_empty() {
        while running.len() < AT_ONCE {
            let ready = |r: &&'static Recipe| r.after.iter().filter_map(|n| crate::recipe::recipe(n)).all(|before| folder(before).is_dir());
            let Some(index) = open.iter().position(ready) else { break };
            let recipe = open.remove(index);
            progress(Progress::Started(recipe.name));
            running.spawn(one(recipe, scripts.to_owned(), logs.join(format!("{}.log", recipe.name))));
        }
        match running.join_next().await {
            Some(Ok(result)) => {
                let (name, seconds) = result?;
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
    let lock_path = target.with_extension("lock");
    let lock = std::fs::File::create(&lock_path).map_err(Error::file("cannot write", &lock_path))?;
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
    let _lock = lock.map_err(std::io::Error::other).and_then(|l| l).map_err(Error::file("cannot lock", &lock_path))?;
    if target.is_dir() {
        return Ok((recipe.name, begin.elapsed().as_secs()));
    }
    let part = target.with_extension("part");
    let _ = std::fs::remove_dir_all(&part);
    let script = scripts.join(format!("{}.sh", recipe.name));
    let arguments = recipe.after.iter().filter_map(|name| crate::recipe::recipe(name)).map(folder);
    let output = std::fs::File::create(&log).map_err(Error::file("cannot write", &log))?;
    let errors = output.try_clone().map_err(Error::file("cannot write", &log))?;
    let mut command = tokio::process::Command::new("bash");
    command.arg(script).arg(&part).args(arguments).stdin(Stdio::null()).stdout(output).stderr(errors).kill_on_drop(true);
    let status = command.status().await.map_err(|e| Error::Program { program: "bash".into(), detail: e.to_string() })?;
    if !status.success() {
        let _ = std::fs::remove_dir_all(&part);
        return Err(Error::Build { name: recipe.name, tail: tail(&log), log });
    }
    std::fs::rename(&part, &target).map_err(Error::file("cannot rename", &part))?;
    Ok((recipe.name, begin.elapsed().as_secs()))
}

/// The last lines of a log.
pub(crate) fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

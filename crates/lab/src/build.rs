//! Builds what is missing, two recipes at a time, each into a folder of its own that is renamed when it is whole. When this program ends,
//! by whatever cause, so does everything that a recipe has started.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::cache;
use crate::error::Error;
use crate::process::{lock, run};
use crate::recipe::{FILES, OFFICIAL, Recipe, edition, recipes};
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
    /// It is there from its official release, in so many seconds.
    Downloaded(&'static str, u64),
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
                let (name, made) = result?;
                begun.remove(name);
                progress(made);
            }
            Some(Err(error)) => return Err(Error::Program { program: "a recipe".into(), detail: error.to_string() }),
            None => break,
        }
    }
    Ok(())
}

/// Makes one thing: from its official release where that can be had, else by its recipe. A lock file keeps two builds from making the same thing; it is held
/// by the kernel, so a crash frees it.
async fn one(recipe: &'static Recipe, scripts: PathBuf, log: PathBuf) -> Result<(&'static str, Progress), Error> {
    let begin = Instant::now();
    let target = folder(recipe);
    let _lock = lock(&target.with_extension("lock")).await?;
    if target.is_dir() {
        return Ok((recipe.name, Progress::Finished(recipe.name, begin.elapsed().as_secs())));
    }
    let part = target.with_extension("part");
    let (official, unavailable) = OFFICIAL;
    let from_release = [scripts.join(official).into(), recipe.name.into(), part.clone().into()];
    let mut by_recipe: Vec<OsString> = vec![scripts.join(recipe.script()).into(), part.clone().into()];
    by_recipe.extend(recipe.argument().map(Into::into));
    by_recipe.extend(recipe.after.iter().filter_map(|name| crate::recipe::recipe(name)).map(|before| folder(before).into()));
    let guard = scripts.join("guard.sh");
    clear(&part).await?;
    let mut is_downloaded = recipe.is_released;
    let mut status = if is_downloaded { guarded(&guard, &from_release, &log).await? } else { Some(unavailable) };
    if status == Some(unavailable) {
        is_downloaded = false;
        clear(&part).await?;
        status = guarded(&guard, &by_recipe, &log).await?;
    }
    if status != Some(0) {
        let _ = clear(&part).await;
        return Err(Error::Build { name: recipe.name, tail: tail(&log), log });
    }
    std::fs::rename(&part, &target).map_err(Error::file("cannot rename", &part))?;
    let made = if is_downloaded { Progress::Downloaded } else { Progress::Finished };
    Ok((recipe.name, made(recipe.name, begin.elapsed().as_secs())))
}

/// Runs a script of the recipes with its arguments; what it says goes to the log. Returns its status, `None` if a signal ended it.
async fn guarded(guard: &Path, words: &[OsString], log: &Path) -> Result<Option<i32>, Error> {
    let output = std::fs::File::create(log).map_err(Error::file("cannot write", log))?;
    let errors = output.try_clone().map_err(Error::file("cannot write", log))?;
    let failed = |e: std::io::Error| Error::Program { program: "bash".into(), detail: e.to_string() };
    let mut command = tokio::process::Command::new("bash");
    command.arg(guard).arg("bash").args(words);
    // The guard's standard input is held here for as long as the recipe may run.
    let mut child = command.process_group(0).stdin(Stdio::piped()).stdout(output).stderr(errors).spawn().map_err(failed)?;
    let held = child.stdin.take();
    let status = child.wait().await.map_err(failed)?;
    drop(held);
    Ok(status.code())
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
    fn behind(script: &str) -> tokio::process::Child {
        let guard = FILES.iter().find(|f| f.name == "guard.sh").unwrap().text;
        let mut command = tokio::process::Command::new("bash");
        command.args(["-c", guard, "guard.sh", "bash", "-c", script]).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().unwrap()
    }

    /// official.sh with a curl that has the files of a folder alone.
    fn official(name: &str, served: &Path, out: &Path) -> std::process::Output {
        let scripts = served.join("scripts");
        std::fs::create_dir_all(&scripts).unwrap();
        for file in FILES {
            std::fs::write(scripts.join(file.name), file.text).unwrap();
        }
        let curl =
            "#!/bin/bash\nwhile [ $# -gt 1 ]; do [ \"$1\" = --output ] && to=$2; shift; done\ncp \"$SERVED/${1##*/}\" \"$to\" || exit 22\n";
        std::fs::write(scripts.join("curl"), curl).unwrap();
        std::fs::set_permissions(scripts.join("curl"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", scripts.display(), std::env::var("PATH").unwrap());
        let script = scripts.join(OFFICIAL.0);
        std::process::Command::new("bash").arg(script).arg(name).arg(out).env("PATH", path).env("SERVED", served).output().unwrap()
    }

    #[test]
    fn an_official_release_is_taken_with_its_published_sum_alone_and_built_where_none_can_be_had() {
        let dir = tempfile::tempdir().unwrap();
        let (served, out) = (dir.path(), dir.path().join("out"));
        let (none, unavailable) = (official("coredns", served, &out), OFFICIAL.1);
        assert_eq!(none.status.code(), Some(unavailable), "{none:?}");

        let recipe = FILES.iter().find(|file| file.name == "coredns.sh").unwrap().text;
        let version = recipe.split("\nversion=").nth(1).unwrap().split(';').next().unwrap();
        let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let archive = format!("coredns_{version}_linux_{machine}.tgz");
        let sh = |script: &str| {
            let status = std::process::Command::new("bash").args(["-ec", script]).current_dir(served).env("A", &archive).status();
            assert!(status.unwrap().success(), "{script}");
        };
        sh("printf program > coredns; tar -czf $A coredns; sha256sum $A > $A.sha256");
        let made = official("coredns", served, &out);
        assert!(made.status.success(), "{made:?}");
        assert_eq!(std::fs::read_to_string(out.join("coredns")).unwrap(), "program");
        assert_eq!(std::fs::read_to_string(out.join("VERSION")).unwrap().trim(), version);
        let mut names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["VERSION", "coredns"]);

        sh("printf other > coredns; tar -czf $A coredns");
        let other = official("coredns", served, &dir.path().join("again"));
        assert_eq!(other.status.code(), Some(1), "another sum is no reason to build");
        assert!(String::from_utf8_lossy(&other.stderr).contains("has another sum than the published"), "{other:?}");
        sh("rm $A");
        assert_ne!(
            official("coredns", served, &dir.path().join("again")).status.code(),
            Some(unavailable),
            "the sums are there, the file is not"
        );
    }

    #[test]
    fn what_is_said_to_have_releases_is_known_to_the_script_and_of_the_recipes_version() {
        let script = FILES.iter().find(|file| file.name == OFFICIAL.0).unwrap().text;
        for recipe in crate::recipe::RECIPES {
            assert_eq!(script.contains(&format!("\n  {})\n", recipe.name)), recipe.is_released, "{}", recipe.name);
            let own = FILES.iter().find(|file| file.name == recipe.script()).unwrap().text;
            assert!(!recipe.is_released || own.contains("\nversion="), "{}", recipe.name);
        }
    }

    #[tokio::test]
    async fn a_recipe_ends_with_whoever_started_it_and_all_that_it_started() {
        let mut child = behind("sleep 1000 & sleep 1000");
        drop(child.stdin.take());
        // Its standard output closes only when the last process of the group is gone.
        let output = tokio::time::timeout(Duration::from_secs(20), child.wait_with_output()).await.unwrap().unwrap();
        assert!(!output.status.success());
        let mut child = behind("exit 7");
        let held = child.stdin.take();
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
        drop(held);
    }
}

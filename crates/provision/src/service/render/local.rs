//! The programs as they are on the operator's computer.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Failed, Programs, Ran, Run, Tool, said};

/// The most that a program may say, in MiB.
const MOST: u64 = 16;
/// A port that nothing listens on: a proxy there is no network. Servers of this computer itself stay reachable.
const NOWHERE: &str = "http://127.0.0.1:9";

/// The programs of this computer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// helm(1); `None` for the one that PATH leads to.
    pub helm: Option<PathBuf>,
    /// kustomize(1) or kubectl(1); `None` for the one that PATH leads to.
    pub kustomize: Option<PathBuf>,
    /// The folder for what is kept. `None` if nothing is.
    pub cache: Option<PathBuf>,
}

/// A program, and what stands before its arguments.
struct Program {
    path: PathBuf,
    first: &'static str,
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join(name)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// What kustomize is called in a program of this name.
fn build(path: &Path) -> &'static str {
    let is_kubectl = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("kubectl"));
    if is_kubectl { "kustomize" } else { "build" }
}

impl Local {
    /// Those that `KUBESTEAD_HELM` and `KUBESTEAD_KUSTOMIZE` name; what is kept lies in `KUBESTEAD_CACHE`, else in `~/.cache/kubestead`.
    pub fn here() -> Self {
        let usual = || std::env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".cache/kubestead"));
        let cache = variable("KUBESTEAD_CACHE").or_else(usual).map(|cache| cache.join("charts"));
        Self { helm: variable("KUBESTEAD_HELM"), kustomize: variable("KUBESTEAD_KUSTOMIZE"), cache }
    }
}

fn found(programs: &Local, tool: Tool) -> Result<Program, Failed> {
    type Usual = fn() -> Option<PathBuf>;
    let (named, path, usual, missing): (_, &Option<PathBuf>, Usual, _) = match tool {
        Tool::Helm => ("KUBESTEAD_HELM", &programs.helm, || on_path("helm"), "helm is not installed here: install helm 4"),
        Tool::Kustomize => (
            "KUBESTEAD_KUSTOMIZE",
            &programs.kustomize,
            || on_path("kustomize").or_else(|| on_path("kubectl")),
            "neither kustomize nor kubectl is installed here: install one",
        ),
        Tool::Curl => {
            let missing = "curl is not installed here: install it, or download the file yourself and name it with `path`";
            return on_path("curl").map(|path| Program { path, first: "" }).ok_or_else(|| Failed::Missing(missing.to_owned()));
        }
    };
    let path = match path.clone() {
        Some(path) if is_program(&path) => Some(path),
        Some(path) => return Err(Failed::Missing(format!("{named} names {}, which is no program", path.display()))),
        None => usual(),
    };
    let path = path.ok_or_else(|| Failed::Missing(format!("{missing}, or name it with {named}")))?;
    let first = if tool == Tool::Kustomize { build(&path) } else { "" };
    Ok(Program { path, first })
}

impl Programs for Local {
    fn run(&self, run: &Run) -> Result<Ran, Failed> {
        let Program { path, first } = found(self, run.tool)?;
        let program = path.display().to_string();
        let broken = |why: std::io::Error| Failed::Broken { program: program.clone(), why: why.to_string() };
        let home = tempfile::Builder::new().prefix("kubestead-render").tempdir().map_err(broken)?;
        let mut command = Command::new(&path);
        command.args(Some(first).filter(|first| !first.is_empty())).args(&run.arguments);
        if !run.network {
            let at = |name: &str| home.path().join(name);
            command.env_clear().current_dir(home.path());
            command.env("HOME", home.path()).env("PATH", "").env("KUBECONFIG", "/dev/null").env("TMPDIR", home.path()).env("NO_PROXY", "");
            for name in ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "HELM_PLUGINS"] {
                command.env(name, at(name));
            }
            for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
                command.env(name, NOWHERE);
            }
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(broken)?;
        let told = listen(&mut child, run);
        if told.is_err() {
            let _ = child.kill();
        }
        let status = child.wait().map_err(broken)?;
        let (output, complained) = told.map_err(|stop| match stop {
            Stop::Late => Failed::Late { program: program.clone(), seconds: run.within.as_secs() },
            Stop::TooMuch => Failed::TooMuch { program: program.clone(), limit: MOST },
            Stop::Broken(why) => Failed::Broken { program: program.clone(), why },
        })?;
        if !status.success() {
            return Err(Failed::Said { program, words: said(&String::from_utf8_lossy(&complained)) });
        }
        let output = String::from_utf8(output);
        let output = output.map_err(|_| Failed::Broken { program, why: "what it says is not UTF-8 text".to_owned() })?;
        Ok(Ran { output, complained: said(&String::from_utf8_lossy(&complained)) })
    }

    fn cache(&self) -> Option<PathBuf> {
        self.cache.clone()
    }

    fn next_second(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        std::thread::sleep(Duration::from_secs(1).saturating_sub(Duration::from_nanos(now.subsec_nanos().into())));
    }
}

/// Why a program is ended.
enum Stop {
    Late,
    TooMuch,
    Broken(String),
}

/// Writes the input, and reads what is said until there is no more.
fn listen(child: &mut Child, run: &Run) -> Result<(Vec<u8>, Vec<u8>), Stop> {
    let end = Instant::now() + run.within;
    let (told, hear) = mpsc::channel();
    if let Some(mut stdin) = child.stdin.take() {
        let input = run.input.clone();
        // A program that reads nothing has its reasons, and says them.
        std::thread::spawn(move || stdin.write_all(&input));
    }
    let streams: [Option<Box<dyn Read + Send>>; 2] =
        [child.stdout.take().map(|out| Box::new(out) as Box<dyn Read + Send>), child.stderr.take().map(|err| Box::new(err) as _)];
    let count = streams.iter().flatten().count();
    for (index, stream) in streams.into_iter().enumerate() {
        let (Some(stream), told) = (stream, told.clone()) else { continue };
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stream.take((MOST << 20) + 1).read_to_end(&mut bytes);
            told.send((index, read.map(|_| bytes)))
        });
    }
    let mut heard = [Vec::new(), Vec::new()];
    for _ in 0..count {
        let (index, read) = hear.recv_timeout(end.saturating_duration_since(Instant::now())).map_err(|_| Stop::Late)?;
        heard[index] = read.map_err(|error| Stop::Broken(error.to_string()))?;
        if heard[index].len() as u64 > MOST << 20 {
            return Err(Stop::TooMuch);
        }
    }
    let [output, complained] = heard;
    Ok((output, complained))
}

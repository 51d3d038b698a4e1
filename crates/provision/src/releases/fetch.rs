//! Downloads, compares, unpacks. Everything happens in a folder beside the bundle's, which takes the bundle's name when it is whole: stopped
//! at any instant, the next run goes on with what is there.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::process::Command;
use tokio::time::interval;

use super::Error;
use super::lock::{Download, Lock, Piece};
use crate::bundle::{self, Bundle, BundleFile, Kind};

/// How often it is said how much has come.
const SAY: Duration = Duration::from_secs(10);
/// The copy of the lock file in the bundle.
const COPY: &str = "releases.json";
/// curl(1): the server cannot resume; an answer of 400 or more, which 416 is when the file had come whole.
const NO_RESUME: [i32; 2] = [33, 22];

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A download begins: its address, its number, how many there are.
    Started(String, usize, usize),
    /// So many bytes have come.
    Bytes(String, u64),
    /// It is whole and what it should be; so many bytes.
    Checked(String, u64),
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The bundle was made.
    Made(Bundle),
    /// It was there, made from the same lock file, and every file has its sum.
    Already(Bundle),
}

/// Makes the bundle of a lock file in a folder that is not there yet.
pub async fn fetch(lock: &Path, to: &Path, mirror: Option<&str>, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Fetched, Error> {
    let (lock, text) = Lock::load(lock)?;
    if to.exists() {
        return already(to, &text).map(Fetched::Already);
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let downloads = part.join("downloads");
    std::fs::create_dir_all(&downloads).map_err(Error::file("cannot make", &downloads))?;
    let turn = std::fs::File::create(part.join("turn")).map_err(Error::file("cannot write", &part))?;
    if turn.try_lock().is_err() {
        return Err(Error::Taken { path: part, what: "is being filled by another run".into() });
    }
    let _turn = Turn(turn);
    let mut files = Vec::new();
    for (number, download) in lock.downloads.iter().enumerate() {
        progress(Progress::Started(download.url.clone(), number + 1, lock.downloads.len()));
        let file = get(download, &downloads, mirror, progress).await?;
        for piece in &download.files {
            files.push(put(download, piece, &file, &part).await?);
        }
    }
    let bundle = Bundle { format_version: 1, kubernetes: lock.kubernetes.clone(), source: "downloaded".into(), files };
    let json = serde_json::to_string_pretty(&bundle).map_err(std::io::Error::other).map_err(Error::file("cannot write", &part))?;
    for (name, text) in [(COPY, text), ("bundle.json", json + "\n")] {
        std::fs::write(part.join(name), text).map_err(Error::file("cannot write", part.join(name)))?;
    }
    bundle::load(&part)?;
    std::fs::remove_dir_all(&downloads).map_err(Error::file("cannot remove", &downloads))?;
    std::fs::remove_file(part.join("turn")).map_err(Error::file("cannot remove", part.join("turn")))?;
    std::fs::rename(&part, to).map_err(Error::file("cannot rename", &part))?;
    Ok(Fetched::Made(bundle))
}

/// The lock of a folder, given back by name: a program that another thread just begins holds a copy of the file until it runs.
struct Turn(std::fs::File);

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// The bundle that is there, when it was made from this lock file.
fn already(to: &Path, text: &str) -> Result<Bundle, Error> {
    let taken = |what: &str| Error::Taken { path: to.to_owned(), what: what.to_owned() };
    match std::fs::read_to_string(to.join(COPY)) {
        Ok(copy) if copy == text => verify(to),
        Ok(_) => Err(taken("is a bundle of another lock file")),
        Err(_) => Err(taken("is there, and is no bundle of a lock file")),
    }
}

/// Reads a bundle and compares every file with its sum.
pub fn verify(dir: &Path) -> Result<Bundle, Error> {
    let bundle = bundle::load(dir)?;
    for file in &bundle.files {
        let path = dir.join(&file.path);
        let (have, _) = sum(&path)?;
        if have != file.sha256 {
            return Err(Error::Sum { name: path.display().to_string(), from: "bundle.json", want: file.sha256.clone(), have });
        }
    }
    Ok(bundle)
}

/// A file's sha256 and size.
fn sum(path: &Path) -> Result<(String, u64), Error> {
    let read = Error::file("cannot read", path);
    let mut hash = Sha256::new();
    let mut size = 0;
    let copied = (|| {
        let mut file = std::fs::File::open(path)?;
        let mut buffer = vec![0_u8; 1 << 20];
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            hash.update(&buffer[..length]);
            size += length as u64;
        }
    })();
    copied.map_err(read)?;
    Ok((hash.finalize().iter().map(|b| format!("{b:02x}")).collect(), size))
}

/// The download as a file that has the lock's sum. Its name is the sum: what is there under it is compared and not downloaded again.
async fn get(
    download: &Download,
    downloads: &Path,
    mirror: Option<&str>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<PathBuf, Error> {
    let whole = downloads.join(&download.sha256);
    let part = downloads.join(format!("{}.part", download.sha256));
    if !whole.exists() {
        let address = download.address(mirror);
        // What an earlier run left may be of no use: then once more, from the beginning.
        let resumed = part.metadata().is_ok_and(|m| m.len() > 0);
        let mut ended = curl(&address, &part, progress).await;
        let useless = match &ended {
            Ok(()) => sum(&part)?.0 != download.sha256,
            Err((code, _)) => code.is_some_and(|code| NO_RESUME.contains(&code)),
        };
        if resumed && useless {
            std::fs::remove_file(&part).map_err(Error::file("cannot remove", &part))?;
            ended = curl(&address, &part, progress).await;
        }
        ended.map_err(|(_, detail)| Error::Program { what: format!("cannot download {address}"), detail })?;
        std::fs::rename(&part, &whole).map_err(Error::file("cannot rename", &part))?;
    }
    let (have, size) = sum(&whole)?;
    if have != download.sha256 {
        std::fs::remove_file(&whole).map_err(Error::file("cannot remove", &whole))?;
        return Err(Error::Sum { name: download.address(mirror), from: "the lock file", want: download.sha256.clone(), have });
    }
    progress(Progress::Checked(download.url.clone(), size));
    Ok(whole)
}

/// Downloads an address to a file, going on where the file ends. An error is curl's exit code and its words.
async fn curl(address: &str, to: &Path, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<(), (Option<i32>, String)> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--location", "--proto", "=http,https", "--proto-redir", "=http,https"]);
    // A server that is silent for a minute is gone.
    command.args(["--globoff", "--connect-timeout", "20", "--speed-limit", "1", "--speed-time", "60", "--retry", "2"]);
    command.args(["--continue-at", "-", "--output"]).arg(to).args(["--url", address]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().map_err(|e| (None, format!("curl cannot be started ({e}): install curl")))?;
    let mut say = interval(SAY);
    say.tick().await;
    let output = child.wait_with_output();
    tokio::pin!(output);
    let output = loop {
        tokio::select! {
            output = &mut output => break output.map_err(|e| (None, e.to_string()))?,
            _ = say.tick() => progress(Progress::Bytes(address.to_owned(), to.metadata().map_or(0, |m| m.len()))),
        }
    };
    if output.status.success() { Ok(()) } else { Err((output.status.code(), String::from_utf8_lossy(&output.stderr).trim().to_owned())) }
}

/// Puts a piece of a download into the bundle.
async fn put(download: &Download, piece: &Piece, from: &Path, bundle: &Path) -> Result<BundleFile, Error> {
    let mut file = piece.file(&download.version, String::new(), 0);
    let path = bundle.join(&file.path);
    let folder = path.parent().unwrap_or(bundle);
    std::fs::create_dir_all(folder).map_err(Error::file("cannot make", folder))?;
    let out = std::fs::File::create(&path).map_err(Error::file("cannot write", &path))?;
    match &piece.from {
        None => {
            std::fs::copy(from, &path).map_err(Error::file("cannot copy", from))?;
        }
        Some(member) => {
            let what = || format!("cannot take {member} out of {}", download.url);
            let mut tar = Command::new("tar");
            tar.arg("--extract").arg("--to-stdout").arg("--file").arg(from).arg("--").arg(member);
            let tar = tar.stdin(Stdio::null()).stdout(out).stderr(Stdio::piped()).kill_on_drop(true);
            let output = tar.spawn().map_err(|e| e.to_string());
            let output = match output {
                Ok(child) => child.wait_with_output().await.map_err(|e| e.to_string()),
                Err(error) => Err(error),
            };
            let output = output.map_err(|detail| Error::Program { what: what(), detail })?;
            if !output.status.success() {
                let detail = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                return Err(Error::Program { what: what(), detail });
            }
        }
    }
    let mode = if file.kind == Kind::Image { 0o644 } else { 0o755 };
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).map_err(Error::file("cannot write", &path))?;
    (file.sha256, file.size) = sum(&path)?;
    Ok(file)
}

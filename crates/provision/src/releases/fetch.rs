//! Downloads, compares, unpacks. Everything happens in a folder beside the bundle's, which takes the bundle's name when it is whole: stopped
//! at any instant, the next run goes on with what is there.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::archive::archive;
use super::download::{self, Source, Want, sum};
use super::lock::{Download, Lock, Piece, Target};
use super::registry::Registries;
use super::{Error, web};
use crate::bundle::{self, Bundle, BundleFile, Kind};

/// The copy of the lock file in the bundle.
pub(super) const COPY: &str = "releases.json";

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
    let all = lock.downloads.len() + lock.images.len() * lock.arch.len();
    let apart = lock.arch.len() > 1;
    for (number, download) in lock.downloads.iter().enumerate() {
        progress(Progress::Started(download.url.clone(), number + 1, all));
        let file = get(download, &downloads, mirror, progress).await?;
        for piece in &download.files {
            // What is said of the only architecture is said of each download.
            let arch = download.arch.or(lock.arch.first().copied().filter(|_| !apart));
            let to = piece.file(&download.version, Target { arch, apart });
            files.push(put(download, piece, to, &file, &part).await?);
        }
    }
    let mut registries = Registries::new(mirror, &[]);
    let each = lock.images.iter().flat_map(|image| lock.arch.iter().map(move |arch| (image, *arch)));
    for (number, (image, arch)) in each.enumerate() {
        progress(Progress::Started(image.image.clone(), lock.downloads.len() + number + 1, all));
        let mut file = image.file(Target { arch: Some(arch), apart });
        (file.sha256, file.size) = archive(image, arch.name(), &mut registries, &downloads, &part.join(&file.path), progress).await?;
        progress(Progress::Checked(image.image.clone(), file.size));
        files.push(file);
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

/// The download as a file that has the lock's sum.
async fn get(
    download: &Download,
    downloads: &Path,
    mirror: Option<&str>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<PathBuf, Error> {
    let address = web::at(mirror, &download.url);
    let want = Want { sha256: &download.sha256, from: "the lock file", size: None };
    let (file, size) = download::file(Source::Web(&address), &want, downloads, progress).await?;
    progress(Progress::Checked(download.url.clone(), size));
    Ok(file)
}

/// Puts a piece of a download into the bundle, as `file` says.
async fn put(download: &Download, piece: &Piece, mut file: BundleFile, from: &Path, bundle: &Path) -> Result<BundleFile, Error> {
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

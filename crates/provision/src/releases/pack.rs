//! A bundle as one file, to be carried: `.tar.zst`, whose bytes depend on the bundle alone, and on the version of zstd(1).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::Error;
use super::download::sum;
use super::fetch::{COPY, verify};
use crate::bundle::Bundle;

/// Says that a folder is one of ours, half unpacked.
const MARK: &str = "unpacking";

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// It was made.
    Made,
    /// It was there, and is the same.
    Already,
}

/// The files of a bundle, `bundle.json` first.
fn names(bundle: &Bundle, dir: &Path) -> Vec<String> {
    let mut paths: Vec<String> = bundle.files.iter().map(|file| file.path.clone()).collect();
    paths.sort();
    let copy = dir.join(COPY).exists().then(|| COPY.to_owned());
    ["bundle.json".to_owned()].into_iter().chain(copy).chain(paths).collect()
}

fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    PathBuf::from(name)
}

async fn tar<S: AsRef<OsStr>>(what: &str, path: &Path, words: impl IntoIterator<Item = S>) -> Result<(), Error> {
    let failed = |detail: String| Error::Program { what: format!("cannot {what} {}", path.display()), detail };
    let mut tar = Command::new("tar");
    tar.arg("--use-compress-program=zstd -q")
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let child = tar.spawn().map_err(|error| failed(format!("tar cannot be started ({error}): install tar")))?;
    let output = child.wait_with_output().await.map_err(|error| failed(error.to_string()))?;
    let said = || format!("{} (it needs tar and zstd)", String::from_utf8_lossy(&output.stderr).trim());
    if output.status.success() { Ok(()) } else { Err(failed(said())) }
}

/// What makes the bytes of an archive depend on its files alone.
const SAME: [&str; 10] = [
    "--create",
    "--format=gnu",
    "--no-recursion",
    "--dereference",
    "--hard-dereference",
    "--mtime=@0",
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mode=u=rwX,go=rX",
];

/// Writes texts, each with its path, as one file that its owner alone reads. One that is there is not replaced, and a link is not followed.
pub async fn pack_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>, to: &Path) -> Result<(), Error> {
    let to = std::path::absolute(to).map_err(Error::file("cannot write", to))?;
    let beside = to.parent().unwrap_or(Path::new("/"));
    // Nobody else looks into it.
    let folder = tempfile::Builder::new().prefix(".kubestead-").tempdir_in(beside).map_err(Error::file("cannot write below", beside))?;
    let (files, archive) = (folder.path().join("files"), folder.path().join("archive"));
    let mut names = Vec::new();
    for (name, text) in texts {
        let path = files.join(name);
        let parent = path.parent().unwrap_or(&files);
        std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&path, text)).map_err(Error::file("cannot write", &path))?;
        names.push(name);
    }
    let words =
        SAME.iter().map(OsStr::new).chain([OsStr::new("--directory"), files.as_os_str(), OsStr::new("--file"), archive.as_os_str()]);
    tar("pack", &to, words.chain([OsStr::new("--")]).chain(names.iter().map(OsStr::new))).await?;
    let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&archive, own).map_err(Error::file("cannot write", &archive))?;
    std::fs::File::open(&archive).and_then(|file| file.sync_all()).map_err(Error::file("cannot write", &archive))?;
    std::fs::hard_link(&archive, &to).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Taken { path: to.clone(), what: "is there, and is not replaced".into() },
        _ => Error::file("cannot write", &to)(error),
    })
}

/// Writes a bundle, whose files all have their sums, as one file.
pub async fn pack(dir: &Path, to: &Path) -> Result<(Bundle, Packed), Error> {
    let bundle = verify(dir)?;
    let part = beside(to, ".part");
    // tar goes to the folder before it opens its own file.
    let file = std::path::absolute(&part).map_err(Error::file("cannot write", &part))?;
    let names = names(&bundle, dir);
    let words = SAME.iter().chain(&["--directory"]).map(OsStr::new);
    let words = words.chain([dir.as_os_str(), OsStr::new("--file"), file.as_os_str(), OsStr::new("--")]);
    let words = words.chain(names.iter().map(OsStr::new));
    if let Err(error) = tar("pack", dir, words).await {
        // On a full disk it would keep what others need.
        let _ = std::fs::remove_file(&part);
        return Err(error);
    }
    if to.exists() {
        let same = sum(to)?.0 == sum(&part)?.0;
        std::fs::remove_file(&part).map_err(Error::file("cannot remove", &part))?;
        let other = || Error::Taken { path: to.to_owned(), what: "is there, and is something else".into() };
        return if same { Ok((bundle, Packed::Already)) } else { Err(other()) };
    }
    std::fs::File::open(&part).and_then(|file| file.sync_all()).map_err(Error::file("cannot write", &part))?;
    std::fs::rename(&part, to).map_err(Error::file("cannot rename", &part))?;
    Ok((bundle, Packed::Made))
}

/// Unpacks what `pack` wrote into a folder, which holds nothing but the bundle then, whose files all have their sums.
pub async fn unpack(from: &Path, to: &Path) -> Result<(Bundle, Packed), Error> {
    let part = beside(to, ".unpacking");
    clear(&part)?;
    std::fs::create_dir_all(&part).map_err(Error::file("cannot make", &part))?;
    std::fs::write(part.join(MARK), "").map_err(Error::file("cannot write", &part))?;
    let words = ["--extract", "--no-same-owner", "--no-same-permissions", "--file"].map(OsStr::new);
    let words = words.into_iter().chain([from.as_os_str(), OsStr::new("--directory"), part.as_os_str()]);
    let unpacked = tar("unpack", from, words).await;
    let bundle = unpacked.and_then(|()| verify(&part)).and_then(|bundle| whole(&bundle, &part, from).map(|()| bundle));
    let bundle = match bundle {
        Ok(bundle) => bundle,
        Err(error) => {
            clear(&part)?;
            return Err(error);
        }
    };
    if to.exists() {
        clear(&part)?;
        let other = || Error::Taken { path: to.to_owned(), what: "is there, and is another bundle or none".into() };
        return if verify(to).is_ok_and(|there| there == bundle) { Ok((bundle, Packed::Already)) } else { Err(other()) };
    }
    std::fs::remove_file(part.join(MARK)).map_err(Error::file("cannot remove", &part))?;
    std::fs::rename(&part, to).map_err(Error::file("cannot rename", &part))?;
    Ok((bundle, Packed::Made))
}

/// Removes a folder that a run that was cut off left.
fn clear(part: &Path) -> Result<(), Error> {
    if !part.exists() {
        return Ok(());
    }
    let empty = std::fs::read_dir(part).map_err(Error::file("cannot read", part))?.next().is_none();
    if !empty && !part.join(MARK).is_file() {
        return Err(Error::Taken { path: part.to_owned(), what: "is there, and is not ours".into() });
    }
    std::fs::remove_dir_all(part).map_err(Error::file("cannot remove", part))
}

/// Holds that a folder has the files of its bundle and nothing else: no link, and nothing that nobody compared.
fn whole(bundle: &Bundle, part: &Path, from: &Path) -> Result<(), Error> {
    let known: BTreeSet<PathBuf> = names(bundle, part).iter().map(|name| part.join(name)).chain([part.join(MARK)]).collect();
    let mut open = vec![part.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).map_err(Error::file("cannot read", &folder))? {
            let entry = entry.map_err(Error::file("cannot read", &folder))?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(Error::file("cannot read", &folder))?);
            if kind.is_dir() {
                open.push(path);
            } else if !kind.is_file() || !known.contains(&path) {
                let name = path.strip_prefix(part).unwrap_or(&path).display().to_string();
                let detail = format!("it holds {name:?}, which is no file of its bundle.json: it is not used");
                return Err(Error::Program { what: format!("cannot unpack {}", from.display()), detail });
            }
        }
    }
    Ok(())
}

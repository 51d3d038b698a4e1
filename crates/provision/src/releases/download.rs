//! One file of the web, by its digest, in a folder where it is called by it: what is there is compared and not asked for again, what was cut off
//! goes on where it was. Its bytes are counted and hashed as they come; no more of them than a buffer is in memory.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::registry::{Reference, Registries};
use super::web::{self, Ask, Reply, refused};
use super::{Error, Progress};

/// How often it is said how much has come.
const SAY: Duration = Duration::from_secs(10);
/// No file is longer, in bytes; a tar archive's old header holds no larger number.
pub(super) const LONGEST: u64 = (8 << 30) - 1;

/// Where it comes from.
pub(super) enum Source<'a, 'r> {
    /// An address.
    Web(&'a str),
    /// A blob of a registry.
    Blob(&'a mut Registries<'r>, &'a Reference),
}

/// What is wanted.
pub(super) struct Want<'a> {
    /// 64 hex digits.
    pub(super) sha256: &'a str,
    /// Where that stands.
    pub(super) from: &'static str,
    /// Bytes, if they are known.
    pub(super) size: Option<u64>,
}

/// A digest as hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Source<'_, '_> {
    async fn open(&mut self, want: &Want<'_>, from: u64) -> Result<Reply, Error> {
        match self {
            Self::Web(url) => web::get(Ask { from, ..Ask::new(url) }).await,
            Self::Blob(registries, image) => registries.blob(image, want.sha256, from).await,
        }
    }
}

enum Got {
    Whole(Sha256, u64),
    /// What an earlier run left cannot be gone on with.
    Useless,
}

/// The file, and its size.
pub(super) async fn file(
    mut source: Source<'_, '_>,
    want: &Want<'_>,
    folder: &Path,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(PathBuf, u64), Error> {
    let whole = folder.join(want.sha256);
    let part = folder.join(format!("{}.part", want.sha256));
    let remove = |path: &Path| std::fs::remove_file(path).map_err(Error::file("cannot remove", path));
    if whole.exists() {
        let (have, size) = sum(&whole)?;
        if have == want.sha256 {
            return Ok((whole, size));
        }
        remove(&whole)?;
    }
    loop {
        let begun = part.metadata().map_or(0, |m| m.len());
        let mut address = String::new();
        match bytes(&mut source, want, &part, begun, &mut address, progress).await? {
            Got::Whole(hash, size) => {
                let have = hex(&hash.finalize());
                if have == want.sha256 {
                    std::fs::rename(&part, &whole).map_err(Error::file("cannot rename", &part))?;
                    return Ok((whole, size));
                }
                remove(&part)?;
                // What an earlier run left may be of another file: then once more, from the beginning.
                if begun == 0 {
                    return Err(Error::Sum { name: address, from: want.from, want: want.sha256.to_owned(), have });
                }
            }
            Got::Useless => remove(&part)?,
        }
    }
}

async fn bytes(
    source: &mut Source<'_, '_>,
    want: &Want<'_>,
    part: &Path,
    begun: u64,
    address: &mut String,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Got, Error> {
    let limit = want.size.unwrap_or(LONGEST);
    let mut hash = Sha256::new();
    if begun > limit {
        return Ok(Got::Useless);
    }
    if begun > 0 {
        hash_file(part, &mut hash)?;
        if hex(&hash.clone().finalize()) == want.sha256 {
            return Ok(Got::Whole(hash, begun));
        }
    }
    let mut reply = source.open(want, begun).await?;
    address.clone_from(&reply.address);
    let begins = format!("bytes {begun}-");
    match reply.status {
        200 if begun == 0 => {}
        206 if begun > 0 && reply.header("content-range").is_some_and(|range| range.starts_with(&begins)) => {}
        200 | 206 | 416 if begun > 0 => return Ok(Got::Useless),
        _ => return Err(reply.unwanted()),
    }
    let write = |error| Error::file("cannot write", part)(error);
    let mut file = OpenOptions::new().append(true).create(true).open(part).map_err(write)?;
    let (mut size, mut buffer, mut said) = (begun, vec![0; 256 << 10], Instant::now());
    loop {
        let read = reply.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        size += read as u64;
        if size > limit {
            drop(file);
            std::fs::remove_file(part).map_err(Error::file("cannot remove", part))?;
            let cause = format!("more than {limit} bytes come, and it has no more");
            return Err(refused(&reply.address, cause, "it is not used: is a proxy or a stranger in between?"));
        }
        file.write_all(&buffer[..read]).map_err(write)?;
        hash.update(&buffer[..read]);
        if said.elapsed() >= SAY {
            said = Instant::now();
            progress(Progress::Bytes(reply.address.clone(), size));
        }
    }
    file.sync_all().map_err(write)?;
    Ok(Got::Whole(hash, size))
}

fn hash_file(path: &Path, hash: &mut Sha256) -> Result<u64, Error> {
    let hashed = (|| {
        let (mut file, mut buffer, mut size) = (File::open(path)?, vec![0_u8; 1 << 20], 0);
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                return Ok(size);
            }
            hash.update(&buffer[..length]);
            size += length as u64;
        }
    })();
    hashed.map_err(Error::file("cannot read", path))
}

/// A file's sha256 and size.
pub(super) fn sum(path: &Path) -> Result<(String, u64), Error> {
    let mut hash = Sha256::new();
    let size = hash_file(path, &mut hash)?;
    Ok((hex(&hash.finalize()), size))
}

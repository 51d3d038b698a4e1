//! Charts that lie elsewhere: their archives are downloaded by helm, which knows the operator's logins, and kept by their digests. One of another digest
//! than the cluster file says is nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kubestead_core::put::digest;

use super::{Programs, Run, Tool, keep};
use crate::file::ChartPlace;

/// An archive is not larger, in bytes.
const MOST: u64 = 64 << 20;
/// How long a download may take.
const WITHIN: Duration = Duration::from_secs(300);

/// The archive of a chart, whose sha256 is known to be the one that is asked for. The error is what to tell. `held` keeps what is not kept for good.
pub(super) fn archive(place: &ChartPlace, sha256: &str, programs: &dyn Programs, held: &Path) -> Result<PathBuf, String> {
    let (source, version): (Vec<&str>, &str) = match place {
        ChartPlace::Path(path) => return same(path, sha256).map(|()| path.clone()),
        ChartPlace::Oci { address, version } => (vec![address.as_str()], version),
        ChartPlace::Repository { address, name, version } => (vec![name.as_str(), "--repo", address.as_str()], version),
    };
    let kept = programs.cache().map(|cache| cache.join(format!("{sha256}.tgz")));
    if let Some(kept) = kept.as_ref().filter(|kept| same(kept, sha256).is_ok()) {
        return Ok(kept.clone());
    }
    let folder = tempfile::tempdir_in(held).map_err(|error| format!("cannot make a folder for its archive: {error}"))?;
    let mut arguments: Vec<std::ffi::OsString> = vec!["pull".into()];
    arguments.extend(source.into_iter().chain(["--version", version, "--destination"]).map(Into::into));
    arguments.push(folder.path().into());
    let run = Run { tool: Tool::Helm, arguments, input: Vec::new(), network: true, within: WITHIN };
    programs.run(&run).map_err(|failed| failed.to_string())?;
    let found: Vec<PathBuf> = std::fs::read_dir(folder.path())
        .map_err(|error| format!("its archive cannot be read: {error}"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "tgz"))
        .collect();
    let [found] = found.as_slice() else { return Err(format!("helm downloaded {} archives", found.len())) };
    same(found, sha256)?;
    let to = kept.unwrap_or_else(|| held.join(format!("{sha256}.tgz")));
    let put = keep(&to, |part| std::fs::copy(found, part).map(drop));
    put.map_err(|error| format!("cannot keep its archive as {}: {error}", to.display()))?;
    same(&to, sha256).map(|()| to)
}

/// Whether a file has a digest.
fn same(path: &Path, sha256: &str) -> Result<(), String> {
    let unread = |why: String| format!("its archive cannot be read: {why}");
    let data = path.metadata().map_err(|error| unread(error.to_string()))?;
    if !data.is_file() || data.len() > MOST {
        return Err(unread(format!("it is no file of at most {} MiB", MOST >> 20)));
    }
    let have = digest(std::fs::read(path).map_err(|error| unread(error.to_string()))?);
    if have == sha256 {
        Ok(())
    } else {
        Err(format!("its archive has the digest sha256:{have}, and the cluster file says sha256:{sha256}"))
    }
}

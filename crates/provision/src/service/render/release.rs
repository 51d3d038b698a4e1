//! Manifests that others release: a file of the web, downloaded once, kept by its sum, and compared with it before each use.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use kubestead_core::diagnostic::Diagnostic;
use kubestead_core::put::digest;

use super::{Programs, Run, Tool, keep};
use crate::file::Release;
use crate::service::folder;
use crate::service::found::{Text, finding};

/// A file is not larger, in bytes.
const MOST: usize = 16 << 20;
/// How long a download may take.
const WITHIN: Duration = Duration::from_secs(300);

/// The texts of a release.
pub(crate) fn texts(release: &Release, shown: &dyn Fn(&Path) -> String, programs: &dyn Programs, out: &mut Vec<Diagnostic>) -> Vec<Text> {
    let (address, sha256) = match release {
        Release::Path(path) => return folder::read(path, shown, out),
        Release::Web { address, sha256 } => (address, sha256),
    };
    match downloaded(address, sha256, programs) {
        Ok(text) => vec![Text { name: address.clone(), text }],
        Err(why) => {
            let hint = "see `release` in the cluster file: `path` names a file that you have downloaded; a sum that changed is a file that changed";
            out.push(finding(address, why, Some(hint)));
            Vec::new()
        }
    }
}

fn downloaded(address: &str, sha256: &str, programs: &dyn Programs) -> Result<String, String> {
    let kept = programs.cache().map(|cache| cache.join(format!("{sha256}.yaml")));
    let known = kept.as_ref().and_then(|kept| crate::file::within(kept, MOST as u64).ok());
    if let Some(text) = known.filter(|text| digest(text) == sha256) {
        return Ok(text);
    }
    // It may lead on, as the address of a release does: what comes has a sum that is known.
    let limits = ["--proto", "=https", "--max-redirs", "5", "--connect-timeout", "20", "--speed-limit", "1000", "--speed-time", "60"];
    let plain = ["--disable", "--silent", "--show-error", "--fail", "--location", "--globoff"];
    let arguments = plain.into_iter().chain(limits).chain(["--url", address]).map(OsString::from).collect();
    let run = Run { tool: Tool::Curl, arguments, input: Vec::new(), network: true, within: WITHIN };
    let text = programs.run(&run).map_err(|failed| failed.to_string())?.output;
    let have = digest(&text);
    if have != sha256 {
        return Err(format!("what is downloaded has the sum {have}, and the cluster file says {sha256}"));
    }
    if let Some(kept) = kept {
        let put = keep(&kept, |part| std::fs::write(part, &text));
        put.map_err(|error| format!("it cannot be kept as {}: {error}", kept.display()))?;
    }
    Ok(text)
}

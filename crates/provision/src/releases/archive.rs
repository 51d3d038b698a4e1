//! An image of a registry as the archive that a node imports: manifests, configuration and layers by their digests, and one file of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::download::{self, Source, Want, sum};
use super::image::{self, Blob, Manifest};
use super::lock::Image;
use super::pin::CONFIG;
use super::registry::{MANIFEST, Reference, Registries};
use super::web::refused;
use super::{Error, Progress, same};

/// Where the blobs are below the downloads, as in an OCI layout.
const BLOBS: &str = "blobs/sha256";
const DIGEST: &str = "its digest";

/// Makes the archive of an image, and tells its sum and size.
pub(super) async fn archive(
    image: &Image,
    arch: &str,
    registries: &mut Registries<'_>,
    downloads: &Path,
    to: &Path,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(String, u64), Error> {
    let wrong = |cause: String| refused(&image.image, cause, "it is not used: what the lock file names is no image for this architecture");
    let reference = Reference::parse(&image.image).ok_or_else(|| wrong("it is no reference HOST/NAME:TAG".to_owned()))?;
    let digest = image::sha256(&image.digest).ok_or_else(|| wrong("it has no digest of sha256".to_owned()))?;
    let blobs = downloads.join(BLOBS);
    std::fs::create_dir_all(&blobs).map_err(Error::file("cannot make", &blobs))?;

    let mut bytes = manifest(&reference, digest, registries, &blobs).await?;
    let mut of = Blob { sha256: digest.to_owned(), size: bytes.len() as u64 };
    if let Manifest::Index(index) = Manifest::parse(&bytes).map_err(wrong)? {
        of = image::choose(&index, arch).map_err(wrong)?.clone();
        bytes = manifest(&reference, &of.sha256, registries, &blobs).await?;
        if bytes.len() as u64 != of.size {
            return Err(wrong(format!("sha256:{} has {} bytes, and its index says {}", of.sha256, bytes.len(), of.size)));
        }
    }
    let Manifest::Image { kind, config, layers } = Manifest::parse(&bytes).map_err(wrong)? else {
        return Err(wrong(format!("sha256:{} is an index in an index", of.sha256)));
    };
    if config.size > CONFIG as u64 {
        return Err(wrong(format!("its configuration would have {} bytes", config.size)));
    }
    let mut names = BTreeSet::from([of.sha256.clone()]);
    for blob in [&config].into_iter().chain(&layers) {
        let want = Want { sha256: &blob.sha256, from: DIGEST, size: Some(blob.size) };
        let (path, size) = download::file(Source::Blob(registries, &reference), &want, &blobs, progress).await?;
        if size != blob.size {
            return Err(wrong(format!("sha256:{} has {size} bytes, and its manifest says {}", blob.sha256, blob.size)));
        }
        if *blob == config {
            let text = std::fs::read(&path).map_err(Error::file("cannot read", &path))?;
            image::is_for(&text, arch).map_err(wrong)?;
        }
        names.insert(blob.sha256.clone());
    }
    let own = PathBuf::from(format!("layout-{}", image.name()));
    let folder = downloads.join(&own);
    std::fs::create_dir_all(&folder).map_err(Error::file("cannot make", &folder))?;
    for (name, text) in image::layout(&reference, digest, kind, &of, arch) {
        std::fs::write(folder.join(name), text).map_err(Error::file("cannot write", folder.join(name)))?;
    }
    tar(image, downloads, &own, &names, to).await?;
    sum(to)
}

/// The manifest of a digest, which stays among the blobs.
async fn manifest(reference: &Reference, sha256: &str, registries: &mut Registries<'_>, blobs: &Path) -> Result<Vec<u8>, Error> {
    let (path, part) = (blobs.join(sha256), blobs.join(format!("{sha256}.part")));
    if path.metadata().is_ok_and(|meta| meta.len() <= MANIFEST as u64) {
        let bytes = std::fs::read(&path).map_err(Error::file("cannot read", &path))?;
        if same(sha256, &bytes, sha256).is_ok() {
            return Ok(bytes);
        }
    }
    let (bytes, _) = registries.manifest(reference, Some(sha256)).await?;
    std::fs::write(&part, &bytes).map_err(Error::file("cannot write", &part))?;
    std::fs::rename(&part, &path).map_err(Error::file("cannot rename", &part))?;
    Ok(bytes)
}

/// One file of them all, with nothing of this computer in it.
async fn tar(image: &Image, downloads: &Path, own: &Path, names: &BTreeSet<String>, to: &Path) -> Result<(), Error> {
    let folder = to.parent().unwrap_or(downloads);
    std::fs::create_dir_all(folder).map_err(Error::file("cannot make", folder))?;
    let out = std::fs::File::create(to).map_err(Error::file("cannot write", to))?;
    let mut tar = Command::new("tar");
    tar.current_dir(downloads).args(["--create", "--file=-", "--format=gnu", "--no-recursion", "--hard-dereference"]);
    tar.args(["--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--mode=0644"]);
    tar.arg("-C").arg(own).args(["oci-layout", "index.json", "-C", ".."]);
    tar.args(names.iter().map(|name| format!("{BLOBS}/{name}")));
    tar.stdin(Stdio::null()).stdout(out).stderr(Stdio::piped()).kill_on_drop(true);
    let failed = |detail: String| Error::Program { what: format!("cannot make the archive of {}", image.image), detail };
    let child = tar.spawn().map_err(|error| failed(format!("tar cannot be started ({error}): install tar")))?;
    let output = child.wait_with_output().await.map_err(|error| failed(error.to_string()))?;
    if output.status.success() { Ok(()) } else { Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())) }
}

//! Writes the lock file from the official places: the sums that the projects publish over TLS, and the digests that the registries give for tags.
//! What is there already is compared, and never replaced unasked: another sum for the same version is worth a look.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::image::{self, Manifest};
use super::lock::{Download, Image, Lock};
use super::official::{Wish, domains, sum_of};
use super::registry::{Reference, Registries};
use super::signature::{self, Signer};
use super::web::{self, Ask, Onward, refused};
use super::{Arch, Error};

/// A file of sums is not longer, in bytes; nor are kubeadm's constants.
const TEXT: usize = 1 << 20;
/// How long such a text may take, in seconds.
const WITHIN: u32 = 120;
/// A configuration is not longer, in bytes.
pub(super) const CONFIG: usize = 4 << 20;
const STRANGER: &str = "is a proxy or a stranger in between?";

/// What was done with the lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinned {
    /// It was written.
    Written,
    /// It was there, with the same content.
    Already,
}

/// Asks the official places for all sums and digests, and writes them to a file; `replace` also over one with other content. A mirror is believed as if it
/// were the official places.
pub async fn pin(
    wish: &Wish,
    out: &Path,
    mirror: Option<&str>,
    replace: bool,
    asks: &mut (dyn FnMut(&str) + Send),
) -> Result<(Lock, Pinned), Error> {
    if let Some(fault) = wish.fault() {
        return Err(Error::Wish(fault));
    }
    let lock = ask(wish, mirror, asks).await?;
    let json = serde_json::to_string_pretty(&lock).map_err(std::io::Error::other).map_err(Error::file("cannot write", out))?;
    let text = json + "\n";
    match std::fs::read_to_string(out) {
        Ok(before) if before == text => return Ok((lock, Pinned::Already)),
        Ok(before) if !replace => {
            let changes =
                serde_json::from_str(&before).map_or_else(|_| vec!["it is no lock file".to_owned()], |before| changes(&before, &lock));
            return Err(Error::Differs { path: out.to_owned(), changes });
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::file("cannot read", out)(error)),
        Ok(_) | Err(_) => {}
    }
    write(out, &text).map_err(Error::file("cannot write", out))?;
    Ok((lock, Pinned::Written))
}

/// Writes a file whole beside its place, to the disk, before it takes it.
fn write(out: &Path, text: &str) -> std::io::Result<()> {
    let folder = match out.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mode = std::fs::Permissions::from_mode(0o644);
    let mut part = tempfile::Builder::new().prefix(".kubestead-").permissions(mode).tempfile_in(folder)?;
    part.write_all(text.as_bytes())?;
    part.as_file().sync_all()?;
    part.persist(out).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}

async fn ask(wish: &Wish, mirror: Option<&str>, asks: &mut (dyn FnMut(&str) + Send)) -> Result<Lock, Error> {
    let address = wish.constants();
    asks(&address);
    let source = text(&address, mirror, &wish.redirects).await?;
    let constants = wish
        .read(&source)
        .map_err(|cause| refused(&address, cause, "this kubestead does not know kubeadm of that version: take a newer one"))?;
    let mut read: BTreeMap<String, String> = BTreeMap::new();
    let mut downloads = Vec::new();
    let several = wish.arch.len() > 1;
    let parts =
        wish.arch.iter().flat_map(|arch| wish.parts(&constants, *arch).into_iter().map(move |part| (several.then_some(*arch), part)));
    for (arch, part) in parts {
        if !read.contains_key(&part.sums) {
            asks(&part.sums);
            read.insert(part.sums.clone(), text(&part.sums, mirror, &wish.redirects).await?);
        }
        let file = part.url.rsplit('/').next().unwrap_or_default();
        let sha256 = sum_of(&read[&part.sums], file).map_err(|cause| refused(&part.sums, cause, STRANGER))?;
        let mut signed_by = None;
        if let (Some(root), Some(signer)) = (wish.signatures.root(), Signer::of(&part.url)) {
            let verdict = signature::of_file(&part.url, &sha256, mirror, &wish.redirects, &signer, root).await?;
            signed_by = wish.signatures.judge(&part.url, &signer, verdict, asks)?;
        }
        downloads.push(Download { url: part.url, sha256, version: part.version, arch, files: part.files, signed_by });
    }
    let mut registries = Registries::new(mirror, &wish.redirects);
    let mut images: Vec<Image> = Vec::new();
    for image in wish.images(&constants).into_iter().chain(wish.more()) {
        if let Some(known) = images.iter().find(|known| known.image == image.image) {
            if image.digest.is_empty() || image.digest == known.digest {
                continue;
            }
            let cause = format!("it is asked for as {} and as {}", known.digest, image.digest);
            return Err(refused(&image.image, cause, "a bundle has one image of a name: let all services name the same one"));
        }
        asks(&image.image);
        let (reference, digest) = digest(&image, &wish.arch, &mut registries).await?;
        let mut signed_by = None;
        if let (Some(root), Some(signer)) = (wish.signatures.root(), Signer::of(&image.image)) {
            let verdict = signature::of_image(&reference, &digest, &mut registries, &signer, root).await?;
            signed_by = wish.signatures.judge(&image.image, &signer, verdict, asks)?;
        }
        images.push(Image { digest: format!("sha256:{digest}"), signed_by, ..image });
    }
    Ok(Lock { format_version: 1, kubernetes: wish.kubernetes.clone(), arch: wish.arch.iter().copied().collect(), downloads, images })
}

/// A text of an official place.
async fn text(url: &str, mirror: Option<&str>, redirects: &[String]) -> Result<String, Error> {
    let (address, domains) = (web::at(mirror, url), web::domains(domains(url), redirects));
    let ask = Ask { within: Some(WITHIN), onward: Onward::Within(&domains), ..Ask::new(&address) };
    let bytes = web::get(ask).await?.bytes(TEXT).await?;
    String::from_utf8(bytes).map_err(|_| refused(url, "its answer is no text", STRANGER))
}

/// The digest that an image's tag has now, or its own, of an image that is there for each of these architectures.
async fn digest(wished: &Image, all: &BTreeSet<Arch>, registries: &mut Registries<'_>) -> Result<(Reference, String), Error> {
    let hint = "it is not what is wanted: is there such an image, for this architecture?";
    let wrong = |cause: String| refused(&wished.image, cause, hint);
    let image = Reference::parse(&wished.image).ok_or_else(|| wrong("it is no reference HOST/NAME:TAG".to_owned()))?;
    let (bytes, digest) = registries.manifest(&image, image::sha256(&wished.digest)).await?;
    match Manifest::parse(&bytes).map_err(wrong)? {
        Manifest::Index(index) => {
            for arch in all {
                image::choose(&index, arch.name()).map_err(wrong)?;
            }
        }
        Manifest::Image { config, .. } => {
            let reply = registries.blob(&image, &config.sha256, 0).await?;
            let name = reply.address.clone();
            let bytes = reply.bytes(CONFIG).await?;
            super::same(&name, &bytes, &config.sha256)?;
            for arch in all {
                image::is_for(&bytes, arch.name()).map_err(wrong)?;
            }
        }
    }
    Ok((image, digest))
}

/// What differs between two lock files, one line each.
fn changes(before: &Lock, now: &Lock) -> Vec<String> {
    fn all(lock: &Lock) -> BTreeMap<&str, String> {
        let told = |digest: &str, by: &Option<String>| match by {
            Some(by) => format!("{digest}, signed by {by},"),
            None => digest.to_owned(),
        };
        let downloads = lock.downloads.iter().map(|d| (d.url.as_str(), told(&format!("sha256:{}", d.sha256), &d.signed_by)));
        downloads.chain(lock.images.iter().map(|i| (i.image.as_str(), told(&i.digest, &i.signed_by)))).collect()
    }
    let (old, new) = (all(before), all(now));
    let gone = old.iter().filter(|(name, _)| !new.contains_key(*name)).map(|(name, _)| format!("{name} is no longer in it"));
    let other = new.iter().filter_map(|(name, digest)| match old.get(name) {
        None => Some(format!("{name} is new")),
        Some(was) if was != digest => Some(format!("{name} was {was}, and is {digest} now")),
        Some(_) => None,
    });
    let all: Vec<String> = gone.chain(other).collect();
    if all.is_empty() { vec!["what is done with the same downloads".to_owned()] } else { all }
}

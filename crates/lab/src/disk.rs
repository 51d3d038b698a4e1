//! A machine's disks: a sparse copy of the root file system, a small disk with its keys, and the spare ones.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::process::run;
use crate::spec::Machine;

/// The folder of a machine.
pub(crate) fn folder(lab: &Path, machine: &str) -> PathBuf {
    lab.join("machines").join(machine)
}

/// The file of a spare disk, in the machine's folder.
pub(crate) fn spare(serial: &str) -> String {
    format!("disk-{serial}.img")
}

/// Which root file system was copied to a machine's disk, beside it: the folder's name in the cache.
pub(crate) const ROOT: &str = "root";

/// What a machine's root disk was copied from.
pub(crate) fn made_from(lab: &Path, machine: &str) -> Result<String, Error> {
    let path = folder(lab, machine).join(ROOT);
    std::fs::read_to_string(&path).map_err(Error::file("cannot read", path))
}

/// Makes what is missing; what is there is kept.
pub(crate) async fn prepare(lab: &Path, machine: &Machine, root: &Path) -> Result<(), Error> {
    let dir = folder(lab, &machine.name);
    std::fs::create_dir_all(&dir).map_err(Error::file("cannot make", &dir))?;
    host_key(&dir, &machine.name).await?;
    config_disk(lab, &dir).await?;
    let disk = dir.join("root.img");
    if !disk.exists() {
        let part = dir.join("root.img.part");
        let name = root.parent().and_then(Path::file_name).unwrap_or_default();
        std::fs::write(dir.join(ROOT), name.as_encoded_bytes()).map_err(Error::file("cannot write", dir.join(ROOT)))?;
        run("cp", &["--sparse=always", "--reflink=auto", &root.to_string_lossy(), &part.to_string_lossy()]).await?;
        std::fs::rename(&part, &disk).map_err(Error::file("cannot rename", part))?;
    }
    for spare in &machine.disks {
        let path = dir.join(self::spare(&spare.serial));
        if !path.exists() {
            let file = std::fs::File::create(&path).map_err(Error::file("cannot make", &path))?;
            file.set_len(spare.size << 20).map_err(Error::file("cannot size", &path))?;
        }
    }
    Ok(())
}

/// A key pair of ours, without a passphrase, 0600.
pub(crate) async fn key_pair(path: &Path, comment: &str) -> Result<(), Error> {
    if !path.exists() {
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", &path.to_string_lossy()]).await?;
    }
    Ok(())
}

async fn host_key(dir: &Path, name: &str) -> Result<(), Error> {
    key_pair(&dir.join("ssh_host_ed25519_key"), name).await
}

async fn config_disk(lab: &Path, dir: &Path) -> Result<(), Error> {
    let disk = dir.join("config.img");
    if disk.exists() {
        return Ok(());
    }
    let (tree, part) = (dir.join("config"), dir.join("config.img.part"));
    std::fs::create_dir_all(&tree).map_err(Error::file("cannot make", &tree))?;
    for (from, to) in [
        (dir.join("ssh_host_ed25519_key"), "ssh_host_ed25519_key"),
        (dir.join("ssh_host_ed25519_key.pub"), "ssh_host_ed25519_key.pub"),
        (lab.join("id.pub"), "authorized_keys"),
    ] {
        std::fs::copy(&from, tree.join(to)).map_err(Error::file("cannot copy", from))?;
    }
    let _ = std::fs::remove_file(&part);
    run("mke2fs", &["-q", "-t", "ext4", "-O", "^has_journal", "-d", &tree.to_string_lossy(), &part.to_string_lossy(), "4m"]).await?;
    std::fs::remove_dir_all(&tree).map_err(Error::file("cannot remove", tree))?;
    std::fs::rename(&part, &disk).map_err(Error::file("cannot rename", part))
}

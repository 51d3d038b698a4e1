//! Where plain text may lie while an editor has it, and what keeps this process from being read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::Mode;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::UnshareFlags;

use super::args::Memory;
use crate::exit::{Exit, Failure, fail};
use crate::print;

const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

/// No core dumps, not even to a handler on a pipe; no other process of the user reads this one's memory; files are the owner's.
pub(crate) fn harden() -> Result<(), Failure> {
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    Ok(())
}

/// A folder in memory, empty, of this user only. What is in it goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Private {
    dir: PathBuf,
    mounted: bool,
}

impl Private {
    /// The best that can be had here. A ramfs that only this process and its children see is never swapped and goes with them, even if
    /// they are killed. `editor` is its program's name.
    pub(crate) fn enter(memory: Memory, editor: &str) -> Result<Self, Failure> {
        // An editor that hands its file to another process of the desktop could not see into a namespace.
        let hands_over = ["code", "code-insiders", "codium", "subl", "gedit", "kate", "zed", "atom", "gvim"].contains(&editor);
        if !hands_over
            && is_allowed()
            && let Ok(dir) = namespace()
        {
            return Ok(Self { dir, mounted: true });
        }
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        for parent in runtime.into_iter().chain([PathBuf::from("/dev/shm")]).filter(|parent| is_memory(parent)) {
            if let Ok(dir) = folder_in(&parent) {
                print::note(&format!(
                    "no private memory can be had here: the plain text lies in {} meanwhile, and may be swapped",
                    parent.display()
                ));
                return Ok(Self { dir, mounted: false });
            }
        }
        if memory.allow_disk {
            return Ok(Self { dir: folder_in(&std::env::temp_dir())?, mounted: false });
        }
        let message = "there is no folder in memory here: user namespaces are not allowed, and neither XDG_RUNTIME_DIR nor /dev/shm is a tmpfs \
                       that can be written; `kubestead secret set` needs none, and --allow-disk lets the plain text lie on a disk";
        Err(fail(Exit::Failed, message))
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file that must not be there, for the owner only.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.dir.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(content)?;
        Ok(path)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            wipe(&path);
            let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        }
        if self.mounted {
            let _ = rustix::mount::unmount(&self.dir, UnmountFlags::DETACH);
        }
        let _ = std::fs::remove_dir(&self.dir);
    }
}

/// Zeros over a file. In memory that is the memory itself; on a disk it is best effort.
fn wipe(path: &Path) {
    let Ok(length) = std::fs::symlink_metadata(path).map(|data| if data.is_file() { data.len() } else { 0 }) else { return };
    if let Ok(mut file) = OpenOptions::new().write(true).open(path) {
        let _ = io::copy(&mut io::Read::take(io::repeat(0), length), &mut file);
    }
}

/// A namespace that cannot be completed leaves a process that can do nothing any more, so a child tries it first.
fn is_allowed() -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let Ok(program) = std::env::current_exe() else { return false };
    let tried = Command::new(program).args(["secret", "probe"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// `kubestead secret probe`.
pub(crate) fn probe() -> Result<Exit, Failure> {
    let dir = namespace()?;
    drop(Private { dir, mounted: true });
    Ok(Exit::Done)
}

fn namespace() -> io::Result<PathBuf> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if user.is_root() {
        unshare(UnshareFlags::NEWNS)?;
    } else {
        unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)?;
        // The user stays who it is.
        write_whole("/proc/self/setgroups", "deny")?;
        write_whole("/proc/self/uid_map", &format!("{0} {0} 1", user.as_raw()))?;
        write_whole("/proc/self/gid_map", &format!("{0} {0} 1", group.as_raw()))?;
    }
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let dir = folder_in(&std::env::temp_dir())?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    if let Err(error) = rustix::mount::mount("kubestead", &dir, "ramfs", flags, c"mode=0700") {
        let _ = std::fs::remove_dir(&dir);
        return Err(error.into());
    }
    Ok(dir)
}

#[expect(deprecated, reason = "the replacement is unsafe for the sake of UnshareFlags::FILES, which is not used here")]
fn unshare(flags: UnshareFlags) -> io::Result<()> {
    Ok(rustix::thread::unshare(flags)?)
}

// In one call: the kernel takes each of these files once.
fn write_whole(path: &str, text: &str) -> io::Result<()> {
    File::options().write(true).open(path)?.write_all(text.as_bytes())
}

fn is_memory(dir: &Path) -> bool {
    rustix::fs::statfs(dir).is_ok_and(|stat| [TMPFS, RAMFS].contains(&u64::try_from(stat.f_type).unwrap_or_default()))
}

fn folder_in(parent: &Path) -> io::Result<PathBuf> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|e| io::Error::other(e.to_string()))?;
    let dir = parent.join(format!("kubestead-{:016x}", u64::from_ne_bytes(random)));
    std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
    Ok(dir)
}

//! LUKS2 headers in files of this computer, such as header backups and images, looked at by libcryptsetup in this process: no root, no
//! device-mapper, no activation. Feature `luks-native`, off by default: it needs libcryptsetup to build and to run. The disks of nodes are on
//! other machines, where their own `cryptsetup` looks at them.
//!
//! libcryptsetup repairs a damaged header when it loads one, so it sees a copy, and nothing here writes to the file that is named.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use kubestead_core::secret::Secret;
use libcryptsetup_rs::consts::flags::CryptActivate;
use libcryptsetup_rs::consts::vals::{EncryptionFormat, KeyslotInfo};
use libcryptsetup_rs::{CryptDevice, CryptInit, LibcryptErr};

use crate::marks::TOKEN;

/// The size of a LUKS2 header with its key slots, as cryptsetup-luksFormat(8) makes it by default, in bytes.
const HEADER: u64 = 16 << 20;
/// LUKS2 has this many key slots and this many tokens.
const MOST: u32 = 32;

/// Why a header could not be looked at. A key that does not fit is no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file, or the copy of it.
    #[error("cannot {what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds no LUKS2 header that loads.
    #[error("{} holds no LUKS2 header that loads", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What libcryptsetup says.
        source: LibcryptErr,
    },
    /// Its key slots could not be read.
    #[error("the key slots of {} could not be read", path.display())]
    Slots {
        /// The file.
        path: PathBuf,
        /// What libcryptsetup says.
        source: LibcryptErr,
    },
}

/// A loaded header. It cannot be had without having been loaded, which the library's own handles do not ask for.
pub struct Loaded {
    path: PathBuf,
    device: CryptDevice,
    _copy: Copy,
}

/// A copy that goes when it is not needed any more.
struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Loaded {
    /// Loads the header of a file. `scratch` is a folder for the copy, best in memory; the copy holds what the header holds, 0600.
    pub fn new(path: &Path, scratch: &Path) -> Result<Self, Error> {
        let copy = copy(path, scratch)?;
        let header = |source| Error::Header { path: path.to_owned(), source };
        let mut device = CryptInit::init(&copy.0).map_err(header)?;
        device.context_handle().load::<()>(Some(EncryptionFormat::Luks2), None).map_err(header)?;
        Ok(Self { path: path.to_owned(), device, _copy: copy })
    }

    /// The key slots that hold a key.
    pub fn slots(&mut self) -> Result<Vec<u32>, Error> {
        let mut found = Vec::new();
        for slot in 0..MOST {
            match self.device.keyslot_handle().status(slot) {
                Ok(KeyslotInfo::Active | KeyslotInfo::ActiveLast | KeyslotInfo::Unbound) => found.push(slot),
                Ok(KeyslotInfo::Inactive | KeyslotInfo::Invalid) => {}
                Err(source) => return Err(Error::Slots { path: self.path.clone(), source }),
            }
        }
        Ok(found)
    }

    /// Whether our token is in it.
    pub fn is_ours(&mut self) -> bool {
        (0..MOST).any(|token| self.device.token_handle().json_get(token).is_ok_and(|json| json["type"] == TOKEN))
    }

    /// Whether a key opens a slot. The slot is named, as a slot of priority `ignore` is tried only then.
    pub fn opens(&mut self, slot: u32, key: &Secret) -> Result<bool, Error> {
        match self.device.activate_handle().activate_by_passphrase(None, Some(slot), key.expose(), CryptActivate::empty()) {
            Ok(_) => Ok(true),
            // crypt_activate_by_passphrase(3): EPERM for a key that does not fit, ENOENT for a slot without one.
            Err(LibcryptErr::IOError(error))
                if matches!(error.kind(), std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::NotFound) =>
            {
                Ok(false)
            }
            Err(source) => Err(Error::Slots { path: self.path.clone(), source }),
        }
    }
}

fn copy(path: &Path, scratch: &Path) -> Result<Copy, Error> {
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { what, path, source }
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(HEADER).read_to_end(&mut bytes)).map_err(failed("read", path))?;
    bytes.resize(usize::try_from(HEADER).unwrap_or(usize::MAX), 0);
    let mut number = [0_u8; 8];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut number))
        .map_err(failed("read", Path::new("/dev/urandom")))?;
    let copy = scratch.join(format!("kubestead-header.{:016x}", u64::from_le_bytes(number)));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy).map_err(failed("make", &copy))?;
    let copy = Copy(copy);
    file.write_all(&bytes).map_err(failed("write", &copy.0))?;
    Ok(copy)
}

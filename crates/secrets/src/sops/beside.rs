//! An edit that cannot be saved, because the file became another one meanwhile, is kept encrypted beside it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::document::Document;
use super::error::Error;
use crate::write::new_file;

impl Document {
    /// Writes the document, encrypted, as a new file beside its own, and leaves that as it is. Returns where.
    pub fn save_beside(&mut self) -> Result<PathBuf, Error> {
        self.seal()?;
        for number in 1.. {
            let path = beside(self.path(), number);
            match new_file(&path, self.text().as_bytes()) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                other => return other.map(|()| path.clone()).map_err(|source| Error::File { what: "write", path, source }),
            }
        }
        Err(Error::Changed(self.path().to_owned()))
    }
}

/// `a.edited-1.yaml` for `a.yaml`: with the same end, from which readers take the format.
fn beside(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    name.push(format!(".edited-{number}"));
    if let Some(end) = path.extension() {
        name.push(".");
        name.push(end);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_keeps_its_end() {
        for (path, expected) in [("d/a.yaml", "d/a.edited-1.yaml"), ("p12", "p12.edited-1"), (".env", ".env.edited-1")] {
            assert_eq!(beside(Path::new(path), 1), Path::new(expected));
        }
    }
}

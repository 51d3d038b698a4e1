//! Files that are put on a host, all in one command: each is whole beside its place, and on the disk, before any takes it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufWriter;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::command::Stdin;
use crate::fact::Gap;
use crate::host::Host;
use crate::outcome::Done;
use crate::probe::{Answers, Section};
use crate::procedure::{Procedure, ProcedureError};

/// A file that is ours alone, with its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// Where; an absolute path.
    pub path: String,
    /// What it holds.
    pub text: String,
    /// Permission bits.
    pub mode: u32,
}

/// A file to be put on a host, root's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Absolute path of a regular file, or of none. Missing folders are made, 0755.
    pub path: String,
    /// Permission bits, such as 0o644.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Hex.
    pub sha256: String,
}

impl From<&Owned> for Put {
    fn from(file: &Owned) -> Self {
        Self { path: file.path.clone(), mode: file.mode, size: file.text.len() as u64, sha256: digest(&file.text) }
    }
}

/// sha256 of a text or of bytes, hex.
pub fn digest(content: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(content))
}

/// sha256 of a value's JSON, hex. The text is never there as a whole: what was seen of many machines is large.
pub fn digest_of(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut pieces = BufWriter::with_capacity(1 << 16, Sha256::new());
    serde_json::to_writer(&mut pieces, value)?;
    let sum = pieces.into_inner().map_err(|error| serde_json::Error::io(error.into_error()))?;
    Ok(hex(&sum.finalize()))
}

fn hex(sum: &[u8]) -> String {
    let mut text = String::with_capacity(2 * sum.len());
    text.extend(sum.iter().flat_map(|byte| digits(*byte)).map(char::from));
    text
}

/// A byte in two digits.
fn digits(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|n| b"0123456789abcdef"[usize::from(n)])
}

/// Whether a text has that sum, as [`digest`] writes it.
fn has_sum(text: &str, sum: &str) -> bool {
    sum.len() == 64 && Sha256::digest(text).iter().zip(sum.as_bytes().chunks(2)).all(|(byte, two)| digits(*byte) == *two)
}

/// What kubestead wrote on a host, as `sha256sum` prints it: so that a file of somebody else, or one that was changed since, is never replaced
/// without a word.
pub const MANIFEST: &str = "/etc/kubestead/files";
/// There while files are written that must be loaded, until they are: a cut leaves it.
pub const PENDING: &str = "/etc/kubestead/reload-pending";
/// Programs that were installed and verified: lines of `sha256 size mtime path`. They are too large to be read at every look.
pub const INSTALLED: &str = "/var/lib/kubestead/installed";

/// The procedure of a file, with the functions around the manifest ahead of its guard: `sum_of`, `recorded`, `record`, `strike`, `announce`,
/// `keep_copy`, `marked`, `only_ours`.
pub fn with_manifest(text: &str) -> Procedure {
    let mut procedure = Procedure::script(text).var("manifest", MANIFEST);
    procedure.guard = format!("{}\n{}", include_str!("scripts/manifest.sh"), procedure.guard);
    procedure
}

fn place(files: &[Put], installed: &str) -> Procedure {
    with_manifest(include_str!("scripts/put.sh"))
        .var("installed", installed)
        .list("paths", files.iter().map(|f| &f.path))
        .list("sums", files.iter().map(|f| &f.sha256))
        .list("modes", files.iter().map(|f| format!("{:o}", f.mode)))
        .list("sizes", files.iter().map(|f| f.size.to_string()))
}

/// The procedure that puts files whose texts are at hand, and writes them into the [`MANIFEST`]. Its guard defines `fits` (whether all are there
/// already) and `note` (writes them into the manifest without writing them); a caller adds what belongs around it. The guard refuses anything
/// but a regular file, and a file that kubestead did not write or that was changed since: see [`adopt`].
pub fn put_texts(files: &[Owned]) -> Procedure {
    let texts = files.iter().map(|f| f.text.as_str()).collect::<String>();
    place(&files.iter().map(Put::from).collect::<Vec<_>>(), "").stdin(Stdin::Plain(texts.into_bytes()))
}

/// Writes files on a host; `Already` when all are there.
pub async fn write(files: &[Owned], host: &dyn Host) -> Result<Done, ProcedureError> {
    let mut procedure = put_texts(files);
    procedure.guard.push_str(include_str!("scripts/put-whole.sh"));
    procedure.run(host).await
}

/// As [`put_texts`], for programs whose contents the caller adds on standard input and records in [`INSTALLED`].
pub fn puts(files: &[Put]) -> Procedure {
    place(files, INSTALLED)
}

/// The procedure that takes over a file that was looked at and held what has that sum: it keeps a copy as `PATH.before-kubestead` (with a number
/// if there is another one), and writes into the [`MANIFEST`] that the file may be replaced.
pub fn adopt(path: &str, sum: &str) -> Procedure {
    with_manifest(include_str!("scripts/adopt.sh")).var("path", path).var("sum", sum)
}

/// The procedure that writes files into the [`MANIFEST`] that already hold what they shall; pairs of path and sum.
pub fn record(files: &[(String, String)]) -> Procedure {
    with_manifest(include_str!("scripts/record.sh"))
        .list("paths", files.iter().map(|(path, _)| path))
        .list("sums", files.iter().map(|(_, sum)| sum))
}

/// The name of [`section`].
pub const SECTION: &str = "files";

/// The section that looks at files of ours, those of all domains of a host at once, for [`Files::of`]. Of `places` it tells only what is no
/// regular file: programs are too large to be read each time, and some files are not ours alone.
pub fn section<P: AsRef<str>, Q: AsRef<str>>(paths: impl IntoIterator<Item = P>, places: impl IntoIterator<Item = Q>) -> Section {
    let section = Section::script(SECTION, include_str!("scripts/files.sh")).var("manifest", MANIFEST).var("pending", PENDING);
    section.list("paths", paths).list("places", places)
}

/// What is where files of ours belong. Every domain of a host has it: a clone is the same one until it is changed, as models do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(Arc<Listed>);

impl Deref for Files {
    type Target = Listed;

    fn deref(&self) -> &Listed {
        &self.0
    }
}

impl DerefMut for Files {
    fn deref_mut(&mut self) -> &mut Listed {
        Arc::make_mut(&mut self.0)
    }
}

impl Serialize for Files {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Files {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Listed::deserialize(deserializer).map(|listed| Self(Arc::new(listed)))
    }
}

/// The manifest, and what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// Whether files were written that were perhaps not loaded.
    pub pending: bool,
    /// The manifest: for each path the sums that kubestead wrote there.
    pub written: BTreeMap<String, BTreeSet<String>>,
    /// Of the manifest, what is there and was not asked for: the file wants it no more, or no domain asks for it in this state of the machine.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left: BTreeSet<String>,
    /// What is there.
    pub found: BTreeMap<String, Found>,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Found {
    /// A file.
    File {
        /// sha256 of what it holds.
        sum: String,
        /// Who wrote it, when the manifest does not say it.
        mark: Mark,
        /// What a file of nobody known configures: its headings.
        headings: Vec<String>,
    },
    /// A link, a folder, or something else that is not replaced.
    Other,
}

/// Who wrote a file that the manifest does not tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mark {
    /// Nothing is known.
    None,
    /// kubestead, before it kept a manifest: by the file's first lines. A copy stays, as it may have been edited since.
    Kubestead,
    /// A package of the distribution, and nobody changed it.
    Package,
}

/// How a file stands to what it shall hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// It is not there.
    Missing,
    /// It holds that, and the manifest says that kubestead wrote it.
    Done,
    /// It holds that, and the manifest does not know it.
    Unrecorded,
    /// It holds something else that kubestead wrote: it may be replaced.
    Ours,
    /// It holds what its package ships: it may be replaced, and a copy is kept.
    Shipped,
    /// It was changed since kubestead wrote it.
    Changed,
    /// Somebody else wrote it.
    Foreign,
    /// It is no regular file.
    Other,
}

impl Files {
    /// What a probe with [`section`] answered.
    pub fn of(answers: &Answers) -> Result<Self, Gap> {
        Self::read(answers.text(SECTION)?)
    }

    /// Reads the answer of [`section`].
    pub fn read(text: &str) -> Result<Self, Gap> {
        let mut files = Self::default();
        let mut headings: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines() {
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["p"] => files.pending = true,
                ["w", sum, path] => _ = files.written.entry(path.to_owned()).or_default().insert(sum.to_owned()),
                ["h", path, heading] => headings.entry(path.to_owned()).or_default().push(heading.trim().to_owned()),
                ["l", path] => _ = files.left.insert(path.to_owned()),
                ["o", path] => _ = files.found.insert(path.to_owned(), Found::Other),
                ["f", sum, mark, path] if is_sum(sum) => {
                    let mark = match mark {
                        "kubestead" => Mark::Kubestead,
                        "package" => Mark::Package,
                        _ => Mark::None,
                    };
                    let headings = headings.remove(path).unwrap_or_default();
                    files.found.insert(path.to_owned(), Found::File { sum: sum.to_owned(), mark, headings });
                }
                _ => return Err(Gap::new(format!("what is said of files was not understood: {line:?}"))),
            }
        }
        Ok(files)
    }

    /// Whether it was cloned of the other one, and neither was changed since. If not, they can be equal all the same.
    pub fn is_clone_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Files as they are after these were written; for tests and models.
    pub fn holding<'a>(files: impl IntoIterator<Item = &'a Owned>) -> Self {
        let mut all = Self::default();
        files.into_iter().for_each(|file| all.put(file));
        all
    }

    /// What is so after a file was written; for models.
    pub fn put(&mut self, file: &Owned) {
        let sum = digest(&file.text);
        self.written.insert(file.path.clone(), BTreeSet::from([sum.clone()]));
        self.found.insert(file.path.clone(), Found::File { sum, mark: Mark::None, headings: Vec::new() });
    }

    /// What is so after somebody wrote a file; for tests.
    pub fn foreign(&mut self, path: &str, text: &str) {
        let headings = text.lines().filter(|l| l.starts_with('[')).map(str::to_owned).collect();
        self.found.insert(path.to_owned(), Found::File { sum: digest(text), mark: Mark::None, headings });
    }

    /// Whether the manifest says that kubestead wrote what has that sum there.
    pub fn wrote(&self, path: &str, sum: &str) -> bool {
        self.written.get(path).is_some_and(|sums| sums.contains(sum))
    }

    /// The sum of what a file holds.
    pub fn sum(&self, path: &str) -> Option<&str> {
        match self.found.get(path) {
            Some(Found::File { sum, .. }) => Some(sum),
            Some(Found::Other) | None => None,
        }
    }

    /// How a file stands to what it shall hold.
    pub fn ownership(&self, file: &Owned) -> Ownership {
        match self.found.get(&file.path) {
            Some(Found::File { sum, .. }) if has_sum(&file.text, sum) => {
                if self.wrote(&file.path, sum) {
                    Ownership::Done
                } else {
                    Ownership::Unrecorded
                }
            }
            _ => self.whose(&file.path),
        }
    }

    /// Whose that is what lies at a path and is not what it shall hold: as [`Files::ownership`], for a file that is made on the machine, so that
    /// nobody knows ahead what it shall hold.
    pub fn whose(&self, path: &str) -> Ownership {
        let (sum, mark) = match self.found.get(path) {
            None => return Ownership::Missing,
            Some(Found::Other) => return Ownership::Other,
            Some(Found::File { sum, mark, .. }) => (sum, mark),
        };
        match (self.wrote(path, sum), self.written.contains_key(path), mark) {
            (true, ..) | (false, false, Mark::Kubestead) => Ownership::Ours,
            (false, true, _) => Ownership::Changed,
            (false, false, Mark::Package) => Ownership::Shipped,
            (false, false, Mark::None) => Ownership::Foreign,
        }
    }
}

fn is_sum(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

#[cfg(test)]
mod tests;

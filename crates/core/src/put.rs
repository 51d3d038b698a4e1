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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::{Command, Stdio};

    use super::*;

    /// A folder that is a machine's root: the real scripts with its paths.
    struct Root(std::path::PathBuf);

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    impl Root {
        fn new() -> Self {
            static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
            let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let root = std::env::temp_dir().join(format!("put-test-{}-{number}", std::process::id()));
            std::fs::create_dir_all(root.join("a")).unwrap();
            Self(root)
        }

        fn path(&self, name: &str) -> String {
            self.0.join(name).to_str().unwrap().to_owned()
        }

        fn read(&self, name: &str) -> String {
            std::fs::read_to_string(self.path(name)).unwrap_or_default()
        }

        fn text(&self, script: &str) -> String {
            script
                .replace("/run/kubestead.act", &self.path("act"))
                .replace(MANIFEST, &self.path("files"))
                .replace(PENDING, &self.path("pending"))
        }

        /// Its status, after it has read as much of the contents, and what it said.
        fn run(&self, procedure: &Procedure, stdin: &[u8]) -> (Option<i32>, String) {
            let script = self.text(&procedure.command().script());
            let mut child = Command::new("bash").args(["-c", &script]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            // One that refuses does not read to the end.
            let _ = child.stdin.take().unwrap().write_all(stdin);
            let out = child.wait_with_output().unwrap();
            (out.status.code(), String::from_utf8(out.stderr).unwrap())
        }

        fn put(&self, files: &[Owned]) -> (Option<i32>, String) {
            let procedure = put_texts(files);
            self.run(&procedure, procedure.stdin.bytes())
        }

        fn look(&self, files: &[Owned]) -> Files {
            let command = crate::probe::command(&[section(files.iter().map(|f| &f.path), [self.path("place")])], "n1");
            let script = self.text(&command.script());
            let out = Command::new("bash").env("LC_ALL", "C").args(["-c", &script]).output().unwrap();
            Files::of(&crate::probe::parse(&out.stdout, "n1").unwrap()).unwrap()
        }

        fn owned(&self, name: &str, text: &str) -> Owned {
            Owned { path: self.path(name), text: text.to_owned(), mode: 0o644 }
        }
    }

    #[test]
    fn all_files_come_or_none_does_and_what_a_cut_left_goes() {
        let root = Root::new();
        root.put(&[root.owned("a/it's", "old")]);
        std::fs::write(root.path("a/.kubestead.AbCdEf"), "left by a power cut").unwrap();
        let files = [("a/it's", "one\n", 0o755), ("b/c/two", "zwei", 0o600)];
        let files = files.map(|(name, text, mode)| Owned { path: root.path(name), text: text.to_owned(), mode });
        let mut procedure = put_texts(&files);
        let run = |procedure: &Procedure, stdin: &[u8]| root.run(procedure, stdin).0;
        assert_eq!(procedure.stdin.bytes(), b"one\nzwei");
        assert_eq!(run(&procedure, b"one\nzwe"), Some(90), "a cut is refused");
        assert!(root.read("a/it's") == "old" && root.read("b/c/two").is_empty());
        assert_eq!(run(&procedure, b"onX\nzwei"), Some(92), "another content is seen");
        root.put(&[root.owned("a/it's", "onX\n")]);
        assert_eq!(run(&procedure, b"one\nzwei"), Some(0));
        assert_eq!((root.read("a/it's").as_str(), root.read("b/c/two").as_str()), ("one\n", "zwei"));
        assert_eq!(std::fs::metadata(root.path("b/c/two")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(root.path("a")).unwrap().count(), 1);
        procedure.guard.push_str("\nif fits; then already; fi");
        assert_eq!(run(&procedure, b"one\nzwei"), Some(91));
        std::fs::set_permissions(root.path("b/c/two"), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(run(&procedure, b"one\nzwei"), Some(0), "another mode does not fit");
        std::fs::remove_file(root.path("b/c/two")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.path("b/c/two")).unwrap();
        assert_eq!(run(&procedure, b"one\nzwei"), Some(90), "a link is not followed");
        assert_eq!(run(&puts(&[]), b""), Some(0));
    }

    #[test]
    fn what_was_written_and_is_asked_for_no_more_is_told_while_it_is_there() {
        let root = Root::new();
        let (stays, left, other) = (root.owned("a", "1\n"), root.owned("b/c d", "2\n"), root.owned("e", "3\n"));
        root.put(&[stays.clone(), left.clone()]);
        root.put(&[Owned { text: "4\n".into(), ..left.clone() }]);
        std::fs::write(&other.path, "not ours\n").unwrap();
        let one = std::slice::from_ref(&stays);
        assert_eq!(root.look(one).left, BTreeSet::from([left.path.clone()]), "and once, though it was written twice");
        assert!(root.look(&[stays.clone(), left.clone()]).left.is_empty());
        std::fs::remove_file(&left.path).unwrap();
        assert!(root.look(one).left.is_empty());
    }

    #[test]
    fn somebody_elses_file_is_refused_until_it_was_adopted_and_a_copy_stays() {
        let root = Root::new();
        let file = root.owned("a/config.toml", "# ours\n");
        std::fs::write(&file.path, "[plugins.nvidia]\n").unwrap();
        let wanted = std::slice::from_ref(&file);
        assert_eq!(root.look(wanted).ownership(&file), Ownership::Foreign);
        let (status, said) = root.put(wanted);
        assert!(status == Some(90) && said.contains("config.toml was not written by kubestead"), "{said}");
        assert_eq!(root.read("a/config.toml"), "[plugins.nvidia]\n");
        let other = root.owned("z/other", "the manifest knows others too\n");
        assert_eq!(root.put(std::slice::from_ref(&other)).0, Some(0));
        let found = root.look(wanted);
        let Some(Found::File { sum, headings, .. }) = found.found.get(&file.path) else { panic!("{found:?}") };
        assert_eq!(
            (sum.as_str(), headings.as_slice()),
            (digest("[plugins.nvidia]\n").as_str(), ["[plugins.nvidia]".to_owned()].as_slice())
        );
        // It changes between the look and the consent; then it does not.
        assert_eq!(root.run(&adopt(&file.path, &digest("other")), b"").0, Some(90));
        assert_eq!(root.run(&adopt(&file.path, sum), b"").0, Some(0));
        assert_eq!(root.run(&adopt(&file.path, sum), b"").0, Some(91));
        assert_eq!(root.read("a/config.toml.before-kubestead"), "[plugins.nvidia]\n");
        assert_eq!(root.look(wanted).ownership(&file), Ownership::Ours);
        assert_eq!(root.put(wanted).0, Some(0));
        assert_eq!((root.read("a/config.toml").as_str(), root.look(wanted).ownership(&file)), ("# ours\n", Ownership::Done));
        // Edited later: asked again, and the first copy stays.
        std::fs::write(&file.path, "# ours\n[plugins.kata]\n").unwrap();
        assert_eq!(root.look(wanted).ownership(&file), Ownership::Changed);
        let (status, said) = root.put(wanted);
        assert!(status == Some(90) && said.contains("was changed since kubestead wrote it"), "{said}");
        assert_eq!(root.run(&adopt(&file.path, &digest("# ours\n[plugins.kata]\n")), b"").0, Some(0));
        assert_eq!(root.put(wanted).0, Some(0));
        assert_eq!(root.read("a/config.toml.before-kubestead"), "[plugins.nvidia]\n");
        assert_eq!(root.read("a/config.toml.before-kubestead.1"), "# ours\n[plugins.kata]\n");
        let lines = [&file, &other].map(|file| format!("{}  {}\n", digest(&file.text), file.path)).concat();
        assert_eq!(root.read("files"), lines, "the manifest is exact again");
    }

    #[test]
    fn what_holds_what_it_shall_is_recorded_and_what_an_earlier_version_wrote_is_known() {
        let root = Root::new();
        let (same, next) = (root.owned("a/same", "x\n"), root.owned("a/unit\\x2d.service", "# Written by kubestead.\nnew\n"));
        std::fs::write(&same.path, "x\n").unwrap();
        std::fs::write(&next.path, "# Written by kubestead.\nold\n").unwrap();
        let all = [same.clone(), next.clone()];
        let found = root.look(&all);
        assert_eq!((found.ownership(&same), found.ownership(&next)), (Ownership::Unrecorded, Ownership::Ours));
        let pairs = [(same.path.clone(), digest("x\n"))];
        assert_eq!(root.run(&record(&pairs), b"").0, Some(0));
        assert_eq!(root.run(&record(&pairs), b"").0, Some(91));
        assert_eq!(root.put(&all).0, Some(0));
        assert_eq!(root.read("a/unit\\x2d.service.before-kubestead"), "# Written by kubestead.\nold\n", "it may have been edited");
        let found = root.look(&all);
        assert_eq!((found.ownership(&same), found.ownership(&next)), (Ownership::Done, Ownership::Done));
        assert_eq!(Files::holding(&all).written, found.written);
        // The record is refused for what has changed since.
        std::fs::write(&same.path, "y\n").unwrap();
        assert_eq!(root.run(&record(&pairs), b"").0, Some(90));
    }

    #[test]
    fn a_name_makes_nothing_ours_and_what_an_earlier_version_wrote_without_a_word_asks_once() {
        let root = Root::new();
        for name in ["etc/kubestead/servers", "etc/sysctl.d/zz-kubestead.conf", "etc/systemd/system/kubestead-key-data.socket"] {
            let file = root.owned(name, "ours\n");
            let wanted = std::slice::from_ref(&file);
            std::fs::create_dir_all(std::path::Path::new(&file.path).parent().unwrap()).unwrap();
            std::fs::write(&file.path, "theirs\n").unwrap();
            assert_eq!(root.look(wanted).ownership(&file), Ownership::Foreign, "{name}");
            let (status, said) = root.put(wanted);
            assert!(status == Some(90) && said.contains("was not written by kubestead") && root.read(name) == "theirs\n", "{said}");
            assert_eq!(root.run(&adopt(&file.path, &digest("theirs\n")), b"").0, Some(0));
            assert_eq!((root.put(wanted).0, root.read(name).as_str()), (Some(0), "ours\n"));
            assert_eq!(root.read(&format!("{name}.before-kubestead")), "theirs\n");
            // One that holds what it shall asks nobody, whoever wrote it.
            std::fs::write(root.path("files"), "").unwrap();
            assert_eq!(root.look(wanted).ownership(&file), Ownership::Unrecorded);
            assert_eq!(root.put(wanted).0, Some(0));
            assert_eq!(root.look(wanted).ownership(&file), Ownership::Done);
        }
    }

    #[test]
    fn a_cut_between_the_manifest_and_the_file_asks_nobody() {
        let root = Root::new();
        let (old, new) = (root.owned("a/f", "old\n"), root.owned("a/f", "new\n"));
        root.put(std::slice::from_ref(&old));
        let mut cut = put_texts(std::slice::from_ref(&new));
        cut.act = cut.act.replace("    note announce\n", "    note announce\n    exit 7\n");
        for before in ["old\n", "# Written by kubestead.\n"] {
            assert_eq!(root.run(&cut, b"new\n").0, Some(7));
            assert_eq!(root.read("files").lines().count(), 2);
            assert_eq!((root.read("a/f").as_str(), root.look(std::slice::from_ref(&new)).ownership(&new)), (before, Ownership::Ours));
            assert_eq!(root.put(std::slice::from_ref(&new)).0, Some(0));
            assert_eq!(root.read("files"), format!("{}  {}\n", digest("new\n"), new.path));
            // Then one of an earlier version, which kept no manifest.
            std::fs::write(root.path("files"), "").unwrap();
            std::fs::write(root.path("a/f"), "# Written by kubestead.\n").unwrap();
        }
    }

    /// Every content under every manifest: what the plan is made on is what the guard finds.
    #[test]
    fn the_look_and_the_guard_agree_in_every_state() {
        let contents = [None, Some("new\n"), Some("old\n"), Some("# Written by kubestead.\n"), Some("[theirs]\n")];
        let manifests: [&[&str]; 5] = [&[], &["new\n"], &["old\n"], &["old\n", "new\n"], &["other\n"]];
        let mut asked = 0;
        for content in contents {
            for manifest in manifests {
                let root = Root::new();
                let file = root.owned("a/f", "new\n");
                let lines: String = manifest.iter().map(|text| format!("{}  {}\n", digest(text), file.path)).collect();
                std::fs::write(root.path("files"), &lines).unwrap();
                if let Some(text) = content {
                    std::fs::write(&file.path, text).unwrap();
                }
                let wanted = std::slice::from_ref(&file);
                let ownership = root.look(wanted).ownership(&file);
                let asks = matches!(ownership, Ownership::Changed | Ownership::Foreign);
                let (status, said) = root.put(wanted);
                assert_eq!(status, Some(if asks { 90 } else { 0 }), "{content:?} {manifest:?} {ownership:?} {said}");
                if asks {
                    asked += 1;
                    assert_eq!(Some(root.read("a/f").as_str()), content);
                    assert_eq!(root.run(&adopt(&file.path, &digest(root.read("a/f"))), b"").0, Some(0));
                    assert_eq!(root.put(wanted).0, Some(0));
                    assert_eq!(Some(root.read("a/f.before-kubestead").as_str()), content);
                }
                assert_eq!(root.read("a/f"), "new\n");
                assert_eq!((root.look(wanted).ownership(&file), root.read("files").lines().count()), (Ownership::Done, 1));
            }
        }
        assert_eq!(asked, 3 + 4 + 5, "of old ones, of marked ones, of theirs");
    }

    #[test]
    fn a_writing_that_was_not_taken_to_its_end_is_seen() {
        let root = Root::new();
        assert!(!root.look(&[]).pending);
        std::fs::write(root.path("pending"), "").unwrap();
        assert!(root.look(&[]).pending);
    }

    #[test]
    fn links_and_folders_are_told_apart_and_noise_is_a_gap() {
        let root = Root::new();
        let (link, folder) = (root.owned("a/link", "x"), root.owned("a/folder", "x"));
        std::os::unix::fs::symlink("/dev/null", &link.path).unwrap();
        std::fs::create_dir(&folder.path).unwrap();
        let found = root.look(&[link.clone(), folder.clone()]);
        assert_eq!((found.ownership(&link), found.ownership(&folder)), (Ownership::Other, Ownership::Other));
        std::fs::write(root.path("place"), "a program").unwrap();
        assert!(!root.look(&[]).found.contains_key(&root.path("place")), "it is not read");
        std::fs::remove_file(root.path("place")).unwrap();
        std::os::unix::fs::symlink("/bin/true", root.path("place")).unwrap();
        assert_eq!(root.look(&[]).found.get(&root.path("place")), Some(&Found::Other));
        for bad in ["f\tnosum\t-\t/a", "what", "w\t/a", "\t\t\t\t"] {
            assert!(Files::read(bad).is_err(), "{bad:?}");
        }
    }
}

//! Files that are put on a host, all in one command: each is whole beside its place, and on the disk, before any takes it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::command::{Stdin, quote};
use crate::host::Host;
use crate::outcome::Done;
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
    Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect()
}

/// [`puts`] for files whose texts are at hand.
pub fn put_texts(files: &[Owned]) -> Procedure {
    let texts = files.iter().map(|f| f.text.as_str()).collect::<String>();
    puts(&files.iter().map(Put::from).collect::<Vec<_>>()).stdin(Stdin::Plain(texts.into_bytes()))
}

/// Writes files on a host; `Already` when all are there.
pub async fn write(files: &[Owned], host: &dyn Host) -> Result<Done, ProcedureError> {
    let mut procedure = put_texts(files);
    procedure.guard.push_str("\nif fits; then already; fi");
    procedure.run(host).await
}

/// The procedure that puts files whose contents follow each other on standard input, which the caller adds. Its guard defines `fits`
/// (whether all are there already); a caller adds what belongs around it. The guard refuses what is no regular file.
pub fn puts(files: &[Put]) -> Procedure {
    let each = |line: &dyn Fn(&Put) -> String| files.iter().map(line).collect::<String>();
    let paths = each(&|f| format!(" {}", quote(&f.path)));
    let sums = each(&|f| format!(" {} {}", f.sha256, quote(&f.path)));
    let modes = each(&|f| format!("{:o}\n", f.mode));
    let lines = each(&|f| format!("put {} {:o} {}\n", quote(&f.path), f.mode, f.size));
    Procedure::new(
        format!(
            "paths=({paths})\nfor p in \"${{paths[@]}}\"; do\n\
             if [ -L \"$p\" ] || {{ [ -e \"$p\" ] && [ ! -f \"$p\" ]; }}; then refuse \"$p is not a regular file\"; fi\ndone\n\
             fits() {{ [ \"${{#paths[@]}}\" = 0 ] || {{ printf '%s  %s\\n'{sums} | sha256sum --status -c - 2> /dev/null && [ \"$(stat -c %a \"${{paths[@]}}\")\" = '{}' ]; }}; }}",
            modes.trim_end()
        ),
        // What a power cut left of an earlier writing goes first.
        format!(
            "parts=() folders=()\ntrap 'rm -f \"${{parts[@]}}\"' EXIT\nfor p in \"${{paths[@]}}\"; do rm -f \"${{p%/*}}\"/.kubestead.??????; done\n\
             put() {{\nlocal d=${{1%/*}} t; mkdir -p -m 0755 \"$d\"; t=$(umask 077; mktemp \"$d/.kubestead.XXXXXX\")\n\
             parts+=(\"$t\"); folders+=(\"$d\"); chmod \"$2\" \"$t\"; head -c \"$3\" > \"$t\"\n\
             [ \"$(stat -c %s \"$t\")\" = \"$3\" ] || refuse \"what $1 shall hold was cut off\"\n}}\n{lines}\
             if [ \"${{#parts[@]}}\" != 0 ]; then\nsync \"${{parts[@]}}\"\n\
             for i in \"${{!parts[@]}}\"; do mv -fT \"${{parts[i]}}\" \"${{paths[i]}}\"; done\nsync \"${{folders[@]}}\"\nfi"
        ),
        "fits || unverified 'a file does not hold what was written'",
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::{Command, Stdio};

    use super::*;

    /// The real script on files of a folder: its status, after it has read as much of the contents.
    fn run(root: &std::path::Path, procedure: &Procedure, stdin: &[u8]) -> Option<i32> {
        let script = procedure.command().script().replace("/run/kubestead.act", root.join("act").to_str().unwrap());
        let mut child = Command::new("bash").args(["-c", &script]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // One that refuses does not read to the end.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        child.wait().unwrap().code()
    }

    #[test]
    fn all_files_come_or_none_does_and_what_a_cut_left_goes() {
        let root = std::env::temp_dir().join(format!("kubestead-put-{}", std::process::id()));
        std::fs::create_dir_all(root.join("a")).unwrap();
        let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
        let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_default();
        std::fs::write(path("a/it's"), "old").unwrap();
        std::fs::write(path("a/.kubestead.AbCdEf"), "left by a power cut").unwrap();
        let files = [("a/it's", "one\n", 0o755), ("b/c/two", "zwei", 0o600)];
        let files = files.map(|(name, text, mode)| Owned { path: path(name), text: text.to_owned(), mode });
        let mut procedure = put_texts(&files);
        assert_eq!(procedure.stdin.bytes(), b"one\nzwei");
        assert_eq!(run(&root, &procedure, b"one\nzwe"), Some(90), "a cut is refused");
        assert!(read("a/it's") == "old" && !root.join("b/c/two").exists());
        assert_eq!(run(&root, &procedure, b"onX\nzwei"), Some(92), "another content is seen");
        assert_eq!(run(&root, &procedure, b"one\nzwei"), Some(0));
        assert_eq!((read("a/it's").as_str(), read("b/c/two").as_str()), ("one\n", "zwei"));
        assert_eq!(std::fs::metadata(path("b/c/two")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(root.join("a")).unwrap().count(), 1);
        procedure.guard.push_str("\nif fits; then already; fi");
        assert_eq!(run(&root, &procedure, b"one\nzwei"), Some(91));
        std::fs::set_permissions(path("b/c/two"), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(run(&root, &procedure, b"one\nzwei"), Some(0), "another mode does not fit");
        std::fs::remove_file(path("b/c/two")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", path("b/c/two")).unwrap();
        assert_eq!(run(&root, &procedure, b"one\nzwei"), Some(90), "a link is not followed");
        assert_eq!(run(&root, &puts(&[]), b""), Some(0));
        std::fs::remove_dir_all(&root).unwrap();
    }
}

//! Whether a file may go into git: nothing plain where a rule wants it encrypted, and what is encrypted can be decrypted.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::document::Sops;
use super::error::Error;
use super::format::Format;
use super::identities::Identities;
use super::outline::Outline;
use super::path::{KeyPath, Step};
use super::rules::Rules;
use super::value::Value;
use crate::import::kubernetes;

/// What is said of a file with conflict markers.
pub(crate) const CONFLICT: &str = "the file is in a merge conflict; take one side with `git checkout --ours` or `--theirs`, then edit it";

const MARK: &[u8] = b"ENC[AES256_GCM,";

static IDENTITY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i-u)AGE-SECRET-KEY-(?:PQ-)?1[02-9AC-HJ-NP-Z]{58}").expect("the expression is a constant"));

/// Something that keeps a file from going into git.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// From 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong, and what to do. Holds no value.
    pub why: String,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No document of sops, and no rule wants it to be one.
    Other,
    /// A document that was opened: its MAC fits.
    Verified,
    /// A document that looks whole and that no identity here opens.
    Unverified,
    /// There are findings.
    Refused,
}

/// Checks a file. Without identities documents are looked at from outside only.
pub fn check(path: &Path, bytes: &[u8], rules: Option<&Rules>, identities: Option<&Identities>) -> (Verdict, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut verdict = Verdict::Other;
    // PowerShell writes UTF-16, and a key in it is one as any other.
    let is_wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let text = if is_wide { Cow::Owned(kubernetes::text_of(bytes).into_owned().into_bytes()) } else { Cow::Borrowed(bytes) };
    if let Some(found) = IDENTITY.find(&text) {
        add(
            &mut findings,
            line(&text, found.start()),
            "an age identity, a private key, stands here; keep it out of git, and change it if it was there",
        );
    }
    let known = Format::found(path, bytes) != Format::Binary || is_binary_document(bytes);
    if known && contains(bytes, MARK) {
        verdict = document(path, bytes, rules, identities, &mut findings);
    } else {
        plain(path, bytes, rules, &mut findings);
    }
    if findings.is_empty() { (verdict, findings) } else { (Verdict::Refused, findings) }
}

fn add(findings: &mut Vec<Finding>, line: usize, why: impl Into<String>) {
    findings.push(Finding { line, why: why.into() });
}

fn contains(bytes: &[u8], piece: &[u8]) -> bool {
    bytes.windows(piece.len()).any(|window| window == piece)
}

fn line(bytes: &[u8], at: usize) -> usize {
    bytes[..at].split(|byte| *byte == b'\n').count()
}

/// A file of any name that is a JSON document with metadata.
fn is_binary_document(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{") && contains(bytes, b"\"sops\"")
}

/// The line of the first conflict marker of git.
pub(crate) fn conflict(text: &str) -> Option<usize> {
    text.lines().position(|line| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ")).map(|index| index + 1)
}

fn plain(path: &Path, bytes: &[u8], rules: Option<&Rules>, findings: &mut Vec<Finding>) {
    let Some(rules) = rules else { return };
    let matched = match rules.matching(path) {
        Ok(matched) => matched,
        Err(error) => return add(findings, 0, error.to_string()),
    };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let otherwise: [&[u8]; 4] =
        [b"-----BEGIN AGE ENCRYPTED FILE-----", b"age-encryption.org/v1", b"-----BEGIN PGP MESSAGE-----", b"$ANSIBLE_VAULT"];
    let is_exempt =
        bytes.is_empty() || name.starts_with(".git") || name == ".sops.yaml" || otherwise.iter().any(|begin| bytes.starts_with(begin));
    match matched {
        Some(rule) if rule.named && !is_exempt => {
            let why = format!(
                "it is plain text, and creation rule {} of {} wants it encrypted; `kubestead secret import` or `sops encrypt -i` does that",
                rule.number,
                rules.path().display()
            );
            add(findings, 0, why);
        }
        Some(_) | None => {
            if let Some(line) = kubernetes::plain_secret(bytes, Format::of(path) != Format::Binary) {
                add(findings, line, "a Kubernetes Secret in plain text; `kubestead secret import` makes an encrypted file of it");
            }
        }
    }
}

fn document(path: &Path, bytes: &[u8], rules: Option<&Rules>, identities: Option<&Identities>, findings: &mut Vec<Finding>) -> Verdict {
    if let Some(line) = std::str::from_utf8(bytes).ok().and_then(conflict) {
        add(findings, line, CONFLICT);
        return Verdict::Refused;
    }
    let outline = match Outline::read(path, bytes) {
        Ok(outline) if outline.is_encrypted() => outline,
        Ok(_) => {
            add(findings, 0, "it holds encrypted values (`ENC[`) and no sops metadata, so nobody can decrypt them");
            return Verdict::Refused;
        }
        Err(Error::Syntax { line, why, .. }) => {
            add(findings, line, why);
            return Verdict::Refused;
        }
        Err(error) => {
            add(findings, 0, error.to_string());
            return Verdict::Refused;
        }
    };
    let mut values = outline.entries().iter().filter(|entry| !entry.written.is_bare()).peekable();
    let has_values = values.peek().is_some();
    for entry in values.filter(|entry| entry.selected != entry.is_whole()) {
        let why = if entry.selected {
            "is not encrypted, and by the rules of the file it should be"
        } else {
            "looks encrypted where the rules of the file want plain values, so nobody will decrypt it"
        };
        add(findings, entry.line, format!("{} {why}", entry.path));
    }
    // Where what it selects is empty or null, there is nothing to encrypt.
    if has_values && !outline.entries().iter().any(|entry| entry.selected) {
        add(findings, 0, "not one of its values is encrypted; its selector matches nothing");
    }
    let written: Vec<_> = outline.entries().iter().map(|entry| (&entry.path, entry.selected, &entry.written)).collect();
    for path in exposed(&written) {
        let at = outline.entries().iter().find(|entry| entry.path == *path).map_or(0, |entry| entry.line);
        let why = "stands in plain text: the rules of the file select nothing of a Secret's values there. Give them `^(data|stringData)$`";
        add(findings, at, format!("{path} {why}"));
    }
    surprise(path, rules, &outline.recipients().concat(), findings);
    match identities.map(|identities| Sops::open_text(path, Format::found(path, bytes), bytes, identities)) {
        None | Some(Err(Error::NoKey { .. })) => Verdict::Unverified,
        Some(Err(error)) => {
            add(findings, 0, error.to_string());
            Verdict::Refused
        }
        Some(Ok(document)) => {
            for (at, _) in document.values().filter(|(_, value)| value.bytes().expose().starts_with(MARK)) {
                add(findings, 0, format!("{at} was encrypted twice"));
            }
            Verdict::Verified
        }
    }
}

/// The values of Kubernetes Secrets below a `data` or `stringData` of which nothing is selected: whoever wrote the rules forgot it. Where some
/// are selected, the others are meant to be read. Each value comes with whether it is selected.
pub(super) fn exposed<'a>(values: &[(&'a KeyPath, bool, &Value)]) -> Vec<&'a KeyPath> {
    let is_key = |step: Option<&Step>, names: &[&str]| matches!(step, Some(Step::Key(key)) if names.contains(&key.as_str()));
    let secrets: BTreeSet<usize> = values
        .iter()
        .filter(|(path, _, value)| path.steps().len() == 1 && is_key(path.steps().first(), &["kind"]) && value.as_str() == Some("Secret"))
        .map(|(path, ..)| path.document())
        .collect();
    let mut sections: BTreeMap<(usize, &Step), (bool, Vec<&KeyPath>)> = BTreeMap::new();
    for (path, selected, _) in values.iter().filter(|(path, _, value)| secrets.contains(&path.document()) && !value.is_bare()) {
        if let ([section, _, ..], true) = (path.steps(), is_key(path.steps().first(), &["data", "stringData"])) {
            let (any, paths) = sections.entry((path.document(), section)).or_default();
            *any |= selected;
            paths.push(path);
        }
    }
    sections.into_values().filter(|(any, _)| !any).flat_map(|(_, paths)| paths).collect()
}

/// A recipient that the rules do not name may have been slipped in: at the next change of the key that person would get it.
fn surprise(path: &Path, rules: Option<&Rules>, recipients: &[super::policy::Recipient], findings: &mut Vec<Finding>) {
    let Some(rules) = rules else { return };
    match rules.matching(path) {
        Ok(Some(matched)) => {
            let named = matched.policy.groups.concat();
            for recipient in recipients.iter().filter(|recipient| !named.contains(recipient)) {
                let why = format!(
                    "it is encrypted to {} {}, which {} does not name; add that recipient there, or take it away with `kubestead secret \
                     updatekeys --remove`",
                    recipient.kind(),
                    recipient.name(),
                    rules.path().display()
                );
                add(findings, 0, why);
            }
        }
        Ok(None) => {}
        Err(error) => add(findings, 0, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret;
    use kubestead_core::secret::Secret;

    use super::*;
    use crate::sops::{Policy, Selector};

    struct Repo {
        rules: Rules,
        identities: Identities,
        policy: Policy,
    }

    fn repo() -> Repo {
        let key = age::x25519::Identity::generate();
        let text = Secret::new(key.to_string().expose_secret().as_bytes().to_vec());
        let recipient = key.to_public().to_string();
        let rules = format!(
            "creation_rules:\n- path_regex: ^secrets/\n  encrypted_regex: ^(data|stringData)$\n  age: {recipient}\n- age: {recipient}\n"
        );
        Repo {
            rules: Rules::parse(Path::new("/repo/.sops.yaml"), &rules).unwrap(),
            identities: Identities::new().with_age(&text, "test").unwrap(),
            policy: Policy::age([recipient]).with_selector(Selector::encrypted_regex("^(data|stringData)$").unwrap()),
        }
    }

    impl Repo {
        fn seal(&self, path: &str, plain: &str) -> String {
            Sops::encrypt_new(Path::new(path), &Secret::new(plain.as_bytes().to_vec()), &self.policy, &self.identities)
                .unwrap()
                .text()
                .to_owned()
        }

        fn check(&self, path: &str, text: &str) -> (Verdict, String) {
            let (verdict, findings) = check(Path::new(path), text.as_bytes(), Some(&self.rules), Some(&self.identities));
            (verdict, findings.iter().map(|f| format!("{}: {}\n", f.line, f.why)).collect())
        }
    }

    const SECRET: &str = "kind: Secret\nmetadata:\n  name: a\nstringData:\n  k: v\n";

    #[test]
    fn whole_documents_pass_and_other_files_are_none_of_its_business() {
        let repo = repo();
        let sealed = repo.seal("/repo/secrets/a.yaml", SECRET);
        assert_eq!(repo.check("/repo/secrets/a.yaml", &sealed), (Verdict::Verified, String::new()));
        let (verdict, _) = check(Path::new("/repo/secrets/a.yaml"), sealed.as_bytes(), Some(&repo.rules), Some(&Identities::new()));
        assert_eq!(verdict, Verdict::Unverified);
        // Nothing in it can be encrypted, and nothing stands in plain text.
        let empty = repo.seal("/repo/secrets/a.yaml", "kind: Secret\nstringData:\n  k:\n  l: ''\n");
        assert_eq!(repo.check("/repo/secrets/a.yaml", &empty), (Verdict::Verified, String::new()));
        for (path, text) in [
            ("/repo/a.yaml", "a: b\n"),
            ("/repo/README.md", "see ENC[AES256_GCM,data:x]"),
            ("/repo/secrets/.gitkeep", ""),
            ("/repo/secrets/x.age", "-----BEGIN AGE ENCRYPTED FILE-----\n"),
            ("/repo/a.bin", "\u{1}"),
        ] {
            assert_eq!(repo.check(path, text), (Verdict::Other, String::new()), "{path}");
        }
    }

    #[test]
    fn a_key_in_utf16_is_a_key() {
        let key = age::x25519::Identity::generate().to_string();
        let text = format!("\u{feff}# created\r\n{}\r\n", key.expose_secret());
        for bytes in
            [text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(), text.encode_utf16().flat_map(u16::to_be_bytes).collect()]
        {
            let (_, findings) = check(Path::new("/repo/keys.txt"), &bytes, None, None);
            assert_eq!(findings.iter().map(|found| found.line).collect::<Vec<_>>(), [2]);
        }
    }

    /// Rules for `data` alone leave `stringData` plain, in a file that is encrypted and verifies.
    #[test]
    fn a_part_of_a_secret_that_no_rule_selects_is_named() {
        let repo = repo();
        let path = Path::new("/repo/secrets/a.yaml");
        let seal = |regex: &str, plain: &str| {
            let policy = Policy { selector: Selector::encrypted_regex(regex).unwrap(), ..repo.policy.clone() };
            Sops::encrypt_new(path, &Secret::new(plain.as_bytes().to_vec()), &policy, &repo.identities).unwrap()
        };
        let both = "kind: Secret\ndata:\n  a: aGk=\nstringData:\n  b: hunter2\n";
        for (regex, expected) in [("^data$", "5: [\"stringData\"][\"b\"] stands"), ("^stringData$", "3: [\"data\"][\"a\"] stands")] {
            let (verdict, findings) = repo.check("/repo/secrets/a.yaml", seal(regex, both).text());
            assert!(verdict == Verdict::Refused && findings.starts_with(expected), "{findings}");
        }
        // Some of a section's values are meant to be read; a ConfigMap's are none.
        for (regex, plain) in [
            ("^b$", "kind: Secret\nstringData:\n  a: user\n  b: hunter2\n"),
            ("^x$", "kind: ConfigMap\nx: y\ndata:\n  a: b\n"),
            ("^data$", "kind: Secret\ndata:\n  a: aGk=\nstringData:\n  b: ''\n"),
        ] {
            assert_eq!(repo.check("/repo/secrets/a.yaml", seal(regex, plain).text()), (Verdict::Verified, String::new()), "{plain}");
        }
        // An edit does not make such a one either, and leaves alone what is one.
        let mut document = seal("^data$", "kind: Secret\ndata:\n  a: aGk=\n");
        let edit = |document: &mut super::super::Document, text: &str| document.edit(&Secret::new(text.as_bytes().to_vec()));
        let error = edit(&mut document, both).unwrap_err().to_string();
        assert!(error.contains("[\"stringData\"][\"b\"]") && error.contains("plain text") && !error.contains("hunter2"), "{error}");
        let mut document = seal("^data$", both);
        assert!(edit(&mut document, &both.replace("aGk=", "aG8=")).is_ok());
    }

    #[test]
    fn everything_that_must_not_be_committed_is_named() {
        let repo = repo();
        let sealed = repo.seal("/repo/secrets/a.yaml", SECRET);
        let other = age::x25519::Identity::generate().to_public().to_string();
        let recipient = repo.policy.groups[0][0].name().to_owned();
        let value = sealed.lines().find(|line| line.starts_with("  k: ")).unwrap();
        let twice = {
            let mut document =
                Sops::open_text(Path::new("/repo/secrets/a.yaml"), Format::Yaml, sealed.as_bytes(), &repo.identities).unwrap();
            document.set(["stringData", "k"], &Value::text(&value[5..])).unwrap();
            let plain = document.plain().unwrap();
            repo.seal("/repo/secrets/a.yaml", std::str::from_utf8(plain.expose()).unwrap())
        };
        let key = age::x25519::Identity::generate().to_string();
        let cases = [
            ("/repo/secrets/a.yaml", SECRET.to_owned(), "0: it is plain text, and creation rule 1"),
            ("/repo/other/a.yml", SECRET.to_owned(), "1: a Kubernetes Secret in plain text"),
            ("/repo/a.json", "{\"kind\": \"Secret\", \"data\": {\"a\": \"YQ==\"}}".to_owned(), "1: a Kubernetes Secret in plain text"),
            ("/repo/a.yaml.bak", format!("a: 1\n---\n{SECRET}"), "3: a Kubernetes Secret in plain text"),
            (
                "/repo/a.yaml",
                format!("kind: List\nitems:\n- kind: List\n  items:\n  - {{{}}}\n", "kind: Secret, data: {a: b}"),
                "5: a Kuber",
            ),
            ("/repo/secrets/a.yaml", sealed.replace(value, "  k: plain"), "5: [\"stringData\"][\"k\"] is not encrypted"),
            ("/repo/secrets/a.yaml", sealed.replace("kind: Secret", "kind: Secrat"), "the MAC does not fit"),
            ("/repo/secrets/a.yaml", sealed.replace(&recipient, &other), "which /repo/.sops.yaml does not name"),
            ("/repo/secrets/a.yaml", format!("<<<<<<< HEAD\n{sealed}"), "1: the file is in a merge conflict"),
            ("/repo/secrets/a.yaml", sealed.split("sops:").next().unwrap().to_owned(), "no sops metadata"),
            ("/repo/secrets/a.yaml", repo.seal("/repo/secrets/a.yaml", "kind: x\nvalue: y\n"), "not one of its values is encrypted"),
            ("/repo/secrets/a.yaml", twice, "was encrypted twice"),
            ("/repo/notes.txt", format!("x\n{}\n", key.expose_secret()), "2: an age identity"),
            ("/repo/notes.txt", format!("x\n{}\n", key.expose_secret().to_lowercase()), "2: an age identity"),
        ];
        for (path, text, words) in cases {
            let (verdict, findings) = repo.check(path, &text);
            assert!(verdict == Verdict::Refused && findings.contains(words), "{words}: {findings}\n{text}");
        }
    }
}

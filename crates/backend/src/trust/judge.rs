//! What known_hosts says of the keys that a host shows: values alone.

use std::path::{Path, PathBuf};

use super::key::{Fingerprint, HostKey, fingerprint};
use super::known::{Line, Says, lines};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

impl std::fmt::Display for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// What known_hosts says of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has one of the keys, and none that speaks against them.
    Known,
    /// It has no key of the host's.
    New,
    /// It has another key than the host shows.
    Changed(Spot, Fingerprint),
    /// A key that the host shows is nobody's any more.
    Revoked(Spot, Fingerprint),
}

/// The lines that are about a host, of all files.
pub(super) struct Book<'a> {
    /// Of its name.
    own: Vec<(&'a Path, Line<'a>)>,
    /// Of its other name alone.
    other: Vec<(&'a Path, Line<'a>)>,
}

impl<'a> Book<'a> {
    pub(super) fn of(name: &str, other: Option<&str>, files: &'a [(PathBuf, Vec<u8>)]) -> Self {
        let all = files.iter().flat_map(|(path, text)| lines(text).map(move |line| (path.as_path(), line)));
        let (mut found, mut rest) = (Vec::new(), Vec::new());
        for (path, line) in all {
            if line.is_of(name) {
                found.push((path, line));
            } else if other.is_some_and(|other| line.is_of(other)) {
                rest.push((path, line));
            }
        }
        Self { own: found, other: rest }
    }

    /// Whether an authority's certificates are taken for the host.
    pub(super) fn has_authority(&self) -> bool {
        self.own.iter().chain(&self.other).any(|(_, line)| line.says == Says::Authority)
    }

    /// Whether a key is written as the host's own, under its name.
    pub(super) fn has(&self, key: &HostKey) -> bool {
        hosts(&self.own).any(|(_, line)| line.blob == key.blob())
    }

    /// What is said of the keys that the host shows, one of each kind.
    pub(super) fn judge(&self, shown: &[HostKey]) -> Verdict {
        let is_shown = |line: &Line| shown.iter().any(|key| key.blob() == line.blob);
        let spot = |(path, line): &(&Path, Line)| (Spot { file: (*path).to_owned(), line: line.number }, fingerprint(&line.blob));
        let all = self.own.iter().chain(&self.other);
        if let Some((spot, key)) = all.clone().find(|(_, line)| line.says == Says::Revoked && is_shown(line)).map(spot) {
            return Verdict::Revoked(spot, key);
        }
        let contradicted = |entry: &&(&Path, Line)| {
            let same_kind = shown.iter().find(|key| key.kind().as_bytes() == entry.1.kind);
            same_kind.is_some_and(|key| !self.has(key))
        };
        // A host that has none of the keys by which it is known is another one, or wants to be known by a new one alone.
        let known = hosts(&self.own).any(|(_, line)| is_shown(line));
        let against = hosts(&self.own).find(contradicted).or_else(|| hosts(&self.own).next().filter(|_| !known));
        if let Some((spot, key)) = against.map(spot) {
            return Verdict::Changed(spot, key);
        }
        if known || hosts(&self.other).any(|(_, line)| is_shown(line)) { Verdict::Known } else { Verdict::New }
    }
}

fn hosts<'a, 'b>(all: &'b [(&'a Path, Line<'a>)]) -> impl Iterator<Item = &'b (&'a Path, Line<'a>)> {
    all.iter().filter(|(_, line)| line.says == Says::Host)
}

#[cfg(test)]
mod tests {
    use super::super::key::tests::key;
    use super::*;

    const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7";

    fn judge(text: &str, shown: &[HostKey]) -> Verdict {
        let files = [(PathBuf::from("known"), b"# none\n".to_vec()), (PathBuf::from("more"), text.as_bytes().to_vec())];
        Book::of("[kube1]:2222", Some("kube1"), &files).judge(shown)
    }

    #[test]
    fn a_host_is_known_by_one_key_and_by_none_that_speaks_against_it() {
        let (one, two) = (key(1), key(2));
        let (a, b) = (one.words(), two.words());
        let spot = |line| Spot { file: "more".into(), line };
        let shown = std::slice::from_ref(&one);
        for (text, verdict) in [
            (String::new(), Verdict::New),
            (format!("[kube1]:2222 {a}"), Verdict::Known),
            // Without its port it may be another server there: taken, as ssh does, and nothing against it.
            (format!("kube1 {a}"), Verdict::Known),
            (format!("kube1 {b}"), Verdict::New),
            (format!("[kube1]:2222 {b}"), Verdict::Changed(spot(1), two.fingerprint())),
            // Two keys of one kind, as while keys are replaced.
            (format!("[kube1]:2222 {b}\n[kube1]:2222 {a}"), Verdict::Known),
            // Known by a kind that it shows no key of.
            (format!("\n[kube1]:2222 {RSA}"), Verdict::Changed(spot(2), fingerprint(&base64(RSA)))),
            (format!("[kube1]:2222 {RSA}\n[kube1]:2222 {a}"), Verdict::Known),
            (format!("@revoked * {a}\n[kube1]:2222 {a}"), Verdict::Revoked(spot(1), one.fingerprint())),
            (format!("@revoked kube1 {a}"), Verdict::Revoked(spot(1), one.fingerprint())),
            (format!("@revoked * {b}"), Verdict::New),
            (format!("@cert-authority * {a}"), Verdict::New),
        ] {
            assert_eq!(judge(&text, shown), verdict, "{text}");
        }
    }

    #[test]
    fn a_key_of_a_kind_that_is_known_otherwise_is_changed_whatever_else_fits() {
        let other = HostKey::parse("ecdsa-sha2-nistp256", ECDSA).unwrap();
        let text = format!("[kube1]:2222 {}\n[kube1]:2222 {}", other.words(), key(2).words());
        assert_eq!(judge(&text, &[key(1), other.clone()]), Verdict::Changed(Spot { file: "more".into(), line: 2 }, key(2).fingerprint()));
        assert_eq!(judge(&text, &[key(2), other]), Verdict::Known);
    }

    const ECDSA: &str = "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn base64(words: &str) -> Vec<u8> {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(words.split_once(' ').unwrap().1).unwrap()
    }

    #[test]
    fn an_authority_is_seen_under_either_name() {
        for (text, has) in [
            ("@cert-authority *ube1 ssh-ed25519 AAAA", true),
            ("@cert-authority kube2 ssh-ed25519 AAAA", false),
            ("kube1 ssh-ed25519 AAAA", false),
        ] {
            let files = [(PathBuf::from("known"), text.as_bytes().to_vec())];
            assert_eq!(Book::of("[kube1]:2222", Some("kube1"), &files).has_authority(), has, "{text}");
        }
    }
}

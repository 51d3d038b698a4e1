//! known_hosts as OpenSSH reads it (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): whose key a line is, and what it says of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;

use super::key::HostKey;

/// Bytes of a salt and of a hash.
const HASH: usize = 20;

/// What a line says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// It is the host's.
    Host,
    /// It signs certificates of hosts.
    Authority,
    /// It is nobody's any more.
    Revoked,
}

/// A line that OpenSSH understands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: usize,
    pub(super) says: Says,
    names: &'a [u8],
    pub(super) kind: &'a [u8],
    pub(super) blob: Vec<u8>,
}

/// The lines of a file; those that OpenSSH passes over are left out.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    text.split(|c| *c == b'\n').enumerate().filter_map(|(index, line)| parse(index + 1, line))
}

/// The next word, and what follows the blanks after it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let blank = |c: &u8| matches!(c, b' ' | b'\t');
    let end = text.iter().position(blank).unwrap_or(text.len());
    let after = text[end..].iter().position(|c| !blank(c)).map_or(text.len(), |skip| end + skip);
    (&text[..end], &text[after..])
}

fn parse(number: usize, line: &[u8]) -> Option<Line<'_>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let start = line.iter().position(|c| !matches!(c, b' ' | b'\t'))?;
    let mut rest = &line[start..];
    let says = match word(rest) {
        (b"@cert-authority", _) => Says::Authority,
        (b"@revoked", _) => Says::Revoked,
        ([b'@' | b'#', ..], _) => return None,
        _ => Says::Host,
    };
    if says != Says::Host {
        rest = word(rest).1;
    }
    let (names, rest) = word(rest);
    let (kind, rest) = word(rest);
    let (base64, _) = word(rest);
    // Keys of SSH 1 begin with a number.
    if names.is_empty() || names.starts_with(b"#") || !kind.first().is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    let blob = STANDARD.decode(base64).ok().filter(|blob| !blob.is_empty())?;
    Some(Line { number, says, names, kind, blob })
}

impl Line<'_> {
    /// Whether it is about the host of this name: `host`, or `[host]:port`, in lower case.
    pub(super) fn is_of(&self, name: &str) -> bool {
        match self.names.strip_prefix(b"|1|") {
            Some(hashed) => is_hash_of(hashed, name).unwrap_or(false),
            None => listed(self.names, name.as_bytes()),
        }
    }
}

/// Whether `SALT|HASH` is of that name.
fn is_hash_of(hashed: &[u8], name: &str) -> Option<bool> {
    let bar = hashed.iter().position(|c| *c == b'|')?;
    let part = |bytes: &[u8]| STANDARD.decode(bytes).ok().filter(|bytes| bytes.len() == HASH);
    let (salt, hash) = (part(&hashed[..bar])?, part(&hashed[bar + 1..])?);
    Some(hash_of(&salt, name)? == hash)
}

fn hash_of(salt: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

/// Whether one of the patterns fits, and none with `!` before it does.
fn listed(patterns: &[u8], name: &[u8]) -> bool {
    let mut found = false;
    for pattern in patterns.split(|c| *c == b',') {
        let (is_not, pattern) = pattern.strip_prefix(b"!").map_or((false, pattern), |rest| (true, rest));
        if fits(&pattern.to_ascii_lowercase(), name) {
            if is_not {
                return false;
            }
            found = true;
        }
    }
    found
}

/// Whether a name fits a pattern: `*` is any text, `?` any one sign. Each sign of the name is looked at once for each of the pattern, whatever
/// the pattern is.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where the last star is, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, n) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// A line with a key of a host whose name cannot be read off it, as OpenSSH hashes names: `|1|SALT|HASH|` is HMAC-SHA1 of the name.
pub(super) fn hashed(name: &str, key: &HostKey, salt: [u8; HASH]) -> Option<String> {
    let hash = hash_of(&salt, name)?;
    Some(format!("|1|{}|{} {}\n", STANDARD.encode(salt), STANDARD.encode(hash), key.words()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::key::tests::key;
    use super::*;

    fn of(text: &str, name: &str) -> Vec<(usize, Says)> {
        lines(text.as_bytes()).filter(|line| line.is_of(name)).map(|line| (line.number, line.says)).collect()
    }

    #[test]
    fn names_patterns_negation_and_ports_mean_what_openssh_says() {
        let k = key(1).words();
        for (names, name, is) in [
            ("kube1", "kube1", true),
            ("KUBE1", "kube1", true),
            ("kube1", "kube10", false),
            ("kube1,10.0.0.1", "10.0.0.1", true),
            ("*", "kube1", true),
            ("*.example.com", "kube1.example.com", true),
            ("*.example.com", "example.com", false),
            ("kube?", "kube1", true),
            ("kube?", "kube", false),
            ("*,!kube1", "kube1", false),
            ("!kube1,*", "kube1", false),
            ("!kube1", "kube2", false),
            ("*,!kube1", "kube2", true),
            ("10.0.0.*", "10.0.0.17", true),
            ("[kube1]:2222", "[kube1]:2222", true),
            ("[kube1]:2222", "kube1", false),
            ("kube1", "[kube1]:2222", false),
            ("[*]:2222", "[kube1]:2222", true),
            ("*a*b*c", "xxaxxbxxbxxc", true),
            ("*a*b*c", "xxaxxbxxbxxcx", false),
            ("", "kube1", false),
        ] {
            let line = format!("{names} {k}\n");
            assert_eq!(!of(&line, name).is_empty(), is, "{names} of {name}");
            // What the program itself says, which takes no patterns apart by whom it is asked.
            if !names.is_empty() {
                assert_eq!(by_keygen(&line, name), is, "ssh-keygen -F: {names} of {name}");
            }
        }
    }

    fn by_keygen(text: &str, name: &str) -> bool {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let out = std::process::Command::new("ssh-keygen").args(["-F", name, "-f"]).arg(file.path()).output().unwrap();
        out.status.success() && !out.stdout.is_empty()
    }

    #[test]
    fn a_hashed_name_is_found_by_us_and_by_openssh_and_by_no_other_name() {
        for name in ["kube1", "10.0.0.1", "[kube1.example.com]:2222", "fd00::1"] {
            let line = hashed(name, &key(1), [9; HASH]).unwrap();
            assert_eq!(of(&line, name), [(1, Says::Host)], "{line}");
            assert!(by_keygen(&line, name) && !line.contains(name), "{line}");
            assert!(of(&line, "kube2").is_empty() && !by_keygen(&line, "kube2"));
        }
        // One that OpenSSH hashed.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("kube1 {}\n", key(1).words())).unwrap();
        assert!(std::process::Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(file.path()).output().unwrap().status.success());
        let theirs = std::fs::read_to_string(file.path()).unwrap();
        let _ = std::fs::remove_file(file.path().with_extension("old"));
        assert!(theirs.starts_with("|1|") && of(&theirs, "kube1") == [(1, Says::Host)], "{theirs}");
        for broken in ["|1|", "|1|AAAA|AAAA", "|1||", "|2|x|y", "|1|not base64|x"] {
            assert!(of(&format!("{broken} {}", key(1).words()), "kube1").is_empty(), "{broken}");
        }
    }

    #[test]
    fn markers_comments_blanks_and_ends_of_line() {
        let k = key(1).words();
        let text = format!(
            "# kube1 {k}\n\n  \t\n@cert-authority *.example.com,kube1 {k} the CA\r\n@revoked\t*\t{k}\nkube1 {k}\r\n\t kube1\t \t{k}\ta comment, \u{e9}\n@other kube1 {k}\n@cert-authority @revoked kube1 {k}\n kube1 # {k}"
        );
        assert_eq!(of(&text, "kube1"), [(4, Says::Authority), (5, Says::Revoked), (6, Says::Host), (7, Says::Host)]);
        assert_eq!(of(&text, "kube2"), [(5, Says::Revoked)]);
    }

    #[test]
    fn what_is_no_line_is_passed_over_and_the_others_keep_their_numbers() {
        let k = key(1).words();
        let bytes = [
            b"kube1\nkube1 ssh-ed25519\nkube1 ssh-ed25519 ???\n\xff\xfe kube1\nkube1 1024 35 12345\nkube1 ".as_slice(),
            k.as_bytes(),
            b" \xff",
        ]
        .concat();
        let found: Vec<usize> = lines(&bytes).filter(|line| line.is_of("kube1")).map(|line| line.number).collect();
        assert_eq!(found, [6]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_lines_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300), name in "[a-z0-9.:\\[\\]]{0,20}") {
            let _ = lines(&bytes).filter(|line| line.is_of(&name)).count();
        }

        #[test]
        fn a_pattern_means_what_a_slow_one_means(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            fn slow(pattern: &[u8], name: &[u8]) -> bool {
                match pattern.split_first() {
                    None => name.is_empty(),
                    Some((b'*', rest)) => (0..=name.len()).any(|cut| slow(rest, &name[cut..])),
                    Some((c, rest)) => name.split_first().is_some_and(|(first, after)| (*c == b'?' || c == first) && slow(rest, after)),
                }
            }
            prop_assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), slow(pattern.as_bytes(), name.as_bytes()));
        }
    }
}

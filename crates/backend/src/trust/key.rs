//! A host's public key, taken apart strictly: what a host answers is not trusted.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

/// The longest key that is read, in characters of base64: RSA with 16384 bits takes 2760.
const LONGEST: usize = 4096;
/// The sizes of RSA that are taken, in bits: OpenSSH refuses smaller ones.
const RSA: std::ops::RangeInclusive<usize> = 1024..=16384;

/// What kinds of keys hosts have, the most usual first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Ed25519,
    Ecdsa256,
    Ecdsa384,
    Ecdsa521,
    Rsa,
    SkEd25519,
    SkEcdsa,
}

/// All of them: as the protocol calls them (RFC 4253, RFC 5656, RFC 8709, PROTOCOL.u2f of OpenSSH) and as `ssh-keygen -l` does.
const KINDS: [(Kind, &str, &str); 7] = [
    (Kind::Ed25519, "ssh-ed25519", "ED25519"),
    (Kind::Ecdsa256, "ecdsa-sha2-nistp256", "ECDSA"),
    (Kind::Ecdsa384, "ecdsa-sha2-nistp384", "ECDSA"),
    (Kind::Ecdsa521, "ecdsa-sha2-nistp521", "ECDSA"),
    (Kind::Rsa, "ssh-rsa", "RSA"),
    (Kind::SkEd25519, "sk-ssh-ed25519@openssh.com", "ED25519-SK"),
    (Kind::SkEcdsa, "sk-ecdsa-sha2-nistp256@openssh.com", "ECDSA-SK"),
];

/// A public key of a host that is what its kind says, to the last byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostKey {
    kind: Kind,
    bits: usize,
    blob: Vec<u8>,
}

/// A fingerprint as `ssh-keygen -l` prints it: `SHA256:` and 43 characters of base64.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(String);

/// Why a text is no [`Fingerprint`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a fingerprint: SHA256: and 43 characters, as `ssh-keygen -lf FILE` prints it")]
pub struct BadFingerprint(String);

impl std::str::FromStr for Fingerprint {
    type Err = BadFingerprint;

    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let digest = text.strip_prefix("SHA256:").and_then(|sum| STANDARD_NO_PAD.decode(sum).ok());
        match digest.filter(|digest| digest.len() == 32) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(BadFingerprint(text.chars().take(100).collect())),
        }
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The fingerprint of a key's bytes.
pub(super) fn fingerprint(blob: &[u8]) -> Fingerprint {
    Fingerprint(format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob))))
}

impl HostKey {
    /// A key from its two words in a line of ssh-keyscan(1) or known_hosts. `None` if it is not whole, holds more, or is of no kind that
    /// hosts have.
    pub fn parse(kind: &str, base64: &str) -> Option<Self> {
        let (kind, name, _) = KINDS.iter().find(|(_, name, _)| *name == kind)?;
        let blob = STANDARD.decode(base64).ok().filter(|_| base64.len() <= LONGEST)?;
        let mut rest = blob.as_slice();
        if string(&mut rest)? != name.as_bytes() {
            return None;
        }
        let bits = match kind {
            Kind::Ed25519 => ed25519(&mut rest)?,
            Kind::Ecdsa256 => ecdsa(&mut rest, "nistp256", 256)?,
            Kind::Ecdsa384 => ecdsa(&mut rest, "nistp384", 384)?,
            Kind::Ecdsa521 => ecdsa(&mut rest, "nistp521", 521)?,
            Kind::Rsa => rsa(&mut rest)?,
            Kind::SkEd25519 => application(ed25519(&mut rest)?, &mut rest)?,
            Kind::SkEcdsa => application(ecdsa(&mut rest, "nistp256", 256)?, &mut rest)?,
        };
        rest.is_empty().then_some(Self { kind: *kind, bits, blob })
    }

    /// Its kind as the protocol and known_hosts have it, such as `ssh-ed25519`.
    pub fn kind(&self) -> &'static str {
        self.names().0
    }

    /// Its size in bits, as `ssh-keygen -l` counts them.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// Its fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint(&self.blob)
    }

    /// Its kind as `ssh-keygen -l` calls it, such as `ED25519`.
    pub fn label(&self) -> &'static str {
        self.names().1
    }

    /// The two words that stand for it in known_hosts.
    pub(super) fn words(&self) -> String {
        format!("{} {}", self.kind(), STANDARD.encode(&self.blob))
    }

    pub(super) fn blob(&self) -> &[u8] {
        &self.blob
    }

    fn names(&self) -> (&'static str, &'static str) {
        KINDS.iter().find(|(kind, ..)| *kind == self.kind).map_or(("", ""), |(_, name, label)| (name, label))
    }
}

/// The next string (RFC 4251, section 5).
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (string, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *rest = after;
    Some(string)
}

/// The bits of the next number, a positive mpint in its shortest form (RFC 4251, section 5).
fn number(rest: &mut &[u8]) -> Option<usize> {
    let bytes = string(rest)?;
    let digits = match bytes {
        [0, next, ..] if *next & 0x80 != 0 => &bytes[1..],
        [first, ..] if *first != 0 && *first & 0x80 == 0 => bytes,
        _ => return None,
    };
    Some(digits.len() * 8 - usize::try_from(digits.first()?.leading_zeros()).ok()?)
}

fn ed25519(rest: &mut &[u8]) -> Option<usize> {
    (string(rest)?.len() == 32).then_some(256)
}

fn ecdsa(rest: &mut &[u8], curve: &str, bits: usize) -> Option<usize> {
    let (own, point) = (string(rest)?, string(rest)?);
    (own == curve.as_bytes() && point.len() == 1 + 2 * bits.div_ceil(8) && point.first() == Some(&4)).then_some(bits)
}

fn rsa(rest: &mut &[u8]) -> Option<usize> {
    let exponent = number(rest)?;
    number(rest).filter(|bits| RSA.contains(bits) && exponent > 1 && exponent <= *bits)
}

/// What a key of a token is for.
fn application(bits: usize, rest: &mut &[u8]) -> Option<usize> {
    string(rest).filter(|name| !name.is_empty()).map(|_| bits)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A key of its own for each number.
    pub(in crate::trust) fn key(number: u8) -> HostKey {
        let mut blob = [&[0, 0, 0, 11][..], b"ssh-ed25519", &[0, 0, 0, 32]].concat();
        blob.extend([number; 32]);
        HostKey::parse("ssh-ed25519", &STANDARD.encode(blob)).unwrap()
    }

    fn keygen(kind: &str, bits: &str) -> (String, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let run = |args: &[&str]| {
            let out = std::process::Command::new("ssh-keygen").args(args).arg(&path).output().unwrap();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            String::from_utf8(out.stdout).unwrap()
        };
        run(&["-q", "-t", kind, "-b", bits, "-N", "", "-C", "c", "-f"]);
        (std::fs::read_to_string(path.with_extension("pub")).unwrap(), run(&["-lf"]))
    }

    #[test]
    fn a_key_is_shown_as_ssh_keygen_shows_it() {
        for (kind, bits) in [("ed25519", "256"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "1024"), ("rsa", "3072")] {
            let (public, shown) = keygen(kind, bits);
            let (name, base64) = public.trim_end().strip_suffix(" c").unwrap().split_once(' ').unwrap();
            let key = HostKey::parse(name, base64).unwrap();
            let ours = format!("{} {} ({})", key.bits(), key.fingerprint(), key.label());
            assert_eq!(ours, shown.trim_end().replace(" c ", " "), "{public}");
            assert_eq!(format!("{} c", key.words()), public.trim_end());
            assert_eq!(key.fingerprint().to_string().parse(), Ok(key.fingerprint()));
        }
    }

    #[test]
    fn what_is_cut_or_longer_or_of_another_kind_is_no_key() {
        let good = key(7).blob;
        let parse = |kind: &str, blob: &[u8]| HostKey::parse(kind, &STANDARD.encode(blob));
        assert!(parse("ssh-ed25519", &good).is_some());
        for end in 0..good.len() {
            assert_eq!(parse("ssh-ed25519", &good[..end]), None);
        }
        assert_eq!(parse("ssh-ed25519", &[&good[..], b"x"].concat()), None);
        for (kind, _) in [("ssh-rsa", 0), ("ssh-dss", 0), ("ssh-ed25519-cert-v01@openssh.com", 0), ("", 0)] {
            assert_eq!(parse(kind, &good), None, "{kind}");
        }
        for text in ["", "AAAA", "not base64!", &"A".repeat(LONGEST + 4)] {
            assert_eq!(HostKey::parse("ssh-ed25519", text), None, "{text}");
        }
        let field = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
        let rsa = |e: &[u8], n: &[u8]| parse("ssh-rsa", &[field(b"ssh-rsa"), field(e), field(n)].concat());
        let modulus = [&[0][..], &[0xff; 256]].concat();
        assert_eq!(rsa(&[1, 0, 1], &modulus).map(|key| key.bits()), Some(2048));
        for (e, n) in
            [(&[0, 3][..], &modulus[..]), (&[0xff], &modulus), (&[1], &modulus), (&[], &modulus), (&[3], &[0x7f; 64]), (&[3], &[0; 256])]
        {
            assert_eq!(rsa(e, n), None, "{e:?}");
        }
        let point = [&[4][..], &[1; 64]].concat();
        let ecdsa = |curve: &[u8], point: &[u8]| {
            parse("ecdsa-sha2-nistp256", &[field(b"ecdsa-sha2-nistp256"), field(curve), field(point)].concat())
        };
        assert!(ecdsa(b"nistp256", &point).is_some());
        assert_eq!((ecdsa(b"nistp384", &point), ecdsa(b"nistp256", &[2; 33]), ecdsa(b"nistp256", &point[..64])), (None, None, None));
    }

    #[test]
    fn a_fingerprint_is_whole_or_none() {
        let good = key(1).fingerprint().to_string();
        assert!(good.parse::<Fingerprint>().is_ok());
        for bad in [
            "",
            "SHA256:",
            &good[..good.len() - 1],
            &format!("{good}="),
            &good[7..],
            "MD5:00:11",
            &good.to_lowercase().replace("sha", "SHA256"),
        ] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(kind in 0..KINDS.len(), tail in prop::collection::vec(any::<u8>(), 0..120)) {
            let name = KINDS[kind].1;
            let mut blob = u32::try_from(name.len()).unwrap().to_be_bytes().to_vec();
            blob.extend(name.as_bytes());
            blob.extend(tail);
            if let Some(key) = HostKey::parse(name, &STANDARD.encode(&blob)) {
                prop_assert_eq!(key.blob(), blob.as_slice());
            }
        }
    }
}

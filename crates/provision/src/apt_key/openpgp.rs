//! One OpenPGP public key (RFC 4880): its fingerprint, and until when it is good. Whether its signatures hold is for apt to say; what is decided here is
//! whether the file holds that key and no other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};

use super::{BEGIN, END};

/// The fingerprint of a primary key of version 4: SHA-1 over all of it. It never changes, however often the key's time is prolonged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 20]);

impl Fingerprint {
    /// Of these bytes.
    pub const fn of(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = String;

    /// As gpg(1) prints one: 40 hexadecimal digits, with or without blanks.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits: Vec<u8> = text.chars().filter(|c| *c != ' ').filter_map(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
        let all = text.chars().filter(|c| *c != ' ').count();
        let bytes: Vec<u8> = digits.chunks(2).map(|two| two.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        let whole = (digits.len() == 40 && all == 40).then(|| bytes.try_into().ok()).flatten();
        whole.map(Self).ok_or_else(|| format!("{text:?} is not the fingerprint of a key: 40 hexadecimal digits"))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

/// A public key, alone in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Which it is.
    pub fingerprint: Fingerprint,
    /// When it expires, in seconds since 1970; `None` for never.
    pub expires: Option<u64>,
    /// Its armour, written anew of what was read: nothing that was not understood is in it.
    pub text: String,
}

/// The most of a key's text, in bytes.
const LARGEST: usize = 64 << 10;

/// Tags of packets (RFC 4880, 4.3).
const SIGNATURE: u8 = 2;
const PUBLIC: u8 = 6;
const USER: u8 = 13;
const SUBKEY: u8 = 14;
const ATTRIBUTE: u8 = 17;

/// The only key of a text; the error says what else it is.
pub fn parse(text: &str) -> Result<PublicKey, String> {
    let bytes = dearmour(text)?;
    let packets = packets(&bytes).ok_or("its packets are cut off or not understood")?;
    let keys: Vec<&[u8]> = packets.iter().filter(|(tag, _)| *tag == PUBLIC).map(|(_, body)| *body).collect();
    let prints: Vec<Fingerprint> = keys.iter().filter_map(|body| fingerprint(body)).collect();
    if keys.len() != prints.len() || prints.is_empty() {
        return Err("it holds no key of version 4".to_owned());
    }
    if prints.len() > 1 {
        let all: Vec<String> = prints.iter().map(ToString::to_string).collect();
        return Err(format!("it holds {} keys, and one is expected: {}", all.len(), all.join(", ")));
    }
    if packets.first().map(|(tag, _)| *tag) != Some(PUBLIC) {
        return Err("it does not begin with the key".to_owned());
    }
    if let Some((tag, _)) = packets.iter().find(|(tag, _)| !matches!(*tag, PUBLIC | SIGNATURE | USER | SUBKEY | ATTRIBUTE)) {
        return Err(format!("it holds a packet of type {tag}, which belongs to no public key"));
    }
    let (body, print) = (keys[0], prints[0]);
    let own = own_signatures(&packets, print);
    if own.iter().any(|signature| signature.kind == 0x20) {
        return Err(format!("the key {print} is revoked"));
    }
    let certifies = |signature: &&Own| matches!(signature.kind, 0x10..=0x13 | 0x1f);
    let newest = own.iter().filter(certifies).max_by_key(|signature| signature.created).ok_or("the key has no signature of its own")?;
    let created = number(body.get(1..5).unwrap_or_default());
    let expires = newest.lasts.filter(|seconds| *seconds != 0).map(|seconds| created + seconds);
    Ok(PublicKey { fingerprint: print, expires, text: armour(&bytes) })
}

/// The bytes of one armoured block that is alone in its text.
fn dearmour(text: &str) -> Result<Vec<u8>, String> {
    if text.len() > LARGEST {
        return Err("it is too large for a key".to_owned());
    }
    let format = || "it is not one armoured OpenPGP public key".to_owned();
    let text = text.replace("\r\n", "\n");
    let inside = text.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).ok_or_else(format)?;
    // Headers end with an empty line. The sum of the last line is no protection, and some writers leave it out.
    let (headers, body) = inside.split_once("\n\n").ok_or_else(format)?;
    let is_header = |line: &str| line.trim().is_empty() || line.contains(": ");
    if !headers.lines().all(is_header) || body.contains("-----") {
        return Err(format());
    }
    let lines = body.lines().map(str::trim).filter(|line| !line.starts_with('='));
    STANDARD.decode(lines.collect::<String>()).map_err(|_| format())
}

fn armour(bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    let mut text = format!("{BEGIN}\n\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    let sum = crc24(bytes).to_be_bytes();
    text + &format!("={}\n{END}\n", STANDARD.encode(&sum[1..]))
}

/// The sum behind an armour's data, without which older programs do not find its end.
fn crc24(bytes: &[u8]) -> u32 {
    let shift = |sum: u32| if sum & 0x80_0000 == 0 { sum << 1 } else { sum << 1 ^ 0x186_4cfb };
    bytes.iter().fold(0xb7_04ce, |sum, byte| (0..8).fold(sum ^ u32::from(*byte) << 16, |sum, _| shift(sum)))
}

/// Tag and body of each packet; `None` if they do not fill the bytes exactly.
fn packets(bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while let Some((first, after)) = rest.split_first() {
        if first & 0x80 == 0 {
            return None;
        }
        let (tag, length, after) = if first & 0x40 == 0 {
            let size = match first & 3 {
                0 => 1,
                1 => 2,
                2 => 4,
                _ => return None,
            };
            let (length, after) = after.split_at_checked(size)?;
            (first >> 2 & 15, number(length), after)
        } else {
            let (length, after) = long(after)?;
            (first & 63, length, after)
        };
        let (body, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        found.push((tag, body));
        rest = after;
    }
    Some(found)
}

/// A length in the new format, and what follows it; none that is given in parts, which keys do not have.
fn long(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match first {
        0..=191 => Some((u64::from(*first), rest)),
        192..=223 => {
            let (second, rest) = rest.split_first()?;
            Some((((u64::from(*first) - 192) << 8) + u64::from(*second) + 192, rest))
        }
        255 => rest.split_at_checked(4).map(|(length, rest)| (number(length), rest)),
        _ => None,
    }
}

/// Bytes as a number, the most significant first.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn fingerprint(body: &[u8]) -> Option<Fingerprint> {
    let length = u16::try_from(body.len()).ok()?;
    if body.first() != Some(&4) || body.len() < 6 {
        return None;
    }
    Some(Fingerprint(Sha1::new().chain_update([0x99]).chain_update(length.to_be_bytes()).chain_update(body).finalize().into()))
}

/// What a signature by the key itself says.
struct Own {
    kind: u8,
    created: u64,
    lasts: Option<u64>,
}

/// The signatures that name the key as their maker.
fn own_signatures(packets: &[(u8, &[u8])], print: Fingerprint) -> Vec<Own> {
    packets.iter().filter(|(tag, _)| *tag == SIGNATURE).filter_map(|(_, body)| own_signature(body, print)).collect()
}

fn own_signature(body: &[u8], print: Fingerprint) -> Option<Own> {
    let [4, kind, _, _, rest @ ..] = body else { return None };
    let (length, rest) = rest.split_at_checked(2)?;
    let (hashed, rest) = rest.split_at_checked(usize::try_from(number(length)).ok()?)?;
    let (length, rest) = rest.split_at_checked(2)?;
    let loose = rest.get(..usize::try_from(number(length)).ok()?)?;
    let (hashed, loose) = (subpackets(hashed)?, subpackets(loose)?);
    let find = |kind: u8| hashed.iter().find(|(k, _)| *k == kind).map(|(_, body)| *body);
    let issuer = find(16).or_else(|| loose.iter().find(|(k, _)| *k == 16).map(|(_, body)| *body));
    let own = match (find(33), issuer) {
        (Some([4, full @ ..]), _) => *full == print.0,
        (_, Some(short)) => print.0.ends_with(short) && short.len() == 8,
        _ => false,
    };
    own.then(|| Own { kind: *kind, created: find(2).map_or(0, number), lasts: find(9).map(number) })
}

/// Type and body of each subpacket.
fn subpackets(bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while !rest.is_empty() {
        // Here the second kind of length reaches to 254.
        let (length, after) = match rest {
            [first @ 192..=254, second, after @ ..] => (((u64::from(*first) - 192) << 8) + u64::from(*second) + 192, after),
            other => long(other)?,
        };
        let (body, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        let (kind, body) = body.split_first()?;
        found.push((kind & 0x7f, body));
        rest = after;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// A home of gpg(1) in a folder with a short name: its agent listens there.
    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Self {
            Self(tempfile::Builder::new().prefix("g").rand_bytes(4).tempdir_in("/tmp").unwrap())
        }

        fn gpg(&self, args: &[&str]) -> Vec<u8> {
            let out = Command::new("gpg").arg("--homedir").arg(self.0.path()).args(["--batch", "--quiet"]).args(args).output().unwrap();
            assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
            out.stdout
        }

        fn text(&self, args: &[&str]) -> String {
            String::from_utf8(self.gpg(args)).unwrap()
        }

        /// Fingerprint and expiry of all keys, as gpg tells them.
        fn tells(&self) -> Vec<(String, String)> {
            let text = self.text(&["--list-keys", "--with-colons"]);
            let field = |line: &str, n: usize| line.split(':').nth(n).unwrap().to_owned();
            let expiry = text.lines().filter(|l| l.starts_with("pub:")).map(|l| field(l, 6));
            let prints = text.lines().zip(text.lines().skip(1)).filter(|(l, _)| l.starts_with("pub:")).map(|(_, l)| field(l, 9));
            prints.zip(expiry).collect()
        }
    }

    impl Drop for Home {
        fn drop(&mut self) {
            let _ = Command::new("gpgconf").arg("--homedir").arg(self.0.path()).args(["--kill", "all"]).status();
        }
    }

    /// Keys that gpg(1) makes are read as gpg reads them: with and without an end, prolonged, with a subkey, and signed by somebody else.
    #[test]
    fn fingerprint_and_end_are_those_that_gpg_tells() {
        for (algorithm, lasts) in [("ed25519", "never"), ("rsa2048", "2y")] {
            let home = Home::new();
            home.gpg(&["--passphrase", "", "--quick-generate-key", "One <one@localhost>", algorithm, "sign", lasts]);
            let (print, _) = home.tells().remove(0);
            let compare = || {
                let key = parse(&home.text(&["--armor", "--export"])).unwrap();
                let (told, expires) = home.tells().remove(0);
                assert_eq!((key.fingerprint.to_string(), key.expires.map(|e| e.to_string()).unwrap_or_default()), (told, expires));
                assert_eq!(parse(&key.text).unwrap(), key, "what is written anew is the same key");
                // apt reads what was written anew, too.
                let file = home.0.path().join("anew.asc");
                std::fs::write(&file, &key.text).unwrap();
                let shown = home.text(&["--show-keys", "--with-colons", file.to_str().unwrap()]);
                assert!(shown.contains(&format!(":{print}:")), "{shown}");
            };
            compare();
            home.gpg(&["--passphrase", "", "--quick-set-expire", &print, "5y"]);
            compare();
            home.gpg(&["--passphrase", "", "--quick-add-key", &print, algorithm, "sign", "1y"]);
            compare();
        }
    }

    #[test]
    fn a_second_key_and_whatever_else_is_refused() {
        let home = Home::new();
        for name in ["one", "two"] {
            home.gpg(&["--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never"]);
        }
        let (one, two, both) =
            (home.text(&["--armor", "--export", "one"]), home.text(&["--armor", "--export", "two"]), home.text(&["--armor", "--export"]));
        assert!(parse(&both).unwrap_err().contains("2 keys"), "in one block");
        for (text, why) in [
            (format!("{one}{two}"), "in two blocks"),
            (format!("{one}trailing"), "with something behind it"),
            (format!("x{one}"), "with something ahead of it"),
            (one[..one.len() / 2].to_owned(), "cut"),
            (home.text(&["--armor", "--passphrase", "", "--pinentry-mode", "loopback", "--export-secret-keys", "one"]), "private"),
            (String::new(), "nothing"),
            ("<html>".to_owned(), "a page"),
        ] {
            assert!(parse(&text).is_err(), "{why}");
        }
        // A second key as a subkey packet has no binding of the first, and apt's own verifier does not take its signatures.
        let bytes = |name: &str| home.gpg(&["--export", name]);
        let (mut mixed, other) = (bytes("one"), bytes("two"));
        let stranger = packets(&other).unwrap()[0].1.to_vec();
        mixed.extend([0xc0 | SUBKEY, u8::try_from(stranger.len()).unwrap()]);
        mixed.extend(&stranger);
        let key = parse(&armour(&mixed)).unwrap();
        assert_eq!(key.fingerprint, parse(&one).unwrap().fingerprint);
        let file = |name: &str| home.0.path().join(name);
        std::fs::write(file("mixed.gpg"), &mixed).unwrap();
        std::fs::write(file("data"), "data").unwrap();
        let verify = |by: &str, keyring: &str| {
            home.gpg(&[
                "--passphrase",
                "",
                "--local-user",
                by,
                "--output",
                file(&format!("{by}.sig")).to_str().unwrap(),
                "--detach-sign",
                file("data").to_str().unwrap(),
            ]);
            let status =
                Command::new("gpgv").arg("--keyring").arg(file(keyring)).arg(file(&format!("{by}.sig"))).arg(file("data")).output();
            status.unwrap().status.success()
        };
        assert!(verify("one", "mixed.gpg") && !verify("two", "mixed.gpg"));
    }

    #[test]
    fn a_revoked_key_is_refused() {
        let home = Home::new();
        home.gpg(&["--passphrase", "", "--quick-generate-key", "one", "ed25519", "sign", "never"]);
        let (print, _) = home.tells().remove(0);
        let certificate = home.0.path().join(format!("openpgp-revocs.d/{print}.rev"));
        // gpg puts a colon ahead, so that nobody imports it by mistake.
        let text = std::fs::read_to_string(&certificate).unwrap().replace(":-----BEGIN", "-----BEGIN");
        std::fs::write(&certificate, text).unwrap();
        home.gpg(&["--import", certificate.to_str().unwrap()]);
        assert!(parse(&home.text(&["--armor", "--export"])).unwrap_err().contains("revoked"));
    }

    #[test]
    fn fingerprints_are_written_as_gpg_prints_them() {
        let plain = "DE15B14486CD377B9E876E1A234654DA9A296436";
        let spaced = "de15 b144 86cd 377b 9e87  6e1a 2346 54da 9a29 6436";
        assert_eq!(spaced.parse::<Fingerprint>().unwrap().to_string(), plain);
        for bad in ["", "DE15", &plain[1..], &format!("{plain}0"), &plain.replace('D', "G"), &format!("é{}", &plain[2..])] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    proptest! {
        /// Whatever a server answers, it is a key or an error.
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let _ = parse(&armour(&bytes));
            let head = [0x98, 6, 4, 0, 0, 0, 1, 1, 0xc2, u8::try_from(bytes.len()).unwrap()];
            let whole = [&head[..], &bytes].concat();
            let _ = parse(&armour(&whole[..cut.min(whole.len())]));
        }
    }
}

//! One share as text that can be typed: lines of at most 32 letters, each with two more that show a mistake in it.
//!
//! The bytes are: version 1, threshold, number of shares, four that name the set, the share as [`crate::sops`] makes it for key groups
//! (a byte of y for each byte of the secret, then x), and the first four of the sha256 of all that.

use std::fmt::Write as _;

use age::x25519::Identity;
use kubestead_core::secret::Secret;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::generate::ALPHABET;
use crate::sops::shamir;

const VERSION: u8 = 1;
const HEAD: usize = 7;
const SUM: usize = 4;
/// Bytes of a line: 32 letters.
const LINE: usize = 20;

/// What is wrong with shares. No message holds any of their letters.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The numbers make no sense, or there are no random bytes.
    #[error("{0}")]
    Split(String),
    /// There is no share in a text.
    #[error("{0}: no share is in it: lines that begin with `1:`, `2:` and so on are wanted")]
    None(String),
    /// A line was mistyped.
    #[error("{from}: line {line} of the share is mistyped: {why}")]
    Line {
        /// Where the share came from.
        from: String,
        /// From 1.
        line: usize,
        /// What does not fit.
        why: &'static str,
    },
    /// Each line is good and the whole is not.
    #[error("{0}: lines of the share are missing or out of order")]
    Whole(String),
    /// It is of a later version.
    #[error("{from}: the share has version {version}, and this program knows version {VERSION}")]
    Version {
        /// Where it came from.
        from: String,
        /// Its version.
        version: u8,
    },
    /// Shares of two kits.
    #[error("{0} and {1} are shares of different kits")]
    Sets(String, String),
    /// One share twice.
    #[error("{0} and {1} are the same share")]
    Twice(String, String),
    /// Fewer than it takes.
    #[error("{have} of the {need} shares that it takes")]
    TooFew {
        /// How many there are.
        have: usize,
        /// How many it takes.
        need: usize,
    },
    /// They give something else than the identity that was split.
    #[error("the shares do not give the identity that was split{0}")]
    Wrong(String),
}

/// One share of an identity. Its letters are secret.
#[derive(Clone)]
pub struct Share {
    /// Where it came from, for messages.
    pub from: String,
    /// How many shares give the identity.
    pub threshold: u8,
    /// How many there are.
    pub total: u8,
    set: [u8; 4],
    body: shamir::Share,
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share({} of {}, …)", self.number(), self.total)
    }
}

/// The identity's name in its shares.
fn set(public: &str) -> [u8; 4] {
    let sum = Sha256::digest(public.as_bytes());
    [sum[0], sum[1], sum[2], sum[3]]
}

fn check(line: usize, bytes: &[u8]) -> [u8; 2] {
    let sum = Sha256::new()
        .chain_update(b"kubestead share line")
        .chain_update([u8::try_from(line).unwrap_or(u8::MAX)])
        .chain_update(bytes)
        .finalize();
    [ALPHABET[usize::from(sum[0] & 31)], ALPHABET[usize::from(sum[1] & 31)]]
}

/// Five bits a letter, the last filled up with zeros.
fn letters(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(held << (5 - bits) & 31) as usize]));
    }
    text
}

fn bytes(letters: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut found = Zeroizing::new(Vec::with_capacity(LINE));
    let (mut bits, mut held) = (0_u32, 0_u32);
    for letter in letters {
        let value = ALPHABET.iter().position(|a| a == letter)?;
        held = (held << 5 | u32::try_from(value).ok()?) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            found.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
    }
    // What fills up the last letter is zero: else two texts would be one share.
    (bits < 5 && held & ((1 << bits) - 1) == 0).then_some(found)
}

impl Share {
    /// Which of the shares it is, from 1.
    pub fn number(&self) -> u8 {
        self.body.last().copied().unwrap_or_default()
    }

    /// The lines to print, to type and to put into a QR code.
    pub fn text(&self) -> Zeroizing<String> {
        let mut whole = Zeroizing::new(vec![VERSION, self.threshold, self.total]);
        whole.extend_from_slice(&self.set);
        whole.extend_from_slice(&self.body);
        let sum = Sha256::digest(&*whole);
        whole.extend_from_slice(&sum[..SUM]);
        let mut text = Zeroizing::new(format!("----- KUBESTEAD SHARE {} OF {} -----\n", self.number(), self.total));
        for (index, line) in whole.chunks(LINE).enumerate() {
            let _ = write!(text, "{}:", index + 1);
            let letters = letters(line);
            for group in letters.as_bytes().chunks(4) {
                let _ = write!(text, " {}", String::from_utf8_lossy(group));
            }
            let check = check(index + 1, line);
            let _ = writeln!(text, "  {}{}", char::from(check[0]), char::from(check[1]));
        }
        text
    }

    /// Reads all shares of a text, as [`Share::text`] wrote them or as somebody typed them: the lines that begin with a number and a
    /// colon, where blanks, dashes and capitals do not matter. A line with the number 1 begins a share.
    pub fn read(from: &str, text: &str) -> Result<Vec<Self>, Error> {
        let mut blocks: Vec<Vec<(usize, &str)>> = Vec::new();
        for line in text.lines() {
            let Some((number, rest)) = line.trim_start().split_once(':') else { continue };
            let Ok(number) = number.parse() else { continue };
            if number == 1 {
                blocks.push(Vec::new());
            }
            if let Some(block) = blocks.last_mut() {
                block.push((number, rest));
            }
        }
        if blocks.is_empty() {
            return Err(Error::None(from.to_owned()));
        }
        let several = blocks.len() > 1;
        let name = |index: usize| if several { format!("{from}, share {}", index + 1) } else { from.to_owned() };
        blocks.iter().enumerate().map(|(index, block)| Self::one(name(index), block)).collect()
    }

    fn one(from: String, lines: &[(usize, &str)]) -> Result<Self, Error> {
        let mut whole = Zeroizing::new(Vec::new());
        for (index, (number, typed)) in lines.iter().enumerate() {
            let number = *number;
            if number != index + 1 {
                return Err(Error::Whole(from));
            }
            let wrong = |why| Error::Line { from: from.clone(), line: number, why };
            let typed: Zeroizing<Vec<u8>> =
                Zeroizing::new(typed.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b'-').map(|b| b.to_ascii_lowercase()).collect());
            if typed.len() < 4 {
                return Err(wrong("it is too short"));
            }
            let (body, sum) = typed.split_at(typed.len() - 2);
            let read = bytes(body).ok_or_else(|| wrong("a sign in it is wrong: there are a-z (without l and o) and 2-9"))?;
            if sum != check(number, &read) {
                return Err(wrong("its last two letters do not fit the others"));
            }
            whole.extend_from_slice(&read);
        }
        let Some(length) = whole.len().checked_sub(SUM).filter(|l| *l > HEAD + 1) else { return Err(Error::Whole(from)) };
        let (said, sum) = whole.split_at(length);
        if Sha256::digest(said)[..SUM] != *sum {
            return Err(Error::Whole(from));
        }
        if said[0] != VERSION {
            return Err(Error::Version { from, version: said[0] });
        }
        let set = [said[3], said[4], said[5], said[6]];
        Ok(Self { from, threshold: said[1], total: said[2], set, body: Zeroizing::new(said[HEAD..].to_vec()) })
    }
}

/// Splits an identity. Every `threshold` shares in a row are joined again before this returns.
pub fn split(identity: &Secret, public: &str, total: u8, threshold: u8) -> Result<Vec<Share>, Error> {
    if threshold < 2 || threshold > total {
        return Err(Error::Split(format!("{threshold} of {total} shares: at least 2 must be needed, and no more than there are")));
    }
    let bodies = shamir::split(identity.expose(), usize::from(total), usize::from(threshold)).map_err(Error::Split)?;
    let share = |body: shamir::Share| Share {
        from: format!("share {}", body.last().copied().unwrap_or_default()),
        threshold,
        total,
        set: set(public),
        body,
    };
    let shares: Vec<Share> = bodies.into_iter().map(share).collect();
    match join(&shares)? {
        (back, _) if back.expose() == identity.expose() => Ok(shares),
        _ => Err(Error::Wrong(String::new())),
    }
}

/// Joins shares to the identity and its public half. Of more shares than it takes each one is tried, so that a bad one shows.
pub fn join(shares: &[Share]) -> Result<(Secret, String), Error> {
    let first = shares.first().ok_or(Error::TooFew { have: 0, need: 2 })?;
    for (index, share) in shares.iter().enumerate() {
        if (share.set, share.threshold, share.total, share.body.len()) != (first.set, first.threshold, first.total, first.body.len()) {
            return Err(Error::Sets(first.from.clone(), share.from.clone()));
        }
        if let Some(other) = shares[..index].iter().find(|o| o.number() == share.number()) {
            return Err(Error::Twice(other.from.clone(), share.from.clone()));
        }
    }
    let need = usize::from(first.threshold);
    if shares.len() < need || need < 2 {
        return Err(Error::TooFew { have: shares.len(), need });
    }
    let mut found = None;
    for begin in 0..=shares.len() - need {
        let window = &shares[begin..begin + need];
        let bodies: Vec<shamir::Share> = window.iter().map(|s| s.body.clone()).collect();
        let names = || format!(": {}", window.iter().map(|s| s.from.as_str()).collect::<Vec<_>>().join(", "));
        let joined = shamir::combine(&bodies).map_err(|_| Error::Wrong(names()))?;
        let public = std::str::from_utf8(&joined).ok().and_then(|text| text.parse::<Identity>().ok()).map(|i| i.to_public().to_string());
        let public = public.filter(|p| set(p) == first.set).ok_or_else(|| Error::Wrong(names()))?;
        found = Some((Secret::new(joined.to_vec()), public));
    }
    found.ok_or(Error::TooFew { have: shares.len(), need })
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret;

    use super::*;

    fn identity() -> (Secret, String) {
        let made = Identity::generate();
        (Secret::new(made.to_string().expose_secret().as_bytes().to_vec()), made.to_public().to_string())
    }

    fn read(share: &Share) -> Share {
        Share::read("typed", &share.text()).unwrap().remove(0)
    }

    #[test]
    fn any_threshold_of_the_printed_shares_gives_the_identity_back() {
        let (secret, public) = identity();
        let shares = split(&secret, &public, 5, 3).unwrap();
        for pick in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
            let picked: Vec<Share> = pick.iter().map(|i| read(&shares[*i])).collect();
            let (back, name) = join(&picked).unwrap();
            assert!(back.expose() == secret.expose() && name == public);
        }
        assert_eq!(join(&shares[..2]).unwrap_err(), Error::TooFew { have: 2, need: 3 });
        assert!(join(&shares).is_ok());
        assert!(matches!(join(&[shares[0].clone(), shares[0].clone(), shares[1].clone()]), Err(Error::Twice(..))));
        let (other, name) = identity();
        let others = split(&other, &name, 5, 3).unwrap();
        assert!(matches!(join(&[shares[0].clone(), shares[1].clone(), others[2].clone()]), Err(Error::Sets(..))));
        for (total, threshold) in [(3, 1), (2, 3), (0, 0)] {
            assert!(matches!(split(&secret, &public, total, threshold), Err(Error::Split(_))));
        }
    }

    #[test]
    fn how_it_is_typed_does_not_matter_and_a_mistake_is_found_with_its_line() {
        let (secret, public) = identity();
        let share = split(&secret, &public, 3, 2).unwrap().remove(1);
        let text = share.text();
        let typed = format!("prose before\n{}\nprose after", text.to_uppercase().replace(' ', "-"));
        assert_eq!(Share::read("x", &typed).unwrap()[0].body, share.body);
        let mut unplaced = 0;
        for (number, line) in text.lines().enumerate().skip(1) {
            for (at, letter) in line.char_indices().skip(2).filter(|(_, c)| *c != ' ') {
                let other = if letter == 'a' { 'b' } else { 'a' };
                let bad = format!("{}{other}{}", &line[..at], &line[at + 1..]);
                let error = Share::read("x", &text.replace(line, &bad)).unwrap_err();
                // Two letters of check let one mistake in 1024 through; the sum of the whole finds it all the same.
                match error {
                    Error::Line { line, .. } => assert_eq!(line, number, "{error}"),
                    Error::Whole(_) => unplaced += 1,
                    other => panic!("{other}"),
                }
            }
            let without = Share::read("x", &text.replace(&format!("{line}\n"), "")).unwrap_err();
            assert!(matches!(without, Error::None(_) | Error::Whole(_)), "{without}");
        }
        assert!(unplaced < 8, "{unplaced}");
        assert!(matches!(Share::read("x", "nothing"), Err(Error::None(_))));
        assert!(matches!(Share::read("x", &text.replace("1:", "1: l")), Err(Error::Line { line: 1, .. })));
    }

    #[test]
    fn a_forged_share_is_found() {
        let (secret, public) = identity();
        let mut shares = split(&secret, &public, 3, 2).unwrap();
        shares[2].body[0] ^= 1;
        let shares: Vec<Share> = shares.iter().map(read).collect();
        assert!(join(&shares[..2]).is_ok());
        assert!(matches!(join(&shares), Err(Error::Wrong(_))));
    }

    #[test]
    fn nothing_shows_the_letters() {
        let (secret, public) = identity();
        let share = split(&secret, &public, 3, 2).unwrap().remove(0);
        assert_eq!(format!("{share:?}"), "Share(1 of 3, …)");
    }

    #[test]
    fn the_printed_program_joins_them_too() {
        let (secret, public) = identity();
        let shares = split(&secret, &public, 3, 2).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            dir.path().join(name)
        };
        let (one, two) = (file("1", &shares[2].text()), file("2", &shares[0].text().to_uppercase()));
        let Ok(output) = std::process::Command::new("python3").arg(file("join.py", crate::kit::JOIN_PY)).args([one, two]).output() else {
            return; // no python3 on this computer
        };
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim().as_bytes(),
            secret.expose(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

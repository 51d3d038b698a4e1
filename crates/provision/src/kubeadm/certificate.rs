//! When certificates end (RFC 5280, 4.1.2.5): read of the certificates themselves, so that no program runs for each on the machine.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A control plane has ten, and three kubeconfigs.
const MOST: usize = 64;
/// No certificate of kubeadm has more bytes of base64.
const LONGEST: usize = 32 << 10;

/// A certificate of a control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// The file that holds it.
    pub path: String,
    /// When it ends, in seconds since 1970.
    pub until: i64,
}

/// The certificates in the answer; one that is not understood is left out.
pub(super) fn read(text: &str) -> Vec<Certificate> {
    let one = |part: &str| {
        let (path, body) = part.split_once('\n')?;
        // A file of several begins with its own.
        let base64: String = match body.split_once("-----BEGIN CERTIFICATE-----") {
            Some((_, rest)) => rest.split("-----END").next()?.split_whitespace().collect(),
            None => body.split_whitespace().collect(),
        };
        let bytes = STANDARD.decode(Some(base64).filter(|b| b.len() <= LONGEST)?).ok()?;
        // A kubeconfig holds the text of a file, as base64 of base64.
        let until = match std::str::from_utf8(&bytes) {
            Ok(pem) => {
                let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
                end(&STANDARD.decode(rest.split("-----END").next()?.split_whitespace().collect::<String>()).ok()?)?
            }
            Err(_) => end(&bytes)?,
        };
        Some(Certificate { path: path.to_owned(), until })
    };
    text.split("@@ ").skip(1).filter_map(one).take(MOST).collect()
}

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

/// The first value of DER: its tag, what it holds, and what follows.
fn value(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn sequence(der: &[u8]) -> Option<(&[u8], &[u8])> {
    value(der).and_then(|(tag, content, rest)| (tag == SEQUENCE).then_some((content, rest)))
}

/// `notAfter` of a certificate, in seconds since 1970.
fn end(der: &[u8]) -> Option<i64> {
    let (certificate, _) = sequence(der)?;
    let (mut fields, _) = sequence(certificate)?;
    if let Some((VERSION, _, rest)) = value(fields) {
        fields = rest;
    }
    let (_, _, fields) = value(fields)?; // serial number
    let (_, fields) = sequence(fields)?; // signature algorithm
    let (_, fields) = sequence(fields)?; // issuer
    let (validity, _) = sequence(fields)?;
    let (_, _, after) = value(validity)?;
    let (tag, text, _) = value(after)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

fn time(tag: u8, text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
    let (year, rest) = match (tag, text.len()) {
        (UTC_TIME, 12) => {
            let year: i16 = text[..2].parse().ok()?;
            (if year < 50 { year + 2000 } else { year + 1900 }, &text[2..])
        }
        (GENERALIZED_TIME, 14) => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let moment = DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// openssl req -x509 -newkey ed25519 -nodes -subj /CN=kube-apiserver -not_before … -not_after 20270312123456Z -outform DER, and one until 2060.
    fn made(until: &str) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let ran = std::process::Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=kube-apiserver"])
            .args(["-keyout", &path("key"), "-out", &path("crt"), "-days", until])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        std::fs::read(path("crt")).unwrap()
    }

    #[test]
    fn the_end_is_that_of_openssl() {
        for days in ["1", "365", "14000"] {
            let pem = made(days);
            let mut child = std::process::Command::new("openssl")
                .args(["x509", "-noout", "-enddate", "-dateopt", "iso_8601"])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), &pem).unwrap();
            let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
            let pem = String::from_utf8(pem).unwrap();
            let text = format!(
                "@@ /etc/kubernetes/pki/apiserver.crt\n{pem}\n@@ /etc/kubernetes/admin.conf\n{}\n@@ bad\nxx\n",
                STANDARD.encode(&pem)
            );
            let found = read(&text);
            assert_eq!(found.len(), 2, "{found:?}");
            assert_eq!(found[0].until, found[1].until);
            let shown = Timestamp::from_second(found[0].until).unwrap().strftime("%Y-%m-%d %H:%M:00Z").to_string();
            let said: String = said.trim().trim_start_matches("notAfter=").to_owned();
            assert_eq!(shown[..16], said[..16]);
        }
    }

    #[test]
    fn no_cut_of_a_certificate_is_a_panic_or_a_time() {
        let pem = String::from_utf8(made("365")).unwrap();
        let body: String = pem.lines().filter(|l| !l.starts_with('-')).collect();
        let der = STANDARD.decode(body).unwrap();
        let whole = end(&der).unwrap();
        for cut in 0..der.len() {
            assert!(end(&der[..cut]).is_none(), "{cut}");
            let mut other = der.clone();
            other[cut] ^= 0xff;
            let _ = end(&other);
        }
        assert!(whole > 1_700_000_000);
        assert_eq!(time(UTC_TIME, "270312123456Z"), Some(1_804_854_896));
        for (tag, text) in [
            (UTC_TIME, "2703121234Z"),
            (UTC_TIME, "271312123456Z"),
            (GENERALIZED_TIME, "270312123456Z"),
            (1, "270312123456Z"),
            (UTC_TIME, "-70312123456Z"),
        ] {
            assert_eq!(time(tag, text), None, "{text}");
        }
    }
}

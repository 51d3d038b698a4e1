//! Certificates as far as they are looked at here: when each ends (RFC 5280, 4.1.2.5), and files of authorities (RFC 7468), which go to nodes as they
//! are understood and not as they are written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Certificates of authorities.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Authorities {
    /// They alone, PEM with lines of 64.
    pub(crate) pem: String,
    /// In which line of the file each begins, and when it ends, in seconds since 1970.
    pub(crate) ends: Vec<(usize, i64)>,
}

/// Why a file is none of authorities: what is wrong, and what to do.
pub(crate) type Wrong = (String, &'static str);

const BEGIN: &str = "-----BEGIN ";
const CERTIFICATE: &str = "CERTIFICATE";

/// The certificates of a file. What stands between them is left out; anything else that is PEM is refused, a private key first: what comes of this is copied
/// to every node, where everybody may read it.
pub(crate) fn authorities(text: &str) -> Result<Authorities, Wrong> {
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().map(str::trim_end).collect();
    let secret = |line: &str| line.starts_with(BEGIN) && line.contains("PRIVATE KEY");
    if let Some(at) = lines.iter().position(|line| secret(line)) {
        let hint = "name a file with the certificate alone; the key stays where the authority signs";
        return Err((format!("line {}: it holds a private key, and nodes need the certificate alone", at + 1), hint));
    }
    let (mut pem, mut ends) = (String::new(), Vec::new());
    let mut at = 0;
    while let Some(begin) = lines[at..].iter().position(|line| line.starts_with(BEGIN)).map(|found| at + found) {
        let line = begin + 1;
        let whole = "copy the file again from where the authority offers it";
        let label = lines[begin][BEGIN.len()..].trim_end_matches('-');
        if label != CERTIFICATE {
            return Err((
                format!("line {line}: it holds a {label}, and only certificates belong there"),
                "leave the others out of the file",
            ));
        }
        let Some(end) = lines[begin..].iter().position(|line| *line == "-----END CERTIFICATE-----").map(|found| begin + found) else {
            return Err((format!("line {line}: the certificate has no end"), whole));
        };
        let body: String = lines[begin + 1..end].concat().split_whitespace().collect();
        let der = STANDARD.decode(body).ok().filter(|der| value(der).is_some_and(|(_, _, rest)| rest.is_empty()));
        let Some((der, until)) = der.and_then(|der| self::end(&der).map(|until| (der, until))) else {
            return Err((format!("line {line}: the certificate is not whole"), whole));
        };
        let body = STANDARD.encode(der);
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for part in body.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(part));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
        ends.push((line, until));
        at = end + 1;
    }
    if ends.is_empty() {
        let hint = "it begins with -----BEGIN CERTIFICATE-----; `openssl x509 -inform der` makes such a file of a binary one";
        return Err(("it holds no certificate".to_owned(), hint));
    }
    Ok(Authorities { pem, ends })
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

/// `notAfter` of a certificate in DER, in seconds since 1970; `None` if it is none.
pub(crate) fn end(der: &[u8]) -> Option<i64> {
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
pub(crate) mod tests {
    use super::*;

    /// A certificate that openssl made, and its key.
    pub(crate) fn made(days: &str) -> (String, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let ran = std::process::Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=kube-apiserver"])
            .args(["-keyout", &path("key"), "-out", &path("crt"), "-days", days])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        (std::fs::read_to_string(path("crt")).unwrap(), std::fs::read_to_string(path("key")).unwrap())
    }

    #[test]
    fn only_certificates_are_taken_and_each_whole() {
        let ((one, key), (two, _)) = (made("1"), made("400"));
        let good = format!("\u{feff}Certificate:\r\n    Data:\r\n{}# the old one\n{two}", one.replace('\n', "\r\n"));
        let found = authorities(&good).unwrap();
        assert_eq!(found.pem, format!("{one}{two}"), "openssl's own lines, and nothing else");
        let lines: Vec<usize> = found.ends.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, one.lines().count() + 4]);
        let days = (found.ends[1].1 - found.ends[0].1) / 86400;
        assert_eq!(days, 399);
        let half = &one[..one.len() / 2];
        let swapped = one.replacen("MII", "MIJ", 1);
        for (bad, word) in [
            (format!("{one}{key}"), "private key"),
            (one.replace("BEGIN CERT", "BEGIN TRUSTED CERT"), "TRUSTED CERTIFICATE"),
            (one.replace("BEGIN CERTIFICATE", "BEGIN CERTIFICATE REQUEST"), "CERTIFICATE REQUEST"),
            (half.to_owned(), "no end"),
            (format!("{half}\n-----END CERTIFICATE-----\n"), "not whole"),
            (swapped, "not whole"),
            (one.replace("-----END", "AAAA\n-----END"), "not whole"),
            (String::new(), "no certificate"),
            ("<html>404</html>".to_owned(), "no certificate"),
        ] {
            let (told, hint) = authorities(&bad).unwrap_err();
            assert!(told.contains(word) && !hint.is_empty(), "{told}");
            assert!(!told.contains("MII"), "{told}");
        }
    }

    #[test]
    fn no_cut_of_a_certificate_is_a_panic_or_a_time() {
        let (pem, _) = made("365");
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

//! When certificates of a control plane end: read of the certificates themselves, so that no program runs for each on the machine.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::x509::end;

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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::x509::tests::made;

    #[test]
    fn the_end_is_that_of_openssl() {
        for days in ["1", "365", "14000"] {
            let (pem, _) = made(days);
            let mut child = std::process::Command::new("openssl")
                .args(["x509", "-noout", "-enddate", "-dateopt", "iso_8601"])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), pem.as_bytes()).unwrap();
            let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
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
}

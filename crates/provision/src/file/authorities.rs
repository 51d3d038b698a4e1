//! Certificates of authorities that a file beside the cluster file has.

use std::path::Path;

use jiff::Timestamp;
use kubestead_core::diagnostic::Place;

use super::findings::Findings;
use super::path::path;
use super::read;
use super::tree::Node as Yaml;
use crate::x509;

const WANTED: &str =
    "name a file with the certificates of the authority, PEM; `openssl x509 -inform der` makes such a file of a binary one";

/// The certificates of a file.
pub(super) fn authorities(node: Yaml, what: &str, dir: &Path, out: &mut Findings) -> Option<String> {
    let place = node.place.clone();
    let path = path(node, what, dir, out)?;
    let shown = path.display();
    // A pipe would keep whoever reads it waiting.
    let read = if std::fs::metadata(&path).is_ok_and(|data| !data.is_file()) {
        Err(("it is no regular file".to_owned(), WANTED))
    } else {
        match read::within(&path, MOST) {
            Ok(text) => x509::authorities(&text),
            Err(error) => Err((format!("it cannot be read: {error}"), WANTED)),
        }
    };
    match read {
        Ok(found) => {
            ended(&found.ends, &format!("{what}: {shown}"), &place, out);
            Some(found.pem)
        }
        Err((why, hint)) => {
            out.error(&place, format!("{what}: {shown}: {why}"), hint.to_owned());
            None
        }
    }
}

/// More bytes than any authority has.
const MOST: u64 = 1 << 20;

/// What has ended is no mistake of the file: whoever renews it must still be able to look at the cluster.
fn ended(ends: &[(usize, i64)], what: &str, place: &Place, out: &mut Findings) {
    let now = Timestamp::now().as_second();
    for (line, until) in ends.iter().filter(|(_, until)| *until <= now) {
        let date = Timestamp::from_second(*until).map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
        let hint = "put the authority's new certificate into the file: what only the old one signs is not believed";
        out.warning(place, format!("{what}: the certificate of line {line} ended on {date}"), hint.to_owned());
    }
}

//! `services.logs`.

use std::path::{Path, PathBuf};

use super::asked::Asked;
use super::options::{IMAGE, IMAGE_ABOUT, Options, PATCHES, PATCHES_ABOUT};
use crate::file::authorities::authorities;
use crate::file::decode::{Wrong, judged, parsed};
use crate::file::fields::fields;
use crate::file::findings::Findings;
use crate::file::folders::{is_machines, owner};
use crate::file::shape::{Bare, Form, Kind, Need, PATH};
use crate::file::tree::Node as Yaml;
use crate::service::{Logs, Syslog, What};

fields! {
    /// The fields of what reads and hands on logs.
    struct Written {
        "syslog" syslog Need::Optional("they are written to `logs.json` in the folder, 10 files of 100 MB"), Kind::Map(&Server::SHAPE),
            "The server that they are sent to.";
        "folder" folder Need::Otherwise(Logs::FOLDER), Kind::Text(&FOLDER),
            "The folder of each node that holds what the server has not got yet. It is made; a volume may be mounted there.";
        "image" image Need::Optional(Logs::IMAGE), IMAGE, IMAGE_ABOUT;
        "patches" patches Need::Otherwise("[]"), PATCHES, PATCHES_ABOUT;
    }
}

fields! {
    /// The fields of a syslog server.
    struct Server {
        "address" address Need::Required, Kind::Text(&ADDRESS),
            "Its name, or its address, and its port. It is reached over TLS, and its certificate must have that name.";
        "ca" ca Need::Optional("the authorities that the image trusts"), Kind::Text(&PATH),
            "A file with the certificates of the authority that signs the server's own, PEM.";
    }
}

const FOLDER: Form = Form { word: "an absolute path", pattern: "^(/[A-Za-z0-9._-]+)+$", example: "/srv/logs", bare: Bare::String };
const ADDRESS: Form = Form {
    word: "a name and a port",
    pattern: "^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}$",
    example: "logs.example.com:6514",
    bare: Bare::String,
};

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Decodes the service.
pub(super) fn decode(node: Yaml, dir: &Path, out: &mut Findings) -> Option<Asked> {
    let f = Written::of(node, "services.logs", out);
    let folder =
        f.folder.map_or_else(|| Some(Logs::FOLDER.into()), |node| judged(node, "services.logs.folder", out, folder).map(|at| at.value));
    let written = f.syslog.is_some();
    let syslog = f.syslog.and_then(|node| server(node, dir, out));
    let options = Options::of([("IMAGE", f.image)], f.patches, out);
    // A server that is wrong is told, and is not as if none were written.
    let folder = folder.filter(|_| syslog.is_some() || !written)?;
    Some(Asked::alone(What::Logs(Logs { folder, syslog }), options))
}

fn server(node: Yaml, dir: &Path, out: &mut Findings) -> Option<Syslog> {
    let f = Server::of(node, "services.logs.syslog", out);
    let written = f.ca.is_some();
    let authorities = f.ca.and_then(|node| authorities(node, "services.logs.syslog.ca", dir, out));
    let address = f.address.and_then(|node| parsed(node, "services.logs.syslog.address", out, address));
    let (host, port) = address?.value;
    // So is an authority.
    (authorities.is_some() || !written).then_some(Syslog { host, port, authorities })
}

/// A folder that nobody else writes in or empties.
fn folder(text: &str) -> Result<PathBuf, Wrong> {
    let word = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let hint = || Some("write a folder of its own, such as /srv/logs".to_owned());
    if !text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(word)) {
        return Err(Wrong(format!("{text:?} is no absolute path of letters, digits, '.', '_' and '-' below /"), hint()));
    }
    match owner(text) {
        Some(owner) => Err(Wrong(format!("{text} is a folder of {owner}"), hint())),
        None if is_machines(text) => Err(Wrong(format!("{text} is a folder of the machine itself"), hint())),
        None => Ok(text.into()),
    }
}

fn address(text: &str) -> Result<(String, u16), String> {
    let wrong = || format!("{text:?} is no name with a port, such as {}", ADDRESS.example);
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let ends = |c: char| c.is_ascii_alphanumeric();
    let good = host.starts_with(ends) && host.ends_with(ends) && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    let port = port.parse().ok().filter(|port| *port != 0);
    port.filter(|_| good).map(|port| (host.to_owned(), port)).ok_or_else(wrong)
}

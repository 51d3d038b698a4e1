//! A kubeconfig that comes from a host: `admin.conf`, and what `kubeadm kubeconfig user` prints. A kubeconfig may name programs to run
//! and files to open on the computer of whoever reads it. A host that somebody has taken over would use that, so that what comes from
//! a host is read into [`Credentials`], which has room for a server, three PEM texts and nothing else. Any other field is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use granit_parser::{Event, Parser};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The longest text that is read, in bytes. kubeadm's are below 10 KiB.
const TEXT: usize = 256 << 10;
/// The longest PEM text, in bytes.
const PEM: usize = 64 << 10;
/// The most certificates in one PEM text: an authority that is renewed has two.
const CERTIFICATES: usize = 8;
/// The longest name.
const NAME: usize = 253;
/// How deep maps and lists may be in each other, and how many fields there may be: far more than kubeadm's, so that a field that is
/// refused is told by its name.
const DEPTH: usize = 16;
const FIELDS: usize = 256;

/// All that kubeadm writes.
const KNOWN: [&str; 13] = [
    "apiVersion",
    "kind",
    "current-context",
    "preferences",
    "clusters[0].name",
    "clusters[0].cluster.server",
    "clusters[0].cluster.certificate-authority-data",
    "users[0].name",
    "users[0].user.client-certificate-data",
    "users[0].user.client-key-data",
    "contexts[0].name",
    "contexts[0].context.cluster",
    "contexts[0].context.user",
];
/// What it may hold besides, which is of no use here: where `kubectl` looks when nothing is said.
const NAMESPACE: &str = "contexts[0].context.namespace";

const CERTIFICATE: &[&str] = &["CERTIFICATE"];
const KEY: &[&str] = &["RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"];

/// Why a kubeconfig of a host is not used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A field that kubeadm does not write.
    #[error(
        "{host}: {what} has `{field}`, which kubeadm does not write and which is not obeyed: somebody changed the file there, {host} may be \
         compromised. Find out who did before you use the cluster's credentials; nothing was read from it"
    )]
    Field {
        /// The host.
        host: String,
        /// Which kubeconfig.
        what: String,
        /// Where the field stands, such as `users[0].user.exec`.
        field: String,
    },
    /// It is not a kubeconfig as kubeadm writes it.
    #[error("{host}: {what} is not a kubeconfig as kubeadm writes it: {detail}. Look at it on {host}, which may be compromised")]
    Form {
        /// The host.
        host: String,
        /// Which kubeconfig.
        what: String,
        /// What is wrong; no value of a field.
        detail: String,
    },
}

/// PEM text that was checked, and the DER of its blocks.
#[derive(Clone, Debug)]
struct Pem {
    text: Vec<u8>,
    der: Vec<Vec<u8>>,
}

/// What a kubeconfig of a host may give: where its API server is, its authority, and a client certificate with its key.
#[derive(Clone, Debug)]
pub struct Credentials {
    server: String,
    authority: Pem,
    certificate: Pem,
    key: Secret,
}

impl Credentials {
    /// Reads the kubeconfig `what` that came from `host`.
    pub fn parse(host: &str, what: &str, text: &str) -> Result<Self, CredentialsError> {
        let form = |detail: String| CredentialsError::Form { host: host.to_owned(), what: what.to_owned(), detail };
        if text.len() > TEXT {
            return Err(form(format!("it is longer than {TEXT} bytes")));
        }
        let mut fields = Fields::read(text).map_err(&form)?;
        let strange = |path: &&String| !KNOWN.contains(&path.as_str()) && *path != NAMESPACE;
        if let Some(field) = fields.0.iter().map(|(path, _)| path).find(strange) {
            return Err(CredentialsError::Field { host: host.to_owned(), what: what.to_owned(), field: field.clone() });
        }
        if fields.0.iter().any(|(path, leaf)| path == "preferences" && !matches!(leaf, Leaf::Empty)) {
            return Err(form("preferences is no empty map".to_owned()));
        }
        for (path, expected) in [("apiVersion", "v1"), ("kind", "Config")] {
            let found = fields.take(path).map_err(&form)?;
            if found.as_str() != expected {
                return Err(form(format!("{path} is not {expected}")));
            }
        }
        let mut name = |path: &str| {
            let found = fields.take(path).map_err(&form)?;
            if found.is_empty() || found.len() > NAME || found.chars().any(char::is_control) {
                return Err(form(format!("{path} is no name")));
            }
            Ok(found.to_string())
        };
        let (cluster, user, context) = (name("clusters[0].name")?, name("users[0].name")?, name("contexts[0].name")?);
        for (path, expected) in
            [("contexts[0].context.cluster", &cluster), ("contexts[0].context.user", &user), ("current-context", &context)]
        {
            if name(path)? != *expected {
                return Err(form(format!("{path} names another entry")));
            }
        }
        let server = server(&fields.take("clusters[0].cluster.server").map_err(&form)?).map_err(&form)?;
        let mut data = |path: &str, labels: &[&str], most: usize| {
            let value = fields.take(path).map_err(&form)?;
            pem(&value, labels, most).map_err(|detail| form(format!("{path} {detail}")))
        };
        let authority = data("clusters[0].cluster.certificate-authority-data", CERTIFICATE, CERTIFICATES)?;
        let certificate = data("users[0].user.client-certificate-data", CERTIFICATE, CERTIFICATES)?;
        let key = Secret::new(data("users[0].user.client-key-data", KEY, 1)?.text);
        Ok(Self { server, authority, certificate, key })
    }

    /// Where the API server is by what the host says: `https://HOST:PORT`. Compare it, do not follow it.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The authority of the API server's certificate, in base64 as kubeconfigs have it.
    pub fn authority(&self) -> String {
        STANDARD.encode(&self.authority.text)
    }

    /// The DER of its certificates.
    pub fn authority_der(&self) -> &[Vec<u8>] {
        &self.authority.der
    }

    /// The client certificate, in base64.
    pub fn certificate(&self) -> String {
        STANDARD.encode(&self.certificate.text)
    }

    /// The client key, in base64.
    pub fn key(&self) -> Secret {
        Secret::new(STANDARD.encode(self.key.expose()).into_bytes())
    }
}

/// `https://HOST:PORT` and nothing more.
fn server(text: &str) -> Result<String, String> {
    let wrong = || "clusters[0].cluster.server is not https://HOST:PORT".to_owned();
    let rest = text.strip_prefix("https://").ok_or_else(wrong)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = rest.rsplit_once(':').filter(|(host, _)| !host.is_empty()).ok_or_else(wrong)?;
    let inner = host.strip_prefix('[').map_or(Some(host), |h| h.strip_suffix(']')).ok_or_else(wrong)?;
    let good = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c) || (host.len() > inner.len() && c == ':');
    let digits = !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit());
    if inner.is_empty() || inner.len() > NAME || !inner.chars().all(good) || !digits || port.parse::<u16>().is_err() {
        return Err(wrong());
    }
    Ok(format!("https://{host}:{port}"))
}

/// One to `most` blocks with one of these labels, and nothing around them.
fn pem(value: &str, labels: &[&str], most: usize) -> Result<Pem, String> {
    if value.len() > PEM / 3 * 4 {
        return Err(format!("is longer than {PEM} bytes"));
    }
    let text = STANDARD.decode(value).map_err(|_| "is no base64".to_owned())?;
    let lines = std::str::from_utf8(&text).map_err(|_| "is no PEM".to_owned())?;
    let mut der: Vec<Vec<u8>> = Vec::new();
    // The block that is being read: its label, and its lines.
    let mut open: Option<(&str, Zeroizing<String>)> = None;
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let label = |begin: &str| line.strip_prefix(begin)?.strip_suffix("-----");
        if let Some(name) = label("-----BEGIN ") {
            if open.is_some() || !labels.contains(&name) {
                return Err(format!("holds another block than {}", labels.join(" or ")));
            }
            open = Some((name, Zeroizing::new(String::new())));
        } else if let Some(name) = label("-----END ") {
            let body = open.take().filter(|(begun, _)| *begun == name).ok_or("is no PEM")?.1;
            let bytes = STANDARD.decode(body.as_str()).map_err(|_| "is no PEM".to_owned())?;
            // DER: a sequence.
            if bytes.first() != Some(&0x30) {
                return Err("is no PEM of DER".to_owned());
            }
            der.push(bytes);
        } else {
            open.as_mut().ok_or("has text outside of its blocks")?.1.push_str(line);
        }
    }
    if open.is_some() || der.is_empty() || der.len() > most {
        return Err(format!("has not 1 to {most} whole blocks"));
    }
    Ok(Pem { text, der })
}

/// A value without others in it.
enum Leaf {
    Text(Zeroizing<String>),
    /// A map or a list with nothing in it.
    Empty,
}

/// The leaves of a YAML document by their paths, such as `users[0].user.client-key-data`, in the order in which they stand.
struct Fields(Vec<(String, Leaf)>);

/// A map or a list that is being read.
struct Level {
    path: String,
    list: bool,
    next: usize,
    key: Option<String>,
    seen: Vec<String>,
}

impl Fields {
    /// Anchors, aliases, tags, keys that are written twice and second documents are refused: none of them says what it seems to say.
    fn read(text: &str) -> Result<Self, String> {
        let mut parser = Parser::new_from_str(text);
        let (mut fields, mut stack, mut done) = (Self(Vec::new()), Vec::<Level>::new(), false);
        while let Some(event) = parser.next_event() {
            let event = event.map_err(|e| format!("line {}: {}", e.marker().line(), e.info()))?.0;
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd | Event::Comment(..) => {}
                _ if done => return Err("it has a second document".to_owned()),
                Event::Scalar(text, _, anchor, tag) => {
                    plain(anchor, tag.is_some())?;
                    match stack.last_mut() {
                        None => return Err("it is no map".to_owned()),
                        Some(level) if !level.list && level.key.is_none() => level.begin(&text)?,
                        Some(level) => {
                            let path = level.place();
                            fields.push(path, Leaf::Text(Zeroizing::new(text.into_owned())))?;
                        }
                    }
                }
                Event::SequenceStart(_, anchor, tag) => {
                    plain(anchor, tag.is_some())?;
                    let level = Level::below(&mut stack, true)?;
                    stack.push(level);
                }
                Event::MappingStart(_, anchor, tag) => {
                    plain(anchor, tag.is_some())?;
                    let level = Level::below(&mut stack, false)?;
                    stack.push(level);
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let level = stack.pop().ok_or("it ends too early")?;
                    if level.next == 0 {
                        fields.push(level.path, Leaf::Empty)?;
                    }
                    done = stack.is_empty();
                }
                _ => return Err("it has an alias".to_owned()),
            }
        }
        if done { Ok(fields) } else { Err("it ends too early".to_owned()) }
    }

    fn push(&mut self, path: String, leaf: Leaf) -> Result<(), String> {
        if self.0.len() == FIELDS {
            return Err(format!("it has more than {FIELDS} fields"));
        }
        self.0.push((path, leaf));
        Ok(())
    }

    /// Takes a text out.
    fn take(&mut self, path: &str) -> Result<Zeroizing<String>, String> {
        let at = self.0.iter().position(|(known, leaf)| known == path && matches!(leaf, Leaf::Text(_)));
        match at.map(|at| self.0.remove(at).1) {
            Some(Leaf::Text(text)) => Ok(text),
            _ => Err(format!("it has no {path}")),
        }
    }
}

impl Level {
    /// A key, whose value comes next.
    fn begin(&mut self, key: &str) -> Result<(), String> {
        if key.len() > NAME {
            return Err(format!("{} has a key of more than {NAME} bytes", self.path));
        }
        if self.seen.len() == FIELDS || self.seen.iter().any(|seen| seen == key) {
            return Err(format!("{}.{key} is written twice, or is one of too many", self.path));
        }
        self.seen.push(key.to_owned());
        self.key = Some(key.to_owned());
        Ok(())
    }

    /// The path of the next value in it.
    fn place(&mut self) -> String {
        self.next += 1;
        match self.key.take() {
            Some(key) if self.path.is_empty() => key,
            Some(key) => format!("{}.{key}", self.path),
            None => format!("{}[{}]", self.path, self.next - 1),
        }
    }

    fn below(stack: &mut [Self], list: bool) -> Result<Self, String> {
        let deep = stack.len();
        let path = match stack.last_mut() {
            None if list => return Err("it is no map".to_owned()),
            None => String::new(),
            Some(above) if !above.list && above.key.is_none() => return Err("it has a key that is no word".to_owned()),
            Some(above) => above.place(),
        };
        if deep == DEPTH {
            Err(format!("{path} is nested too deep"))
        } else {
            Ok(Self { path, list, next: 0, key: None, seen: Vec::new() })
        }
    }
}

fn plain(anchor: usize, tag: bool) -> Result<(), String> {
    if anchor != 0 || tag { Err("it has an anchor or a tag".to_owned()) } else { Ok(()) }
}

//! A document: opened, read, changed, saved.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kubestead_core::outcome::Done;
use kubestead_core::secret::Secret;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::check::{CONFLICT, conflict, exposed};
use super::cipher::DataKey;
use super::contents::{self, Failure, Opened, Plain, Pool};
use super::error::Error;
use super::flatten::flatten;
use super::format::Format;
use super::identities::Identities;
use super::lock::Lock;
use super::meta::Meta;
use super::path::KeyPath;
use super::policy::Policy;
use super::proof::{Bytes, Said};
use super::select::Selector;
use super::time::Time;
use super::tree::{Container, Found, Parsed, Sight, Spot, line_of, splice};
use super::value::Value;
use super::wrap::{self, Wanted};
use crate::write::replace_file;

/// The door to sops documents.
pub struct Sops;

/// An encrypted document with its key. What is in memory is the encrypted text; values are decrypted beside it and wiped when dropped.
pub struct Document {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    /// A digest of what the file held when it was read; `None` for a file that is not there yet.
    on_disk: Option<[u8; 32]>,
    pub(super) text: String,
    pub(super) parsed: Parsed,
    pub(super) opened: Vec<Opened>,
    pub(super) meta: Meta,
    pub(super) key: DataKey,
    changed: bool,
    lock: Option<Arc<Lock>>,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document").field("path", &self.path).field("format", &self.format).finish_non_exhaustive()
    }
}

pub(super) fn syntax(path: &Path, text: &str, problem: super::tree::Problem) -> Error {
    if let Some(line) = conflict(text) {
        return Error::Syntax { path: path.to_owned(), line, why: CONFLICT.to_owned() };
    }
    Error::Syntax { path: path.to_owned(), line: line_of(text, problem.at), why: problem.why }
}

pub(super) fn value_error(path: &Path, failure: Failure) -> Error {
    let Failure { line, at, why } = failure;
    let path = path.to_owned();
    if at.steps().is_empty() { Error::Syntax { path, line, why } } else { Error::Value { path, line, at, why } }
}

pub(super) fn text_of(path: &Path, bytes: &[u8]) -> Result<String, Error> {
    let wrong = |e: std::str::Utf8Error| Error::Syntax {
        path: path.to_owned(),
        line: bytes[..e.valid_up_to()].split(|byte| *byte == b'\n').count(),
        why: if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            "this is UTF-16, such as PowerShell writes; write the file as UTF-8".to_owned()
        } else {
            "this is no UTF-8 text".to_owned()
        },
    };
    std::str::from_utf8(bytes).map(str::to_owned).map_err(wrong)
}

impl Sops {
    /// Opens an encrypted file. Its MAC is checked before anything of it can be seen.
    pub fn open(path: &Path, identities: &Identities) -> Result<Document, Error> {
        let failed = |source| Error::File { what: "read", path: path.to_owned(), source };
        if path.is_dir() {
            return Err(failed(std::io::Error::other("it is a folder; name one of its files")));
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        Self::open_owned(path, Format::found(path, &bytes), bytes, identities)
    }

    /// As [`Sops::open`], for a change: from before it is read until [`Document::save`] no other program that asks for this lock changes the
    /// file. `waits` is called when another one holds it.
    pub fn open_to_change(path: &Path, identities: &Identities, waits: &dyn Fn()) -> Result<Document, Error> {
        let failed = |source| Error::File { what: "lock", path: path.to_owned(), source };
        let lock = if path.is_file() { Lock::take(path, waits).map_err(failed)? } else { None };
        let document = Self::open(path, identities)?;
        Ok(Document { lock: lock.map(Arc::new), ..document })
    }

    /// Opens what was read elsewhere. `path` is named in messages, and is where [`Document::save`] writes.
    pub fn open_text(path: &Path, format: Format, bytes: &[u8], identities: &Identities) -> Result<Document, Error> {
        Self::open_owned(path, format, bytes.to_vec(), identities)
    }

    fn open_owned(path: &Path, format: Format, bytes: Vec<u8>, identities: &Identities) -> Result<Document, Error> {
        let on_disk = Some(digest(&bytes));
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => text_of(path, error.as_bytes())?,
        };
        let parsed = format.parse_with(&text, true).map_err(|p| syntax(path, &text, p))?;
        let meta = Meta(parsed.meta.clone().ok_or_else(|| Error::NotEncrypted(path.to_owned()))?);
        meta.check().map_err(|why| Error::Metadata { path: path.to_owned(), why })?;
        let key = wrap::open(path, &meta, identities)?;
        let origin = Origin { path: path.to_owned(), format, on_disk };
        Document::read(Draft { origin, text, parsed: Some(parsed), meta, key })
    }

    /// Encrypts a plain text that is to be a file. Nothing is written before [`Document::save`]; that replaces a file only when it holds
    /// exactly this plain text.
    pub fn encrypt_new(path: &Path, plain: &Secret, policy: &Policy, identities: &Identities) -> Result<Document, Error> {
        Self::encrypt_as(path, Format::of(path), plain, policy, identities)
    }

    /// As [`Sops::encrypt_new`], in another format than the name of the file says.
    pub fn encrypt_as(path: &Path, format: Format, plain: &Secret, policy: &Policy, identities: &Identities) -> Result<Document, Error> {
        let plain_text =
            Zeroizing::new(format.wrap_plain(plain.expose()).map_err(|why| Error::Syntax { path: path.to_owned(), line: 1, why })?);
        let refuse = |why: String| Error::Metadata { path: path.to_owned(), why };
        let selector = format.selector(&policy.selector);
        let plain_read = Plain::read(format, &plain_text, &selector).map_err(|p| syntax(path, &plain_text, p))?;
        if plain_read.parsed.meta.is_some() {
            return Err(Error::AlreadyEncrypted(path.to_owned()));
        }
        let repeated = |spot: &&Spot| spot.is_comment && spot.selected && spot.leaf.sight == Sight::Repeated && !spot.leaf.value.is_bare();
        if let Some(spot) = plain_read.spots.iter().find(repeated) {
            let why = "an alias repeats this comment at another place, and sops could not decrypt it there; write out what the alias names";
            return Err(Error::Syntax { path: path.to_owned(), line: spot.line(&plain_text), why: why.to_owned() });
        }
        // The metadata comes behind it, and with that an end of line which its value has not.
        let last = plain_read.spots.iter().filter(|spot| !spot.is_comment).max_by_key(|spot| spot.leaf.span.end);
        if let Some(spot) = last.filter(|spot| plain_read.parsed.open_block && !spot.selected) {
            let why = "the block that ends the file has no end of line, and what follows would give it one: end the file with one";
            return Err(Error::Syntax { path: path.to_owned(), line: spot.line(&plain_text), why: why.to_owned() });
        }
        let key = DataKey::generate().map_err(refuse)?;
        let wanted = Wanted { groups: &policy.groups, threshold: policy.needed(), kept: &[] };
        let groups = wrap::wrap(path, &key, &wanted, identities)?;
        let mut meta = Meta::new(&selector, policy.mac_only_encrypted);
        meta.set_groups(&groups, policy.needed());
        meta.seal(String::new(), &Time::now().render(false));
        let on_disk = path.exists().then(|| digest(plain.expose()));
        let origin = Origin { path: path.to_owned(), format, on_disk };
        let mut document = Document::encrypted(origin, meta, key, &plain_read, &mut Pool::default())?;
        document.seal()?;
        Ok(document)
    }
}

/// Where a document comes from.
pub(super) struct Origin {
    path: PathBuf,
    format: Format,
    on_disk: Option<[u8; 32]>,
}

/// What a document is read from.
struct Draft {
    origin: Origin,
    text: String,
    /// What the text was read into, if it was.
    parsed: Option<Parsed>,
    meta: Meta,
    key: DataKey,
}

impl Document {
    fn read(draft: Draft) -> Result<Self, Error> {
        let document = Self::read_unchecked(draft)?;
        let wrong = |why| Error::Mac { path: document.path.clone(), why };
        contents::check_mac(&document.opened, &document.meta, &document.key).map_err(wrong)?;
        Ok(Self { changed: false, ..document })
    }

    fn read_unchecked(draft: Draft) -> Result<Self, Error> {
        let Draft { origin: Origin { path, format, on_disk }, text, parsed, meta, key } = draft;
        let parsed = parsed.map_or_else(|| format.parse_with(&text, true), Ok).map_err(|p| syntax(&path, &text, p))?;
        let selector = meta.selector().map_err(|why| Error::Metadata { path: path.clone(), why })?;
        let selector = format.selector(&selector);
        let opened = contents::open(&text, &parsed, &selector, &key).map_err(|f| value_error(&path, f))?;
        Ok(Self { path, format, on_disk, text, parsed, opened, meta, key, changed: true, lock: None })
    }

    /// A plain text encrypted, and proven to be that.
    pub(super) fn encrypted(origin: Origin, meta: Meta, key: DataKey, plain: &Plain<'_>, pool: &mut Pool) -> Result<Self, Error> {
        let (path, format) = (origin.path.clone(), origin.format);
        let wrong = |why| Error::ReadBack { path: path.clone(), why };
        let body = contents::encrypt(format, plain, &key, pool).map_err(|f| value_error(&path, f))?;
        let parsed = format.parse(&body).map_err(|p| wrong(p.why))?;
        let text = format.attach(&body, &parsed, &meta.0).map_err(|p| wrong(p.why))?;
        let said = Said::plain(plain.text, &plain.parsed, &plain.spots).map_err(wrong)?;
        Self::proven(Draft { origin, text, parsed: None, meta, key }, &said, true).map_err(wrong)
    }

    /// What a draft is read into, when it says what it shall. No document comes to be in another way than this or from a file.
    fn proven(draft: Draft, said: &Said, may_clear: bool) -> Result<Self, String> {
        let strict = |draft: Draft| {
            let parsed =
                draft.origin.format.parse_strict(&draft.text).map_err(|p| format!("line {}: {}", line_of(&draft.text, p.at), p.why))?;
            Self::read_unchecked(Draft { parsed: Some(parsed), ..draft }).map_err(reason)
        };
        let mut next = strict(draft)?;
        // A comment that moves may move another one.
        for _ in 0..4 {
            let edits = contents::settle(next.format, &next.text, &next.opened, said.comments(), may_clear, &next.key);
            let edits = edits.map_err(|f| format!("{}: {}", f.at, f.why))?;
            if edits.is_empty() {
                break;
            }
            let text = splice(&next.text, edits).map_err(|p| p.why)?;
            next = strict(next.draft(text).map_err(reason)?)?;
        }
        said.holds_in(&Said::new(&next.text, &next.parsed, &next.opened, Bytes::All)?)?;
        Ok(next)
    }

    /// What it says, and how much of the text is to stay through a change.
    pub(super) fn said(&self, bytes: Bytes) -> Result<Said, Error> {
        let wrong = |why| Error::ReadBack { path: self.path.clone(), why };
        Said::new(&self.text, &self.parsed, &self.opened, bytes).map_err(wrong)
    }

    /// The next state of this document, under the lock that this one holds.
    fn turn_into(&mut self, next: Self) {
        let lock = self.lock.take();
        *self = Self { lock, ..next };
    }

    fn origin(&self) -> Origin {
        Origin { path: self.path.clone(), format: self.format, on_disk: self.on_disk }
    }

    /// The same document with another text, not proven.
    fn draft(&self, text: String) -> Result<Draft, Error> {
        let key = DataKey::new(self.key.bytes()).ok_or_else(|| self.metadata("its key is not 32 bytes long"))?;
        Ok(Draft { origin: self.origin(), text, parsed: None, meta: self.meta.clone(), key })
    }

    fn with_text(&self, text: String) -> Result<Self, Error> {
        Self::read_unchecked(self.draft(text)?)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format that it is read and written in.
    pub fn format(&self) -> Format {
        self.format
    }

    /// False when it holds nothing but comments and empty mappings, lists or sections, or is an empty binary file.
    pub fn has_values(&self) -> bool {
        !self.format.is_empty(&self.parsed)
    }

    /// The paths of all values in the order of the file.
    pub fn paths(&self) -> impl Iterator<Item = &KeyPath> {
        self.opened.iter().filter(|opened| !opened.spot.is_comment).map(|opened| &opened.spot.path)
    }

    /// The value at a path; none when there is none, or a mapping or list.
    pub fn get(&self, path: impl Into<KeyPath>) -> Option<&Value> {
        self.find(&path.into()).map(|opened| &opened.value)
    }

    /// True when the value at a path is encrypted in the file.
    pub fn is_encrypted(&self, path: impl Into<KeyPath>) -> bool {
        self.find(&path.into()).is_some_and(|opened| opened.was_sealed)
    }

    fn find(&self, path: &KeyPath) -> Option<&Opened> {
        self.opened.iter().find(|opened| !opened.spot.is_comment && opened.spot.path == *path)
    }

    /// The encrypted text as it stands now. After a change it is complete only once saved.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole document decrypted, with its comments and layout, without metadata.
    pub fn plain(&self) -> Result<Secret, Error> {
        let text = contents::decrypt(self.format, &self.text, &self.parsed, &self.opened).map_err(|f| value_error(&self.path, f))?;
        self.format.unwrap_plain(text).map(Secret::new).map_err(|why| Error::Syntax { path: self.path.clone(), line: 1, why })
    }

    /// As [`Document::plain`], piece by piece, so that a large document is not in memory twice. Everything was checked before the first
    /// piece comes. An error of the sink ends it.
    pub fn write_plain(&self, sink: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> Result<(), Error> {
        let written = match (self.format, self.get(["data"])) {
            (Format::Binary, Some(value)) => sink(value.bytes().expose()),
            _ => contents::decrypt_to(self.format, &self.text, &self.parsed, &self.opened, sink).map_err(|f| value_error(&self.path, f))?,
        };
        written.map_err(|source| Error::File { what: "print", path: self.path.clone(), source })
    }

    /// Sets a value. Mappings on the way that are not there are made; a list grows when the index is its length. Nothing else changes:
    /// other values keep their very ciphertext. In memory only, until [`Document::save`].
    pub fn set(&mut self, path: impl Into<KeyPath>, value: &Value) -> Result<Done, Error> {
        let path = path.into();
        let fail = |why: String| {
            let kind = value.kind().word();
            self.path_error(&path, format!("this {kind} cannot be written there without changing something else: {why}"))
        };
        self.root(&path)?;
        let text = match self.find(&path) {
            Some(opened) if opened.value.same(value) => return Ok(Done::Already),
            Some(_) => self.replaced(&path, value)?,
            None => self.with_text(self.inserted(&path)?).map_err(|e| fail(reason(e)))?.replaced(&path, value)?,
        };
        let mut said = self.said(Bytes::All)?;
        said.set(&path, value, self.format).map_err(&fail)?;
        let next = Self::proven(self.draft(text)?, &said, false).map_err(fail)?;
        next.check_plain(&path)?;
        self.turn_into(next);
        Ok(Done::Changed)
    }

    fn path_error(&self, at: &KeyPath, why: impl Into<String>) -> Error {
        Error::Path { path: self.path.clone(), at: at.clone(), why: why.into() }
    }

    /// The text with another value at a path where one stands.
    fn replaced(&self, path: &KeyPath, value: &Value) -> Result<String, Error> {
        let opened = self.find(path).ok_or_else(|| self.path_error(path, "there is no value"))?;
        if opened.spot.leaf.alias {
            return Err(self.path_error(path, "it is an alias; set the value that it names instead"));
        }
        let fail = |why: String| self.path_error(path, why);
        let written = if opened.spot.selected && !value.is_bare() {
            Value::text(self.key.seal(value, &opened.spot.aad()).map_err(fail)?)
        } else {
            value.clone()
        };
        let edits = contents::replace(self.format, &self.text, &opened.spot, value, &written).map_err(fail)?;
        splice(&self.text, edits).map_err(|p| syntax(&self.path, &self.text, p))
    }

    /// The text with an empty value at a path where none stands.
    fn inserted(&self, path: &KeyPath) -> Result<String, Error> {
        let root = self.root(path)?;
        let steps = path.steps();
        if let Some(Found::Container(_)) = root.at(steps) {
            return Err(self.path_error(path, "a mapping or list stands there; name a value in it"));
        }
        let depth = (0..steps.len()).rev().find(|depth| root.at(&steps[..*depth]).is_some()).unwrap_or(0);
        let container = match root.at(&steps[..depth]) {
            Some(Found::Container(container)) => container,
            Some(Found::Leaf(_)) | None => return Err(self.path_error(path, "a single value stands on the way; unset it first")),
        };
        match &steps.get(depth) {
            Some(super::path::Step::Index(index)) if container.list && *index == container.children().count() => {}
            Some(super::path::Step::Key(_)) if !container.list => {}
            Some(super::path::Step::Key(_)) => return Err(self.path_error(path, "a list stands on the way, and it has no keys")),
            Some(super::path::Step::Index(_)) => {
                return Err(self.path_error(path, "there is no element with this index; a list grows at its end only"));
            }
            None => return Err(self.path_error(path, "a mapping or list stands there; name a value in it")),
        }
        if steps[depth + 1..].iter().any(|step| matches!(step, super::path::Step::Index(index) if *index > 0)) {
            return Err(self.path_error(path, "a new list begins with the index 0"));
        }
        let fail = |why: String| self.path_error(path, why);
        let edit = self.format.insert(&self.text, container, &steps[depth..], &Value::text("")).map_err(fail)?;
        splice(&self.text, vec![edit]).map_err(|p| syntax(&self.path, &self.text, p))
    }

    fn root(&self, path: &KeyPath) -> Result<&Container, Error> {
        let root = self.parsed.documents.get(path.document()).ok_or_else(|| self.path_error(path, "the file has fewer documents"))?;
        // INI files may have sections of one name, which are two to sops.
        if let Some(super::path::Step::Key(key)) = path.steps().first()
            && root.children().filter(|child| child.key == *key).nth(1).is_some()
        {
            return Err(
                self.path_error(path, format!("there are several sections called {key}; `kubestead secret edit` shows which is which"))
            );
        }
        Ok(root)
    }

    /// Takes a value, or a whole mapping or list, out. Nothing else changes.
    pub fn unset(&mut self, path: impl Into<KeyPath>) -> Result<Done, Error> {
        let path = path.into();
        let Some(last) = path.steps().last() else { return Err(self.path_error(&path, "name a value")) };
        let Some(Found::Container(container)) = self.root(&path)?.at(path.parent().steps()) else { return Ok(Done::Already) };
        let Some(child) = container.child(last) else { return Ok(Done::Already) };
        let fail = |why: String| self.path_error(&path, format!("it cannot be taken out without changing something else: {why}"));
        let edit = self.format.remove(&self.text, container, child);
        let mut said = self.said(Bytes::All)?;
        said.unset(&path, &edit.0).map_err(&fail)?;
        let text = splice(&self.text, vec![edit]).map_err(|p| syntax(&self.path, &self.text, p))?;
        let next = Self::proven(self.draft(text)?, &said, false).map_err(fail)?;
        self.turn_into(next);
        Ok(Done::Changed)
    }

    /// Takes over a plain text that was edited, such as [`Document::plain`] after an editor. Values that are the same keep their ciphertext.
    pub fn edit(&mut self, plain: &Secret) -> Result<Done, Error> {
        if self.plain()?.expose() == plain.expose() {
            return Ok(Done::Already);
        }
        let refuse = |why| Error::Syntax { path: self.path.clone(), line: 1, why };
        let text = Zeroizing::new(self.format.wrap_plain(plain.expose()).map_err(refuse)?);
        let plain = Plain::read(self.format, &text, &self.selector()?).map_err(|p| syntax(&self.path, &text, p))?;
        if plain.parsed.meta.is_some() {
            return Err(Error::AlreadyEncrypted(self.path.clone()));
        }
        if self.format.is_empty(&plain.parsed) && !self.format.is_empty(&self.parsed) {
            let why = "no value is left in the text, so the file stays as it is; to be rid of the file, remove it";
            return Err(refuse(why.to_owned()));
        }
        let draft = self.draft(String::new())?;
        let next = Self::encrypted(draft.origin, draft.meta, draft.key, &plain, &mut Pool::new(&self.text, &self.opened))?;
        let before = self.exposed();
        if let Some(path) = next.exposed().into_iter().find(|path| !before.contains(path)) {
            let why =
                "the rules of this file select nothing there, so the value would stand in plain text; write it below what they select";
            return Err(self.path_error(path, why));
        }
        self.turn_into(next);
        Ok(Done::Changed)
    }

    /// See [`exposed`].
    fn exposed(&self) -> Vec<&KeyPath> {
        let values = self.opened.iter().filter(|opened| !opened.spot.is_comment);
        let values: Vec<_> = values.map(|opened| (&opened.spot.path, opened.spot.selected, &opened.value)).collect();
        exposed(&values)
    }

    /// All that it says encrypted anew, with another key.
    pub(super) fn encrypt_anew(&mut self, meta: Meta, key: DataKey) -> Result<(), Error> {
        let wrong = |why| Error::ReadBack { path: self.path.clone(), why };
        let text = contents::decrypt(self.format, &self.text, &self.parsed, &self.opened).map_err(|f| value_error(&self.path, f))?;
        let text = Zeroizing::new(text);
        let plain = Plain::read(self.format, &text, &self.selector()?).map_err(|p| wrong(p.why))?;
        let said = Said::plain(&text, &plain.parsed, &plain.spots).map_err(wrong)?;
        self.said(Bytes::Clear)?.holds_in(&said).map_err(wrong)?;
        let next = Self::encrypted(self.origin(), meta, key, &plain, &mut Pool::default())?;
        self.turn_into(next);
        Ok(())
    }

    /// Other metadata beside the same values.
    pub(super) fn attach(&mut self, meta: Meta) -> Result<(), Error> {
        let wrong = |why| Error::ReadBack { path: self.path.clone(), why };
        let text = self.format.attach(&self.text, &self.parsed, &meta.0).map_err(|p| syntax(&self.path, &self.text, p))?;
        let next = Self::proven(Draft { meta, ..self.draft(text)? }, &self.said(Bytes::All)?, false).map_err(wrong)?;
        self.turn_into(next);
        Ok(())
    }

    fn selector(&self) -> Result<Selector, Error> {
        Ok(self.format.selector(&self.meta.selector().map_err(|why| self.metadata(why))?))
    }

    pub(super) fn metadata(&self, why: impl Into<String>) -> Error {
        Error::Metadata { path: self.path.clone(), why: why.into() }
    }

    /// Writes the file, whole or not at all, with the mode that it had (0600 when new). What would be written is read back first: the
    /// MAC, and every value. A file that another program changed meanwhile is not overwritten.
    pub fn save(&mut self) -> Result<Done, Error> {
        if !self.changed {
            return Ok(Done::Already);
        }
        self.seal()?;
        let path = self.path.clone();
        let failed = |what, source| Error::File { what, path: path.clone(), source };
        let _lock = if self.lock.is_none() { Lock::take(&path, &|| {}).map_err(|e| failed("lock", e))? } else { None };
        let now = match std::fs::read(&self.path) {
            Ok(bytes) => Some(digest(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(failed("read", source)),
        };
        if now != self.on_disk {
            return Err(Error::Changed(self.path.clone()));
        }
        match replace_file(&self.path, self.text.as_bytes()) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Err(Error::Changed(self.path.clone())),
            other => other.map_err(|e| failed("write", e))?,
        }
        // It was on the file that is gone.
        self.lock = None;
        self.on_disk = Some(digest(self.text.as_bytes()));
        self.changed = false;
        Ok(Done::Changed)
    }

    /// Puts the MAC and the time in, and proves that the result reads back.
    pub(super) fn seal(&mut self) -> Result<(), Error> {
        let modified = Time::now().render(false);
        let mac =
            contents::make_mac(&self.opened, self.meta.mac_only_encrypted(), &modified, &self.key).map_err(|why| self.metadata(why))?;
        let mut meta = self.meta.clone();
        meta.seal(mac.clone(), &modified);
        let mut edits = Vec::new();
        for (leaves, text) in [(&self.parsed.mac, &mac), (&self.parsed.modified, &modified)] {
            for leaf in leaves {
                let written = self.format.scalar(&self.text, leaf, &Value::text(text)).map_err(|why| self.metadata(why))?;
                edits.push((leaf.span.clone(), written));
            }
        }
        let text = splice(&self.text, edits).map_err(|p| syntax(&self.path, &self.text, p))?;
        let wrong = |why: String| Error::ReadBack { path: self.path.clone(), why };
        let parsed = self.format.parse_with(&text, true).map_err(|p| wrong(p.why))?;
        let found = Meta(parsed.meta.clone().ok_or_else(|| wrong("the metadata is gone".to_owned()))?);
        // Flat, because INI and dotenv hold numbers as texts.
        if flatten(&found.0.sorted()) != flatten(&meta.0.sorted()) {
            return Err(wrong("the metadata is not as it was written".to_owned()));
        }
        let selector = self.format.selector(&found.selector().map_err(wrong)?);
        let opened = contents::open(&text, &parsed, &selector, &self.key).map_err(|f| wrong(format!("{}: {}", f.at, f.why)))?;
        contents::check_mac(&opened, &found, &self.key).map_err(wrong)?;
        self.said(Bytes::All)?.holds_in(&Said::new(&text, &parsed, &opened, Bytes::All).map_err(wrong)?).map_err(wrong)?;
        (self.text, self.parsed, self.opened, self.meta, self.changed) = (text, parsed, opened, meta, true);
        Ok(())
    }
}

/// Why a text that was to be written could not be read. It stands in no file, so there is no line to name.
fn reason(error: Error) -> String {
    match error {
        Error::Syntax { why, .. } => why,
        Error::Value { at, why, .. } => format!("{at}: {why}"),
        other => other.to_string(),
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret;

    use super::super::value::Kind;
    use super::*;

    #[test]
    fn bytes_of_old_versions_go_through_every_write() {
        let key = age::x25519::Identity::generate();
        let text = Secret::new(key.to_string().expose_secret().as_bytes().to_vec());
        let identities = Identities::new().with_age(&text, "the test's key").unwrap();
        let policy = Policy::age([key.to_public().to_string()]);
        let path = Path::new("/nowhere/a.yaml");
        for bytes in [b"hi".as_slice(), &[0xff, 0x00, 0xfe]] {
            let document = Sops::encrypt_new(path, &Secret::new(b"a: x\nb: 1\n".to_vec()), &policy, &identities).unwrap();
            // As an old version would have written it, with a MAC that fits.
            let sealed = document.key.seal(&Value::raw_text(bytes.to_vec()), "a:").unwrap().replace("type:str]", "type:bytes]");
            let start = document.text.find("ENC[").unwrap();
            let end = document.text[start..].find(']').unwrap() + start + 1;
            let text = splice(&document.text, vec![(start..end, sealed)]).unwrap();
            let mut old = document.with_text(text).unwrap();
            old.seal().unwrap();
            let mut old = Sops::open_text(path, Format::Yaml, old.text().as_bytes(), &identities).unwrap();
            assert_eq!((old.get(["a"]).unwrap().kind(), old.get(["a"]).unwrap().bytes().expose()), (Kind::Bytes, bytes));
            old.set(["b"], &Value::int(2)).unwrap();
            old.rotate(&identities).unwrap();
            let value = old.get(["a"]).unwrap();
            assert_eq!((value.kind(), value.bytes().expose()), (Kind::Text, bytes));
        }
    }
}

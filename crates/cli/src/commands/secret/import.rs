//! `kubestead secret import`: what other tools keep becomes sops files. The originals stay as they are.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use kubestead_core::secret::Secret;
use kubestead_secrets::import::kubernetes::{Manifest, manifests};
use kubestead_secrets::import::{open_inline, variables, vault};
use kubestead_secrets::sops::{Document, Error, Format, Identities, KeyPath, Kind, Selector, Sops, Value};

use super::{failure, identities, input, rules, shown};
use crate::exit::{Exit, Failure, fail};
use crate::print;

/// A file that is to be written.
struct Piece {
    target: PathBuf,
    plain: Secret,
    servers_own: Vec<KeyPath>,
    /// A Secret, of which the rule says what is encrypted. Everything else is encrypted whole.
    is_secret: bool,
}

pub(crate) fn run(files: &[PathBuf], to: &Path, password_file: Option<&Path>) -> Result<Exit, Failure> {
    let identities = identities()?;
    let passwords = Passwords { file: password_file, known: RefCell::default() };
    let (mut documents, mut targets) = (Vec::new(), BTreeSet::new());
    for file in files {
        for piece in pieces(file, to, &identities, &passwords)? {
            let target = piece.target.clone();
            if target.exists() || !targets.insert(target.clone()) {
                let message = format!("{}: {} is there already and is not replaced; nothing was written", shown(file), shown(&target));
                return Err(fail(Exit::Usage, message));
            }
            documents.push((file, seal(file, &piece, &identities)?));
        }
    }
    // Only when all of them can be written.
    for (file, document) in &mut documents {
        document.save().map_err(failure)?;
        print::data(&format!("wrote {} from {}", shown(document.path()), shown(file)));
        flag_variables(document);
    }
    print::note(
        "the originals stay as they are. What stood in git in plain text, or under a password that others know, must be changed at its source",
    );
    Ok(Exit::Done)
}

fn pieces(file: &Path, to: &Path, identities: &Identities, passwords: &Passwords<'_>) -> Result<Vec<Piece>, Failure> {
    let bytes = std::fs::read(file).map(Secret::new).map_err(|e| fail(Exit::Usage, format!("cannot read {}: {e}", file.display())))?;
    let bad = |line: usize, why: String| fail(Exit::Usage, format!("{}:{line}: {why}", shown(file)));
    if vault::is_vault(bytes.expose()) {
        let text = utf8(file, &bytes)?;
        let id = vault::vault_id(text);
        let plain = vault::open(text, &passwords.get(id.as_deref())?).map_err(|e| fail(Exit::Failed, format!("{}: {e}", shown(file))))?;
        return Ok(opened(file, to, plain));
    }
    // A key store, an archive: nothing that could be read as something else.
    if std::str::from_utf8(bytes.expose()).is_err() {
        return Ok(vec![whole(file, to, bytes)]);
    }
    match Sops::open_text(file, Format::found(file, bytes.expose()), bytes.expose(), identities) {
        Ok(document) if document.is_encrypted(["kind"]) => {
            let found = secrets(file, to, &document.plain().map_err(failure)?)?;
            return found.ok_or_else(|| fail(Exit::Usage, format!("{} is encrypted whole and holds no Kubernetes Secret", shown(file))));
        }
        Ok(_) => {
            let message = format!(
                "{} is a document of sops already; put it below {} as it is, or run `kubestead secret updatekeys`",
                shown(file),
                to.display()
            );
            return Err(fail(Exit::Usage, message));
        }
        Err(Error::NotEncrypted(_)) => {}
        // Other text than YAML and JSON is read as such below.
        Err(Error::Syntax { line, why, .. }) => return Err(bad(line, why)),
        Err(error) => return Err(failure(error)),
    }
    let failed = RefCell::new(None);
    let password = |id: Option<&str>| match passwords.get(id) {
        Ok(password) => Some(password),
        Err(problem) => {
            *failed.borrow_mut() = Some(problem);
            None
        }
    };
    let inline = open_inline(utf8(file, &bytes)?, &password);
    if let Some(problem) = failed.into_inner() {
        return Err(problem);
    }
    let inline = inline.map_err(|(line, why)| bad(line, why))?;
    match secrets(file, to, &inline.text)? {
        Some(found) => Ok(found),
        None if inline.count > 0 => Ok(vec![whole(file, to, inline.text)]),
        None => {
            let message = format!("{}: there is neither a Kubernetes Secret nor a vault in it, so there is nothing to import", shown(file));
            Err(fail(Exit::Usage, message))
        }
    }
}

fn utf8<'a>(file: &Path, bytes: &'a Secret) -> Result<&'a str, Failure> {
    std::str::from_utf8(bytes.expose()).map_err(|_| fail(Exit::Usage, format!("{} is no text", shown(file))))
}

/// What a vault held: Secrets, variables, or any text.
fn opened(file: &Path, to: &Path, plain: Secret) -> Vec<Piece> {
    match secrets(file, to, &plain) {
        Ok(Some(found)) => found,
        Ok(None) | Err(_) => vec![whole(file, to, plain)],
    }
}

/// A text that is encrypted whole. YAML stays YAML.
fn whole(file: &Path, to: &Path, plain: Secret) -> Piece {
    let text = std::str::from_utf8(plain.expose()).unwrap_or_default();
    let is_mapping = manifests(text).is_ok_and(|found| !found.is_empty());
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or("imported");
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("imported");
    let name = match (is_mapping, Format::of(file)) {
        (true, Format::Json) | (false, Format::Binary) => name.to_owned(),
        (true, _) => format!("{stem}.yaml"),
        (false, _) => format!("{name}.bin"),
    };
    Piece { target: to.join(name), plain, servers_own: Vec::new(), is_secret: false }
}

/// A file for each Secret; none when there is no Secret.
fn secrets(file: &Path, to: &Path, plain: &Secret) -> Result<Option<Vec<Piece>>, Failure> {
    let bad = |line: usize, why: String| fail(Exit::Usage, format!("{}:{line}: {why}", shown(file)));
    let found = manifests(utf8(file, plain)?).map_err(|(line, why)| bad(line, why))?;
    if !found.iter().any(|manifest| manifest.kind == "Secret") {
        return match found.iter().find(|manifest| manifest.has_values) {
            Some(list) => {
                Err(bad(list.line, format!("a {} of Secrets is not read; write them as documents with `---` between", list.kind)))
            }
            None => Ok(None),
        };
    }
    let mut pieces = Vec::new();
    for manifest in found {
        let Manifest { kind, name, namespace, servers_own, text, line, .. } = manifest;
        if kind != "Secret" {
            print::note(&format!("{}:{line}: left out, {} is no Secret", shown(file), if kind.is_empty() { "it" } else { &kind }));
            continue;
        }
        if !is_name(&name) || !namespace.is_empty() && !is_name(&namespace) {
            return Err(bad(line, "this Secret has no name, or one that Kubernetes would not take".to_owned()));
        }
        let folder = if namespace.is_empty() { to.to_owned() } else { to.join(&namespace) };
        pieces.push(Piece { target: folder.join(format!("{name}.yaml")), plain: text, servers_own, is_secret: true });
    }
    Ok(Some(pieces))
}

fn is_name(text: &str) -> bool {
    let inner = text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.');
    inner && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn seal(file: &Path, piece: &Piece, identities: &Identities) -> Result<Document, Failure> {
    let target = &piece.target;
    // The file that a message of the reader would name is not there yet; its lines are those of what was read.
    let told = |error: Error| match error {
        Error::Syntax { line, why, .. } => {
            fail(Exit::Usage, format!("{}: line {line} of what it holds, once decrypted: {why}", shown(file)))
        }
        Error::Value { line, at, why, .. } => {
            fail(Exit::Usage, format!("{}: line {line} of what it holds, once decrypted: {at}: {why}", shown(file)))
        }
        error => failure(error),
    };
    let mut policy = rules(target)?.policy(target).map_err(failure)?;
    if !piece.is_secret {
        policy.selector = Selector::default();
    }
    let mut document = Sops::encrypt_new(target, &piece.plain, &policy, identities).map_err(told)?;
    for path in &piece.servers_own {
        document.unset(path.clone()).map_err(failure)?;
        print::note(&format!("{}: {path} was the API server's and is left out", shown(target)));
    }
    let must_be = |path: &KeyPath| !piece.is_secret || matches!(first(path), "data" | "stringData");
    let is_plain = |path: &&KeyPath| {
        let value = document.get((*path).clone());
        must_be(path)
            && !document.is_encrypted((*path).clone())
            && value.is_some_and(|v| v.kind() != Kind::Null && !v.bytes().expose().is_empty())
    };
    if let Some(path) = document.paths().find(is_plain) {
        let message = format!("{}: {path} would stand there in plain text by the rule of .sops.yaml; nothing was written", shown(target));
        return Err(fail(Exit::Usage, message));
    }
    real_lines(&mut document)?;
    Ok(document)
}

fn first(path: &KeyPath) -> &str {
    match path.steps().first() {
        Some(kubestead_secrets::sops::Step::Key(key)) => key,
        Some(kubestead_secrets::sops::Step::Index(_)) | None => "",
    }
}

/// Keys that were written on one line, with `\n` in the place of each end of line, as the original kit keeps them.
fn real_lines(document: &mut Document) -> Result<(), Failure> {
    let flat: Vec<(KeyPath, Value)> = document
        .values()
        .filter_map(|(path, value)| {
            let text = value.as_str().filter(|text| text.starts_with("-----BEGIN ") && text.contains("\\n") && !text.contains('\n'))?;
            Some((path.clone(), Value::text(text.replace("\\n", "\n"))))
        })
        .collect();
    for (path, value) in flat {
        document.set(path.clone(), &value).map_err(failure)?;
        print::note(&format!("{}: {path} had `\\n` for its ends of line; they are real ones now", shown(document.path())));
    }
    Ok(())
}

/// What `envsubst` replaced in the original kit, and broke passwords with. Here it stays as it is.
fn flag_variables(document: &Document) {
    for (path, value) in document.values() {
        let text = value.as_str().unwrap_or_default();
        let decoded = base64::engine::general_purpose::STANDARD.decode(text).ok().filter(|_| first(path) == "data").map(Secret::new);
        let decoded = decoded.as_ref().and_then(|bytes| std::str::from_utf8(bytes.expose()).ok());
        let names = variables(decoded.unwrap_or(text));
        if !names.is_empty() {
            let message = format!(
                "{}: {path} holds {}: nothing replaces that here. Was it meant for `envsubst`? Then set the value itself",
                shown(document.path()),
                names.join(", ")
            );
            print::note(&message);
        }
    }
}

/// Passwords of vaults, each asked for once.
struct Passwords<'a> {
    file: Option<&'a Path>,
    known: RefCell<BTreeMap<String, Secret>>,
}

impl Passwords<'_> {
    fn get(&self, id: Option<&str>) -> Result<Secret, Failure> {
        let name = id.unwrap_or("default").to_owned();
        if let Some(password) = self.known.borrow().get(&name) {
            return Ok(password.clone());
        }
        let password = match self.file {
            Some(file) => from_file(file, &name)?,
            None if input::is_terminal() => {
                input::value(&format!("password of the vault ({name})"), super::args::Input { chomp: true, base64: false })?
            }
            None => {
                let message = "a vault needs its password: name a file with --vault-password-file or ANSIBLE_VAULT_PASSWORD_FILE";
                return Err(fail(Exit::Usage, message));
            }
        };
        self.known.borrow_mut().insert(name, password.clone());
        Ok(password)
    }
}

/// A file, or a program that prints the password; one whose name ends with `-client` is told which vault is meant.
fn from_file(file: &Path, id: &str) -> Result<Secret, Failure> {
    let refuse = |why: String| fail(Exit::Usage, format!("the vault password file {}: {why}", file.display()));
    let data = std::fs::metadata(file).map_err(|e| refuse(e.to_string()))?;
    let bytes = if data.is_file() && data.permissions().mode() & 0o111 != 0 {
        let program = std::path::absolute(file).map_err(|e| refuse(e.to_string()))?;
        let asks = file.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("-client"));
        let arguments: &[&str] = if asks { &["--vault-id", id] } else { &[] };
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.map_err(|e| refuse(e.to_string()))?;
        if !output.status.success() {
            return Err(refuse(format!("it is a program and ended with {}", output.status)));
        }
        Secret::new(output.stdout)
    } else {
        Secret::new(std::fs::read(file).map_err(|e| refuse(e.to_string()))?)
    };
    let trimmed = bytes.expose().trim_ascii();
    if trimmed.is_empty() { Err(refuse("it holds no password".to_owned())) } else { Ok(Secret::new(trimmed.to_vec())) }
}

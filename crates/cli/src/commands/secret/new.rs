//! `kubestead secret new`.

use std::path::Path;

use base64::Engine;
use kubestead_core::secret::Secret;
use kubestead_secrets::sops::{Document, Format, KeyPath, Sops, Value};

use super::args::Input;
use super::private::Private;
use super::{editor, failure, identities, input, rules, shown};
use crate::exit::{Exit, Failure, fail};
use crate::print;

/// What the Secret shall be.
pub(crate) struct Wanted {
    pub(crate) name: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) kind: String,
    pub(crate) key: Option<String>,
}

pub(crate) fn run(file: &Path, wanted: &Wanted, input: Input, place: Option<&Private>) -> Result<Exit, Failure> {
    if file.exists() {
        return Err(fail(Exit::Usage, format!("{} is there already; `kubestead secret edit` or `set` changes it", shown(file))));
    }
    let rules = rules(file)?;
    let policy = rules.policy(file).map_err(failure)?;
    let seal = |plain: &Secret| Sops::encrypt_new(file, plain, &policy, &identities()?).map_err(failure);
    let is_secret = Format::of(file) == Format::Yaml;
    let mut document = match (place, &wanted.key) {
        (Some(place), None) => {
            let Some(document) = edited(file, wanted, is_secret, place, &seal)? else {
                print::note("no value was typed; nothing is written");
                return Ok(Exit::Done);
            };
            document
        }
        (_, Some(key)) if is_secret => with_value(file, wanted, key, input, &seal)?,
        (_, None) if !is_secret => {
            let document = seal(&input::value("content", input)?)?;
            if !document.has_values() {
                return Err(fail(
                    Exit::Usage,
                    "standard input holds no value, so nothing is written; did the command before the pipe fail?",
                ));
            }
            document
        }
        (_, Some(_)) => return Err(fail(Exit::Usage, "--key is for Kubernetes Secrets, whose files end with .yaml")),
        (None, None) => {
            return Err(fail(
                Exit::Usage,
                "standard input is no terminal, so no editor can be opened; name the key of its value with --key",
            ));
        }
    };
    document.save().map_err(failure)?;
    print::data(&format!("wrote {}, encrypted to {}", shown(file), people(&document)));
    if is_secret && document.get(["metadata", "namespace"]).is_none() {
        print::note(&format!(
            "it names no namespace, which a Secret that `kubestead up` applies needs: kubestead secret edit {}",
            shown(file)
        ));
    }
    Ok(Exit::Done)
}

fn people(document: &Document) -> String {
    let all: Vec<String> = document.recipients().concat().iter().map(|r| format!("{} {}", r.kind(), r.name())).collect();
    all.join(", ")
}

fn template(file: &Path, wanted: &Wanted) -> String {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("secret");
    let name = wanted.name.as_deref().unwrap_or(stem);
    let namespace = wanted.namespace.as_ref().map(|namespace| format!("    namespace: {namespace}\n")).unwrap_or_default();
    format!("apiVersion: v1\nkind: Secret\nmetadata:\n    name: {name}\n{namespace}type: {}\n", wanted.kind)
}

fn check_names(file: &Path, wanted: &Wanted) -> Result<(), Failure> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_name = |text: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let inner = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.');
        text.len() <= 253 && inner && ends(text.chars().next()) && ends(text.chars().last())
    };
    for name in [Some(wanted.name.as_deref().unwrap_or(stem)), wanted.namespace.as_deref()].into_iter().flatten() {
        if !is_name(name) {
            return Err(fail(
                Exit::Usage,
                format!("{name:?} is no name that Kubernetes takes: a-z, 0-9, `-` and `.`; give one with --name"),
            ));
        }
    }
    let is_kind = wanted.kind.chars().all(|c| c.is_ascii_alphanumeric() || "-./_".contains(c)) && !wanted.kind.is_empty();
    if is_kind { Ok(()) } else { Err(fail(Exit::Usage, format!("{:?} is no type of a Secret", wanted.kind))) }
}

fn with_value(
    file: &Path,
    wanted: &Wanted,
    key: &str,
    input: Input,
    seal: &dyn Fn(&Secret) -> Result<Document, Failure>,
) -> Result<Document, Failure> {
    check_names(file, wanted)?;
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    if !is_key {
        return Err(fail(Exit::Usage, format!("{key:?} is no key of a Secret: letters, digits, `-`, `_` and `.`")));
    }
    let bytes = input::value(&format!("value of {key}"), input)?;
    let (below, value) = match Value::secret(&bytes) {
        Some(value) if !input.base64 => ("stringData", value),
        Some(value) => ("data", value),
        None => ("data", Value::text(base64::engine::general_purpose::STANDARD.encode(bytes.expose()))),
    };
    // Sealed before the value is in it: it is encrypted from its first byte on.
    let mut document = seal(&Secret::new(template(file, wanted).into_bytes()))?;
    let path = KeyPath::from([below, key]);
    document.set(path.clone(), &value).map_err(failure)?;
    refuse_plain(file, &document, std::iter::once(&path))?;
    Ok(document)
}

fn refuse_plain<'a>(file: &Path, document: &Document, mut paths: impl Iterator<Item = &'a KeyPath>) -> Result<(), Failure> {
    let is_plain =
        |path: &KeyPath| !document.is_encrypted(path.clone()) && document.get(path.clone()).is_some_and(|v| !v.bytes().expose().is_empty());
    match paths.find(|path| is_plain(path)) {
        None => Ok(()),
        Some(path) => {
            let message = format!(
                "the rule of .sops.yaml for {} encrypts nothing at {path}; nothing was written. Give it `encrypted_regex: ^(data|stringData)$`",
                shown(file)
            );
            Err(fail(Exit::Usage, message))
        }
    }
}

fn edited(
    file: &Path,
    wanted: &Wanted,
    is_secret: bool,
    place: &Private,
    seal: &dyn Fn(&Secret) -> Result<Document, Failure>,
) -> Result<Option<Document>, Failure> {
    let start = if is_secret {
        check_names(file, wanted)?;
        format!("{}stringData:\n    # A line for each value, such as\n    # password: correct horse\n", template(file, wanted))
    } else {
        String::new()
    };
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or("secret");
    let mut text = Secret::new(start.clone().into_bytes());
    loop {
        text = editor::edit(place, name, &text)?;
        if text.expose() == start.as_bytes() || text.expose().trim_ascii().is_empty() {
            return Ok(None);
        }
        let sealed = seal(&text).and_then(|document| {
            let values: Vec<KeyPath> = document.paths().filter(|path| is_secret && is_value(path)).cloned().collect();
            refuse_plain(file, &document, values.iter()).map(|()| document)
        });
        match sealed {
            Ok(document) => return Ok(Some(document).filter(Document::has_values)),
            Err(problem) => {
                print::note(&problem);
                if !input::confirm("Open the editor again with your text?") {
                    return Err(fail(problem.exit, "nothing is written"));
                }
            }
        }
    }
}

fn is_value(path: &KeyPath) -> bool {
    use kubestead_secrets::sops::Step;
    matches!(path.steps().first(), Some(Step::Key(key)) if key == "data" || key == "stringData")
}

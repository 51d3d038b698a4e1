//! The data key, encrypted to recipients.

use std::io::{Read, Write};
use std::path::Path;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use zeroize::Zeroizing;

use super::age_program::{self, AgeProgram};
use super::cipher::DataKey;
use super::error::{Error, Tried};
use super::identities::Identities;
use super::meta::{Entry, Group, Meta};
use super::policy::Recipient;
use super::shamir::{self, Share};
use super::time::Time;

/// Opens the key of a document.
pub(crate) fn open(path: &Path, meta: &Meta, identities: &Identities) -> Result<DataKey, Error> {
    let groups = meta.groups();
    let needed = meta.threshold();
    let mut tried = Vec::new();
    let mut shares: Vec<Share> = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        if shares.len() < needed {
            shares.extend(open_group(number + 1, group, groups.len(), identities, &mut tried));
        }
    }
    if shares.len() < needed || needed == 0 {
        let (opened, groups, places) = (shares.len(), groups.len(), identities.places.clone());
        return Err(Error::NoKey { path: path.to_owned(), needed, opened, groups, places, tried });
    }
    let joined = match shares.as_slice() {
        [whole] if groups.len() == 1 => whole.clone(),
        several => shamir::combine(several).map_err(|why| Error::Metadata { path: path.to_owned(), why })?,
    };
    let why = || "its key is not 32 bytes long".to_owned();
    DataKey::new(&joined).ok_or_else(|| Error::Metadata { path: path.to_owned(), why: why() })
}

fn open_group(number: usize, group: &[Entry], groups: usize, identities: &Identities, tried: &mut Vec<Tried>) -> Option<Share> {
    let expected = if groups == 1 { 32 } else { 33 };
    let rank = |entry: &Entry| match entry.kind.as_str() {
        "age" => 0,
        "pgp" => 1,
        _ => 2,
    };
    let mut ordered: Vec<&Entry> = group.iter().collect();
    ordered.sort_by_key(|entry| rank(entry));
    // All that is at hand before anything that asks somebody: a command, a plugin, gpg.
    let mut at_hand = Vec::new();
    for entry in ordered {
        let found = if entry.kind == "age" { open_age_with(entry, identities, identities.age_program.as_ref()) } else { Ok(None) };
        match found {
            Ok(Some(share)) if share.len() == expected => return Some(share),
            other => at_hand.push((entry, other)),
        }
    }
    for (entry, found) in at_hand {
        let opened = match (entry.kind.as_str(), found) {
            ("age", Ok(None)) => ask_age(entry, identities),
            ("age", Ok(Some(share))) => Ok(share),
            ("age", Err(why)) => Err(why),
            ("pgp", _) => match &identities.gpg {
                Some(gpg) => gpg.decrypt(entry.sealed()),
                None => Err("the program gpg was not given".to_owned()),
            },
            (kind, _) => Err(format!("{kind} is not supported here; use the sops program, which asks that service")),
        };
        match opened {
            Ok(share) if share.len() == expected => return Some(share),
            Ok(share) => tried.push(failed(number, entry, format!("it holds {} bytes instead of {expected}", share.len()))),
            Err(why) => tried.push(failed(number, entry, why)),
        }
    }
    None
}

fn failed(group: usize, entry: &Entry, why: String) -> Tried {
    Tried { group, kind: entry.kind.clone(), recipient: entry.name(), why }
}

/// When no identity at hand fits.
fn ask_age(entry: &Entry, identities: &Identities) -> Result<Share, String> {
    let program = identities.age_program.as_ref();
    let mut why = nobody(entry);
    for command in &identities.commands {
        match command.ask(&entry.name()).and_then(|printed| open_age_with(entry, &printed, program)) {
            Ok(Some(share)) => return Ok(share),
            Ok(None) => {}
            Err(problem) => why = problem,
        }
    }
    // Plugins may want a touch or a PIN. age runs them.
    for plugin in &identities.plugins {
        match given(program).and_then(|program| program.decrypt(entry.sealed(), std::slice::from_ref(&plugin.identity))) {
            Ok(Some(share)) => return Ok(share),
            Ok(None) => why = format!("{why}; {} does not fit", plugin.told),
            Err(problem) => why = format!("{why}; {} could not be used: {problem}", plugin.told),
        }
    }
    Err(why)
}

/// None when no identity fits.
fn open_age_with(entry: &Entry, identities: &Identities, program: Option<&AgeProgram>) -> Result<Option<Share>, String> {
    let damaged = |why: String| format!("it is damaged: {why}");
    let decryptor = age::Decryptor::new(ArmoredReader::new(entry.sealed().as_bytes())).map_err(|e| damaged(e.to_string()))?;
    let opened = decryptor.decrypt(identities.age.iter().map(|identity| &**identity as &dyn age::Identity));
    let mut reader = match opened {
        Ok(reader) => reader,
        Err(age::DecryptError::NoMatchingKeys) if age_program::is_recipient(&entry.name()) && !identities.post_quantum.is_empty() => {
            return given(program)?.decrypt(entry.sealed(), &identities.post_quantum);
        }
        Err(age::DecryptError::NoMatchingKeys) => return Ok(None),
        Err(other) => return Err(damaged(other.to_string())),
    };
    let mut share = Zeroizing::new(Vec::with_capacity(64));
    reader.by_ref().take(64).read_to_end(&mut share).map_err(|e| damaged(e.to_string()))?;
    Ok(Some(share))
}

fn given(program: Option<&AgeProgram>) -> Result<&AgeProgram, String> {
    program.ok_or_else(|| "a post-quantum key, or one of a plugin, needs the program age, which was not given".to_owned())
}

fn nobody(entry: &Entry) -> String {
    if entry.name().starts_with("ssh-") && !cfg!(feature = "ssh") {
        "an ssh key, and this was built without the feature `ssh`".to_owned()
    } else {
        "no identity at hand fits".to_owned()
    }
}

/// The recipients of a document to be.
pub(crate) struct Wanted<'a> {
    pub(crate) groups: &'a [Vec<Recipient>],
    pub(crate) threshold: usize,
    /// Copies of the same key that are there already and may stay.
    pub(crate) kept: &'a [Entry],
}

/// Encrypts a key to groups of recipients.
pub(crate) fn wrap(path: &Path, key: &DataKey, wanted: &Wanted<'_>, identities: &Identities) -> Result<Vec<Group>, Error> {
    let Wanted { groups, threshold, kept } = wanted;
    let empty = groups.iter().position(Vec::is_empty);
    if groups.is_empty() || empty.is_some() {
        let why = "there are no recipients, or a key group without any: name at least one, such as an age recipient".to_owned();
        return Err(Error::Metadata { path: path.to_owned(), why });
    }
    let shares = if groups.len() == 1 {
        vec![Zeroizing::new(key.bytes().to_vec())]
    } else {
        shamir::split(key.bytes(), groups.len(), *threshold).map_err(|why| Error::Metadata { path: path.to_owned(), why })?
    };
    let mut wrapped = Vec::new();
    for (index, (group, share)) in groups.iter().zip(&shares).enumerate() {
        let mut entries = Vec::new();
        for recipient in group {
            let (kind, name) = (recipient.kind().to_owned(), recipient.name().to_owned());
            let old = kept.iter().find(|entry| groups.len() == 1 && entry.kind == kind && entry.name() == name);
            let entry = old.cloned().map_or_else(|| seal(recipient, share, identities), Ok);
            entries.push(entry.map_err(|why| Error::Recipient { path: path.to_owned(), group: index + 1, kind, recipient: name, why })?);
        }
        wrapped.push(entries);
    }
    Ok(wrapped)
}

fn seal(recipient: &Recipient, share: &[u8], identities: &Identities) -> Result<Entry, String> {
    match recipient {
        Recipient::Age(text) if age_program::is_recipient(text) || age_program::is_of_plugin(text) => {
            given(identities.age_program.as_ref())?.encrypt(text, share).map(|sealed| Entry::age(text, sealed))
        }
        Recipient::Age(text) => seal_age(text, share).map(|sealed| Entry::age(text, sealed)),
        Recipient::Pgp(fingerprint) => {
            let gpg = identities.gpg.as_ref().ok_or("the program gpg was not given")?;
            gpg.encrypt(fingerprint, share).map(|sealed| Entry::pgp(fingerprint, sealed, &Time::now().render(false)))
        }
        Recipient::Foreign { kind, .. } => Err(format!("{kind} is not supported here; use the sops program, which asks that service")),
    }
}

/// Why something can be encrypted to no recipient of this name; those of the program age and of its plugins are known to them alone.
pub(super) fn check_age(text: &str) -> Result<(), String> {
    if age_program::is_recipient(text) || age_program::is_of_plugin(text) { Ok(()) } else { age_recipient(text).map(drop) }
}

fn age_recipient(text: &str) -> Result<Box<dyn age::Recipient>, String> {
    if text.starts_with("ssh-") {
        return ssh_recipient(text);
    }
    let parsed: Result<age::x25519::Recipient, _> = text.parse();
    parsed.map(|parsed| Box::new(parsed) as _).map_err(|why| format!("it is no age recipient that is known here ({why})"))
}

fn seal_age(recipient: &str, share: &[u8]) -> Result<String, String> {
    let boxed = age_recipient(recipient)?;
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&*boxed)).map_err(|e| e.to_string())?;
    let mut sealed = Vec::new();
    let write = |sealed: &mut Vec<u8>| {
        let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(sealed, Format::AsciiArmor)?)?;
        writer.write_all(share)?;
        writer.finish().and_then(ArmoredWriter::finish).map(|_| ())
    };
    write(&mut sealed).map_err(|e: std::io::Error| e.to_string())?;
    String::from_utf8(sealed).map_err(|e| e.to_string())
}

#[cfg(feature = "ssh")]
fn ssh_recipient(text: &str) -> Result<Box<dyn age::Recipient>, String> {
    let parsed: Result<age::ssh::Recipient, _> = text.parse();
    parsed.map(|recipient| Box::new(recipient) as Box<dyn age::Recipient>).map_err(|e| format!("it is no ssh key that age knows: {e:?}"))
}

#[cfg(not(feature = "ssh"))]
fn ssh_recipient(_: &str) -> Result<Box<dyn age::Recipient>, String> {
    Err("ssh keys need the feature `ssh`, which this was built without".to_owned())
}

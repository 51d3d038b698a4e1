//! From text to values and back: every value of a text decrypted, the MAC, and plain text encrypted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::cipher::{DataKey, Sealed};
use super::format::Format;
use super::meta::Meta;
use super::path::KeyPath;
use super::proof::Remark;
use super::select::Selector;
use super::tree::{Around, Element, Leaf, Parsed, Problem, Span, Spot, line_of, splice, walk, walk_each};
use super::value::{Kind, Value};

/// What a MAC over encrypted values only begins with, so that it never equals one over all values.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f,
    0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// A place in a text with its decrypted value.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) spot: Spot,
    pub(crate) value: Value,
    /// It was written encrypted.
    pub(crate) was_sealed: bool,
    /// Of a comment: it was encrypted for the place where it stands, so sops decrypts it there.
    pub(crate) in_place: bool,
}

/// A failure at a value.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) line: usize,
    pub(crate) at: KeyPath,
    pub(crate) why: String,
}

/// Decrypts all that is encrypted.
pub(crate) fn open(text: &str, parsed: &Parsed, selector: &Selector, key: &DataKey) -> Result<Vec<Opened>, Failure> {
    let (mut opened, mut failed) = (Vec::new(), None);
    walk_each(parsed, selector, &mut |spot| {
        if failed.is_none() {
            match open_spot(text, spot, key) {
                Ok(open) => opened.push(open),
                Err(failure) => failed = Some(failure),
            }
        }
    });
    failed.map_or(Ok(opened), Err)
}

fn open_spot(text: &str, spot: Spot, key: &DataKey) -> Result<Opened, Failure> {
    let long = spot.leaf.sealed.clone().map(|span| &text[span]);
    let written = match long.filter(|_| !spot.selected) {
        Some(content) => Value::text(content),
        None => spot.leaf.value.clone(),
    };
    if !spot.selected || long.is_none() && written.is_bare() {
        return Ok(Opened { spot, value: written, was_sealed: false, in_place: true });
    }
    let no_text = || Failure { line: spot.line(text), at: spot.path.clone(), why: "it is no text, so no encrypted value".to_owned() };
    let content = long.or_else(|| written.as_str()).ok_or_else(no_text)?;
    if spot.is_comment {
        // A comment that is not encrypted is no error to sops either: an older version wrote it so.
        let opened = if Sealed::parse(content).is_ok() {
            // Other places only where its own does not fit: they are as many as the keys beside it.
            let elsewhere = || spot.other_aads().into_iter().find_map(|aad| key.open(content, &aad).ok());
            key.open(content, &spot.aad()).ok().map(|value| (value, true)).or_else(|| Some((elsewhere()?, false)))
        } else {
            None
        };
        let (was_sealed, in_place) = (opened.is_some(), opened.as_ref().is_some_and(|(_, in_place)| *in_place));
        return Ok(Opened { value: opened.map_or(written, |(value, _)| value), spot, was_sealed, in_place });
    }
    let opened = if written.kind() == Kind::Text {
        key.open(content, &spot.aad())
    } else {
        Err(format!("a plain {} stands where the rules of this file want an encrypted value", written.kind().word()))
    };
    match opened {
        Ok(value) => Ok(Opened { spot, value, was_sealed: true, in_place: true }),
        Err(why) => Err(Failure { line: spot.line(text), at: spot.path, why }),
    }
}

/// The digest that the MAC protects.
fn digest(opened: &[Opened], only_encrypted: bool) -> String {
    let mut hash = Sha512::new();
    if only_encrypted {
        hash.update(ONLY_ENCRYPTED);
    }
    for Opened { spot, value, .. } in opened {
        let comment = spot.is_comment && (!spot.is_element() || spot.selected);
        if !comment && (!only_encrypted || spot.selected) {
            hash.update(value.bytes().expose());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Checks the MAC. The error says which part is wrong.
pub(crate) fn check_mac(opened: &[Opened], meta: &Meta, key: &DataKey) -> Result<(), String> {
    let mac = meta.mac().ok_or("the MAC is missing, so nothing protects it against changes")?;
    let sealed = key.open(mac, &meta.modified()).map_err(|why| format!("the MAC itself, or `lastmodified`, was changed: {why}"))?;
    let found = digest(opened, meta.mac_only_encrypted());
    let same: bool = sealed.bytes().expose().ct_eq(found.as_bytes()).into();
    if same { Ok(()) } else { Err("the MAC does not fit: a value was added, taken away, moved or changed without sops".to_owned()) }
}

/// Makes the MAC.
pub(crate) fn make_mac(opened: &[Opened], only_encrypted: bool, modified: &str, key: &DataKey) -> Result<String, String> {
    key.seal(&Value::text(digest(opened, only_encrypted)), modified)
}

/// A ciphertext that is there already.
struct Old {
    text: String,
    is_element: bool,
}

/// Old ciphertexts by what they are made of, to be used again for what did not change.
#[derive(Default)]
pub(crate) struct Pool(BTreeMap<(String, Kind, Vec<u8>), VecDeque<Old>>);

impl Pool {
    pub(crate) fn new(text: &str, opened: &[Opened]) -> Self {
        let mut pool = Self::default();
        for Opened { spot, value, was_sealed, .. } in opened {
            let written = spot.leaf.sealed.clone().map_or_else(|| spot.leaf.value.as_str(), |span| text.get(span));
            if let (true, Some(written)) = (*was_sealed, written) {
                let old = Old { text: written.to_owned(), is_element: spot.is_element() };
                pool.0.entry(Self::key(&spot.aad(), value)).or_default().push_back(old);
            }
        }
        pool
    }

    // A digest, not the value: the map is not wiped.
    fn key(aad: &str, value: &Value) -> (String, Kind, Vec<u8>) {
        (aad.to_owned(), value.kind(), Sha512::digest(value.bytes().expose()).to_vec())
    }

    fn take(&mut self, aad: &str, value: &Value) -> Option<Old> {
        self.0.get_mut(&Self::key(aad, value))?.pop_front()
    }
}

fn problem(text: &str, problem: Problem) -> Failure {
    Failure { line: line_of(text, problem.at), at: KeyPath::default(), why: problem.why }
}

/// A plain text, read.
pub(crate) struct Plain<'a> {
    pub(crate) text: &'a str,
    pub(crate) parsed: Parsed,
    pub(crate) spots: Vec<Spot>,
}

impl<'a> Plain<'a> {
    pub(crate) fn read(format: Format, text: &'a str, selector: &Selector) -> Result<Self, Problem> {
        let parsed = format.parse(text)?;
        let mut spots = walk(&parsed, selector);
        // sops decrypts an empty comment in a list to an empty element of it, so there it gets a blank.
        for spot in
            spots.iter_mut().filter(|spot| spot.is_comment && spot.around != Around::Mapping && spot.selected && spot.leaf.value.is_bare())
        {
            spot.leaf.value = Value::comment(" ");
        }
        Ok(Self { text, parsed, spots })
    }
}

/// Encrypts a plain text without adding metadata.
pub(crate) fn encrypt(format: Format, plain: &Plain<'_>, key: &DataKey, pool: &mut Pool) -> Result<String, Failure> {
    let Plain { text, spots, .. } = plain;
    let sealed: BTreeSet<usize> = spots.iter().filter(|s| s.selected && !s.leaf.alias).map(|s| s.leaf.span.start).collect();
    let mut edits = Vec::new();
    for spot in spots {
        let value = &spot.leaf.value;
        let fail = |why: String| Failure { line: spot.line(text), at: spot.path.clone(), why };
        if spot.leaf.alias && !spot.is_comment && (spot.selected || sealed.contains(&spot.leaf.span.start)) && !value.is_bare() {
            return Err(fail(
                "an alias leads to a value that is to be encrypted, and each place needs its own; write the value out".to_owned(),
            ));
        }
        if !spot.selected || value.is_bare() || spot.leaf.alias {
            continue;
        }
        let aad = spot.aad();
        let old = pool.take(&aad, value);
        let was_element = old.as_ref().is_some_and(|old| old.is_element);
        let sealed = old.map_or_else(|| key.seal(value, &aad), |old| Ok(old.text)).map_err(fail)?;
        // sops writes a comment in a list as an element; so it stays one.
        if was_element && stands_alone(text, spot) {
            edits.push((spot.leaf.span.clone(), format!("- {sealed}")));
        } else {
            edits.extend(replace(format, text, spot, value, &Value::text(sealed)).map_err(fail)?);
        }
    }
    splice(text, edits).map_err(|p| problem(text, p))
}

/// The edits that make every comment one that sops decrypts, or leaves, where it stands. `wanted` are the comments in the order of the
/// text. Where a comment belongs may depend on what is around it, so it may be another place after a change.
pub(crate) fn settle(
    format: Format,
    text: &str,
    opened: &[Opened],
    wanted: &[Remark],
    may_clear: bool,
    key: &DataKey,
) -> Result<Vec<(Span, String)>, Failure> {
    let mut found: Vec<&Opened> = opened.iter().filter(|open| open.spot.is_comment).collect();
    found.sort_by_key(|open| open.spot.leaf.span.start);
    let mut edits = Vec::new();
    if found.len() != wanted.len() {
        return Ok(edits);
    }
    for (open, Remark { value, in_place, .. }) in found.into_iter().zip(wanted) {
        let spot = &open.spot;
        let fail = |why: String| Failure { line: spot.line(text), at: spot.path.clone(), why };
        let is_right = if spot.selected && !value.is_bare() { open.was_sealed && (open.in_place || !in_place) } else { !open.was_sealed };
        if spot.is_element() || is_right && open.value.same(value) {
            continue;
        }
        let written = if spot.selected && !value.is_bare() {
            Value::text(key.seal(value, &spot.aad()).map_err(fail)?)
        } else if may_clear {
            value.clone()
        } else {
            continue;
        };
        edits.extend(replace(format, text, spot, value, &written).map_err(fail)?);
    }
    Ok(edits)
}

/// A comment on its own line, in the column of the dashes of its list.
fn stands_alone(text: &str, spot: &Spot) -> bool {
    let before = text[..spot.leaf.span.start].rsplit('\n').next().unwrap_or_default();
    spot.around == Around::Dashes(before.len()) && before.trim().is_empty()
}

/// The edits that write a value in the place of a spot.
///
/// `meant` is the value, `written` what stands for it: itself, or its ciphertext.
pub(crate) fn replace(format: Format, text: &str, spot: &Spot, meant: &Value, written: &Value) -> Result<Vec<(Span, String)>, String> {
    let new = render(format, text, spot, written)?;
    let gone = gone(&spot.leaf, meant).map(|span| (span.clone(), String::new()));
    Ok(gone.chain([(spot.leaf.span.clone(), new)]).collect())
}

fn render(format: Format, text: &str, spot: &Spot, written: &Value) -> Result<String, String> {
    if !spot.is_comment {
        return format.scalar(text, &spot.leaf, written);
    }
    let comment = written.as_str().map(|comment| format.comment(comment)).ok_or("a comment cannot be bytes that are no text")?;
    // The blank, because a list may stand in the column of its key, and an empty one may not.
    Ok(if spot.element == Some(Element::HoldsList) && format == Format::Yaml { format!(" [] {comment}") } else { comment })
}

/// What goes beside the span of a leaf when it gets a value.
fn gone<'a>(leaf: &'a Leaf, meant: &Value) -> impl Iterator<Item = &'a Span> {
    let stays = meant.kind() == Kind::Text && meant.as_str().is_some();
    let tag = leaf.tag.iter().filter(move |tag| !(tag.is_text && stays)).map(|tag| &tag.span);
    tag.chain(leaf.rest.as_ref())
}

/// The plain text of a document, comments and layout kept, without metadata.
pub(crate) fn decrypt(format: Format, text: &str, parsed: &Parsed, opened: &[Opened]) -> Result<String, Failure> {
    let mut edits: Vec<(Span, String)> = parsed.meta_regions.iter().map(|region| (region.clone(), String::new())).collect();
    for Opened { spot, value, was_sealed, .. } in opened {
        if *was_sealed && !spot.leaf.alias {
            let fail = |why| Failure { line: spot.line(text), at: spot.path.clone(), why };
            edits.extend(replace(format, text, spot, value, value).map_err(fail)?);
        }
    }
    splice(text, edits).map_err(|p| problem(text, p))
}

/// As [`decrypt`], piece by piece, so that the plain text is never there as a whole.
pub(crate) fn decrypt_to(
    format: Format,
    text: &str,
    parsed: &Parsed,
    opened: &[Opened],
    sink: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<std::io::Result<()>, Failure> {
    let mut places: Vec<(&Span, Option<&Opened>)> = parsed.meta_regions.iter().map(|region| (region, None)).collect();
    for open in opened.iter().filter(|open| open.was_sealed && !open.spot.leaf.alias) {
        places.extend(gone(&open.spot.leaf, &open.value).map(|span| (span, None)));
        places.push((&open.spot.leaf.span, Some(open)));
    }
    places.sort_by_key(|(span, _)| (span.start, span.end));
    let mut done = 0;
    for (span, open) in places {
        let overlap = || problem(text, Problem::new(span.start, "two values overlap here, such as a comment inside a scalar"));
        let mut written = sink(text.get(done..span.start).ok_or_else(overlap)?.as_bytes());
        if let Some(Opened { spot, value, .. }) = open {
            let fail = |why| Failure { line: spot.line(text), at: spot.path.clone(), why };
            let new = Zeroizing::new(render(format, text, spot, value).map_err(fail)?);
            written = written.and_then(|()| sink(new.as_bytes()));
        }
        if written.is_err() {
            return Ok(written);
        }
        done = span.end;
    }
    Ok(sink(text.get(done..).unwrap_or_default().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_specification() {
        let text = "u: admin\nm: 0644\nf: 3.0\nb: true\nl: [a, 1]\ne: \"\"\nn: null\n";
        let parsed = Format::Yaml.parse(text).unwrap();
        let spots = walk(&parsed, &Selector::default());
        let opened: Vec<Opened> =
            spots.into_iter().map(|spot| Opened { value: spot.leaf.value.clone(), spot, was_sealed: false, in_place: true }).collect();
        assert!(digest(&opened, false).starts_with("08CEE34904244DE4148B75A0F95FB79F"));
        assert!(digest(&opened, true).starts_with("B8408D947D204FC616ECAA1FCFEAEB6C"));
    }
}

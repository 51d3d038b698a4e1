//! `services.sync`.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::diagnostic::Place;
use kubestead_core::name::Name;

use super::asked::Asked;
use super::options::{IMAGE, Options, PATCHES, PATCHES_ABOUT, reference};
use crate::file::decode::{Wrong, count, entries, judged, key_name, list, name, number, parsed};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::schedule;
use crate::file::shape::{Bare, Form, Kind, NAME, Need};
use crate::file::tree::Node as Yaml;
use crate::service::{Sync, SyncEnd, SyncSet, What};

fields! {
    /// The fields of the sync.
    struct Written {
        "image" image Need::Required, IMAGE,
            "The image with unison (>= 2.52) and OpenSSH, which you make: `examples/sync/Containerfile`. With `@sha256:` and its digest every node runs what was tried.";
        "sets" sets Need::Required, Kind::entries("SET", &SET, &Kind::Map(&Set::SHAPE)),
            "Volumes that are kept the same, by a name for each set of them.";
        "needs" needs Need::Otherwise("[]"), Kind::List { of: &Kind::Text(&NAME), least: 0, most: None, different: true },
            "The services that must be ready before it: those that make the claims.";
        "patches" patches Need::Otherwise("[]"), PATCHES, PATCHES_ABOUT;
    }
}

fields! {
    /// The fields of a set.
    struct Set {
        "namespace" namespace Need::Required, Kind::Text(&NAME),
            "Where its claims are.";
        "user" user Need::Required, Kind::Text(&USER),
            "The number of the user whose the files are, as `runAsUser` of the pods that use them.";
        "group" group Need::Optional("the same number as `user`"), Kind::Text(&USER),
            "The number of their group, as `fsGroup` of these pods.";
        "hub" hub Need::Required, Kind::Map(&End::SHAPE),
            "The volume that each other one is compared with.";
        "spokes" spokes Need::Required, Kind::entries("SPOKE", &SET, &Kind::Map(&End::SHAPE)),
            "The others, each by a name, such as that of its node.";
        "exclude" exclude Need::Otherwise("[]"), Kind::list(&Kind::Text(&PATTERN)),
            "What is left out, as unison's `ignore` has it: `Name *.lock`, `Path cache`, `Regex .*/tmp`. Files that are always being written belong here.";
        "schedule" schedule Need::Otherwise("*/5 * * * *"), Kind::Text(&SCHEDULE),
            "When rounds begin, as in `spec.schedule` of a CronJob.";
        "warnAfter" warn Need::Otherwise("30m"), Kind::Text(&DURATION),
            "How old the last good round of a spoke may be before `status` warns.";
        "criticalAfter" critical Need::Otherwise("2h"), Kind::Text(&DURATION),
            "How old it is when `status` calls it critical.";
        "longest" longest Need::Otherwise("1h"), Kind::Text(&DURATION),
            "How long a round may take. The first one copies all.";
        "mostDeleted" most_deleted Need::Otherwise("50"), Kind::Count { least: 1, most: 99 },
            "How many percent of a volume's files and folders may be gone between two rounds. If more are, no round is made until a person consents.";
        "keepDays" keep_days Need::Otherwise("30"), Kind::Count { least: 1, most: 3650 },
            "For how many days a volume keeps what rounds replaced or deleted on it.";
    }
}

fields! {
    /// The fields of a volume.
    struct End {
        "claim" claim Need::Required, Kind::Text(&NAME),
            "The PersistentVolumeClaim. Its volume is of one node, as local ones are.";
        "key" key Need::Required, Kind::Text(&KEY),
            "The public half of its key of ssh. The other half is the Secret `sync-SET-hub` or `sync-SET-SPOKE`.";
    }
}

const SET: Form = Form { word: "a name", pattern: "^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$", example: "", bare: Bare::Any };
const LONGEST_NAME: usize = 20;
const USER: Form = Form { word: "a number", pattern: "^[1-9][0-9]{0,9}$", example: "1000", bare: Bare::Whole };
const PATTERN: Form = Form { word: "a pattern", pattern: "^(Name|Path|BelowPath|Regex) .+$", example: "Name *.lock", bare: Bare::String };
const SCHEDULE: Form = Form {
    word: "a schedule",
    pattern: r"^[0-9*?,/-]+( [0-9*?,/-]+){2} [0-9A-Za-z*?,/-]+ [0-9A-Za-z*?,/-]+$",
    example: "*/5 * * * *",
    bare: Bare::String,
};
const DURATION: Form = Form { word: "a duration", pattern: "^[1-9][0-9]{0,5}[smh]$", example: "30m", bare: Bare::String };
const KEY: Form = Form {
    word: "a public key",
    pattern: "^ssh-ed25519 [A-Za-z0-9+/]{68}( .*)?$",
    example: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…",
    bare: Bare::String,
};
/// How the blob of a public key of ed25519 begins: its kind, and that 32 bytes follow (RFC 8709).
const ED25519: &[u8] = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20";

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Decodes the service.
pub(super) fn decode(node: Yaml, _: &Path, out: &mut Findings) -> Option<Asked> {
    let f = Written::of(node, "services.sync", out);
    let image = f.image.and_then(|node| parsed(node, "an image", out, reference));
    let place = f.sets.as_ref().map(|node| node.place.clone());
    let written = f.sets.map(|node| entries(node, "services.sync.sets", out)).unwrap_or_default();
    if let (true, Some(place)) = (written.is_empty(), place) {
        out.error(&place, "services.sync.sets names no set", "take `sync` out of the file if nothing shall be synced".to_owned());
    }
    let mut ends = Ends::default();
    let sets: Vec<SyncSet> = written.into_iter().filter_map(|(key, place, node)| set(&key, &place, node, &mut ends, out)).collect();
    out.twice(ends.claims.iter().map(|at| (&at.value, &at.place)), "two volumes have the claim");
    out.twice(ends.keys.iter().map(|at| (&at.value, &at.place)), "two volumes have the key");
    let needs = f.needs.map(|node| list(node, "needs", out)).unwrap_or_default();
    let needs: Vec<At<Name>> = needs.into_iter().filter_map(|item| name(item, "needs", out)).collect();
    out.twice(needs.iter().map(|at| (&at.value, &at.place)), "needs names twice");
    let options = Options::of([], f.patches, out);
    let built = options.with(What::Sync(Sync { image: image?.value, sets }));
    Some(Asked { built, secrets: BTreeMap::new(), needs, places: None })
}

/// The claims and keys of all sets, which each belong to one volume.
#[derive(Default)]
struct Ends {
    claims: Vec<At<String>>,
    keys: Vec<At<String>>,
}

fn set(key: &str, place: &Place, node: Yaml, ends: &mut Ends, out: &mut Findings) -> Option<SyncSet> {
    let what = format!("set {key}");
    let own = short_name(key, place, &what, out);
    let f = Set::of(node, &what, out);
    let namespace = f.namespace.and_then(|node| name(node, "namespace", out)).map(|at| at.value);
    let user = f.user.and_then(|node| id(node, "user", out));
    let group = f.group.map_or(user, |node| id(node, "group", out));
    let mut end = |node, what: &str, out: &mut Findings| self::end(node, what, namespace.as_ref(), ends, out);
    let hub = f.hub.and_then(|node| end(node, "hub", out));
    let written = f.spokes.map(|node| (node.place.clone(), entries(node, "spokes", out)));
    if let Some((place, _)) = written.as_ref().filter(|(_, written)| written.is_empty()) {
        out.error(place, format!("{what} has no spoke"), "name each volume that shall be the same as the hub's".to_owned());
    }
    let mut spokes = Vec::new();
    for (key, place, node) in written.map(|(_, written)| written).unwrap_or_default() {
        let name = short_name(&key, &place, &format!("spoke {key}"), out);
        if key == "hub" {
            out.error(&place, "a spoke is called hub", "write another name, such as that of its node".to_owned());
        }
        spokes.extend(name.zip(end(node, &format!("spoke {key}"), out)));
    }
    let exclude = f.exclude.map(|node| list(node, "exclude", out)).unwrap_or_default();
    let exclude = exclude.into_iter().filter_map(|node| judged(node, "exclude", out, pattern)).map(|at| at.value).collect();
    let schedule =
        f.schedule.map_or(Some("*/5 * * * *".to_owned()), |node| judged(node, "schedule", out, self::schedule).map(|at| at.value));
    let warn = seconds(f.warn, "warnAfter", 30 * 60, out);
    let critical = seconds(f.critical, "criticalAfter", 2 * 60 * 60, out);
    if let (Some(warn), Some(critical)) = (warn, critical)
        && critical <= warn
    {
        out.error(place, format!("{what}: criticalAfter must be later than warnAfter"), None);
    }
    let longest = seconds(f.longest, "longest", 60 * 60, out);
    let most_deleted = within(f.most_deleted, "mostDeleted", 50, 99, out);
    let keep_days = within(f.keep_days, "keepDays", 30, 3650, out);
    Some(SyncSet {
        name: own?,
        namespace: namespace?,
        user: user?,
        group: group?,
        hub: hub?,
        spokes,
        exclude,
        schedule: schedule?,
        warn: warn?,
        critical: critical?,
        longest: longest?,
        most_deleted: most_deleted?,
        keep_days: keep_days?,
    })
}

fn end(node: Yaml, what: &str, namespace: Option<&Name>, ends: &mut Ends, out: &mut Findings) -> Option<SyncEnd> {
    let f = End::of(node, what, out);
    let claim = f.claim.and_then(|node| name(node, "claim", out));
    let key = f.key.and_then(|node| judged(node, "key", out, key));
    if let (Some(namespace), Some(claim)) = (namespace, &claim) {
        ends.claims.push(At { value: format!("{namespace}/{}", claim.value), place: claim.place.clone() });
    }
    ends.keys.extend(key.clone());
    Some(SyncEnd { claim: claim?.value, key: key?.value })
}

/// A name that begins those of objects and labels.
fn short_name(key: &str, place: &Place, what: &str, out: &mut Findings) -> Option<Name> {
    if key.len() > LONGEST_NAME {
        out.error(place, format!("{what}: the name is longer than {LONGEST_NAME} characters"), "write a shorter one".to_owned());
    }
    key_name(key, place, what, out)
}

/// The number of a user or a group: not root's, who may do too much.
fn id(node: Yaml, what: &str, out: &mut Findings) -> Option<u32> {
    let at = judged(node, what, out, |text| match number::<u32>(text) {
        Some(0) => Err(Wrong(
            "0 is root, as which nothing is synced".to_owned(),
            Some("write the `runAsUser` of the pods that use the files".to_owned()),
        )),
        Some(id) if id <= i32::MAX.unsigned_abs() => Ok(id),
        Some(_) | None => Err(Wrong(format!("{text:?} is no number of a user"), None)),
    });
    at.map(|at| at.value)
}

fn pattern(text: &str) -> Result<String, Wrong> {
    let is_pattern =
        text.split_once(' ').is_some_and(|(word, rest)| ["Name", "Path", "BelowPath", "Regex"].contains(&word) && !rest.trim().is_empty());
    let hint = || "write `Name *.lock` for names anywhere, `Path cache` for one path, or `Regex .*/tmp`".to_owned();
    if is_pattern { Ok(text.to_owned()) } else { Err(Wrong(format!("{text:?} is no pattern of unison"), Some(hint()))) }
}

fn schedule(text: &str) -> Result<String, Wrong> {
    let hint = || Some("write five fields, such as \"*/5 * * * *\" for each fifth minute".to_owned());
    schedule::wrong(text).map_or_else(|| Ok(text.to_owned()), |fault| Err(Wrong(format!("{text:?} is no schedule: {fault}"), hint())))
}

/// A public key of ed25519, without what is written after it.
fn key(text: &str) -> Result<String, Wrong> {
    let mut words = text.split(' ');
    let (kind, blob) = (words.next(), words.next().unwrap_or_default());
    let bytes = STANDARD.decode(blob).unwrap_or_default();
    if kind == Some("ssh-ed25519") && bytes.len() == ED25519.len() + 32 && bytes.starts_with(ED25519) {
        return Ok(format!("ssh-ed25519 {blob}"));
    }
    let hint = "write the one line of the file that ends in .pub: `ssh-keygen -t ed25519` makes it".to_owned();
    Err(Wrong("this is no public key of ed25519".to_owned(), Some(hint)))
}

/// A duration in seconds.
fn seconds(node: Option<Yaml>, what: &str, usual: u64, out: &mut Findings) -> Option<u64> {
    let Some(node) = node else { return Some(usual) };
    let wrong = |text: &str| format!("{text:?} is no duration such as 30m: a number and s, m or h");
    let at = parsed(node, what, out, |text| {
        let unit = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 60 * 60,
            Some(_) | None => return Err(wrong(text)),
        };
        number::<u64>(&text[..text.len() - 1])
            .filter(|count| (1..1_000_000).contains(count))
            .map(|count| count * unit)
            .ok_or_else(|| wrong(text))
    });
    at.map(|at| at.value)
}

fn within(node: Option<Yaml>, what: &str, usual: u64, most: u64, out: &mut Findings) -> Option<u64> {
    let Some(node) = node else { return Some(usual) };
    let at = count(node, what, out)?;
    if !(1..=most).contains(&at.value) {
        out.error(&at.place, format!("{what} must be 1 to {most}"), None);
    }
    Some(at.value)
}

//! `encryption` and `unlock`, of `keys` and of a volume: whether volumes are encrypted, and the ways by which they are unlocked, in their order.

use kubestead_storage::ways::{BadWays, Way, Ways};

use super::decode::{list, text};
use super::findings::{At, Findings};
use super::shape::Kind;
use super::tree::Node as Yaml;

/// What may be written.
pub(super) const WAYS: Kind = Kind::List { of: &Kind::Words(|| Way::ALL.map(Way::as_str).to_vec()), least: 1, most: None, different: true };

/// The words for a volume that is encrypted, and for one that is not.
const WORDS: [&str; 2] = ["luks", "none"];

/// What may be written.
pub(super) const ENCRYPTION: Kind = Kind::Words(|| WORDS.to_vec());

/// Decodes whether volumes are encrypted: only by its own word they are not.
pub(super) fn encryption(node: Yaml, what: &str, out: &mut Findings) -> Option<At<bool>> {
    let found = text(node, what, out)?;
    match found.value.as_str() {
        "luks" => Some(At { value: true, place: found.place }),
        "none" => Some(At { value: false, place: found.place }),
        other => {
            out.error(&found.place, format!("{what}: {other:?} is neither luks nor none"), None);
            None
        }
    }
}

/// Decodes a list of ways.
pub(super) fn ways(node: Yaml, what: &str, out: &mut Findings) -> Option<At<Ways>> {
    let place = node.place.clone();
    let written = out.items(|out| list(node, what, out).into_iter().filter_map(|item| way(item, what, out)).collect());
    if written.broken {
        return None;
    }
    match Ways::new(written.items) {
        Ok(value) => Some(At { value, place }),
        Err(error) => {
            let hint = match error {
                BadWays::None => "write [ssh] for key servers, or [recovery] for a person who does it by hand after each boot",
                BadWays::Twice(_) => "name it once",
                BadWays::Late(_) => "write recovery last",
            };
            out.error(&place, format!("{what}: {error}"), hint.to_owned());
            None
        }
    }
}

fn way(item: Yaml, what: &str, out: &mut Findings) -> Option<Way> {
    let found = text(item, what, out)?;
    let way = Way::from_name(&found.value);
    if way.is_none() {
        let known: Vec<&str> = Way::ALL.iter().map(|way| way.as_str()).collect();
        out.error(
            &found.place,
            format!("{what}: {:?} is no way to unlock a volume", found.value),
            format!("known are {}", known.join(", ")),
        );
    }
    way
}

//! `kubernetes.oidc`: a provider of OpenID Connect whose tokens the API server takes.

use std::net::{Ipv4Addr, Ipv6Addr};

use kubestead_core::name::ends_in_number;

use crate::file::api_server::{Claim, Oidc};
use crate::file::decode::{list, number, parsed};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::shape::{Bare, Form, Kind, Need};
use crate::file::tree::{Kind as YamlKind, Node as Yaml};
use crate::x509;

fields! {
    /// The fields of the section.
    struct Written {
        "issuer" issuer Need::Required, Kind::Text(&URL),
            "The provider's address, as it stands in its tokens: `iss`. The API server asks it for its keys.";
        "audiences" audiences Need::Required, Kind::List { of: &Kind::Text(&WORD), least: 1, most: None, different: false },
            "For whom a token must be (`aud`): the names by which the provider knows this cluster. One is enough.";
        "username" username Need::Otherwise("{claim: sub}"), Kind::Map(&Name::SHAPE),
            "What a user is called.";
        "groups" groups Need::Optional("tokens bring no groups"), Kind::Map(&Name::SHAPE),
            "What their groups are called. `namespace.groups` and RBAC name them so, with the prefix.";
        "certificateAuthority" authority Need::Optional("the machine's own authorities"), Kind::Text(&PEM),
            "Certificates in PEM by which the provider's own is judged.";
    }
}

fields! {
    /// The fields of a name.
    struct Name {
        "claim" claim Need::Optional("`sub` for `username`; a mistake for `groups`"), Kind::Text(&WORD),
            "The claim of the token that has it.";
        "prefix" prefix Need::Otherwise("oidc:"), Kind::Text(&PREFIX),
            "What stands ahead of it, so that nobody takes the name of somebody else; not `system:`.";
    }
}

const URL: Form =
    Form { word: "an address", pattern: r"^https://[^\s@?#]+$", example: "https://id.example.com/realms/home", bare: Bare::String };
const WORD: Form = Form { word: "a word", pattern: r"^\S{1,253}$", example: "kubestead", bare: Bare::Any };
const PREFIX: Form = Form { word: "a prefix", pattern: r"^\S{1,100}$", example: "oidc:", bare: Bare::Any };
const PEM: Form = Form { word: "certificates in PEM", pattern: "^-----BEGIN CERTIFICATE-----", example: "", bare: Bare::String };

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// The section as it is read.
#[derive(Default)]
pub(super) struct Decoded {
    /// The issuer, for rules about other sections.
    pub(super) issuer: Option<At<String>>,
    /// `None` if it does not say whose tokens are taken.
    pub(super) oidc: Option<Oidc>,
}

/// Decodes the section.
pub(super) fn decode(node: Yaml, out: &mut Findings) -> Decoded {
    let mut f = Written::of(node, "kubernetes.oidc", out);
    let issuer = f.issuer.take().and_then(|node| {
        parsed(node, "kubernetes.oidc.issuer", out, |text| {
            let wrong = || format!("{text:?} is not an address such as https://id.example.com");
            if is_address(text) { Ok(text.to_owned()) } else { Err(wrong()) }
        })
    });
    let oidc = oidc(f, issuer.as_ref(), out);
    Decoded { issuer, oidc }
}

/// Whether an address is one that the API server starts with (Go's `url.Parse`; https, nobody's name, no query and no fragment), and its host one that it can ask.
fn is_address(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://") else { return false };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (host, port) = match authority.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((ip, port))) => (ip.parse::<Ipv6Addr>().is_ok(), port),
        Some(None) => (false, ""),
        None => {
            let (name, port) = authority.find(':').map_or((authority, ""), |at| authority.split_at(at));
            let whole = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c));
            (whole && (!ends_in_number(name) || name.parse::<Ipv4Addr>().is_ok()), port)
        }
    };
    let port = port.is_empty() || port.strip_prefix(':').and_then(number::<u16>).is_some_and(|port| port > 0);
    let escapes = path.split('%').skip(1).all(|rest| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2);
    host && port && escapes && !path.contains(|c: char| c.is_whitespace() || "@?#".contains(c))
}

fn oidc(f: Written, issuer: Option<&At<String>>, out: &mut Findings) -> Option<Oidc> {
    let audiences = f.audiences.map(|node| {
        let place = node.place.clone();
        let nodes = list(node, "kubernetes.oidc.audiences", out);
        if nodes.is_empty() {
            let hint = "name the client that the provider knows for this cluster".to_owned();
            out.error(&place, "kubernetes.oidc.audiences names nobody: a token for anybody would do".to_owned(), hint);
        }
        let all: Vec<String> = nodes.into_iter().filter_map(|node| word(node, "kubernetes.oidc.audiences", out)).collect();
        if let Some(twice) = all.iter().enumerate().find_map(|(at, one)| all[..at].contains(one).then_some(one)) {
            out.error(&place, format!("kubernetes.oidc.audiences: {twice:?} stands there twice"), "strike one".to_owned());
        }
        all
    });
    let username = f.username.map(|node| name(node, "kubernetes.oidc.username", Some("sub"), out));
    let username = username.unwrap_or_else(|| Some(Claim { claim: "sub".to_owned(), prefix: "oidc:".to_owned() }));
    let groups = f.groups.map(|node| name(node, "kubernetes.oidc.groups", None, out));
    let authority = f.authority.map(|node| certificates(&node, out));
    Some(Oidc {
        issuer: issuer?.value.clone(),
        audiences: audiences?,
        username: username?,
        groups: match groups {
            Some(groups) => Some(groups?),
            None => None,
        },
        authority: match authority {
            Some(authority) => Some(authority?),
            None => None,
        },
    })
}

fn word(node: Yaml, what: &str, out: &mut Findings) -> Option<String> {
    let found = parsed(node, what, out, |text| {
        let good = !text.is_empty() && text.len() <= 253 && !text.contains(char::is_whitespace);
        if good { Ok(text.to_owned()) } else { Err(format!("{text:?} is no word")) }
    })?;
    Some(found.value)
}

/// A claim with its prefix. Without one a provider could call anybody `system:admin`, or a group `system:masters`.
fn name(node: Yaml, what: &str, otherwise: Option<&str>, out: &mut Findings) -> Option<Claim> {
    let place = node.place.clone();
    let f = Name::of(node, what, out);
    let claim = match f.claim {
        Some(node) => word(node, &format!("{what}.claim"), out),
        None if otherwise.is_none() => {
            out.error(&place, format!("{what} does not name the claim"), "write `claim: groups`".to_owned());
            None
        }
        None => otherwise.map(str::to_owned),
    };
    let prefix = match f.prefix {
        None => Some("oidc:".to_owned()),
        Some(node) => parsed(node, &format!("{what}.prefix"), out, |text| {
            let good = !text.is_empty() && text.len() <= 100 && !text.contains(char::is_whitespace);
            match text {
                _ if !good => Err(format!("{text:?} is no prefix: without one the provider could take the name of anybody")),
                // A part of it too: the claim could bring the rest.
                text if text.starts_with("system:") || "system:".starts_with(text) => {
                    Err(format!("{text:?} begins as Kubernetes' own names do"))
                }
                text => Ok(text.to_owned()),
            }
        })
        .map(|at| at.value),
    };
    Some(Claim { claim: claim?, prefix: prefix? })
}

/// Certificates, whole, and nothing else of PEM.
fn certificates(node: &Yaml, out: &mut Findings) -> Option<String> {
    let what = "kubernetes.oidc.certificateAuthority";
    let YamlKind::Scalar { text, .. } = &node.kind else {
        out.error(&node.place, format!("{what} must be a string, and this is {}", node.kind.word()), None);
        return None;
    };
    // What the API server itself would refuse at its start.
    match x509::authorities(text) {
        Ok(found) => Some(found.pem),
        Err((fault, _)) => {
            let hint = "write `certificateAuthority: |`, and below it, indented, what begins with -----BEGIN CERTIFICATE-----".to_owned();
            out.error(&node.place, format!("{what}: {fault}"), hint);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn an_issuer_is_an_address_that_the_api_server_starts_with() {
        for good in [
            "https://id.example.com",
            "https://id.example.com/",
            "https://ID.example.com:8443/realms/a%20b",
            "https://192.0.2.7",
            "https://[fd00::1]:8443/x",
            "https://id_1.example.com/a\\b",
        ] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "http://id.example.com",
            "https://",
            "https:///x",
            "https://id.example.com:",
            "https://id.example.com:abc",
            "https://id.example.com:99999",
            "https://id.example.com:0",
            "https://id.example.com/%zz",
            "https://id.example.com/%a",
            "https://[::1",
            "https://[::1]x",
            "https://300.1.1.1",
            "https://me@id.example.com",
            "https://id.example.com?x",
            "https://id.example.com/a b",
            "https://id%41.example.com",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}

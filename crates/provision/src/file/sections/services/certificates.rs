//! `services.certificates`.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::name::{Name, is_subdomain};

use super::asked::Asked;
use super::options::{IMAGE, IMAGE_ABOUT, Options, PATCHES, PATCHES_ABOUT};
use crate::file::authorities::authorities;
use crate::file::declared::{CertificatesDecl, Places};
use crate::file::decode::{entries, key_name, list, parsed};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::release;
use crate::file::reserved::is_reserved;
use crate::file::sealed;
use crate::file::services::SealedVariable;
use crate::file::shape::{Bare, Form, Kind, NAME, Need, PATH};
use crate::file::tree::Node as Yaml;
use crate::service::{Certificates, Dns, Issuer, What};

fields! {
    /// The fields of cert-manager.
    struct Written {
        "issuers" issuers Need::Required, Kind::entries("NAME", &NAME, &Kind::Map(&Authority::SHAPE)),
            "The authorities, each a ClusterIssuer of its name. Names are proved by HTTP through the gateway, and in the zones of `dns` by DNS.";
        "dns" dns Need::Optional("no name is proved by DNS"), Kind::Map(&Server::SHAPE),
            "A server of names that takes changes (RFC 2136), for wildcards and for hosts that the authority does not reach.";
        "definitions" definitions Need::Required, release::KIND,
            "The definitions of cert-manager's kinds.";
        "images" images Need::Otherwise("{}"), Kind::Map(&Images::SHAPE),
            "Its images.";
        "patches" patches Need::Otherwise("[]"), PATCHES, PATCHES_ABOUT;
    }
}

fields! {
    /// The fields of an authority.
    struct Authority {
        "server" server Need::Optional("Let's Encrypt's, for `staging` and `production`"), Kind::Text(&SERVER),
            "The address of its directory (RFC 8555).";
        "email" email Need::Optional("none is told"), Kind::Text(&EMAIL),
            "An address that it may write to.";
        "ca" ca Need::Optional("one that everybody trusts"), Kind::Text(&PATH),
            "A file with the certificate that its own is signed by, PEM.";
    }
}

fields! {
    /// The fields of a server of names.
    struct Server {
        "server" server Need::Required, Kind::Text(&NAMESERVER),
            "Its IPv4 address, with its port if that is not 53.";
        "zones" zones Need::Required, Kind::List { of: &Kind::Text(&ZONE), least: 1, most: None, different: true },
            "What is proved by it: these names, and all below them.";
        "key" key Need::Required, Kind::Text(&ZONE),
            "The name of the key that signs changes (TSIG, RFC 8945).";
        "algorithm" algorithm Need::Otherwise("HMACSHA256"), Kind::Words(|| ALGORITHMS.to_vec()),
            "How it signs.";
        "secret" secret Need::Required, sealed::KIND,
            "Where the key's value is, in base64.";
    }
}

fields! {
    /// The images.
    struct Images {
        "controller" controller Need::Optional(Certificates::IMAGES[0].1), IMAGE, IMAGE_ABOUT;
        "webhook" webhook Need::Optional(Certificates::IMAGES[1].1), IMAGE, IMAGE_ABOUT;
        "cainjector" cainjector Need::Optional(Certificates::IMAGES[2].1), IMAGE, IMAGE_ABOUT;
        "acmesolver" acmesolver Need::Optional(Certificates::IMAGES[3].1), IMAGE, IMAGE_ABOUT;
    }
}

const ALGORITHMS: [&str; 2] = ["HMACSHA256", "HMACSHA512"];
const SERVER: Form = Form {
    word: "an address of https",
    pattern: r"^https://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?/[A-Za-z0-9._~/-]*$",
    example: "https://acme.example.org/directory",
    bare: Bare::String,
};
const EMAIL: Form = Form { word: "an address of mail", pattern: r"^[^@\s]+@[^@\s]+$", example: "ops@example.org", bare: Bare::String };
const NAMESERVER: Form = Form {
    word: "an IPv4 address, or one with a port",
    pattern: r"^[0-9]{1,3}(\.[0-9]{1,3}){3}(:[1-9][0-9]{0,4})?$",
    example: "192.0.2.53",
    bare: Bare::String,
};
const ZONE: Form = Form { word: "a name of DNS", pattern: r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", example: "example.org", bare: Bare::Any };

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

const WHAT: &str = "services.certificates";

/// Decodes the service.
pub(super) fn decode(node: Yaml, dir: &Path, out: &mut Findings) -> Option<Asked> {
    let place = node.place.clone();
    let f = Written::of(node, WHAT, out);
    let issuers = f.issuers.map(|n| issuers(n, dir, out)).unwrap_or_default();
    let (dns, secret) = f.dns.and_then(|n| dns(n, dir, out)).unzip();
    let definitions = f.definitions.and_then(|n| release::decode(n, "definitions", Some(Certificates::DEFINITIONS), dir, out));
    let images = f.images.map(|n| Images::of(n, "images", out));
    let images = images.map(|i| [i.controller, i.webhook, i.cainjector, i.acmesolver]).unwrap_or_default();
    let named = Certificates::IMAGES.iter().zip(images).map(|((variable, _), image)| (*variable, image));
    let options = Options::of(named, f.patches, out);
    let decl = CertificatesDecl {
        place,
        issuers: issuers.iter().map(|(name, issuer)| (name.clone(), Certificates::is_lets_encrypt(&issuer.server))).collect(),
        zones: dns.as_ref().map(|dns: &Dns| dns.zones.clone()).unwrap_or_default(),
    };
    let certificates = Certificates { issuers, dns, definitions: definitions? };
    Some(Asked {
        secrets: secret.into_iter().map(|secret| (Certificates::DNS_KEY.to_owned(), secret)).collect(),
        places: Some(Places::Certificates(decl)),
        ..Asked::alone(What::Certificates(certificates), options)
    })
}

fn issuers(node: Yaml, dir: &Path, out: &mut Findings) -> BTreeMap<Name, Issuer> {
    let place = node.place.clone();
    let mut found = BTreeMap::new();
    for (key, at, value) in entries(node, "issuers", out) {
        let name = key_name(&key, &at, "an authority", out);
        let f = Authority::of(value, &format!("the authority {key}"), out);
        let usual = Certificates::KNOWN.iter().find(|(known, _)| *known == key).map(|(_, server)| (*server).to_owned());
        if f.server.is_none() && usual.is_none() {
            let known: Vec<&str> = Certificates::KNOWN.iter().map(|(known, _)| *known).collect();
            out.error(
                &at,
                format!("the authority {key} has no address"),
                format!("write `server`; known are those of {}", known.join(" and ")),
            );
        }
        let server = f.server.and_then(|n| parsed(n, "server", out, server)).map(|at| at.value).or(usual);
        let email = f.email.and_then(|n| parsed(n, "email", out, email));
        let known = server.as_ref().is_some_and(|server| Certificates::is_lets_encrypt(server));
        if let Some((at, domain)) = email.as_ref().filter(|_| known).and_then(|at| Some((at, at.value.rsplit('@').next()?)))
            && (!domain.contains('.') || is_reserved(domain))
        {
            let message = format!("email: Let's Encrypt takes no address of {domain}");
            out.error(&at.place, message, "write one that exists, or leave it out".to_owned());
        }
        let email = email.map(|at| at.value);
        let ca = f.ca.and_then(|n| authorities(n, "ca", dir, out)).map(|pem| STANDARD.encode(pem));
        if let (Some(name), Some(server)) = (name, server) {
            found.insert(name, Issuer { server, email, ca });
        }
    }
    if found.is_empty() {
        out.error(
            &place,
            "issuers names no authority",
            "write `issuers: {staging: {}}`, and `production` when that has issued a certificate".to_owned(),
        );
    }
    found
}

fn server(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").and_then(|rest| rest.split_once('/'));
    let good = rest.is_some_and(|(host, path)| {
        let (name, port) = host.split_once(':').unwrap_or((host, "443"));
        let all = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && all(name, ".-")
            && port.parse::<u16>().is_ok_and(|port| port > 0)
            && all(path, "._~/-")
    });
    if good { Ok(text.to_owned()) } else { Err(format!("{text:?} is not {}, such as {}", SERVER.word, SERVER.example)) }
}

fn email(text: &str) -> Result<String, String> {
    let good = text.split_once('@').is_some_and(|(who, at)| !who.is_empty() && !at.is_empty() && !at.contains('@'))
        && !text.contains(char::is_whitespace);
    if good { Ok(text.to_owned()) } else { Err(format!("{text:?} is not {}", EMAIL.word)) }
}

fn dns(node: Yaml, dir: &Path, out: &mut Findings) -> Option<(Dns, SealedVariable)> {
    let f = Server::of(node, "dns", out);
    let server = f.server.and_then(|n| parsed(n, "dns.server", out, nameserver));
    let zones = f.zones.map(|n| zones(n, out)).unwrap_or_default();
    let key = f.key.and_then(|n| parsed(n, "dns.key", out, zone));
    let word = |text: &str| {
        if ALGORITHMS.contains(&text) { Ok(text.to_owned()) } else { Err(format!("{text:?} is none of {}", ALGORITHMS.join(", "))) }
    };
    let usual = || Some(ALGORITHMS[0].to_owned());
    let algorithm = f.algorithm.map_or_else(usual, |node| parsed(node, "dns.algorithm", out, word).map(|at| at.value));
    let secret = f.secret.and_then(|n| sealed::one(n, "dns.secret", dir, out));
    Some((Dns { server: server?.value, zones, key: key?.value, algorithm: algorithm? }, secret?))
}

fn zones(node: Yaml, out: &mut Findings) -> Vec<String> {
    let place = node.place.clone();
    let zones: Vec<At<String>> = list(node, "dns.zones", out).into_iter().filter_map(|item| parsed(item, "dns.zones", out, zone)).collect();
    if zones.is_empty() {
        out.error(&place, "dns.zones names none", "write at least one".to_owned());
    }
    out.twice(zones.iter().map(|at| (&at.value, &at.place)), "dns.zones names twice");
    zones.into_iter().map(|at| at.value).collect()
}

fn nameserver(text: &str) -> Result<String, String> {
    let (ip, port) = text.split_once(':').unwrap_or((text, "53"));
    let good = ip.parse::<std::net::Ipv4Addr>().is_ok() && port.parse::<u16>().is_ok_and(|port| port > 0);
    if good { Ok(format!("{ip}:{port}")) } else { Err(format!("{text:?} is not {}", NAMESERVER.word)) }
}

fn zone(text: &str) -> Result<String, String> {
    if is_subdomain(text) { Ok(text.to_owned()) } else { Err(format!("{text:?} is not a name of DNS in lower case")) }
}

//! `keys`: how volumes are unlocked, and the key servers.

use kubestead_core::diagnostic::Place;
use kubestead_storage::ways::Ways;

use crate::file::cluster::KeyServer;
use crate::file::decode::{list, text};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings, Items};
use crate::file::machine;
use crate::file::shape::{ADDRESS, Bare, Form, Kind, NAME, Need};
use crate::file::tree::Node as Yaml;
use crate::file::unlock::{ENCRYPTION, WAYS, encryption, ways};
use crate::keyserver::Account;

fields! {
    /// The fields of the section.
    struct Keys {
        "unlock" unlock Need::Otherwise("[ssh]"), WAYS,
            "How volumes are unlocked that do not say it themselves, in the order in which it is tried: `ssh` by a key server at boot, which is then to \
             be named, `recovery` by hand after each boot, and last.";
        "encryption" encryption Need::Otherwise("luks"), ENCRYPTION,
            "Whether volumes are encrypted that do not say it themselves: `luks`, or `none`, with which whoever has a disk reads all that is on it.";
        "servers" servers Need::Optional("no key server"), Kind::list(&Kind::Map(&Server::SHAPE)),
            "The key servers. Each is no node, and has a name and an address of its own.";
        "recovery" recovery Need::Otherwise("age"), RECOVERY,
            "How recovery keys are kept beside the file.";
    }
}

fields! {
    /// The fields of a key server.
    struct Server {
        "host" host Need::Required, Kind::Text(&NAME),
            "Its name in plans: not that of a node, nor `cluster`, `operator`, `all`, `control-plane`, `worker` or `localhost`.";
        "address" address Need::Required, Kind::Text(&ADDRESS),
            "Its address.";
        "port" port Need::Otherwise("22"), Kind::Port,
            "The port of its sshd.";
        "user" user Need::Otherwise("masterlock"), Kind::Text(&ACCOUNT),
            "The account that nodes fetch their keys with, one of its own: not root, not one of the system, not one that you log in as.";
    }
}

const AGE: &str = "age";
const RECOVERY: Kind = Kind::Words(|| vec![AGE]);
const ACCOUNT: Form = Form { word: "an account's name", pattern: "^[a-z_][a-z0-9_-]{0,31}$", example: "masterlock", bare: Bare::Any };

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Keys::SHAPE);

/// A key server, and where parts of it are written.
pub(crate) struct ServerDecl {
    pub(crate) server: KeyServer,
    pub(crate) name: Place,
    pub(crate) address: Place,
    /// None where it is not written.
    pub(crate) user: Option<Place>,
}

/// The section as written.
pub(crate) struct KeysDecl {
    pub(crate) servers: Items<ServerDecl>,
    /// How volumes are unlocked that do not say it themselves. None where it is not written.
    pub(crate) unlock: Option<At<Ways>>,
    /// Whether volumes are encrypted that do not say it themselves. None where it is not written.
    pub(crate) encrypted: Option<At<bool>>,
}

/// Decodes the section.
pub(super) fn decode(node: Option<Yaml>, out: &mut Findings) -> KeysDecl {
    let (mut unlock, mut encrypted) = (None, None);
    let servers = out.items(|out| node.map(|n| keys(n, (&mut unlock, &mut encrypted), out)).unwrap_or_default());
    out.twice(servers.items.iter().map(|s| (&s.server.name, &s.name)), "two key servers are called");
    out.twice(servers.items.iter().map(|s| (&s.server.address, &s.address)), "two key servers have the address");
    KeysDecl { servers, unlock, encrypted }
}

fn keys(node: Yaml, (unlock, encrypted): (&mut Option<At<Ways>>, &mut Option<At<bool>>), out: &mut Findings) -> Vec<ServerDecl> {
    let f = Keys::of(node, "keys", out);
    *encrypted = f.encryption.and_then(|n| encryption(n, "keys.encryption", out));
    *unlock = f.unlock.and_then(|n| ways(n, "keys.unlock", out));
    let servers = f.servers.map(|n| list(n, "keys.servers", out)).unwrap_or_default();
    let found = servers.into_iter().filter_map(|item| server(item, out)).collect();
    if let Some(recovery) = f.recovery.and_then(|n| text(n, "keys.recovery", out))
        && recovery.value != AGE
    {
        out.error(&recovery.place, format!("keys.recovery must be {AGE}, and this is {:?}", recovery.value), None);
    }
    found
}

fn server(item: Yaml, out: &mut Findings) -> Option<ServerDecl> {
    let f = Server::of(item, "a key server", out);
    let name = f.host.and_then(|n| machine::name(n, "a key server's host", out));
    let address = f.address.and_then(|n| machine::address(n, "a key server's address", out));
    let port = f.port.and_then(|n| machine::port(n, "a key server's port", out)).map_or(22, |port| port.value);
    let user = f.user.and_then(|n| account(n, "a key server's user", out));
    let (name, address) = (name?, address?);
    let (user, written) = user.map_or_else(|| (Account::default(), None), |at| (at.value, Some(at.place)));
    let server = KeyServer { name: name.value, address: address.value, port, user };
    Some(ServerDecl { server, name: name.place, address: address.place, user: written })
}

/// The account that nodes fetch their keys with. kubestead makes it and takes all other rights from it, so it is nobody else's.
fn account(node: Yaml, what: &str, out: &mut Findings) -> Option<At<Account>> {
    const SYSTEM: [&str; 18] = [
        "_apt",
        "backup",
        "bin",
        "daemon",
        "games",
        "irc",
        "list",
        "lp",
        "mail",
        "man",
        "messagebus",
        "news",
        "nobody",
        "proxy",
        "sshd",
        "sync",
        "sys",
        "uucp",
    ];
    let found = text(node, what, out)?;
    let name = found.value.as_str();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let message = if name == "root" {
        format!("{what}: root would be kept to fetching keys, and nobody could log in to the key server")
    } else if SYSTEM.contains(&name) || name.starts_with("systemd-") {
        format!("{what}: {name} is an account of the system")
    } else if name.is_empty()
        || name.len() > 32
        || !name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        || !name.chars().all(plain)
    {
        format!("{what}: {name:?} is not a name that useradd(8) takes: at most 32 of a-z, 0-9, '_' and '-', beginning with a letter or '_'")
    } else {
        match Account::new(name) {
            Ok(value) => return Some(At { value, place: found.place }),
            Err(error) => format!("{what}: {error}"),
        }
    };
    out.error(&found.place, message, "write an account of its own, such as masterlock".to_owned());
    None
}

//! What is written of any machine, node or key server: its name, its address, and how to log in.

use std::net::{IpAddr, Ipv4Addr};

use kubestead_core::name::{HostName, Name};

use super::address::{Subnet, special};
use super::decode::{number, parsed, text};
use super::findings::{At, Findings};
use super::tree::Node;

/// A machine's name. It begins the ids of its steps (`kube1/data/mkfs`), and `on:` names nodes and roles alike.
pub(super) fn name(node: Node, what: &str, out: &mut Findings) -> Option<At<Name>> {
    let found = text(node, what, out)?;
    if let Err(error) = Name::new(found.value.as_str()) {
        let full = HostName::new(found.value.as_str()).ok().and_then(|_| found.value.split_once('.'));
        let hint = full.map(|(short, _)| format!("write `name: {short}` and, for a node, `hostname: {}`", found.value));
        out.error(&found.place, format!("{what}: {error}"), hint);
        return None;
    }
    let why = match found.value.as_str() {
        "cluster" | "operator" => "stands for what is no machine in a plan",
        "all" | "control-plane" | "worker" => "names a role in `on`",
        "localhost" => "is every machine's own",
        _ => return Name::new(found.value).ok().map(|value| At { value, place: found.place }),
    };
    out.error(&found.place, format!("{what}: {:?} {why}", found.value), "write another name".to_owned());
    None
}

/// A machine's address: one that a packet can be sent to, written in one way alone.
pub(super) fn address(node: Node, what: &str, out: &mut Findings) -> Option<At<String>> {
    let found = text(node, what, out)?;
    let mut refuse = |message: String, hint: Option<String>| out.error(&found.place, format!("{what}: {:?} {message}", found.value), hint);
    let Ok(ip) = found.value.parse::<IpAddr>() else {
        refuse("is not an IP address".into(), None);
        return None;
    };
    let link = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    match ip {
        IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => {
            refuse("is an IPv4 address written as IPv6".into(), six.to_ipv4_mapped().map(|four| format!("write {four}")));
        }
        _ if ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) => {
            refuse("is not the address of one machine".into(), None);
        }
        IpAddr::V4(four) if !four.is_loopback() && special(Subnet::around(four, 32)).is_some() => {
            refuse("is not the address of one machine that others reach".into(), Some("write the address that the others reach".into()));
        }
        _ if link => refuse("holds on one link alone, and which is not said".into(), Some("write an address of a wider scope".into())),
        _ => return Some(At { value: ip.to_string(), place: found.place }),
    }
    None
}

/// A port of TCP, 1 to 65535.
pub(super) fn port(node: Node, what: &str, out: &mut Findings) -> Option<At<u16>> {
    parsed(node, what, out, |text| number::<u16>(text).filter(|p| *p > 0).ok_or_else(|| format!("{text:?} is not a port, 1 to 65535")))
}

/// The name of an account that someone logs in with. It goes to ssh's command line.
pub(super) fn login(node: Node, what: &str, out: &mut Findings) -> Option<String> {
    let found = text(node, what, out)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._@+-".contains(c);
    if found.value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && found.value.len() <= 64 && found.value.chars().all(plain)
    {
        return Some(found.value);
    }
    let hint = "write letters, digits and ._@+-, beginning with a letter, a digit or '_'".to_owned();
    out.error(&found.place, format!("{what}: {:?} is not the name of an account", found.value), hint);
    None
}

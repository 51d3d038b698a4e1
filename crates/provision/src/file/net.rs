//! Addresses, ranges and endpoints: what kubeadm, the controller manager, flannel and a client of the API take of them.
//!
//! Kubernetes over IPv6, alone or beside IPv4, is refused by name: flannel's configuration and the key servers' lines are IPv4's so far.

use std::net::{IpAddr, Ipv4Addr};

use kubestead_core::name::{ends_in_number, is_local, is_subdomain};

use super::cluster::{Cluster, Network};
use super::decode::{At, Findings, text};
use super::tree::Node;

/// The range of addresses that kube-controller-manager gives each node (`--node-cidr-mask-size`, its default).
const NODE_BITS: u8 = 24;
/// kubeadm takes at most 2^16 ranges of nodes.
const WIDEST_PODS: u8 = NODE_BITS - 16;
/// The API server's table of services has at most 2^20 entries; kubeadm wants ten addresses at least.
const SERVICES: std::ops::RangeInclusive<u8> = 12..=28;
/// DNS takes 253 characters, and the API server's own name begins with `kubernetes.default.svc.`.
const LONGEST_DOMAIN: usize = 253 - "kubernetes.default.svc.".len();
const NO_IPV6: &str = "IPv6 is not supported with Kubernetes yet";

/// A range of IPv4 addresses that begins where its prefix says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    base: Ipv4Addr,
    bits: u8,
}

/// What is wrong, and what to write.
#[derive(Debug, PartialEq, Eq)]
struct Wrong(String, Option<String>);

impl Subnet {
    /// The range of `bits` with this address in it.
    pub(super) const fn around(address: Ipv4Addr, bits: u8) -> Self {
        Self { base: Ipv4Addr::from_bits(address.to_bits() & mask(bits)), bits }
    }

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |message: String| Wrong(message, None);
        if text.contains(',') {
            return Err(Wrong(format!("{text:?} is more than one range: {NO_IPV6}, nor beside IPv4"), Some("write one IPv4 range".into())));
        }
        let Some((ip, digits)) = text.split_once('/') else {
            return Err(wrong(format!("{text:?} is not a range such as 10.244.0.0/16")));
        };
        let ip = match ip.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => ip,
            Ok(IpAddr::V6(_)) => return Err(Wrong(format!("{text:?}: {NO_IPV6}"), Some("write an IPv4 range".into()))),
            Err(_) => return Err(wrong(format!("{ip:?} is not an IP address"))),
        };
        let bits = number::<u8>(digits).filter(|bits| *bits <= 32);
        let Some(bits) = bits else { return Err(wrong(format!("{digits:?} is not a number of bits, 0 to 32"))) };
        let range = Self::around(ip, bits);
        if range.base != ip {
            return Err(Wrong(format!("{text:?} does not begin where its range begins"), Some(format!("write {range}"))));
        }
        Ok(range)
    }

    /// Whether an address is in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.bits) == self.base.to_bits()
    }

    /// Whether two ranges have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.base) || other.contains(self.base)
    }
}

const fn mask(bits: u8) -> u32 {
    if bits == 0 { 0 } else { u32::MAX << (32 - bits) }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// A number of digits alone, as every other tool reads it: no sign, no zero before others.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let plain = text.bytes().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

/// `host:port`, with the brackets that an IPv6 address needs.
pub fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The ranges where they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges {
    pods: Option<At<Subnet>>,
    services: Option<At<Subnet>>,
}

/// Addresses that no machine has for others: kubeadm and the API server refuse most of them, and no packet goes to the rest.
const SPECIAL: [(Ipv4Addr, u8, &str); 4] = [
    (Ipv4Addr::UNSPECIFIED, 8, "\"this network\""),
    (Ipv4Addr::LOCALHOST, 8, "every machine itself"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "one link"),
    (Ipv4Addr::new(224, 0, 0, 0), 3, "multicast and beyond"),
];

fn special(range: Subnet) -> Option<&'static (Ipv4Addr, u8, &'static str)> {
    SPECIAL.iter().find(|(base, bits, _)| range.overlaps(Subnet::around(*base, *bits)))
}

fn range(node: Node, what: &str, out: &mut Findings) -> Option<At<Subnet>> {
    let found = text(node, what, out)?;
    match Subnet::parse(&found.value) {
        Ok(value) => {
            let special = special(value);
            if let Some((base, bits, meaning)) = special {
                let message = format!("{what}: {value} has addresses of {}, which mean {meaning}", Subnet::around(*base, *bits));
                out.error(&found.place, message, "take a private range, such as one in 10.0.0.0/8".to_owned());
                return None;
            }
            Some(At { value, place: found.place })
        }
        Err(Wrong(message, hint)) => {
            out.error(&found.place, format!("{what}: {message}"), hint);
            None
        }
    }
}

/// `network.podSubnet`.
pub(super) fn pods(node: Node, network: &mut Network, ranges: &mut Ranges, out: &mut Findings) {
    let Some(found) = range(node, "network.podSubnet", out) else { return };
    let (value, bits) = (found.value, found.value.bits);
    if bits > NODE_BITS {
        let message = format!("network.podSubnet: {value} is smaller than the /{NODE_BITS} that each node gets of it");
        out.error(&found.place, message, format!("write /{NODE_BITS} or wider"));
    } else if bits < WIDEST_PODS {
        let message = format!("network.podSubnet: {value} is wider than /{WIDEST_PODS}, the widest that kubeadm takes");
        out.error(&found.place, message, format!("write /{WIDEST_PODS} or narrower"));
    } else {
        network.pods = value;
        ranges.pods = Some(found);
    }
}

/// `network.serviceSubnet`.
pub(super) fn services(node: Node, network: &mut Network, ranges: &mut Ranges, out: &mut Findings) {
    let Some(found) = range(node, "network.serviceSubnet", out) else { return };
    let (value, bits) = (found.value, found.value.bits);
    if SERVICES.contains(&bits) {
        network.services = value;
        ranges.services = Some(found);
    } else {
        let message = format!("network.serviceSubnet: {value} is not /{} to /{}, which kubeadm takes", SERVICES.start(), SERVICES.end());
        out.error(&found.place, message, "write a range such as 10.96.0.0/12".to_owned());
    }
}

/// `network.dnsDomain`: its parts are labels of DNS, which CoreDNS holds to 63 characters and kubeadm does not.
pub(super) fn dns_domain(node: Node, out: &mut Findings) -> Option<String> {
    let found = text(node, "network.dnsDomain", out)?;
    let reserved = is_local(&found.value) || ends_in_number(&found.value);
    if is_subdomain(&found.value) && !reserved && found.value.len() <= LONGEST_DOMAIN {
        return Some(found.value);
    }
    if is_subdomain(&found.value) {
        let (why, hint) = if reserved {
            ("means something else to resolvers".to_owned(), "write another, such as cluster.local")
        } else {
            (format!("is longer than {LONGEST_DOMAIN} characters: names of services below it would be longer than DNS takes"), "shorten it")
        };
        out.error(&found.place, format!("network.dnsDomain: {:?} {why}", found.value), hint.to_owned());
        return None;
    }
    let message = format!(
        "network.dnsDomain: {:?} is not a domain of labels with a-z, 0-9 and '-', at most 63 characters each (RFC 1123)",
        found.value
    );
    out.error(&found.place, message, "write it in lower case and without a dot at its end, such as cluster.local".to_owned());
    None
}

/// The addresses that flannel's daemon looks for, one after the other.
pub(super) fn interfaces(node: Node, out: &mut Findings) -> Vec<String> {
    let several = matches!(node.kind, super::tree::Kind::List(_));
    let items = if several { super::decode::list(node, "network.interface", out) } else { vec![node] };
    items.into_iter().filter_map(|node| interface(node, out)).collect()
}

/// A name as the kernel takes it.
fn interface(node: Node, out: &mut Findings) -> Option<String> {
    let found = text(node, "network.interface", out)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    // What pods' packets would go through themselves.
    if let Some(own) = ["lo", "flannel.1", "cni0"].into_iter().find(|own| *own == found.value) {
        let message = format!("network.interface: {own} leads to no other machine");
        out.error(&found.place, message, "write the interface of the machines' own network".to_owned());
        return None;
    }
    if found.value.len() <= 15 && !matches!(found.value.as_str(), "" | "." | "..") && found.value.chars().all(plain) {
        return Some(found.value);
    }
    let message = format!("network.interface: {:?} is not the name of an interface, at most 15 letters, digits and ._-@", found.value);
    out.error(&found.place, message, "write names as `ip link` shows them; with several the first that a machine has is taken".to_owned());
    None
}

/// `endpoint.address`: what is not `host` of `host:port` reaches another machine, or none.
pub(super) fn endpoint_host(node: Node, out: &mut Findings) -> Option<At<String>> {
    let found = text(node, "endpoint.address", out)?;
    match host(&found.value) {
        Ok(()) => Some(found),
        Err(Wrong(message, hint)) => {
            out.error(&found.place, format!("endpoint.address: {message}"), hint);
            None
        }
    }
}

fn host(text: &str) -> Result<(), Wrong> {
    let wrong = |message: String, hint: String| Err(Wrong(message, Some(hint)));
    if let Some((_, rest)) = text.split_once("://") {
        let bare = rest.split(['/', ':']).next().unwrap_or_default();
        return wrong(format!("{text:?} is a URL"), format!("write the host alone: {bare}"));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => return wrong(format!("{text:?}: {NO_IPV6}"), "write a name or an IPv4 address".into()),
        Ok(IpAddr::V4(ip)) if special(Subnet::around(ip, 32)).is_some() => {
            return wrong(
                format!("{text:?} is not the address of one machine that others reach"),
                "write an address of a control plane".into(),
            );
        }
        Ok(IpAddr::V4(_)) if !text.starts_with('[') => return Ok(()),
        Ok(IpAddr::V4(_)) | Err(_) => {}
    }
    if let Some((bare, port)) = text.rsplit_once(':') {
        return wrong(format!("{text:?} holds a port"), format!("write {{address: {bare}, port: {port}}}"));
    }
    if !is_subdomain(text) {
        let lower = text.to_ascii_lowercase();
        let hint = if is_subdomain(&lower) { format!("write {lower}") } else { "write a name such as api.example.com".into() };
        return wrong(format!("{text:?} is neither a name as in RFC 1123 nor an IPv4 address"), hint);
    }
    if ends_in_number(text) {
        return wrong(format!("{text:?} looks like an IPv4 address and is none"), "write a name or an address such as 192.0.2.10".into());
    }
    if is_local(text) {
        return wrong(format!("{text:?} is another machine on every node"), "write a name that all nodes resolve to the API".into());
    }
    Ok(())
}

/// A machine's address: one that a packet can be sent to, written in one way alone.
pub(super) fn machine(node: Node, what: &str, out: &mut Findings) -> Option<At<String>> {
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

/// Which addresses are whose: what lies in two ranges is reached by neither's packets.
pub(super) fn ranges(
    cluster: &Cluster,
    addresses: &[At<String>],
    servers: &[At<String>],
    endpoint: Option<&At<String>>,
    ranges: &Ranges,
    out: &mut Findings,
) {
    if cluster.kubernetes.is_none() {
        return;
    }
    let (pods, services) = (cluster.network.pods, cluster.network.services);
    let written = ranges.services.as_ref().or(ranges.pods.as_ref());
    if let (Some(at), true) = (written, pods.overlaps(services)) {
        let message = format!("pods ({pods}) and services ({services}) have addresses in common");
        out.error(&at.place, message, "write ranges that lie apart".to_owned());
    }
    let nodes = addresses.len() as u64;
    let room = 1_u64 << NODE_BITS.saturating_sub(pods.bits);
    if let (Some(at), true) = (&ranges.pods, nodes > room) {
        let message = format!("network.podSubnet: {pods} has room for {room} nodes with a /{NODE_BITS} each, and there are {nodes}");
        out.error(&at.place, message, "write a wider range; it cannot be changed later".to_owned());
    } else if let (Some(last), true) = (addresses.last(), nodes > room) {
        out.error(
            &last.place,
            format!("pods ({pods}) have room for {room} nodes with a /{NODE_BITS} each, and there are {nodes}"),
            "write network.podSubnet".to_owned(),
        );
    }
    for (what, at) in addresses.iter().map(|at| ("a node's address", at)).chain(servers.iter().map(|at| ("a key server's address", at))) {
        match at.value.parse::<IpAddr>() {
            Ok(ip) if ip.is_loopback() => {
                out.error(&at.place, format!("{what}: {ip} is every machine's own"), "write the address that the others reach".to_owned());
            }
            Ok(IpAddr::V6(_)) if what == "a node's address" => {
                out.error(&at.place, format!("{what}: {NO_IPV6}"), "write its IPv4 address".to_owned());
            }
            Ok(IpAddr::V4(ip)) => inside(what, ip, at, cluster, out),
            Ok(IpAddr::V6(_)) | Err(_) => {}
        }
    }
    if let Some((at, ip)) = endpoint.and_then(|at| Some((at, at.value.parse::<Ipv4Addr>().ok()?))) {
        inside("endpoint.address", ip, at, cluster, out);
    }
}

fn inside(what: &str, ip: Ipv4Addr, at: &At<String>, cluster: &Cluster, out: &mut Findings) {
    for (range, whose, field) in [(cluster.network.pods, "pods", "podSubnet"), (cluster.network.services, "services", "serviceSubnet")] {
        if range.contains(ip) {
            let hint = format!("write another network.{field}; it cannot be changed later");
            out.error(&at.place, format!("{what}: {ip} is in the range of {whose}, {range}"), hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_taken_as_kubeadm_and_flannel_take_them() {
        assert_eq!(Subnet::parse("10.244.0.0/16").unwrap().to_string(), "10.244.0.0/16");
        assert_eq!(Subnet::parse("0.0.0.0/0").unwrap(), Subnet::around(Ipv4Addr::new(9, 9, 9, 9), 0));
        for bad in [
            "10.244.0.0",
            "10.244.0.0/33",
            "10.244.0.0/+16",
            "10.244.0.0/016",
            "10.244.0.0/",
            "10.244.0/16",
            "010.0.0.0/8",
            "10.244.1.0/16",
        ] {
            assert!(Subnet::parse(bad).is_err(), "{bad}");
        }
        let range = |text: &str| Subnet::parse(text).unwrap();
        for (a, b, common) in [
            ("10.96.0.0/12", "10.100.0.0/16", true),
            ("10.100.0.0/16", "10.96.0.0/12", true),
            ("10.96.0.0/12", "10.112.0.0/12", false),
            ("0.0.0.0/0", "192.0.2.0/24", true),
        ] {
            assert_eq!(range(a).overlaps(range(b)), common, "{a} {b}");
        }
        assert!(
            range("10.96.0.0/12").contains(Ipv4Addr::new(10, 111, 255, 255))
                && !range("10.96.0.0/12").contains(Ipv4Addr::new(10, 112, 0, 0))
        );
    }

    #[test]
    fn a_port_after_an_ipv6_address_is_no_part_of_it() {
        assert_eq!(host_port("fd00::1", 6443), "[fd00::1]:6443");
        assert_eq!(host_port("10.0.0.1", 6443), "10.0.0.1:6443");
        assert_eq!(host_port("api.example.com", 443), "api.example.com:443");
    }
}

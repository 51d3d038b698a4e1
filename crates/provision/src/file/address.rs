//! Addresses and ranges as values, and what they mean on the network.
//!
//! Kubernetes over IPv6, alone or beside IPv4, is refused by name: flannel's configuration and the key servers' lines are IPv4's so far.

use std::net::Ipv4Addr;

/// Why an IPv6 address is refused.
pub(super) const NO_IPV6: &str = "IPv6 is not supported with Kubernetes yet";

/// A range of IPv4 addresses that begins where its prefix says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    base: Ipv4Addr,
    bits: u8,
}

impl Subnet {
    /// The range of `bits` with this address in it.
    pub(crate) const fn around(address: Ipv4Addr, bits: u8) -> Self {
        Self { base: Ipv4Addr::from_bits(address.to_bits() & mask(bits)), bits }
    }

    /// Its first address.
    pub(super) fn base(self) -> Ipv4Addr {
        self.base
    }

    /// The bits of its prefix, 0 to 32.
    pub(super) fn bits(self) -> u8 {
        self.bits
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

/// Addresses from a first to a last one, both of them in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    first: Ipv4Addr,
    last: Ipv4Addr,
}

impl Span {
    /// `None` if the last one is before the first.
    pub(crate) fn new(first: Ipv4Addr, last: Ipv4Addr) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// Whether an address is in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }

    /// Whether two have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// What is left of it without an address: what is before that one, and what is after it.
    pub(crate) fn without(self, address: Ipv4Addr) -> impl Iterator<Item = Self> {
        let outside = !self.contains(address);
        let before = address.to_bits().checked_sub(1).and_then(|last| Self::new(self.first, Ipv4Addr::from_bits(last)));
        let after = address.to_bits().checked_add(1).and_then(|first| Self::new(Ipv4Addr::from_bits(first), self.last));
        let parts = if outside { [Some(self), None] } else { [before, after] };
        parts.into_iter().flatten()
    }
}

impl From<Subnet> for Span {
    fn from(range: Subnet) -> Self {
        Self { first: range.base, last: Ipv4Addr::from_bits(range.base.to_bits() | !mask(range.bits)) }
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
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

/// `host:port`, with the brackets that an IPv6 address needs.
pub fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Addresses that no machine has for others: kubeadm and the API server refuse most of them, and no packet goes to the rest.
const SPECIAL: [(Subnet, &str); 4] = [
    (Subnet::around(Ipv4Addr::UNSPECIFIED, 8), "\"this network\""),
    (Subnet::around(Ipv4Addr::LOCALHOST, 8), "every machine itself"),
    (Subnet::around(Ipv4Addr::new(169, 254, 0, 0), 16), "one link"),
    (Subnet::around(Ipv4Addr::new(224, 0, 0, 0), 3), "multicast and beyond"),
];

/// The range of special addresses that this one has some of, and what they mean.
pub(super) fn special(range: impl Into<Span>) -> Option<(Subnet, &'static str)> {
    let range = range.into();
    SPECIAL.into_iter().find(|(special, _)| range.overlaps((*special).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_without_an_address_is_what_is_before_and_after_it() {
        let ip = |text: &str| text.parse::<Ipv4Addr>().unwrap();
        let span = |first: &str, last: &str| Span::new(ip(first), ip(last));
        let left = |span: Option<Span>, out: &str| span.unwrap().without(ip(out)).map(|part| part.to_string()).collect::<Vec<_>>();
        assert_eq!(left(span("192.0.2.1", "192.0.2.9"), "192.0.2.4"), ["192.0.2.1-192.0.2.3", "192.0.2.5-192.0.2.9"]);
        assert_eq!(left(span("192.0.2.1", "192.0.2.9"), "192.0.2.1"), ["192.0.2.2-192.0.2.9"]);
        assert_eq!(left(span("192.0.2.1", "192.0.2.9"), "192.0.2.10"), ["192.0.2.1-192.0.2.9"]);
        assert_eq!(left(span("192.0.2.1", "192.0.2.1"), "192.0.2.1"), Vec::<String>::new());
        assert_eq!(left(span("0.0.0.0", "255.255.255.255"), "255.255.255.255"), ["0.0.0.0-255.255.255.254"]);
        assert_eq!(span("192.0.2.9", "192.0.2.1"), None);
        let subnet = Span::from(Subnet::around(ip("192.0.2.64"), 26));
        assert_eq!(subnet.to_string(), "192.0.2.64-192.0.2.127");
        assert!(
            subnet.overlaps(span("192.0.2.127", "192.0.2.200").unwrap()) && !subnet.overlaps(span("192.0.2.128", "192.0.2.200").unwrap())
        );
    }

    #[test]
    fn a_port_after_an_ipv6_address_is_no_part_of_it() {
        assert_eq!(host_port("fd00::1", 6443), "[fd00::1]:6443");
        assert_eq!(host_port("10.0.0.1", 6443), "10.0.0.1:6443");
        assert_eq!(host_port("api.example.com", 443), "api.example.com:443");
    }
}

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
pub(super) fn special(range: Subnet) -> Option<(Subnet, &'static str)> {
    SPECIAL.into_iter().find(|(special, _)| range.overlaps(*special))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_after_an_ipv6_address_is_no_part_of_it() {
        assert_eq!(host_port("fd00::1", 6443), "[fd00::1]:6443");
        assert_eq!(host_port("10.0.0.1", 6443), "10.0.0.1:6443");
        assert_eq!(host_port("api.example.com", 443), "api.example.com:443");
    }
}

//! Names that no authority which everybody trusts issues a certificate for: they are nobody's, or mean another machine in each network.

/// Reserved domains (RFC 2606, RFC 6761, RFC 6762, RFC 8375, and `internal` by ICANN), and what many networks take for their own.
const RESERVED: [&str; 12] = [
    "example",
    "example.com",
    "example.net",
    "example.org",
    "home.arpa",
    "internal",
    "invalid",
    "lan",
    "local",
    "localhost",
    "onion",
    "test",
];

/// Whether a name is reserved, or lies below one that is.
pub(super) fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    RESERVED.iter().any(|domain| name.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_domain_is_known_with_what_is_below_it() {
        for name in ["example.org", "shop.example.com", "localhost", "a.local", "shop.lan", "printer.home.arpa", "A.Internal", "x.test"] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["myexample.org", "example.de", "lan.example.eu", "local.net", "arpa", "contest"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}

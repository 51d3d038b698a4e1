//! Machines as they are typed: an address or a name, and a port where sshd has another one than ssh's configuration says.

use std::net::Ipv6Addr;

use crate::exit::{Exit, Failure, fail};

/// A machine as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    /// An address without brackets, or a name.
    pub(crate) host: String,
    /// None if it was not typed.
    pub(crate) port: Option<u16>,
}

/// Takes `HOST`, `HOST:PORT`, an IPv6 address, or one in brackets with a port.
pub(crate) fn parse(text: &str) -> Result<Typed, Failure> {
    let (host, port) = if text.parse::<Ipv6Addr>().is_ok() {
        (text, None)
    } else if let Some((host, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        (host, port.strip_prefix(':').or(if port.is_empty() { None } else { Some("") }))
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let wrong = || {
        fail(Exit::Usage, format!("{text:?} is no machine: write ADDRESS or ADDRESS:PORT, an IPv6 address with a port as [ADDRESS]:PORT"))
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-@:".contains(c);
    if host.is_empty()
        || host.len() > 255
        || host.starts_with('-')
        || !host.chars().all(plain)
        || (host.contains(':') && host.parse::<Ipv6Addr>().is_err())
    {
        return Err(wrong());
    }
    let number = |port: &str| port.parse::<u16>().ok().filter(|number| *number > 0 && number.to_string() == port);
    let port = port.map(|port| number(port).ok_or_else(wrong)).transpose()?;
    Ok(Typed { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_port_and_is_never_an_option() {
        for (text, host, port) in [
            ("10.0.0.1", "10.0.0.1", None),
            ("10.0.0.1:2222", "10.0.0.1", Some(2222)),
            ("kube1.example.com", "kube1.example.com", None),
            ("me@kube1:22", "me@kube1", Some(22)),
            ("fd00::1", "fd00::1", None),
            ("[fd00::1]:2222", "fd00::1", Some(2222)),
            ("[fd00::1]", "fd00::1", None),
        ] {
            assert_eq!(parse(text).unwrap(), Typed { host: host.into(), port }, "{text}");
        }
        for bad in [
            "",
            "-oProxyCommand=x",
            ":22",
            "a:",
            "a:0",
            "a:70000",
            "a:+22",
            "a:022",
            "a b",
            "[fd00::1]x",
            "[fd00::1",
            "a:b:c",
            "a\n",
            "[x:y]:1",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}

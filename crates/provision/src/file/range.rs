//! Ranges of addresses as they are written.

use std::net::IpAddr;

use super::address::{NO_IPV6, Subnet};
use super::decode::{Wrong, number};

/// A range that begins where its prefix says.
pub(super) fn subnet(text: &str) -> Result<Subnet, Wrong> {
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
    let range = Subnet::around(ip, bits);
    if range.base() != ip {
        return Err(Wrong(format!("{text:?} does not begin where its range begins"), Some(format!("write {range}"))));
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn ranges_are_taken_as_kubeadm_and_flannel_take_them() {
        assert_eq!(subnet("10.244.0.0/16").unwrap().to_string(), "10.244.0.0/16");
        assert_eq!(subnet("0.0.0.0/0").unwrap(), Subnet::around(Ipv4Addr::new(9, 9, 9, 9), 0));
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
            assert!(subnet(bad).is_err(), "{bad}");
        }
        let range = |text: &str| subnet(text).unwrap();
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
}

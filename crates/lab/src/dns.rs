//! A small name server for the lab: the names of the machines and of the packages, and "no such name" for all else (RFC 1035).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use tokio::net::UdpSocket;

/// Answers until it is dropped.
pub(crate) async fn serve(socket: UdpSocket, names: BTreeMap<String, Ipv4Addr>) {
    let mut buffer = [0_u8; 512];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some(reply) = reply(&buffer[..length], &names) {
            let _ = socket.send_to(&reply, from).await;
        }
    }
}

const TYPE_A: u16 = 1;
const NO_SUCH_NAME: u8 = 3;

/// The answer to one query; `None` for what is not a query with one question.
fn reply(query: &[u8], names: &BTreeMap<String, Ipv4Addr>) -> Option<Vec<u8>> {
    let header = query.get(..12)?;
    if header[2] & 0x80 != 0 || u16::from_be_bytes([header[4], header[5]]) != 1 {
        return None;
    }
    let (name, end) = question(query)?;
    let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
    let address = names.get(name.trim_end_matches(".lab"));
    let answers = u8::from(address.is_some() && kind == TYPE_A);
    let code = if address.is_some() { 0 } else { NO_SUCH_NAME };
    let mut out = vec![header[0], header[1], 0x84 | (header[2] & 1), 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0];
    out.extend_from_slice(query.get(12..end + 4)?);
    if let (Some(address), 1) = (address, answers) {
        out.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4]);
        out.extend_from_slice(&address.octets());
    }
    Some(out)
}

/// The name of the first question, in lower case, and where it ends.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        if length > 63 {
            return None;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_lowercase());
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u8) -> Vec<u8> {
        let mut out = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            out.push(u8::try_from(label.len()).unwrap());
            out.extend_from_slice(label.as_bytes());
        }
        out.extend_from_slice(&[0, 0, kind, 0, 1]);
        out
    }

    #[test]
    fn machines_have_addresses_and_others_do_not_exist() {
        let names = BTreeMap::from([("kube1".to_owned(), Ipv4Addr::new(10, 77, 0, 21))]);
        let found = reply(&query("KUBE1", 1), &names).unwrap();
        assert_eq!((found[3] & 15, found[7]), (0, 1));
        assert_eq!(found[found.len() - 4..], [10, 77, 0, 21]);
        let none = reply(&query("kube1", 28), &names).unwrap();
        assert_eq!((none[3] & 15, none[7]), (0, 0));
        assert_eq!(reply(&query("example.com", 1), &names).unwrap()[3] & 15, NO_SUCH_NAME);
        for cut in 0..query("kube1", 1).len() {
            assert!(reply(&query("kube1", 1)[..cut], &names).is_none());
        }
    }
}

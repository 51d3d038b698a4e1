//! DNS, the size of packets, and pods on other nodes: what each node tries, and how it came out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kubestead_core::fact::Gap;
use kubestead_core::probe::{Answers, Section};

use super::cluster::Told;
use super::finding::Finding;
use super::kind::Kind;
use crate::file::{Backend, Cluster, Node};

/// How many queries a server gets of each node: over UDP, which loses, and over TCP.
const UDP: u64 = 200;
const TCP: u64 = 20;
/// How many other nodes a node tries, so that a large fleet is not asked for each pair: those that come after it in the file, around.
const PEERS: usize = 32;
/// Of so many lost ones a name is late often.
const LOSS: u64 = 50;
/// When an answer is late, in µs.
const LATE: u64 = 100_000;
/// The id of a query.
const ID: [u8; 2] = *b"KS";
/// The interface of flannel's packets.
const TUNNEL: &str = "flannel.1";

/// The bytes of a query for the address of the Service of CoreDNS (RFC 1035, 4.1), which every CoreDNS knows by itself.
fn query(domain: &str) -> Vec<u8> {
    let mut bytes = Vec::from(ID);
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in ["kube-dns", "kube-system", "svc"].into_iter().chain(domain.split('.').filter(|label| !label.is_empty())) {
        bytes.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        bytes.extend(label.bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// Bytes as printf(1) takes them.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// The other nodes that one tries.
fn peers<'a>(cluster: &'a Cluster, node: &Node) -> Vec<&'a Node> {
    let at = cluster.nodes.iter().position(|other| other.name == node.name).unwrap_or_default();
    let around = cluster.nodes[at..].iter().chain(&cluster.nodes[..at]);
    around.filter(|other| other.name != node.name).take(PEERS).collect()
}

fn is_six(address: &str) -> bool {
    address.contains(':')
}

/// How much larger a pod's packet is on the way, in bytes.
fn overhead(backend: Backend, six: bool) -> u64 {
    match (backend, six) {
        (Backend::Vxlan { .. }, false) => 50,
        (Backend::Vxlan { .. }, true) => 70,
        (Backend::Wireguard { .. }, false) => 60,
        (Backend::Wireguard { .. }, true) => 80,
        (Backend::HostGw, _) => 0,
    }
}

/// What a node tries.
pub(super) fn sections(cluster: &Cluster, node: &Node, told: &Told, wanted: &dyn Fn(Kind) -> bool) -> Vec<Section> {
    let mut found = Vec::new();
    if wanted(Kind::Dns) && !told.servers.is_empty() {
        let query = query(&cluster.network.dns_domain);
        let length = u16::try_from(query.len()).unwrap_or(u16::MAX).to_be_bytes();
        found.push(
            Section::script("doctor/dns", include_str!("scripts/dns.sh"))
                .var("query", escaped(&query))
                .var("framed", escaped(&[&length[..], &query].concat()))
                .var("udp", UDP.to_string())
                .var("tcp", TCP.to_string())
                .var("tunnel", TUNNEL)
                .list("servers", told.servers.keys().chain(&told.service).map(IpAddr::to_string)),
        );
    }
    let peers = peers(cluster, node);
    if wanted(Kind::Mtu) && !peers.is_empty() {
        let six = is_six(&node.address);
        found.push(
            Section::script("doctor/mtu", include_str!("scripts/mtu.sh"))
                .var("overhead", overhead(cluster.network.backend, six).to_string())
                .var("headers", if six { "48" } else { "28" })
                .list("addresses", peers.iter().map(|peer| peer.address.as_str())),
        );
    }
    if wanted(Kind::Pods) && !peers.is_empty() {
        let addresses = peers.iter().filter_map(|peer| told.pods.get(peer.hostname.as_str())).map(IpAddr::to_string);
        found.push(Section::script("doctor/pods", include_str!("scripts/pods.sh")).list("addresses", addresses));
    }
    found
}

/// What came of it.
pub(super) fn judge(cluster: &Cluster, node: &Node, told: &Told, answers: &Answers, wanted: &dyn Fn(Kind) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    if wanted(Kind::Dns) {
        if told.servers.is_empty() {
            found.push(Finding::bad(
                Kind::Dns,
                node.name.as_str(),
                "no CoreDNS is ready: no name is found in the cluster",
                "kubectl -n kube-system get pods -l k8s-app=kube-dns tells where they are, and kubectl describe why they do not run",
            ));
        } else {
            found.extend(of_dns(cluster, node, told, answers.text("doctor/dns")));
        }
    }
    let peers = peers(cluster, node);
    if wanted(Kind::Mtu) && !peers.is_empty() {
        found.extend(of_mtu(cluster, node, &peers, answers.text("doctor/mtu")));
    }
    if wanted(Kind::Pods) && !peers.is_empty() {
        found.extend(of_pods(node, &peers, told, answers.text("doctor/pods")));
    }
    found
}

/// Queries of one way, and how long those took that were answered, in µs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tries {
    asked: u64,
    took: Vec<u64>,
}

impl Tries {
    /// Of a script's words; no more answers than queries, and none if it makes no sense.
    fn read(words: &mut std::str::SplitWhitespace<'_>) -> Option<Self> {
        let asked = words.next()?.parse::<u64>().ok().filter(|asked| *asked <= UDP)?;
        let mut took: Vec<u64> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
        took.sort_unstable();
        (u64::try_from(took.len()).ok()? <= asked).then_some(Self { asked, took })
    }

    fn lost(&self) -> u64 {
        self.asked.saturating_sub(self.took.len() as u64)
    }

    /// The one below which so many of a hundred lie.
    fn quantile(&self, percent: usize) -> u64 {
        let last = self.took.len().saturating_sub(1);
        self.took.get((self.took.len() * percent / 100).min(last)).copied().unwrap_or_default()
    }

    fn told(&self, way: &str) -> String {
        let (lost, asked) = (self.lost(), self.asked);
        if self.took.is_empty() {
            return format!("{way}: all of {asked} lost");
        }
        let ms = |micros: u64| format!("{}.{} ms", micros / 1000, micros % 1000 / 100);
        format!("{way}: {lost} of {asked} lost, half within {}, 99 of 100 within {}", ms(self.quantile(50)), ms(self.quantile(99)))
    }
}

fn of_dns(cluster: &Cluster, node: &Node, told: &Told, answer: Result<&str, Gap>) -> Vec<Finding> {
    let text = match answer {
        Ok(text) => text,
        Err(gap) => return vec![Finding::not_looked(Kind::Dns, node.name.as_str(), gap.to_string())],
    };
    let mut ways: BTreeMap<(&str, IpAddr), Tries> = BTreeMap::new();
    let (mut answers, mut offload): (BTreeMap<IpAddr, &str>, &str) = (BTreeMap::new(), "");
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("offload"), Some(word)) => offload = word,
            (Some("answer"), Some(server)) => {
                answers.extend(server.parse::<IpAddr>().ok().map(|server| (server, words.next().unwrap_or_default())));
            }
            (Some(way @ ("udp" | "tcp")), Some(server)) => {
                ways.extend(server.parse::<IpAddr>().ok().and_then(|server| Some(((way, server), Tries::read(&mut words)?))));
            }
            _ => {}
        }
    }
    let is_direct = told.servers.keys().any(|server| ways.get(&("udp", *server)).is_some_and(|udp| !udp.took.is_empty()));
    let service = told.service.map(|address| (address, None));
    let all = told.servers.iter().map(|(address, on)| (*address, Some(on.as_str()))).chain(service);
    let each = all.map(|(server, on)| {
        let whom = match on {
            Some(on) if on == node.hostname.as_str() => format!("CoreDNS {server} (on this node)"),
            Some(on) => format!("CoreDNS {server} (on {on})"),
            None => format!("the Service of CoreDNS, {server}"),
        };
        match (ways.get(&("udp", server)), ways.get(&("tcp", server))) {
            (Some(udp), Some(tcp)) => {
                let one = Asked {
                    whom,
                    is_service: on.is_none(),
                    is_direct,
                    is_remote: on != Some(node.hostname.as_str()),
                    udp,
                    tcp,
                    answer: answers.get(&server).copied(),
                };
                one.judge(cluster, node, offload)
            }
            (None, _) | (_, None) => {
                Finding::not_looked(Kind::Dns, node.name.as_str(), format!("{whom}: it was not told how this came out"))
            }
        }
    });
    each.collect()
}

/// A server that was asked.
struct Asked<'a> {
    whom: String,
    is_service: bool,
    /// Whether a CoreDNS answers at its own address.
    is_direct: bool,
    is_remote: bool,
    udp: &'a Tries,
    tcp: &'a Tries,
    answer: Option<&'a str>,
}

impl Asked<'_> {
    fn judge(&self, cluster: &Cluster, node: &Node, offload: &str) -> Finding {
        let Self { whom, is_remote, udp, tcp, answer, .. } = self;
        let place = node.name.as_str();
        let found = format!("{whom}: {}; {}", udp.told("UDP"), tcp.told("TCP"));
        let bad = |found: String, next: String| Finding::bad(Kind::Dns, place, found, next);
        match (udp.took.is_empty(), tcp.took.is_empty()) {
            (true, true) if self.is_service && self.is_direct => {
                let proxy = "CoreDNS answers at its own address and not at its Service's: see that kube-proxy runs there (kubectl -n kube-system get pods -o wide)";
                let card = checksums(cluster, place, offload).map_or(String::new(), |card| format!("; if it does, {card}"));
                return bad(found, format!("{proxy}{card}"));
            }
            (true, true) => {
                return bad(
                    found,
                    format!(
                        "see whether {place} reaches pods at all (kubestead doctor --only pods), and that CoreDNS runs (kubectl -n kube-system get pods -o wide)"
                    ),
                );
            }
            (true, false) => return bad(found, self.only_udp(cluster, place, offload)),
            (false, true) => {
                return bad(
                    found,
                    format!(
                        "something refuses TCP port 53 between {place} and that address: nft list ruleset on both nodes, network policies"
                    ),
                );
            }
            (false, false) => {}
        }
        // What was answered, by its code (RFC 1035, 4.1.1).
        let code = answer.and_then(|hex| hex.starts_with("4b53").then(|| hex.get(7..8)).flatten());
        match code {
            Some("0") | None => {}
            Some("3") => {
                let next = format!(
                    "network.dnsDomain of the cluster file is {}: compare it with kubectl -n kube-system get configmap coredns -o yaml",
                    cluster.network.dns_domain
                );
                return bad(format!("{whom} answers that its own Service has no name"), next);
            }
            Some(code) => {
                return bad(
                    format!("{whom} answers with the error {code}"),
                    "kubectl -n kube-system logs -l k8s-app=kube-dns tells why: mostly it does not reach the API server".to_owned(),
                );
            }
        }
        let next = || {
            let way = if *is_remote { "between the nodes" } else { "on this node" };
            format!(
                "packets are lost {way}: ip -s link tells drops and errors of interfaces, nft list ruleset and tc qdisc what limits them"
            )
        };
        if udp.lost() * LOSS > udp.asked || tcp.lost() * LOSS > tcp.asked {
            bad(found, next())
        } else if udp.lost() + tcp.lost() > 0 || udp.quantile(99) > LATE {
            Finding::warn(Kind::Dns, place, found, next())
        } else {
            Finding::good(Kind::Dns, place, found)
        }
    }

    /// What to do where UDP is lost and TCP gets through.
    fn only_udp(&self, cluster: &Cluster, place: &str, offload: &str) -> String {
        let filter = format!("something drops UDP port 53 between {place} and that address: nft list ruleset on both nodes");
        match checksums(cluster, place, offload).filter(|_| self.is_remote) {
            Some(card) => format!("{card}; if that is not it, {filter}"),
            None => filter,
        }
    }
}

/// A network card that gets the checksums of wrapped packets wrong, and what to do about it; `None` where none are left to a card.
fn checksums(cluster: &Cluster, place: &str, offload: &str) -> Option<String> {
    match (cluster.network.backend, offload) {
        (Backend::Vxlan { .. }, "on") => Some(format!(
            "a network card may get the checksums of wrapped packets wrong: on {place} and on the nodes of CoreDNS type: ethtool -K {TUNNEL} tx-checksum-ip-generic off \
             - if that helps, make it last with this line in /etc/udev/rules.d/90-flannel.rules: SUBSYSTEM==\"net\", ACTION==\"add|change|move\", ENV{{INTERFACE}}==\"{TUNNEL}\", \
             RUN+=\"/usr/sbin/ethtool -K {TUNNEL} tx-checksum-ip-generic off\" (with network.backend host-gw or wireguard nothing is wrapped so)"
        )),
        (Backend::Vxlan { .. }, "unknown") => Some(format!(
            "install ethtool on {place} and run this again: a network card that gets the checksums of {TUNNEL} wrong does this"
        )),
        (Backend::Vxlan { .. } | Backend::HostGw | Backend::Wireguard { .. }, _) => None,
    }
}

fn of_mtu(cluster: &Cluster, node: &Node, peers: &[&Node], answer: Result<&str, Gap>) -> Vec<Finding> {
    let place = node.name.as_str();
    let text = match answer {
        Ok(text) => text,
        Err(gap) => return vec![Finding::not_looked(Kind::Mtu, place, gap.to_string())],
    };
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let none = lines.iter().find_map(|words| match words.as_slice() {
        ["none", "ping"] => Some("ping is not installed there (apt-get install iputils-ping)"),
        ["none", "mtu"] => Some("flannel has not told the size of pods' packets (/run/flannel/subnet.env)"),
        _ => None,
    });
    if let Some(why) = none {
        return vec![Finding::not_looked(Kind::Mtu, place, why)];
    }
    let pods = lines.iter().find_map(|words| if let ["mtu", size] = words.as_slice() { size.parse::<u64>().ok() } else { None });
    let Some(pods) = pods else { return vec![Finding::not_looked(Kind::Mtu, place, "it was not told how this came out")] };
    let status = |word: &str, address: &str| {
        lines
            .iter()
            .find_map(|words| if let [w, a, status] = words.as_slice() { (*w == word && *a == address).then_some(*status) } else { None })
    };
    let whole = pods.saturating_add(overhead(cluster.network.backend, is_six(&node.address)));
    let each = peers.iter().map(|peer| {
        let address = peer.address.as_str();
        let to = format!("{} ({address})", peer.name);
        match (status("big", address), status("small", address)) {
            (Some("0"), _) => Finding::good(Kind::Mtu, place, format!("{whole} bytes, {pods} of them a pod's, get to {to} uncut")),
            (Some(_), Some("0")) => Finding::bad(
                Kind::Mtu,
                place,
                format!("packets of {whole} bytes do not get to {to}, small ones do: large answers between pods hang"),
                format!("raise the MTU on the way to {whole}, or set network.mtu of the cluster file to what fits: ping -M do -s SIZE {address}, and 28 more"),
            ),
            (Some(_), _) => Finding::not_looked(Kind::Mtu, place, format!("{to} answers no ping")),
            (None, _) => Finding::not_looked(Kind::Mtu, place, format!("{to}: it was not told how this came out")),
        }
    });
    each.collect()
}

fn of_pods(node: &Node, peers: &[&Node], told: &Told, answer: Result<&str, Gap>) -> Vec<Finding> {
    let place = node.name.as_str();
    let text = match answer {
        Ok(text) => text,
        Err(gap) => return vec![Finding::not_looked(Kind::Pods, place, gap.to_string())],
    };
    let each = peers.iter().map(|peer| {
        let Some(address) = told.pods.get(peer.hostname.as_str()) else {
            return Finding::not_looked(Kind::Pods, place, format!("no pod with an address of its own runs on {}", peer.name));
        };
        let begin = format!("pod {address} ");
        let to = format!("a pod on {}, {address},", peer.name);
        match text.lines().find_map(|line| line.strip_prefix(begin.as_str())) {
            Some("open" | "refused") => Finding::good(Kind::Pods, place, format!("{to} answers")),
            Some(_) => Finding::bad(
                Kind::Pods,
                place,
                format!("{to} does not answer"),
                format!(
                    "see that flannel runs on both nodes (kubectl -n kube-flannel get pods -o wide), that UDP 8472 (vxlan) or 51820 (wireguard) may pass between {place} and {}, and that no network policy is about that pod",
                    peer.name
                ),
            ),
            None => Finding::not_looked(Kind::Pods, place, format!("{to}: it was not told how this came out")),
        }
    });
    each.collect()
}

#[cfg(test)]
mod tests;

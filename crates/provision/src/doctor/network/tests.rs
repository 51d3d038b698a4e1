use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use proptest::prelude::*;

use super::super::finding::Verdict;
use super::super::fixture::{cluster, program, run};
use super::*;

/// How a server of DNS answers over UDP.
#[derive(Clone, Copy)]
enum Way {
    Well,
    Never,
    /// All but every tenth.
    Mostly,
    /// With this code.
    Code(u8),
}

/// One port for both: the one that is free over UDP may be somebody's over TCP.
fn bind() -> (UdpSocket, TcpListener) {
    let both = || {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind(udp.local_addr().unwrap());
        tcp.ok().map(|tcp| (udp, tcp))
    };
    std::iter::repeat_with(both).take(100).flatten().next().expect("a port that is free over UDP and TCP")
}

/// A server of DNS on a port of this machine, for as long as the test runs.
fn server(way: Way) -> u16 {
    let (udp, tcp) = bind();
    let port = udp.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut buffer, mut count) = ([0; 512], 0);
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            count += 1;
            let code = if let Way::Code(code) = way { code } else { 0 };
            let is_lost = matches!(way, Way::Never) || (matches!(way, Way::Mostly) && count % 10 == 0);
            assert_eq!(buffer[..length], query("cluster.local"), "one datagram holds all of it");
            buffer[2] |= 0x80;
            buffer[3] = 0x80 | code;
            if !is_lost {
                udp.send_to(&buffer[..length], from).unwrap();
            }
        }
    });
    std::thread::spawn(move || {
        for stream in tcp.incoming() {
            let (mut stream, mut buffer) = (stream.unwrap(), [0; 512]);
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let length = stream.read(&mut buffer).unwrap();
            let _ = stream.write_all(&buffer[..length]);
        }
    });
    port
}

fn told(on: &str) -> Told {
    Told { servers: BTreeMap::from([("127.0.0.1".parse().unwrap(), on.to_owned())]), ..Told::default() }
}

fn only(kind: Kind) -> impl Fn(Kind) -> bool {
    move |other| other == kind
}

/// What kube1 finds of a server that answers so, with a program ethtool that says this of the tunnel.
fn dns(way: Way, on: &str, ethtool: Option<&str>) -> Finding {
    let (cluster, told, folder) = (cluster(), told(on), tempfile::tempdir().unwrap());
    let node = &cluster.nodes[1];
    let port = format!("/{}\"", server(way));
    match ethtool {
        Some(word) => program(folder.path(), "ethtool", &format!("echo 'tx-checksum-ip-generic: {word} [fixed]'")),
        None => program(folder.path(), "none", ""),
    }
    let mut changes = vec![("/53\"", port.as_str())];
    if ethtool.is_none() {
        changes.push(("command -v ethtool", "false"));
    }
    // What is answered must not be late for want of a processor: what is waited for in vain comes rarely or not at all.
    changes.extend([("-t 2 ", "-t 60 "), ("SECONDS + 5", "SECONDS + 60"), ("udp=200", "udp=20")]);
    match way {
        Way::Never => {}
        Way::Mostly => changes.push(("-t 1 ", "-t 3 ")),
        Way::Well | Way::Code(_) => changes.extend([("-t 1 ", "-t 60 "), ("timeout 2 ", "timeout 60 ")]),
    }
    let answers = run(&sections(&cluster, node, &told, &only(Kind::Dns)), &changes, Some(folder.path()));
    judge(&cluster, node, &told, &answers, &only(Kind::Dns)).remove(0)
}

#[test]
fn a_server_that_answers_is_good_with_its_figures() {
    let found = dns(Way::Well, "cp1", Some("on"));
    assert_eq!(found.verdict, Verdict::Good, "{found:?}");
    assert!(found.found.starts_with("CoreDNS 127.0.0.1 (on cp1): UDP: 0 of ") && found.found.contains("TCP: 0 of "), "{found:?}");
}

#[test]
fn udp_that_is_lost_while_tcp_is_answered_is_the_checksum_of_wrapped_packets_or_a_filter() {
    let found = dns(Way::Never, "cp1", Some("on"));
    assert_eq!((found.verdict, found.place.as_str()), (Verdict::Bad, "kube1"));
    for part in ["ethtool -K flannel.1 tx-checksum-ip-generic off", "/etc/udev/rules.d/", "nft list ruleset"] {
        assert!(found.next.contains(part), "{found:?}");
    }
    assert!(found.found.contains("UDP: all of 4 lost; TCP: 0 of"), "{found:?}");
    let without = dns(Way::Never, "cp1", None);
    assert!(without.next.starts_with("install ethtool on kube1"), "{without:?}");
    let off = dns(Way::Never, "cp1", Some("off"));
    assert!(off.next.starts_with("something drops UDP port 53"), "{off:?}");
    let here = dns(Way::Never, "kube1", Some("on"));
    assert!(here.next.starts_with("something drops UDP port 53") && here.found.contains("(on this node)"), "nothing is wrapped: {here:?}");
}

#[test]
fn a_service_that_does_not_answer_while_its_pods_do_is_the_proxy_or_the_checksums_of_what_it_changes() {
    let cluster = cluster();
    let told = Told { service: Some("10.96.0.10".parse().unwrap()), ..told("cp1") };
    let text = "udp 127.0.0.1 2 5 5\ntcp 127.0.0.1 1 5\nudp 10.96.0.10 4\ntcp 10.96.0.10 4\noffload on\n";
    let answers = Answers::from_pairs([("doctor/dns", 0, text)]);
    let found = judge(&cluster, &cluster.nodes[1], &told, &answers, &only(Kind::Dns));
    assert_eq!(found.iter().map(|found| found.verdict).collect::<Vec<_>>(), [Verdict::Good, Verdict::Bad]);
    assert!(found[1].next.contains("kube-proxy") && found[1].next.contains("ethtool -K flannel.1"), "{found:?}");
}

#[test]
fn some_that_are_lost_and_answers_that_are_errors_are_wrong() {
    let some = dns(Way::Mostly, "cp1", Some("off"));
    assert!(some.verdict == Verdict::Bad && some.next.contains("ip -s link"), "{some:?}");
    let failed = dns(Way::Code(2), "cp1", Some("off"));
    assert!(failed.verdict == Verdict::Bad && failed.found.contains("answers with the error 2"), "{failed:?}");
    let unknown = dns(Way::Code(3), "cp1", Some("off"));
    assert!(
        unknown.verdict == Verdict::Bad && unknown.next.contains("network.dnsDomain of the cluster file is cluster.local"),
        "{unknown:?}"
    );
}

#[test]
fn a_query_that_holds_an_end_of_line_is_one_datagram_too() {
    let mut cluster = cluster();
    cluster.network.dns_domain = "kubernetes.home".into();
    let bytes = query("kubernetes.home");
    assert!(bytes.contains(&b'\n'), "a label of ten letters");
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let port = format!("/{}\"", udp.local_addr().unwrap().port());
    let listen = std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let (length, _) = udp.recv_from(&mut buffer).unwrap();
        buffer[..length].to_vec()
    });
    let sections = sections(&cluster, &cluster.nodes[1], &told("cp1"), &only(Kind::Dns));
    run(&sections, &[("/53\"", &port), ("udp=200", "udp=1")], None);
    assert_eq!(listen.join().unwrap(), bytes);
}

#[test]
fn a_cluster_without_coredns_is_wrong_and_what_is_not_told_is_not_good() {
    let (cluster, none) = (cluster(), Answers::default());
    let found = judge(&cluster, &cluster.nodes[1], &Told::default(), &none, &only(Kind::Dns));
    assert!(found[0].verdict == Verdict::Bad && found[0].found.starts_with("no CoreDNS is ready"), "{found:?}");
    let answered = |text: &str| {
        let answers = Answers::from_pairs([("doctor/dns", 0, text.to_owned())]);
        judge(&cluster, &cluster.nodes[1], &told("cp1"), &answers, &only(Kind::Dns)).remove(0).verdict
    };
    for text in [
        "",
        "udp 127.0.0.1",
        "udp 127.0.0.1 200 1 1",
        "udp 127.0.0.1 1 5 5\ntcp 127.0.0.1 1 5",
        "udp 127.0.0.1 99999 1\ntcp 127.0.0.1 1 5",
        "udp x 1 1\ntcp x 1 1",
    ] {
        assert_eq!(answered(text), Verdict::NotLooked, "{text}");
    }
    assert_eq!(answered("udp 127.0.0.1 2 5 5\ntcp 127.0.0.1 1 5"), Verdict::Good);
    assert_eq!(answered("udp 127.0.0.1 2 5 5000000\ntcp 127.0.0.1 1 5"), Verdict::Warn, "late");
    assert_eq!(answered("udp 127.0.0.1 2\ntcp 127.0.0.1 1"), Verdict::Bad, "nothing at all");
    assert_eq!(answered("udp 127.0.0.1 2 5 5\ntcp 127.0.0.1 4"), Verdict::Bad, "TCP alone is lost");
}

/// What kube1 finds with a ping that says so; flannel gives pods 1450 bytes.
fn mtu(ping: Option<&str>, env: &str) -> Vec<Finding> {
    let (cluster, folder) = (cluster(), tempfile::tempdir().unwrap());
    let file = folder.path().join("subnet.env");
    std::fs::write(&file, env).unwrap();
    program(folder.path(), "ping", ping.unwrap_or_default());
    let mut changes = vec![("/run/flannel/subnet.env", file.to_str().unwrap())];
    if ping.is_none() {
        changes.push(("command -v ping", "false"));
    }
    let answers = run(&sections(&cluster, &cluster.nodes[1], &Told::default(), &only(Kind::Mtu)), &changes, Some(folder.path()));
    judge(&cluster, &cluster.nodes[1], &Told::default(), &answers, &only(Kind::Mtu))
}

#[test]
fn packets_of_a_pods_size_must_get_to_each_other_node_uncut() {
    const ENV: &str = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
    // ICMP and IP take 28 of 1500.
    let good = mtu(Some("[[ $* == *'-M do -s 1472 10.77.0.'* ]]"), ENV);
    assert_eq!(good.iter().map(|found| found.verdict).collect::<Vec<_>>(), [Verdict::Good; 2], "{good:?}");
    assert_eq!(good[0].found, "1500 bytes, 1450 of them a pod's, get to kube2 (10.77.0.22) uncut");
    let small = mtu(Some("[[ $* == *'-s 56 '* || $* == *10.77.0.22 ]]"), ENV);
    assert_eq!(small.iter().map(|found| found.verdict).collect::<Vec<_>>(), [Verdict::Good, Verdict::Bad], "{small:?}");
    assert!(small[1].found.contains("cp1 (10.77.0.11), small ones do") && small[1].next.contains("network.mtu"), "{small:?}");
    for (ping, env, why) in [
        (Some("false"), ENV, "answers no ping"),
        (None, ENV, "ping is not installed"),
        (Some("true"), "", "flannel has not told"),
        (Some("true"), "FLANNEL_MTU=$(reboot)\n", "flannel has not told"),
        (Some("true"), "FLANNEL_MTU=99999999999999999999\n", "it was not told"),
    ] {
        let found = mtu(ping, env);
        assert!(found[0].verdict == Verdict::NotLooked && found[0].found.contains(why), "{found:?}");
    }
}

#[test]
fn a_pod_answers_if_it_is_reached_whether_or_not_something_listens_there() {
    let cluster = cluster();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Of 127.0.0.0/8 one address has a listener; 255.255.255.255 is nobody's.
    let mut told = Told::default();
    told.pods.insert("kube2".into(), "127.0.0.1".parse().unwrap());
    told.pods.insert("cp1".into(), "127.0.0.2".parse().unwrap());
    let node = &cluster.nodes[1];
    let all = |told: &Told| {
        let answers = run(&sections(&cluster, node, told, &only(Kind::Pods)), &[("/53\"", &format!("/{port}\""))], None);
        judge(&cluster, node, told, &answers, &only(Kind::Pods))
    };
    let found = all(&told);
    assert_eq!(found.iter().map(|found| found.verdict).collect::<Vec<_>>(), [Verdict::Good; 2], "{found:?}");
    told.pods.insert("cp1".into(), "255.255.255.255".parse().unwrap());
    told.pods.remove("kube2");
    let found = all(&told);
    assert_eq!(found.iter().map(|found| found.verdict).collect::<Vec<_>>(), [Verdict::NotLooked, Verdict::Bad], "{found:?}");
    assert!(found[1].next.contains("between kube1 and cp1"), "{found:?}");
}

#[test]
fn a_node_of_a_large_fleet_tries_those_after_it_and_the_last_ones_the_first() {
    let mut cluster = cluster();
    cluster.nodes = (0..100).map(|n| Node::new(super::super::fixture::name(&format!("n{n:03}")), format!("10.0.0.{n}"))).collect();
    let of = |n: usize| peers(&cluster, &cluster.nodes[n]).iter().map(|peer| peer.name.to_string()).collect::<Vec<_>>();
    assert_eq!((of(0).len(), of(0)[0].as_str(), of(0)[31].as_str()), (32, "n001", "n032"));
    assert_eq!((of(99)[0].as_str(), of(99)[31].as_str()), ("n000", "n031"));
}

proptest! {
    /// Whatever a node answers, it is understood or not looked at.
    #[test]
    fn no_answer_makes_it_panic(text in "(udp|tcp|answer|offload|big|small|mtu|pod|none| |\n|127\\.0\\.0\\.1|10\\.77\\.0\\.22|4b53|[0-9]{1,20}|\\PC){0,40}") {
        let cluster = cluster();
        let mut told = told("cp1");
        told.pods.insert("kube2".into(), "127.0.0.1".parse().unwrap());
        let answers = Answers::from_pairs(["doctor/dns", "doctor/mtu", "doctor/pods"].map(|name| (name, 0, text.clone())));
        for finding in judge(&cluster, &cluster.nodes[1], &told, &answers, &|_| true) {
            prop_assert!(finding.verdict == Verdict::Good || !finding.found.is_empty());
        }
    }
}

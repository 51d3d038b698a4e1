//! What LVM, mkfs, kubeadm, sshd or the API server would refuse, or take and go wrong with, is refused by the file: each row of
//! `refused.txt` with all that is then said.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test fails by it, and says that it skips

mod valid;

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use kubestead_provision::file::{Cluster, load};

const GOOD: &str = "\
apiVersion: kubestead/v1
kind: Cluster
name: home
nodes:
  - {name: cp1, address: 10.0.0.11, roles: [control-plane]}
  - {name: kube1, address: 10.0.0.21}
disks:
  vg01: {devices: {kube1: [/dev/disk/by-id/nvme-1]}}
volumes:
  data: {on: [kube1], group: vg01, size: 8GiB, path: /var/lib/kubestead/volumes}
keys:
  servers: [{host: lock, address: 10.0.0.5}]
pools:
  pool-s: {count: 2, size: 1Gi}
kubernetes: {version: 1.37.1, packages: {key: release.asc}}
";

fn told(text: &str) -> Result<Cluster, Vec<String>> {
    let found = load("c.yaml", text, Path::new("/"));
    if found.is_ok() {
        valid::holds(text);
    }
    found.map_err(|found| found.iter().map(ToString::to_string).collect())
}

/// What a file with this in place of that is told; warnings too.
fn said(good: &str, bad: &str) -> String {
    let (good, unescaped) = (&good.replace('⏎', "\n"), bad.replace('⏎', "\n"));
    assert!(GOOD.contains(good), "{good}");
    match told(&GOOD.replacen(good, &unescaped, 1)) {
        Ok(cluster) => cluster.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(found) => found.join("\n"),
    }
}

#[test]
fn each_row_is_refused_with_its_place_and_a_way_out() {
    let (mut rows, mut wrong) = (0, String::new());
    for block in include_str!("refused.txt").split("\n\n") {
        let lines: Vec<&str> = block.lines().filter(|line| !line.starts_with('#')).collect();
        let [good, bad, expected @ ..] = lines.as_slice() else { continue };
        let (good, bad) = (good.strip_prefix("- ").unwrap(), bad.strip_prefix("+ ").unwrap());
        let found = said(good, bad);
        rows += 1;
        if found != expected.join("\n") {
            let _ = writeln!(wrong, "- {good}\n+ {bad}\n{found}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(rows > 100, "{rows} rows were read");
}

#[test]
fn what_the_tools_take_is_taken() {
    for (good, bad) in [
        ("10.0.0.21}", "10.0.0.21, hostname: kube1.example.com}"),
        ("10.0.0.21}", "10.0.0.21, ssh: {user: ops, port: 2222}}"),
        ("10.0.0.21}", "10.0.0.21, labels: {disk: nvme, example.com/a_b.c: 'X-1', topology.kubernetes.io/zone: a, empty: ''}}"),
        ("10.0.0.21}", "10.0.0.21, labels: {node-restriction.kubernetes.io/tier: gold, node-role.kubernetes.io/storage: ''}}"),
        ("size: 8GiB", "size: 8GiB, inodes: 8372224"),
        ("size: 8GiB", "size: 8GiB, inodes: 16"),
        (
            "8GiB, path: /var/lib/kubestead/volumes}",
            "8GiB, path: /var/lib/kubestead/volumes}\n  a: {on: [kube1], group: vg01, size: 20MiB, path: /srv/a}",
        ),
        (
            "8GiB, path: /var/lib/kubestead/volumes}",
            "8GiB, path: /var/lib/kubestead/volumes}\n  a: {on: [kube1], group: vg01, size: 316MiB, filesystem: xfs, path: /srv/a}",
        ),
        ("kind: Cluster", "kind: Cluster\nnetwork: {podSubnet: 172.16.0.0/23, serviceSubnet: 172.18.0.0/28, dnsDomain: k8s.example.com}"),
        ("kind: Cluster", "kind: Cluster\nnetwork: {interface: eth1}"),
        ("kind: Cluster", "kind: Cluster\nnetwork: {interface: [eno1, bond0.12]}"),
        ("kind: Cluster", "kind: Cluster\nendpoint: {address: api.example.com}"),
        ("kind: Cluster", "kind: Cluster\nendpoint: {address: 10.0.0.11, port: 6443}"),
        ("kind: Cluster", "kind: Cluster\nendpoint: {address: 10.0.0.100, port: 443}"),
        ("address: 10.0.0.5}", "address: 10.0.0.5, user: keys_2-a, port: 2200}"),
        ("kind: Cluster", "kind: Cluster\nnamespace: {name: apps, users: [{name: a}, {name: b}]}"),
        ("kind: Cluster", "kind: Cluster\nssh: {user: ops, config: ~/.ssh/config}\nsecrets: {dir: ~/secrets}"),
        ("\nkubernetes: {version: 1.37.1, packages: {key: release.asc}}", "\n"),
        ("kind: Cluster", "kind: Cluster\nendpoint: {address: cp1}"),
        ("kind: Cluster", "kind: Cluster\nendpoint: {address: 3com.example}"),
        ("kind: Cluster", "kind: Cluster\nendpoint: {address: localhost.example.com}"),
        ("10.0.0.21}", "100.64.0.1, hostname: 1a.2b}"),
        ("kind: Cluster", "kind: Cluster\nssh: {user: ops@corp.example}\nsecrets: {dir: ../gehäim nis}"),
        (
            "path: /var/lib/kubestead/volumes}",
            "path: /var/lib/kubestead/volumes}\n  a: {on: [kube1], group: vg01, size: 1GiB, path: /home}",
        ),
        (
            "path: /var/lib/kubestead/volumes}",
            "path: /var/lib/kubestead/volumes}\n  a: {on: [kube1], group: vg01, size: 1GiB, path: /etc/kubernetes/pki}",
        ),
        ("  data: {on", "  a--b: {on"),
        (
            "vg01: {devices: {kube1: [/dev/disk/by-id/nvme-1]}}",
            "vg01: {devices: {kube1: [/dev/disk/by-partuuid/1-2, /dev/disk/by-vdev/a]}}",
        ),
        (
            "version: 1.37.1,",
            "version: 1.37.1, ignorePreflight: [Swap, DirAvailable--var-lib-etcd, FileContent--proc-sys-net-ipv4-ip_forward],",
        ),
        ("release.asc}", "release.asc, repository: 'http://mirror.lan:8080/v1.37-mirror/x%20y/'}"),
        ("version: 1.37.1,", "version: 1.37.1, encryption: {kms: {name: k, endpoint: 'unix:///kms/x.sock', timeout: 60s}},"),
        ("apiVersion", "\u{feff}apiVersion"),
        ("name: home\n", "name: &anchor home # by nobody\r\n"),
    ] {
        let found = said(good, bad);
        assert!(found.is_empty(), "{bad}\n{found}");
    }
}

/// Where somebody logs in with the keys of a home folder, that is not hidden.
#[test]
fn a_home_folder_is_not_hidden() {
    let volume = "path: /var/lib/kubestead/volumes}\n  a: {on: [kube1], group: vg01, size: 1GiB, path: HOME}";
    for (home, user, is_told) in [
        ("/home", "ops", true),
        ("/home/ops", "ops", true),
        ("/home/ops/data", "ops", false),
        ("/home/other", "ops", false),
        ("/home", "root", false),
    ] {
        let text = GOOD.replace("path: /var/lib/kubestead/volumes}", &volume.replace("HOME", home));
        for text in [
            text.replace("kind: Cluster", &format!("kind: Cluster\nssh: {{user: {user}}}")),
            text.replace("10.0.0.21}", &format!("10.0.0.21, ssh: {{user: {user}}}}}")),
        ] {
            let found = told(&text);
            assert_eq!(found.is_err(), is_told, "{home} {user}");
            assert!(found.err().iter().flatten().all(|d| d.contains("hides the home folder of ops")), "{home}");
        }
    }
}

/// The least sizes and the numbers of inodes are those that mkfs takes of what is left after LUKS2's header.
#[test]
fn least_sizes_are_those_of_the_real_programs() {
    let dir = tempfile::tempdir().unwrap();
    let mkfs = |program: &str, args: &[&str], bytes: u64| {
        let path = dir.path().join("disk");
        std::fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        let path_of = std::env::var("PATH").unwrap();
        let output = std::process::Command::new(program).args(args).arg(&path).env("PATH", format!("{path_of}:/usr/sbin:/sbin")).output();
        output.ok().map(|output| output.status.success())
    };
    let header = 16 << 20;
    let taken = |size: &str| {
        said("size: 8GiB", &format!("size: {size}")).lines().all(|line| !line.contains("a volume's size") && !line.contains("inodes"))
    };
    for (program, args, kind, bytes) in [
        ("mkfs.ext4", ["-q", "-F", "-m", "0"].as_slice(), "", 4 << 20),
        ("mkfs.xfs", ["-q", "-f"].as_slice(), ", filesystem: xfs", 300 << 20),
    ] {
        let Some(made) = mkfs(program, args, bytes) else {
            eprintln!("{program} is not installed: skipped");
            continue;
        };
        assert!(made && taken(&format!("{}{kind}", bytes + header)), "{program} {bytes}");
        assert!(!taken(&format!("{}{kind}", bytes + header - (4 << 20))), "{program}");
    }
    for bytes in [4 << 20, 112 << 20, 1 << 30_u64] {
        for inodes in [16, bytes / 1024] {
            let Some(made) = mkfs("mkfs.ext4", &["-q", "-F", "-m", "0", "-N", &inodes.to_string()], bytes) else { return };
            assert!(made && taken(&format!("{}, inodes: {inodes}", bytes + header)), "{inodes} inodes in {bytes}");
        }
    }
    assert!(!mkfs("mkfs.xfs", &["-q", "-f"], 296 << 20).unwrap_or(false), "what is refused is refused by it too");
    assert!(!mkfs("mkfs.ext4", &["-q", "-F", "-N", "11"], 4 << 20).unwrap_or(false));
}

/// kubeadm's and the controller manager's limits are reached, and not passed.
#[test]
fn the_narrowest_ranges_are_enough_for_one_node() {
    let text = "apiVersion: kubestead/v1\nkind: Cluster\nname: a\nnodes: [{name: a, address: 10.0.0.1, roles: [control-plane]}]\n\
                kubernetes: {version: 1.37.1, bundle: b}\nnetwork: {podSubnet: 172.16.0.0/24, serviceSubnet: 172.17.0.0/28}\n";
    let network = told(text).unwrap().network;
    assert_eq!((network.pods.to_string(), network.services.to_string()), ("172.16.0.0/24".to_owned(), "172.17.0.0/28".to_owned()));
    assert!(told(&text.replace("/28", "/29")).is_err() && told(&text.replace("/24", "/25")).is_err());
}

#[test]
fn machines_alone_may_have_ipv6_addresses() {
    let text = GOOD
        .replace("10.0.0.21", "fd00::21")
        .replace("10.0.0.5", "fd00:0::5")
        .replace("kubernetes: {version: 1.37.1, packages: {key: release.asc}}\n", "");
    let cluster = told(&text).unwrap();
    assert_eq!((cluster.nodes[1].address.as_str(), cluster.servers[0].address.as_str()), ("fd00::21", "fd00::5"));
}

#[test]
fn what_is_written_is_what_is_used() {
    let home = std::env::home_dir().unwrap();
    let text = GOOD
        .replace("10.0.0.21}", "10.0.0.21, hostname: kube1.example.com, ssh: {user: ops, port: 2222}}")
        .replace("size: 8GiB", "size: 8000MB")
        .replace(
            "kind: Cluster",
            "kind: Cluster\nssh: {config: ~/.ssh/lab}\nsecrets: {dir: ~/s}\nnetwork: {interface: [eth1, eno1]}\nendpoint: {address: api.a}",
        )
        .replace("key: release.asc", "key: ~/release.asc");
    let cluster = told(&text).unwrap();
    assert_eq!(cluster.volumes[0].size.0, 1908 << 22, "8,000,000,000 bytes are 1907.3 extents");
    assert_eq!((cluster.nodes[0].hostname.as_str(), cluster.nodes[1].hostname.as_str()), ("cp1", "kube1.example.com"));
    assert_eq!((cluster.nodes[1].ssh.user.as_deref(), cluster.nodes[1].ssh.port), (Some("ops"), Some(2222)));
    assert_eq!((cluster.ssh.config, cluster.secrets), (Some(home.join(".ssh/lab")), home.join("s")));
    assert_eq!(cluster.kubernetes.unwrap().packages.unwrap().trust, kubestead_provision::file::Trust::File(home.join("release.asc")));
    assert_eq!(
        (cluster.network.interfaces.as_slice(), cluster.endpoint.as_deref()),
        (["eth1".to_owned(), "eno1".to_owned()].as_slice(), Some("api.a:6443"))
    );
}

/// No sum wraps, whatever the file says: every number of a file, one after the other, is as large as it can be.
#[test]
fn numbers_that_no_machine_has_are_refused_and_never_wrap() {
    for number in [
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775807",
        "16777215Ti",
        "18446744073709551615B",
        "99999999999999999999999999",
    ] {
        for (good, field) in [
            ("size: 8GiB", "size: "),
            ("count: 2", "count: "),
            ("size: 1Gi", "size: "),
            ("size: 8GiB", "size: 8GiB, inodes: "),
            ("address: 10.0.0.5", "address: 10.0.0.5, port: "),
            ("address: 10.0.0.21", "address: 10.0.0.21, ssh: {port: "),
            ("kind: Cluster", "kind: Cluster\nendpoint: {address: a.b, port: "),
            ("kind: Cluster", "kind: Cluster\nnetwork: {podSubnet: 10.244.0.0/"),
            ("kind: Cluster", "kind: Cluster\nnamedVolumes: {a: {size: 18446744073709551615}, b: {size: "),
            ("version: 1.37.1", "version: 1.37."),
        ] {
            let close = "}".repeat(field.matches('{').count());
            let text = GOOD.replacen(good, &format!("{field}{number}{close}"), 1);
            // A patch of Kubernetes may have any number that one has.
            assert!(told(&text).is_err() || field.starts_with("version"), "{field}{number}");
        }
    }
    let many: String = (0..500).fold(String::new(), |mut all, n| {
        let _ = write!(all, "\n  pool-{n}: {{count: 9999, size: 9223372036854775807}}");
        all
    });
    let found = told(&GOOD.replace("pools:", &format!("pools:{many}"))).unwrap_err();
    assert!(found.iter().any(|d| d.contains("ask for more than 18446744073709551615 bytes together")), "{found:#?}");
    assert!(found.iter().any(|d| d.contains("make 4999502 persistent volumes on each node")), "{found:#?}");
}

/// Hostile texts end in a message, soon and without much memory.
#[test]
fn hostile_files_end_in_a_message() {
    let many = |n: usize, f: &dyn Fn(usize) -> String| (0..n).map(f).collect::<String>();
    let bomb = "a: &a [x,x,x,x,x,x,x,x]\n".to_owned() + &many(20, &|n| format!("b{n}: &b{n} [*a,*a,*a,*a,*a,*a,*a,*a]\n"));
    let cases: Vec<(&str, String)> = vec![
        ("deep lists", "[".repeat(1_000_000)),
        ("deep maps", "{a: ".repeat(300_000)),
        ("deep blocks", many(2000, &|n| format!("{}a:\n", " ".repeat(n)))),
        ("bomb", bomb),
        ("NULs", "\0".repeat(1_000_000)),
        ("NUL in a value", GOOD.replace("release.asc", "\"a\\0b\"")),
        ("one key many times", "a: 1\n".repeat(50_000)),
        ("many unknown keys", many(30_000, &|n| format!("key{n}: 1\n"))),
        ("a long scalar", format!("name: {}\n", "x".repeat(2_000_000))),
        ("a long key", format!("{}: 1\n", "x".repeat(2_000_000))),
        (
            "many nodes",
            GOOD.replace(
                "nodes:",
                &format!("nodes:{}", many(10_000, &|n| format!("\n  - {{name: n{n}, address: 10.1.{}.{}}}", n / 250 % 250, n % 250))),
            ),
        ),
        (
            "many volumes on many nodes",
            GOOD.replace(
                "nodes:",
                &format!("nodes:{}", many(4000, &|n| format!("\n  - {{name: n{n}, address: 10.1.{}.{}}}", n / 250, n % 250))),
            )
            .replace(
                "volumes:\n",
                &format!("volumes:\n{}", many(2000, &|n| format!("  v{n}: {{on: [all], group: vg01, size: 1Gi, path: /srv/a}}\n"))),
            ),
        ),
        ("many pools", GOOD.replace("pools:", &format!("pools:{}", many(12_000, &|n| format!("\n  a-{n}: {{count: 1, size: 1}}"))))),
        ("an open quote", GOOD.replace("home", "\"home")),
        ("binary", String::from_utf8_lossy(&(0..=255).cycle().take(100_000).collect::<Vec<u8>>()).into_owned()),
    ];
    for (what, text) in cases {
        let begin = Instant::now();
        let found = told(&text).map(|_| ()).unwrap_err();
        let longest = found.iter().map(String::len).max().unwrap();
        assert!(begin.elapsed() < Duration::from_secs(30), "{what} took {:?}", begin.elapsed());
        assert!((1..=101).contains(&found.len()) && longest < 2000, "{what}: {} findings, the longest of {longest}", found.len());
        assert!(found.iter().all(|d| d.starts_with("c.yaml:")), "{what}: {found:?}");
    }
}

/// A file that was cut off anywhere is a message or a whole file, never a panic.
#[test]
fn a_file_that_is_cut_off_is_never_half_taken() {
    for end in (0..GOOD.len()).filter(|end| GOOD.is_char_boundary(*end)) {
        let cut = &GOOD[..end];
        assert!(told(cut).is_err() || cut.trim_end_matches(' ').ends_with('\n') || GOOD[end..].starts_with('\n'), "{cut}");
    }
}

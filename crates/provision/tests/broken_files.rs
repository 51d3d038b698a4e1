//! Broken cluster files: every mistake is told, with its line and column.
#![allow(clippy::unwrap_used)] // a test fails by it

mod valid;

use std::path::Path;

use kubestead_provision::file::load;

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

fn told(text: &str) -> Vec<String> {
    match load("c.yaml", text, Path::new("/")) {
        Ok(_) => {
            valid::holds(text);
            Vec::new()
        }
        Err(found) => found.iter().map(ToString::to_string).collect(),
    }
}

/// What is replaced, by what, and what must then be said.
const BROKEN: [(&str, &str, &str); 65] = [
    ("name: home", "nam: home", "c.yaml:3:1: error: the cluster file has no field \"nam\"\n  hint: did you mean \"name\"?"),
    ("name: home", "name: Home", "c.yaml:3:7: error: name: \"Home\" is not a name"),
    ("name: home", "name: [home]", "c.yaml:3:7: error: name must be a string, and this is a list"),
    ("kubestead/v1", "kubestead/v2", "c.yaml:1:13: error: apiVersion must be kubestead/v1"),
    ("kind: Cluster", "kind:", "error: kind must be a string, and this is nothing"),
    ("10.0.0.21", "10.0.0.300", "c.yaml:6:28: error: a node's address: \"10.0.0.300\" is not an IP address"),
    ("10.0.0.21", "10.0.0.11", "c.yaml:6:28: error: two nodes have the address 10.0.0.11 (first in line 5)"),
    ("name: kube1", "name: cp1", "c.yaml:6:12: error: two nodes are called cp1 (first in line 5)"),
    ("name: kube1, ", "", "c.yaml:6:5: error: a node needs \"name\""),
    ("[control-plane]", "[control]", "c.yaml:5:45: error: a role: \"control\" is neither control-plane nor worker"),
    (", roles: [control-plane]", "", "c.yaml:5:3: error: no node has the role control-plane"),
    ("/dev/disk/by-id/nvme-1", "/dev/sda", "c.yaml:8:28: error: \"/dev/sda\" is not a name that stays"),
    (
        "[/dev/disk/by-id/nvme-1]",
        "[/dev/disk/by-id/a-1, /dev/disk/by-id/a-1]",
        "c.yaml:8:49: error: /dev/disk/by-id/a-1 of kube1 is used twice",
    ),
    ("{kube1: [", "{kube9: [", "c.yaml:8:20: error: group vg01 names \"kube9\", which is no node"),
    ("on: [kube1]", "on: [kube9]", "c.yaml:10:15: error: \"kube9\" is neither a node nor a role"),
    ("on: [kube1]", "on: [all]", "volume data is on cp1, where group vg01 has no devices"),
    ("group: vg01", "group: vg02", "c.yaml:10:30: error: volume data is on kube1, where group vg02 has no devices"),
    ("size: 8GiB", "size: 8 gigs", "c.yaml:10:42: error: a volume's size: \"8 gigs\" is not a size"),
    ("size: 8GiB", "size: 0", "a volume's size must be larger than 0"),
    ("size: 8GiB", "size: 2GiB", "c.yaml:10:42: error: pools and named volumes ask for 2147483648 bytes together"),
    ("path: /var/lib/kubestead/volumes", "path: data", "c.yaml:10:54: error: \"data\" is not an absolute path"),
    ("path: /var/lib/kubestead/volumes", "path: /a/../b", "is not an absolute path"),
    (", path: /var", ", filesystem: btrfs, path: /var", "\"btrfs\" is neither ext4 nor xfs"),
    (
        "address: 10.0.0.5}",
        "address: 10.0.0.5, user: root}",
        "c.yaml:12:51: error: a key server's user: root would be kept to fetching keys",
    ),
    (
        "address: 10.0.0.5}",
        "address: 10.0.0.5, user: Keys}",
        "c.yaml:12:51: error: a key server's user: \"Keys\" is not a name that useradd(8) takes",
    ),
    (
        "10.0.0.5}",
        "10.0.0.5, user: \"k\\nMatch all\"}",
        "c.yaml:12:51: error: a key server's user: \"k\\nMatch all\" holds a control character",
    ),
    (
        "keys:\n  servers: [{host: lock, address: 10.0.0.5}]",
        "ssh: {user: ops}\nkeys:\n  servers: [{host: lock, address: 10.0.0.5, user: ops}]",
        "c.yaml:13:51: error: a key server's user: you log in as ops, and this account may only fetch keys",
    ),
    ("  servers: [{host: lock, address: 10.0.0.5}]", "  servers: []", "volumes are encrypted and no key server is named"),
    ("count: 2", "count: -2", "c.yaml:14:19: error: count: \"-2\" is not a whole number"),
    ("kind: Cluster", "kind: Cluster\nkind: Cluster", "c.yaml:3:1: error: \"kind\" is written twice (first in line 2)"),
    ("version: 1.37.1", "version: 1.99.0", "c.yaml:15:23: error: Kubernetes 1.99.0 is not supported"),
    ("packages: {key: release.asc}", "containerd: 1.7.27", "kubernetes.containerd: 1.7.27 is too old"),
    ("packages: {key: release.asc}", "containerd: 2.2", "kubernetes.containerd: \"2.2\" is not a version such as 2.2.0"),
    (
        "packages: {key: release.asc}",
        "bundle: b, containerd: 2.2.0",
        "kubernetes.containerd is of the official repositories alone\n  hint: leave it out",
    ),
    (
        "{key: release.asc}",
        "{key: release.asc, fingerprint: DE15B14486CD377B9E876E1A234654DA9A296436}",
        "kubernetes.packages has both `key` and `fingerprint`",
    ),
    ("{key: release.asc}", "{key: release.asc, docker: {repository: 'https://a.b'}}", "kubernetes.packages has both `key` and `docker`"),
    (
        "{key: release.asc}",
        "{fingerprint: 0EBFCD88}",
        "kubernetes.packages.fingerprint: \"0EBFCD88\" is not the fingerprint of a key: 40 hexadecimal digits",
    ),
    ("{key: release.asc}", "{docker: {repository: 'https://me:secret@a.b'}}", "kubernetes.packages.docker.repository: it holds a login"),
    ("{key: release.asc}", "{}", "c.yaml:15:41: error: kubernetes.packages names nothing\n  hint: leave `packages` out"),
    ("{key: release.asc}", "{key: release.asc}, proxy: {}", "kubernetes.proxy names no proxy\n  hint: write `https:"),
    ("{key: release.asc}", "{key: release.asc}, proxy: {https: 'http://me:secret@p:3128'}", "kubernetes.proxy.https: it holds a login"),
    ("{key: release.asc}", "{key: release.asc}, proxy: {http: 'p:3128'}", "kubernetes.proxy.http: \"p:3128\" is not an address such as"),
    (
        "{key: release.asc}",
        "{key: release.asc}, proxy: {http: 'http://p:3128', noProxy: ['a b']}",
        "kubernetes.proxy.noProxy: \"a b\" is not a name",
    ),
    ("{key: release.asc}", "{key: release.asc}, registries: {'../x': {mirrors: []}}", "\"../x\" is not the host of a registry"),
    (
        "{key: release.asc}",
        "{key: release.asc}, registries: {a.b: {mirrors: ['ftp://c']}}",
        "\"ftp://c\" is not an address such as https://mirror",
    ),
    (
        "{key: release.asc}",
        "{key: release.asc}, registries: {a.b: {mirrors: ['https://C/v2', 'https://c:443/v2/']}}",
        "c.yaml:15:106: error: kubernetes.registries.a.b.mirrors: https://c:443/v2 is named twice",
    ),
    (
        "{key: release.asc}",
        "{key: release.asc}, registries: {index.docker.io: {mirrors: ['https://c']}}",
        "kubernetes.registries: no image is pulled by the name index.docker.io\n  hint: write docker.io, as containerd names it",
    ),
    ("{key: release.asc}", "{key: release.asc}, registries: {Docker.io: {mirrors: ['https://c']}}", "hint: write docker.io, as containerd"),
    (
        "{key: release.asc}",
        "{key: release.asc}, proxy: {http: 'http://p:3128', noProxy: [10.0.0.0/33]}",
        "kubernetes.proxy.noProxy: \"10.0.0.0/33\" is not a name",
    ),
    (
        "{key: release.asc}",
        "{docker: {repository: 'https://a.b/linux/ubuntu/'}}",
        "is the path of one distribution: leave out /ubuntu, which differs from machine to machine",
    ),
    (
        "name: kube1",
        "name: 0x7f",
        "c.yaml:6:12: error: a node's name: \"0x7f\" may be taken for an IPv4 address\n  hint: write a name such as kube1",
    ),
    ("name: kube1,", "name: kube1, hostname: '1',", "error: a node's hostname: \"1\" may be taken for an IPv4 address"),
    ("{key: release.asc}", "release.asc", "kubernetes.packages must be a map, and this is"),
    ("{key:", "{repository: 'ftp://a.b', key:", "c.yaml:15:54: error: kubernetes.packages.repository: \"ftp://a.b\" is not an address"),
    ("{key:", "{repository: 'https://me:secret@a.b/c', key:", "kubernetes.packages.repository: it holds a login"),
    ("{key:", "{repository: 'https://a.b/v1.37/deb/', key:", "is the path of one minor: leave out /v1.N/deb"),
    (
        "{version:",
        "{encryption: {provider: aescbc}, version:",
        "c.yaml:15:37: error: kubernetes.encryption.provider: \"aescbc\" is neither",
    ),
    ("{version:", "{encryption: {key: Key2}, version:", "c.yaml:15:32: error: kubernetes.encryption.key: \"Key2\" is not a name"),
    ("{version:", "{encryption: {resources: [configmaps]}, version:", "Secrets are always encrypted in etcd"),
    (
        "{version:",
        "{encryption: {resources: [secrets, pods]}, version:",
        "\"pods\" cannot be encrypted by kubestead: known are secrets, configmaps",
    ),
    ("{version:", "{encryption: {provider: kms}, version:", "provider kms names no plugin\n  hint: write `kms:"),
    ("{version:", "{encryption: {kms: {name: a, endpoint: 'unix:///a'}}, version:", "is not a socket in a folder of its own"),
    ("{version:", "{encryption: {kms: {name: a, endpoint: 'unix:///a/b', timeout: 1m}}, version:", "\"1m\" is not 1s to 60s"),
    ("{version:", "{encryption: {key: a, kms: {name: a, endpoint: 'unix:///a/b'}}, version:", "a KMS plugin has its own key"),
    ("{version:", "{encryption: {provider: aesgcm, kms: {name: a, endpoint: 'unix:///a/b'}}, version:", "`kms` is for provider kms alone"),
];

#[test]
fn the_good_file_is_good() {
    assert!(told(GOOD).is_empty(), "{:?}", told(GOOD));
}

#[test]
fn the_examples_are_good() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path().join("cluster.yaml")).unwrap();
        assert!(told(&text).is_empty(), "{:?}", told(&text));
        seen += 1;
    }
    assert!(seen >= 2);
}

#[test]
fn every_mistake_is_told_with_its_place() {
    for (good, bad, expected) in BROKEN {
        assert!(GOOD.contains(good), "{good}");
        let found = told(&GOOD.replacen(good, bad, 1));
        assert!(found.iter().any(|d| d.contains(expected)), "{good} -> {bad}\nexpected {expected}\nfound {found:#?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = GOOD
        .replace("name: home", "nam: home")
        .replace("10.0.0.21", "x")
        .replace("size: 8GiB", "size: big")
        .replace("count: 2", "count: two");
    let lines: Vec<String> = told(&text).iter().map(|d| d.split(':').nth(1).unwrap_or_default().to_owned()).collect();
    for line in ["3", "6", "10", "14"] {
        assert!(lines.iter().any(|l| l == line), "line {line} is not among {lines:?}");
    }
}

/// A mistake hides no reference but to what it is in itself: all that is said, in the file's order.
#[test]
fn a_wrong_part_hides_no_wrong_reference() {
    const GROUP: &str = "volume data is on kube1, where group vg02 has no devices";
    const DEVICE: &str = "\"/dev/sda\" is not a name that stays";
    const NODE: &str = "\"kube9\" is neither a node nor a role";
    /// What is replaced, by what; and what must then be said.
    type Row = (&'static [(&'static str, &'static str)], &'static [&'static str]);
    let rows: [Row; 11] = [
        (&[("/dev/disk/by-id/nvme-1", "/dev/sda"), ("group: vg01", "group: vg02")], &[DEVICE, GROUP]),
        (&[("/dev/disk/by-id/nvme-1", "/dev/sda")], &[DEVICE]),
        // What is lost may be what is meant.
        (&[("[/dev/disk/by-id/nvme-1]", "{}")], &["a node's devices must be a list"]),
        (&[("kube1: [/dev/disk/by-id/nvme-1]", "kube1: {}"), ("on: [kube1]", "on: [cp1]")], &["must be a list", "is on cp1, where group"]),
        (&[("{devices: {kube1: [/dev/disk/by-id/nvme-1]}}", "{device: {}}")], &["needs \"devices\"", "has no field"]),
        (&[("10.0.0.21", "x y"), ("on: [kube1]", "on: [kube9]")], &["a node's address", NODE]),
        (&[("10.0.0.21", "x y")], &["a node's address"]),
        (&[("10.0.0.21}", "10.0.0.21, roles: [werker]}"), ("on: [kube1]", "on: [worker, kube9]")], &["werker", NODE]),
        (&[("{name: kube1,", "{nam: kube1,"), ("on: [kube1]", "on: [kube9]")], &["needs \"name\"", "has no field"]),
        (&[("size: 8GiB", "size: big"), ("group: vg01", "group: vg02"), ("on: [kube1]", "on: [kube1, kube9]")], &[NODE, GROUP, "\"big\""]),
        (&[("size: 8GiB", "size: big"), ("pool-s", "local-named")], &["\"big\"", "local-named is the storage class of named volumes"]),
    ];
    for (changes, expected) in rows {
        let mut text = GOOD.to_owned();
        for (good, bad) in changes {
            assert!(text.contains(good), "{good}");
            text = text.replacen(good, bad, 1);
        }
        let found = told(&text);
        let all = found.len() == expected.len() && found.iter().zip(expected).all(|(found, words)| found.contains(words));
        assert!(all, "{changes:?}\nexpected {expected:#?}\nfound {found:#?}");
    }
}

#[test]
fn what_is_not_yaml_says_where() {
    for text in ["", "a: [", "a: b: c", "- a\n- b", "a: &x 1\nb: *x", "a: 1\n---\nb: 2", "\t- a"] {
        let found = told(text);
        assert!(found.first().is_some_and(|d| d.starts_with("c.yaml:")), "{text:?}: {found:?}");
    }
}

//! What a node shall be: its part of the bundle, its packages, and the files that we write.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use kubestead_core::name::{HostName, Name};
use kubestead_core::put::Owned;

use super::apt::{Packages, Trust};
use super::proxy;
use super::repository::{DOCKER, KUBERNETES, Proxies};
use super::runtime::RuntimeSpec;
use crate::bundle::{BundleFile, Kind};

/// A node as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its name.
    pub name: Name,
    /// The host name that it must have.
    pub hostname: HostName,
    /// The bundle's folder on the operator's computer.
    pub bundle: PathBuf,
    /// The files of the bundle that this node needs; none without a bundle.
    pub files: Arc<[BundleFile]>,
    /// Kubernetes' programs as packages, when they do not come from the bundle.
    pub packages: Option<Packages>,
    /// Where containerd comes from, when neither the bundle brings it nor the machine must have it.
    pub runtime: Option<RuntimeSpec>,
    /// The proxies behind which it is.
    pub proxies: Option<Proxies>,
    /// What containerd is told of registries, by their hosts.
    pub registries: Arc<BTreeMap<String, Registry>>,
    /// The sandbox image, such as `registry.k8s.io/pause:3.10.2`; containerd's own when not given.
    pub pause_image: Option<String>,
}

/// What containerd is told of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Registry {
    /// Its mirrors, in the order in which they are asked.
    pub mirrors: Vec<String>,
    /// Certificates of authorities, PEM, beside those that the machine trusts.
    pub ca: Option<String>,
}

impl NodeSpec {
    /// What of it a machine of that architecture, as uname(1) says it, can use.
    pub(super) fn on(&self, machine: &str) -> Cow<'_, Self> {
        if self.files.iter().all(|file| file.is_for(machine)) {
            return Cow::Borrowed(self);
        }
        let files = self.files.iter().filter(|file| file.is_for(machine)).cloned().collect();
        Cow::Owned(Self { files, ..self.clone() })
    }

    /// The first file of the bundle that is the program of that name, for whatever machine.
    pub(super) fn program(&self, name: &str) -> Option<&BundleFile> {
        self.files.iter().find(|f| f.name == name && f.kind == Kind::Binary)
    }

    /// Whether the bundle brings containerd; else it is the machine's own, with the unit of its package.
    pub(super) fn brings_containerd(&self) -> bool {
        self.program("containerd").is_some()
    }
}

/// Programs whose versions are observed. What runs in a cluster is never replaced by another version of them.
pub(super) const VERSIONED: [&str; 4] = ["kubelet", "kubeadm", "containerd", "runc"];
/// Where a bundle's programs are.
pub(super) const PROGRAMS: &str = "/usr/local/bin";

/// Kernel settings that kubeadm and the CNI ask for; each is to be 1.
pub(super) const SYSCTLS: [&str; 3] = ["net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables", "net.ipv4.ip_forward"];
pub(super) const SYSCTL_FILE: &str = "/etc/sysctl.d/zz-kubestead.conf";
/// Where containerd looks for what it is told of registries.
pub(super) const CONTAINERD_REGISTRIES: &str = "/etc/containerd/certs.d";
pub(super) const CONTAINERD_CONFIG: &str = "/etc/containerd/config.toml";

/// Where files are written on a node that are ours alone, those among them whose text depends on what a repository offers.
pub fn own_paths(spec: &NodeSpec) -> Vec<String> {
    let offered = spec.packages.as_ref().is_some_and(|packages| matches!(packages.trust, Trust::Fingerprint(_)));
    let kubernetes = offered.then(|| KUBERNETES.paths()).into_iter().flatten();
    let docker = spec.runtime.iter().flat_map(|_| DOCKER.paths());
    kubernetes.chain(docker).chain(own_files(spec).into_iter().map(|file| file.path)).collect()
}

/// All files that are written on a node and that are ours alone, and whose texts are known ahead.
pub fn own_files(spec: &NodeSpec) -> Vec<Owned> {
    let source = spec.packages.as_ref().map(Packages::files).unwrap_or_default();
    [kernel_files(), source, apt_files(spec), containerd_files(spec), kubelet_files(spec)].concat()
}

/// Where programs of the bundle belong: they are ours alone too, and too large to be read at every look.
pub fn places(spec: &NodeSpec) -> Vec<String> {
    spec.files.iter().filter_map(BundleFile::target).collect::<BTreeSet<String>>().into_iter().collect()
}

/// Where the authorities of a registry are.
fn authorities(host: &str) -> String {
    format!("{CONTAINERD_REGISTRIES}/{host}/ca.crt")
}

/// The host that a mirror's own entry would be of, if it is asked over TLS: its certificate is signed by the same authority there.
fn secure(mirror: &str) -> Option<&str> {
    let server = mirror.strip_prefix("https://")?.split('/').next()?;
    Some(server.strip_suffix(":443").unwrap_or(server))
}

/// What containerd is told of registries: the authorities of each, its mirrors, and the registry itself, which is asked when none of them has an image
/// (containerd's hosts.toml).
fn registries(all: &BTreeMap<String, Registry>) -> Vec<Owned> {
    let text = |value: &str| serde_json::Value::from(value);
    let mut files = Vec::new();
    for (host, Registry { mirrors, ca }) in all {
        if mirrors.is_empty() && ca.is_none() {
            continue;
        }
        let mut toml = "# Written by kubestead.\n".to_owned();
        if let Some(pem) = ca {
            files.push(config(&authorities(host), format!("# Written by kubestead.\n{pem}")));
            let _ = writeln!(toml, "ca = {}", text(&authorities(host)));
        }
        for mirror in mirrors {
            let _ = write!(toml, "\n[host.{}]\n  capabilities = [\"pull\", \"resolve\"]\n", text(mirror));
            if let Some(other) = secure(mirror).filter(|other| all.get(*other).is_some_and(|registry| registry.ca.is_some())) {
                let _ = writeln!(toml, "  ca = {}", text(&authorities(other)));
            }
            // Else containerd would put /v2 behind a path, as in https://harbor.example.com/v2/cache.
            if mirror.split_once("://").is_some_and(|(_, rest)| rest.contains('/')) {
                toml.push_str("  override_path = true\n");
            }
        }
        files.push(config(&format!("{CONTAINERD_REGISTRIES}/{host}/hosts.toml"), toml));
    }
    files
}

/// What apt is told of proxies.
pub(super) fn apt_files(spec: &NodeSpec) -> Vec<Owned> {
    let docker = spec.runtime.as_ref().map(|runtime| runtime.repository.as_str());
    let repositories = |packages: &Packages| -> Vec<String> { [packages.address()].into_iter().chain(docker.map(str::to_owned)).collect() };
    let both = spec.proxies.as_ref().zip(spec.packages.as_ref());
    both.map(|(proxies, packages)| proxy::apt(proxies, &repositories(packages))).into_iter().collect()
}

fn config(path: &str, text: impl Into<String>) -> Owned {
    Owned { path: path.to_owned(), text: text.into(), mode: 0o644 }
}

/// Modules and settings of the kernel. The name sorts last, so that nothing in /etc/sysctl.d undoes it.
pub(super) fn kernel_files() -> Vec<Owned> {
    let settings: String = SYSCTLS.iter().map(|s| format!("{s} = 1\n")).collect();
    vec![
        config("/etc/modules-load.d/kubestead.conf", "# Written by kubestead.\noverlay\nbr_netfilter\n"),
        config(SYSCTL_FILE, format!("# Written by kubestead.\n{settings}")),
    ]
}

/// containerd's configuration and, for the bundle's, its unit (containerd's own, with Restart and limits as it ships them).
pub(super) fn containerd_files(spec: &NodeSpec) -> Vec<Owned> {
    // A JSON string is a TOML basic string.
    let pinned = |image: &str| {
        format!("[plugins.\"io.containerd.cri.v1.images\".pinned_images]\n  sandbox = {}\n\n", serde_json::Value::from(image))
    };
    let pinned = spec.pause_image.as_deref().map(pinned).unwrap_or_default();
    let mut files = vec![config(CONTAINERD_CONFIG, CONTAINERD_TOML.replace("@PINNED@", &pinned))];
    if spec.brings_containerd() {
        files.push(config("/etc/systemd/system/containerd.service", CONTAINERD_UNIT));
    }
    files.extend(registries(&spec.registries));
    files.extend(spec.proxies.as_ref().map(|proxies| proxy::drop_in(proxy::CONTAINERD, proxies)));
    files
}

/// The kubelet's unit and kubeadm's drop-in, as in the packages of Kubernetes, but for the place of the binary, where no package
/// brings them; a unit that at shutdown ends the pods after the kubelet and before the volumes: a container that lives holds its volume's device open;
/// and units that tell containerd of the pods' network when it is there ([`NETWORK`]).
pub(super) fn kubelet_files(spec: &NodeSpec) -> Vec<Owned> {
    let mut files = Vec::new();
    if spec.packages.is_none() {
        files.push(config("/etc/systemd/system/kubelet.service", KUBELET_UNIT));
        files.push(config("/etc/systemd/system/kubelet.service.d/10-kubeadm.conf", KUBEADM_DROP_IN));
    }
    files.extend(spec.proxies.as_ref().map(|proxies| proxy::drop_in(proxy::KUBELET, proxies)));
    files.push(config("/etc/systemd/system/kubestead-pods.service", PODS_UNIT));
    files.push(Owned { path: STOP_PODS.to_owned(), text: include_str!("stop-pods.sh").to_owned(), mode: 0o755 });
    files.push(config("/etc/systemd/system/kubestead-network.path", NETWORK_PATH));
    files.push(config("/etc/systemd/system/kubestead-network.service", NETWORK_SERVICE));
    files.push(config("/etc/tmpfiles.d/kubestead-network.conf", NETWORK_AT_BOOT));
    files
}

/// Watches for what flannel writes when a node has its subnet.
pub(super) const NETWORK: &str = "kubestead-network.path";

const STOP_PODS: &str = "/usr/local/lib/kubestead/stop-pods";
/// blk-availability is of lvm2: when it stops it unmounts volumes by itself, and must not while containers have them.
const PODS_UNIT: &str = "# Written by kubestead.
[Unit]
Description=Pods end before the volumes that carry them
After=containerd.service blk-availability.service
Before=kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/usr/local/lib/kubestead/stop-pods
TimeoutStopSec=120

[Install]
WantedBy=kubelet.service
";

/// With its configuration in /etc/cni/net.d a node is ready for pods, and flannel's plugin refuses each one until flanneld has written the node's subnet,
/// after every boot anew; the kubelet then lets ten seconds go by before it tries again. While there is none it asks each second, and the scheduler sends nobody.
const NETWORK_PATH: &str = "# Written by kubestead.
[Unit]
Description=Watch for flannel's subnet of this node
Before=kubelet.service

[Path]
PathChanged=/run/flannel/subnet.env
PathChanged=/run/flannel/10-flannel.conflist

[Install]
WantedBy=paths.target
";

const NETWORK_SERVICE: &str = "# Written by kubestead.
[Unit]
Description=Tell containerd of the pods' network
ConditionPathExists=/run/flannel/subnet.env
ConditionPathExists=/run/flannel/10-flannel.conflist
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/bin/mkdir -p /etc/cni/net.d
ExecStart=/bin/cp /run/flannel/10-flannel.conflist /etc/cni/net.d/.kubestead-flannel
ExecStart=/bin/mv -T /etc/cni/net.d/.kubestead-flannel /etc/cni/net.d/10-flannel.conflist
";

const NETWORK_AT_BOOT: &str = "# Written by kubestead: flannel has no subnet yet when the machine starts.
r! /etc/cni/net.d/10-flannel.conflist
";

const CONTAINERD_TOML: &str = r#"# Written by kubestead. What is your own belongs in /etc/containerd/conf.d (runtimes) and /etc/containerd/certs.d (registries).
version = 3
imports = ["/etc/containerd/conf.d/*.toml"]
root = "/var/lib/containerd"
state = "/run/containerd"

@PINNED@[plugins."io.containerd.cri.v1.images".registry]
  config_path = "/etc/containerd/certs.d"

[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/opt/cni/bin"]
  conf_dir = "/etc/cni/net.d"

[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  SystemdCgroup = true
"#;

const CONTAINERD_UNIT: &str = "# Written by kubestead.
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target dbus.service local-fs.target
RequiresMountsFor=/var/lib/containerd

[Service]
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
LimitNOFILE=1048576
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
";

const KUBELET_UNIT: &str = "# Written by kubestead.
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/local/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
";

const KUBEADM_DROP_IN: &str = r#"# Written by kubestead.
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
# Written by kubeadm init and kubeadm join.
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
# For the machine's own KUBELET_EXTRA_ARGS.
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/local/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> NodeSpec {
        NodeSpec {
            name: Name::new("kube1").unwrap(),
            hostname: HostName::new("kube1").unwrap(),
            bundle: "/b".into(),
            files: [].into(),
            packages: None,
            runtime: None,
            proxies: None,
            registries: Arc::default(),
            pause_image: Some("registry.k8s.io/pause:3.10.2".into()),
        }
    }

    fn with_containerd() -> NodeSpec {
        let text = r#"{"path":"bin/containerd","kind":"binary","name":"containerd","version":"2","sha256":"ab","size":1,"roles":[]}"#;
        NodeSpec { files: [serde_json::from_str(text).unwrap()].into(), ..spec() }
    }

    #[test]
    fn the_containerd_configuration_is_this() {
        let wanted = "# Written by kubestead. What is your own belongs in /etc/containerd/conf.d (runtimes) and /etc/containerd/certs.d (registries).\n\
            version = 3\nimports = [\"/etc/containerd/conf.d/*.toml\"]\nroot = \"/var/lib/containerd\"\nstate = \"/run/containerd\"\n\n\
            [plugins.\"io.containerd.cri.v1.images\".pinned_images]\n  sandbox = \"registry.k8s.io/pause:3.10.2\"\n\n\
            [plugins.\"io.containerd.cri.v1.images\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n\n\
            [plugins.\"io.containerd.cri.v1.runtime\".cni]\n  bin_dirs = [\"/opt/cni/bin\"]\n  conf_dir = \"/etc/cni/net.d\"\n\n\
            [plugins.\"io.containerd.cri.v1.runtime\".containerd]\n  default_runtime_name = \"runc\"\n\n\
            [plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n\n\
            [plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.runc.options]\n  SystemdCgroup = true\n";
        assert_eq!(containerd_files(&spec())[0].text, wanted);
        let unit = &containerd_files(&with_containerd())[1].text;
        for line in ["ExecStart=/usr/local/bin/containerd", "Delegate=yes", "KillMode=process", "Restart=always", "LimitNOFILE=1048576"] {
            assert!(unit.lines().any(|l| l == line), "{line}");
        }
    }

    #[test]
    fn mirrors_are_asked_in_their_order_and_before_the_registry() {
        let mirrors = vec!["https://one.example.com".to_owned(), "http://two.example.com:5000/v2/cache".to_owned()];
        let registry = Registry { mirrors, ca: None };
        let files = containerd_files(&NodeSpec { registries: Arc::new([("docker.io".to_owned(), registry)].into()), ..spec() });
        assert_eq!(files[1].path, "/etc/containerd/certs.d/docker.io/hosts.toml");
        let wanted = "# Written by kubestead.\n\n[host.\"https://one.example.com\"]\n  capabilities = [\"pull\", \"resolve\"]\n\n\
            [host.\"http://two.example.com:5000/v2/cache\"]\n  capabilities = [\"pull\", \"resolve\"]\n  override_path = true\n";
        assert_eq!(files[1].text, wanted);
    }

    #[test]
    fn an_authority_is_that_of_its_host_wherever_the_host_is_asked_over_tls() {
        let registry = |mirrors: &[&str], ca: Option<&str>| Registry {
            mirrors: mirrors.iter().map(|m| (*m).to_owned()).collect(),
            ca: ca.map(str::to_owned),
        };
        let mirrors = [
            "https://one.example.com:443/v2/hub",
            "http://two.example.com:5000",
            "https://two.example.com:5000",
            "https://three.example.com",
        ];
        let all = BTreeMap::from([
            ("docker.io".to_owned(), registry(&mirrors, None)),
            ("one.example.com".to_owned(), registry(&[], Some("ONE\n"))),
            ("three.example.com".to_owned(), registry(&[], None)),
            ("two.example.com:5000".to_owned(), registry(&["https://one.example.com"], Some("TWO\n"))),
        ]);
        let files: BTreeMap<String, String> = registries(&all).into_iter().map(|file| (file.path, file.text)).collect();
        let at = |path: &str| files[&format!("{CONTAINERD_REGISTRIES}/{path}")].as_str();
        assert_eq!(files.len(), 5, "a registry of which nothing is said to containerd has no file");
        assert_eq!(at("one.example.com/ca.crt"), "# Written by kubestead.\nONE\n");
        assert_eq!(at("one.example.com/hosts.toml"), "# Written by kubestead.\nca = \"/etc/containerd/certs.d/one.example.com/ca.crt\"\n");
        let pull = "  capabilities = [\"pull\", \"resolve\"]\n";
        let of = |host: &str| format!("  ca = \"/etc/containerd/certs.d/{host}/ca.crt\"\n");
        let hub = [
            "# Written by kubestead.\n",
            "\n[host.\"https://one.example.com:443/v2/hub\"]\n",
            pull,
            &of("one.example.com"),
            "  override_path = true\n",
            "\n[host.\"http://two.example.com:5000\"]\n",
            pull,
            "\n[host.\"https://two.example.com:5000\"]\n",
            pull,
            &of("two.example.com:5000"),
            "\n[host.\"https://three.example.com\"]\n",
            pull,
        ];
        assert_eq!(at("docker.io/hosts.toml"), hub.concat());
        // What is said of the registry itself stands ahead of the tables, else TOML takes it for the last mirror's.
        let two = at("two.example.com:5000/hosts.toml");
        assert!(two.find("ca = ").unwrap() < two.find('[').unwrap(), "{two}");
    }

    #[test]
    fn what_packages_bring_is_not_written_by_us() {
        let files = containerd_files(&NodeSpec { pause_image: None, ..spec() });
        assert!(
            files.len() == 1 && !files[0].text.contains("sandbox"),
            "the machine's own containerd keeps its unit and its sandbox image"
        );
        let packages = Packages { version: "1.37.1".into(), repository: "https://example.com".into(), trust: Trust::Key(String::new()) };
        let packaged: Vec<String> = kubelet_files(&NodeSpec { packages: Some(packages), ..spec() }).into_iter().map(|f| f.path).collect();
        let always = [
            "/etc/systemd/system/kubestead-pods.service",
            STOP_PODS,
            "/etc/systemd/system/kubestead-network.path",
            "/etc/systemd/system/kubestead-network.service",
            "/etc/tmpfiles.d/kubestead-network.conf",
        ];
        assert_eq!(packaged, always);
        assert_eq!(kubelet_files(&spec()).len(), 2 + always.len());
    }
}

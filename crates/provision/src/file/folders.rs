//! Folders of a machine that are somebody's already.

use super::cluster::POOL_ROOT;

/// Whether a path is that of a folder, or lies in it.
fn is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether the machine needs what lies there before any volume is open, or whoever logs in does: no volume is mounted over it, and no service writes there.
pub(super) fn is_machines(path: &str) -> bool {
    const WHOLE: [&str; 18] = [
        "/bin",
        "/boot",
        "/dev",
        "/efi",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        "/proc",
        "/run",
        "/sbin",
        "/sys",
        "/usr",
        "/var/run",
        "/var/lock",
        "/var/lib/dpkg",
        "/var/lib/private",
        "/var/lib/systemd",
    ];
    const ITSELF: [&str; 8] = ["/", "/etc", "/root", "/tmp", "/var", "/var/lib", "/var/lib/dbus", "/var/tmp"];
    let below = |top: &str| is_in(path, top);
    // Nearly all of /etc is read before a volume is open; Kubernetes' own folder is not.
    let configuration = below("/etc") && !below("/etc/kubernetes");
    // Marks and records of what was done here; the folder of persistent volumes is made to be one.
    let ours = below("/var/lib/kubestead") && path != POOL_ROOT;
    let kernel = ["/vmlinuz", "/initrd.img"].iter().any(|link| path.strip_suffix(".old").unwrap_or(path) == *link);
    let keys = path.split('/').any(|part| part == ".ssh");
    ITSELF.contains(&path) || WHOLE.iter().any(|top| below(top)) || configuration || ours || kernel || keys
}

/// Folders that something on a node writes or empties, and who does.
const OWNED: [(&str, &str); 13] = [
    ("/etc/cni", "flannel"),
    ("/etc/kubernetes", "kubeadm"),
    ("/opt/cni", "flannel"),
    ("/tmp", "the machine, which empties it"),
    ("/var/tmp", "the machine, which empties it"),
    ("/var/lib/cni", "flannel"),
    ("/var/lib/containerd", "containerd"),
    ("/var/lib/etcd", "etcd"),
    ("/var/lib/kubelet", "the kubelet"),
    (POOL_ROOT, "persistent volumes"),
    ("/var/log/containers", "the kubelet"),
    ("/var/log/kubernetes", "the API server"),
    // What is there and of no pod goes.
    ("/var/log/pods", "the kubelet"),
];

/// Who writes or empties a folder of a node, if somebody of Kubernetes or the machine does.
pub(super) fn owner(path: &str) -> Option<&'static str> {
    OWNED.iter().find(|(folder, _)| is_in(path, folder)).map(|(_, who)| *who)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_boots_with_is_its_own() {
        for bad in [
            "/",
            "/etc",
            "/etc/ssh",
            "/etc/systemd/system",
            "/etc/passwd",
            "/etc/kubernetes-x",
            "/usr",
            "/usr/local",
            "/var/lib",
            "/var/lib/dpkg/info",
            "/var/lib/kubestead",
            "/var/lib/kubestead/volumes/x",
            "/run/x",
            "/boot",
            "/vmlinuz.old",
            "/root/.ssh",
            "/home/ops/.ssh/x",
        ] {
            assert!(is_machines(bad), "{bad}");
        }
        for good in [
            "/etc/kubernetes",
            "/etc/kubernetes/pki",
            "/vmlinuz-x",
            "/root/x",
            "/var/lib/kubesteads",
            "/var/lib/etcd",
            "/var/lib/kubelet",
            "/srv",
            "/home",
            "/opt/x",
            "/var/log",
            "/var/lib/kubestead/volumes",
            "/data",
        ] {
            assert!(!is_machines(good), "{good}");
        }
    }

    #[test]
    fn what_others_clean_or_write_is_told_with_whose_it_is() {
        for (path, whose) in [
            ("/var/log/pods/collector", Some("the kubelet")),
            ("/var/log/containers", Some("the kubelet")),
            ("/var/lib/kubelet/x", Some("the kubelet")),
            ("/var/lib/etcd", Some("etcd")),
            ("/var/lib/kubestead/volumes/pool-1", Some("persistent volumes")),
            ("/tmp/logs", Some("the machine, which empties it")),
            ("/var/lib/kubestead-logs", None),
            ("/var/lib/etcd-logs", None),
            ("/var/log/collector", None),
            ("/srv/logs", None),
        ] {
            assert_eq!(owner(path), whose, "{path}");
        }
    }
}

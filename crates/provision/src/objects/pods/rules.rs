//! The rules of Pod Security's level `baseline` for Kubernetes 1.37 (k8s.io/pod-security-admission, `policy/`), with what can be granted beyond them.

use crate::file::POOL_ROOT;

/// What a pod may say in some places.
pub(super) struct Rule {
    /// What it is about, as users write it.
    pub(super) what: &'static str,
    /// Where it is looked for.
    pub(super) at: &'static [At],
    /// What may stand there, if anything does.
    pub(super) may: May,
}

/// Where something stands: the names of fields with dots between them; `[]` after that of a list means each of its items.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    /// In the pod's `spec`.
    Pod(&'static str),
    /// In each of its containers, init containers and ephemeral containers.
    Container(&'static str),
}

/// What may stand in a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum May {
    /// `false`.
    False,
    /// One of these words.
    Words(&'static [&'static str]),
    /// `Default`; any word where the pod has user ids of its own.
    ProcMount,
    /// One of [`CAPABILITIES`], or one that is granted.
    Capability,
    /// 0, or a port that is granted.
    HostPort,
    /// `false`, or `true` where the machine's network is granted.
    HostNetwork,
}

/// Of everybody: those that containerd gives, but for `NET_RAW`.
pub(super) const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The annotation that says a container's AppArmor profile, with the container's name behind it; what it may be, and how such a value may begin.
pub(super) const APPARMOR: (&str, [&str; 2], &str) =
    ("container.apparmor.security.beta.kubernetes.io/", ["", "runtime/default"], "localhost/");

/// Folders in which pods write whatever is granted: the kubelet's volumes, and the pools'.
pub(super) const WRITTEN: [&str; 2] = ["/var/lib/kubelet", POOL_ROOT];

const PROFILES: May = May::Words(&["RuntimeDefault", "Localhost"]);
const NOTHING: May = May::Words(&[""]);

/// All of them but those of `hostPath` volumes and of [`APPARMOR`].
pub(super) const RULES: [Rule; 14] = [
    Rule { what: "hostNetwork", at: &[At::Pod("hostNetwork")], may: May::HostNetwork },
    Rule { what: "hostPID", at: &[At::Pod("hostPID")], may: May::False },
    Rule { what: "hostIPC", at: &[At::Pod("hostIPC")], may: May::False },
    Rule { what: "privileged", at: &[At::Container("securityContext.privileged")], may: May::False },
    Rule { what: "capability", at: &[At::Container("securityContext.capabilities.add[]")], may: May::Capability },
    Rule { what: "hostPort", at: &[At::Container("ports[].hostPort")], may: May::HostPort },
    Rule {
        what: "windowsOptions.hostProcess",
        at: &[At::Pod("securityContext.windowsOptions.hostProcess"), At::Container("securityContext.windowsOptions.hostProcess")],
        may: May::False,
    },
    Rule {
        what: "seccompProfile",
        at: &[At::Pod("securityContext.seccompProfile.type"), At::Container("securityContext.seccompProfile.type")],
        may: PROFILES,
    },
    Rule {
        what: "appArmorProfile",
        at: &[At::Pod("securityContext.appArmorProfile.type"), At::Container("securityContext.appArmorProfile.type")],
        may: PROFILES,
    },
    Rule {
        what: "seLinuxOptions.type",
        at: &[At::Pod("securityContext.seLinuxOptions.type"), At::Container("securityContext.seLinuxOptions.type")],
        may: May::Words(&["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"]),
    },
    Rule {
        what: "seLinuxOptions.user or role",
        at: &[
            At::Pod("securityContext.seLinuxOptions.user"),
            At::Pod("securityContext.seLinuxOptions.role"),
            At::Container("securityContext.seLinuxOptions.user"),
            At::Container("securityContext.seLinuxOptions.role"),
        ],
        may: NOTHING,
    },
    Rule { what: "procMount", at: &[At::Container("securityContext.procMount")], may: May::ProcMount },
    Rule {
        what: "sysctl",
        at: &[At::Pod("securityContext.sysctls[].name")],
        may: May::Words(&[
            "kernel.shm_rmid_forced",
            "net.ipv4.ip_local_port_range",
            "net.ipv4.ip_local_reserved_ports",
            "net.ipv4.ip_unprivileged_port_start",
            "net.ipv4.ping_group_range",
            "net.ipv4.tcp_fin_timeout",
            "net.ipv4.tcp_keepalive_intvl",
            "net.ipv4.tcp_keepalive_probes",
            "net.ipv4.tcp_keepalive_time",
            "net.ipv4.tcp_notsent_lowat",
            "net.ipv4.tcp_rmem",
            "net.ipv4.tcp_slow_start_after_idle",
            "net.ipv4.tcp_syncookies",
            "net.ipv4.tcp_wmem",
        ]),
    },
    Rule {
        what: "host of a probe or hook",
        at: &[
            At::Container("livenessProbe.httpGet.host"),
            At::Container("livenessProbe.tcpSocket.host"),
            At::Container("readinessProbe.httpGet.host"),
            At::Container("readinessProbe.tcpSocket.host"),
            At::Container("startupProbe.httpGet.host"),
            At::Container("startupProbe.tcpSocket.host"),
            At::Container("lifecycle.postStart.httpGet.host"),
            At::Container("lifecycle.postStart.tcpSocket.host"),
            At::Container("lifecycle.preStop.httpGet.host"),
            At::Container("lifecycle.preStop.tcpSocket.host"),
        ],
        may: NOTHING,
    },
];

impl Rule {
    /// Whether the file can grant what it refuses.
    pub(super) fn grantable(&self) -> bool {
        match self.may {
            May::Capability | May::HostPort | May::HostNetwork => true,
            May::False | May::Words(_) | May::ProcMount => false,
        }
    }
}

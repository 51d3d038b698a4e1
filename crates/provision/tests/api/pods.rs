//! Pods to try: what the file grants and does not, and what Pod Security's level `baseline` takes and does not.

use serde_json::{Value, json};

/// A pod's name, the account that it runs as, what it says, and what is said against it.
pub(crate) type Try = (&'static str, &'static str, Value, Option<&'static str>);

/// Puts `more` over `base`: maps are merged, anything else is replaced.
fn merge(base: &mut Value, more: &Value) {
    match (base, more) {
        (Value::Object(base), Value::Object(more)) => {
            for (key, value) in more {
                merge(base.entry(key.as_str()).or_insert(Value::Null), value);
            }
        }
        (base, more) => *base = more.clone(),
    }
}

/// A pod of one container, and more.
pub(crate) fn pod(namespace: &str, name: &str, account: &str, more: &Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {"serviceAccountName": account, "containers": [{"name": "c", "image": "i"}]}});
    merge(&mut pod, more);
    pod
}

fn container(more: &Value) -> Value {
    let mut container = json!({"name": "c", "image": "i"});
    merge(&mut container, more);
    container
}

fn with(more: &Value) -> Value {
    json!({"spec": {"containers": [container(more)]}})
}

fn init(more: &Value) -> Value {
    let mut container = container(more);
    container["name"] = "init".into();
    json!({"spec": {"initContainers": [container]}})
}

fn spec(more: &Value) -> Value {
    json!({"spec": more})
}

/// A path of the machine, and how each mount of it is.
pub(crate) fn mounts(path: &str, read_only: &[bool]) -> Value {
    let mount = |(n, only): (usize, &bool)| json!({"name": "v", "mountPath": format!("/m{n}"), "readOnly": only});
    let mounts: Vec<Value> = read_only.iter().enumerate().map(mount).collect();
    let mut pod = with(&json!({"volumeMounts": mounts}));
    pod["spec"]["volumes"] = json!([{"name": "v", "hostPath": {"path": path}}]);
    pod
}

fn made(path: &str, read_only: bool) -> Value {
    let mut pod = mounts(path, &[read_only]);
    pod["spec"]["volumes"][0]["hostPath"]["type"] = "DirectoryOrCreate".into();
    pod
}

fn adds(name: &str) -> Value {
    json!({"securityContext": {"capabilities": {"add": [name]}}})
}

fn port(host: u16) -> Value {
    with(&json!({"ports": [{"containerPort": 80, "hostPort": host}]}))
}

fn privileged() -> Value {
    json!({"securityContext": {"privileged": true}})
}

/// What the file that is tried has as `namespace.podSecurity`.
pub(crate) const GRANTS: &str = "
    hostPaths: [{path: /srv/share}, {path: /srv/admin, readOnly: true}, {path: /var/lib, readOnly: true}]
    hostPorts: [9100]
    volumePaths: [/mnt/disks]
    accounts:
      pods-privileged:
        capabilities: [NET_ADMIN]
        hostPorts: [8080, 30000-30100]
        hostPaths: [{path: /etc/kubernetes/pki/etcd, readOnly: true}, {path: /dev/ttyUSB0}]
      pods-net: {hostNetwork: true}
      pods-root: {privileged: true}
";

/// What that grants, and what not.
pub(crate) fn granted() -> Vec<Try> {
    let (own, net, root) = ("pods-privileged", "pods-net", "pods-root");
    let mut writes_in_init = mounts("/srv/admin", &[true]);
    writes_in_init["spec"]["initContainers"] = json!([{"name": "init", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/m"}]}]);
    let mut everything = mounts("/etc", &[false]);
    merge(&mut everything, &spec(&json!({"hostPID": true, "hostIPC": true, "hostNetwork": true})));
    let mut beside = port(80);
    beside["spec"]["hostNetwork"] = true.into();
    vec![
        ("plain", "default", json!({}), None),
        ("share", "default", mounts("/srv/share", &[false]), None),
        ("share-read", "default", mounts("/srv/share", &[true]), None),
        ("share-slash", "default", mounts("/srv/share/", &[false]), None),
        ("share-made", "default", made("/srv/share", false), None),
        ("share-below", "default", mounts("/srv/share/link", &[false]), Some("hostPath /srv/share/link")),
        ("share-below-read", "default", mounts("/srv/share/link", &[true]), Some("hostPath /srv/share/link")),
        ("share-beside", "default", mounts("/srv/share-x", &[false]), Some("hostPath /srv/share-x")),
        ("admin", "default", mounts("/srv/admin", &[true]), None),
        ("admin-slash", "default", mounts("/srv/admin/", &[true]), None),
        ("admin-below", "default", mounts("/srv/admin/a/b", &[true, true]), None),
        ("admin-written", "default", mounts("/srv/admin", &[false]), Some("hostPath /srv/admin")),
        ("admin-written-once", "default", mounts("/srv/admin", &[true, false]), Some("hostPath /srv/admin")),
        ("admin-written-by-init", "default", writes_in_init, Some("hostPath /srv/admin")),
        ("admin-made", "default", made("/srv/admin/new", true), Some("hostPath /srv/admin/new")),
        ("admin-evil", "default", mounts("/srv/admin-evil", &[true]), Some("hostPath /srv/admin-evil")),
        ("admin-up", "default", mounts("/srv/admin/../../etc", &[true]), Some("must not contain '..'")),
        ("admin-twice", "default", mounts("/srv//admin", &[true]), Some("hostPath /srv//admin")),
        ("above", "default", mounts("/srv", &[true]), Some("hostPath /srv:")),
        ("top", "default", mounts("/", &[true]), Some("hostPath /:")),
        ("etc", "default", mounts("/etc", &[true]), Some("hostPath /etc")),
        ("lib-below", "default", mounts("/var/lib/x", &[true]), None),
        ("kubelet-below", "default", mounts("/var/lib/kubelet/pods/x", &[true]), Some("hostPath /var/lib/kubelet/pods/x")),
        ("kubelet-below-twice", "default", mounts("/var/lib//kubelet/pods/x", &[true]), Some("hostPath /var/lib//kubelet/pods/x")),
        ("kubelet-below-dot", "default", mounts("/var/lib/./kubelet/pods/x", &[true]), Some("hostPath /var/lib/./kubelet/pods/x")),
        ("share-below-twice", "default", mounts("/srv//share/link", &[true]), Some("hostPath /srv//share/link")),
        ("volumes-below", "default", mounts("/var/lib/kubestead/volumes/a", &[true]), Some("hostPath /var/lib/kubestead/volumes/a")),
        ("etcd", "default", mounts("/etc/kubernetes/pki/etcd", &[true]), Some("hostPath /etc/kubernetes/pki/etcd")),
        ("etcd-of-it", own, mounts("/etc/kubernetes/pki/etcd", &[true]), None),
        ("etcd-of-it-written", own, mounts("/etc/kubernetes/pki/etcd", &[false]), Some("hostPath /etc/kubernetes/pki/etcd")),
        ("serial-of-it", own, mounts("/dev/ttyUSB0", &[false]), None),
        ("share-of-it", own, mounts("/srv/share", &[false]), None),
        ("net-admin", "default", with(&adds("NET_ADMIN")), Some("capability: not granted to service account default")),
        ("net-admin-init", "default", init(&adds("NET_ADMIN")), Some("capability")),
        ("net-admin-of-it", own, with(&adds("NET_ADMIN")), None),
        ("net-admin-init-of-it", own, init(&adds("NET_ADMIN")), None),
        ("net-admin-of-net", net, with(&adds("NET_ADMIN")), Some("capability: not granted to service account pods-net")),
        ("sys-admin-of-it", own, with(&adds("SYS_ADMIN")), Some("capability")),
        ("all-of-it", own, with(&adds("ALL")), Some("capability")),
        ("port", "default", port(8080), Some("hostPort: not granted to service account default")),
        ("port-of-all", "default", port(9100), None),
        ("port-of-it", own, port(8080), None),
        ("port-first", own, port(30000), None),
        ("port-last", own, port(30100), None),
        ("port-beyond", own, port(30101), Some("hostPort")),
        ("port-init", "default", init(&json!({"ports": [{"containerPort": 80, "hostPort": 80}]})), Some("hostPort")),
        ("network", "default", spec(&json!({"hostNetwork": true})), Some("hostNetwork: not granted")),
        ("network-of-it", own, spec(&json!({"hostNetwork": true})), Some("hostNetwork: not granted")),
        ("network-of-net", net, beside, None),
        ("privileged", "default", with(&privileged()), Some("privileged: it must be false")),
        ("privileged-init", "default", init(&privileged()), Some("privileged: it must be false")),
        ("privileged-of-it", own, with(&privileged()), Some("privileged: it must be false")),
        ("privileged-of-root", root, with(&privileged()), None),
        ("everything-of-root", root, everything.clone(), None),
        ("everything", "default", everything, Some("hostPath /etc")),
    ]
}

/// Pods by which two programs that mean the level `baseline` are compared: both verdicts of each rule, and what stands at the edges.
pub(crate) fn baseline() -> Vec<(&'static str, Value)> {
    let both = |more: Value| (json!({"spec": {"securityContext": more.clone()}}), with(&json!({"securityContext": more})));
    let mut found = vec![
        ("b-plain", json!({})),
        ("b-pid", spec(&json!({"hostPID": true}))),
        ("b-ipc", spec(&json!({"hostIPC": true}))),
        ("b-no-pid", spec(&json!({"hostPID": false, "hostIPC": false, "hostNetwork": false}))),
        ("b-network", spec(&json!({"hostNetwork": true}))),
        ("b-privileged", with(&privileged())),
        ("b-unprivileged", with(&json!({"securityContext": {"privileged": false}}))),
        ("b-path", mounts("/srv/other", &[true])),
        ("b-empty", spec(&json!({"volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "configMap": {"name": "x"}}]}))),
        ("b-port", port(81)),
        ("b-no-host-port", with(&json!({"ports": [{"containerPort": 80}]}))),
        ("b-unmasked", with(&json!({"securityContext": {"procMount": "Unmasked"}}))),
        ("b-masked", with(&json!({"securityContext": {"procMount": "Default"}}))),
        ("b-unmasked-users", {
            let mut pod = with(&json!({"securityContext": {"procMount": "Unmasked"}}));
            pod["spec"]["hostUsers"] = false.into();
            pod
        }),
        ("b-escalation", with(&json!({"securityContext": {"allowPrivilegeEscalation": true, "runAsUser": 0}}))),
        ("b-sysctl", spec(&json!({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}))),
        (
            "b-sysctl-second",
            spec(
                &json!({"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "4096 1 2"}, {"name": "net.core.somaxconn", "value": "1"}]}}),
            ),
        ),
        ("b-annotation", json!({"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/c": "unconfined"}}})),
        (
            "b-annotation-good",
            json!({"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/c": "localhost/x", "other": "unconfined"}}}),
        ),
        (
            "b-annotation-default",
            json!({"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/c": "runtime/default"}}}),
        ),
    ];
    for name in ["SYS_ADMIN", "NET_RAW", "ALL", "CAP_CHOWN", "chown", "NET_BIND_SERVICE", "MKNOD", "SYS_CHROOT"] {
        found.push((name, with(&adds(name))));
        found.push((name, init(&adds(name))));
    }
    for sysctl in [
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
        "kernel.sem",
    ] {
        found.push((sysctl, spec(&json!({"securityContext": {"sysctls": [{"name": sysctl, "value": "1"}]}}))));
    }
    for (name, context) in [
        ("seccomp-off", json!({"seccompProfile": {"type": "Unconfined"}})),
        ("seccomp-default", json!({"seccompProfile": {"type": "RuntimeDefault"}})),
        ("seccomp-own", json!({"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}})),
        ("apparmor-off", json!({"appArmorProfile": {"type": "Unconfined"}})),
        ("apparmor-default", json!({"appArmorProfile": {"type": "RuntimeDefault"}})),
        ("apparmor-own", json!({"appArmorProfile": {"type": "Localhost", "localhostProfile": "x"}})),
        ("selinux-type", json!({"seLinuxOptions": {"type": "spc_t"}})),
        ("selinux-good", json!({"seLinuxOptions": {"type": "container_kvm_t", "level": "s0:c1,c2"}})),
        ("selinux-engine", json!({"seLinuxOptions": {"type": "container_engine_t"}})),
        ("selinux-user", json!({"seLinuxOptions": {"user": "root"}})),
        ("selinux-role", json!({"seLinuxOptions": {"role": "sysadm_r"}})),
        ("windows", json!({"windowsOptions": {"hostProcess": true}})),
        ("windows-no", json!({"windowsOptions": {"hostProcess": false}})),
    ] {
        let (whole, one) = both(context);
        found.extend([(name, whole), (name, one)]);
    }
    for (name, handler) in [("http", "httpGet"), ("tcp", "tcpSocket")] {
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            found.push((name, with(&json!({probe: {handler: {"port": 80, "host": "127.0.0.1"}}}))));
            found.push((name, with(&json!({probe: {handler: {"port": 80}}}))));
        }
    }
    for hook in ["postStart", "preStop"] {
        found.push((hook, with(&json!({"lifecycle": {hook: {"httpGet": {"port": 80, "host": "10.0.0.1"}}}}))));
        found.push((hook, with(&json!({"lifecycle": {hook: {"httpGet": {"port": 80}}}}))));
    }
    found
}

//! The files by which a volume opens and mounts itself at boot: crypttab(5), fstab(5), systemd.socket(5) and drop-ins.
//!
//! `_netdev` hangs the unlocking off remote-cryptsetup.target; `nofail` in both files keeps logins possible while the key server is
//! away; the device time-out of 0 and the retry loop in `fetch` let a node heal by itself, however long it takes.

use kubestead_core::put::Owned;

use crate::spec::{HostStorage, Volume};

/// The script that fetches keys.
pub const FETCH: &str = "/usr/local/lib/kubestead/fetch";
/// Its text.
pub const FETCH_TEXT: &str = include_str!("scripts/fetch.sh");
/// The key servers, a line each: user, address, port.
pub const SERVERS: &str = "/etc/kubestead/servers";

fn owned(path: impl Into<String>, text: impl Into<String>, mode: u32) -> Owned {
    Owned { path: path.into(), text: text.into(), mode }
}

/// A name for a systemd unit (systemd.unit(5), "String escaping"): all but letters, digits, `:`, `_` and `.` become `\xNN`.
fn escape(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() || ":_.".contains(c) { c.to_string() } else { format!("\\x{:02x}", c as u32) })
        .collect()
}

/// The systemd unit that opens a volume.
pub fn cryptsetup_unit(volume: &Volume) -> String {
    format!("systemd-cryptsetup@{}.service", escape(&volume.mapper()))
}

/// The files that serve all volumes of a host.
pub fn common(spec: &HostStorage) -> Vec<Owned> {
    let servers: String = spec.servers.iter().map(|s| format!("{} {} {}\n", s.user, s.address, s.port)).collect();
    // The device of a volume waits for its key without limit, and so does its stop job when something still holds it. All file systems
    // are unmounted long before this, so the node reboots.
    let limit =
        |target: &str| owned(format!("/etc/systemd/system/{target}.target.d/10-kubestead.conf"), "[Unit]\nJobTimeoutSec=3min\n", 0o644);
    vec![owned(FETCH, FETCH_TEXT, 0o755), owned(SERVERS, servers, 0o644), limit("reboot"), limit("poweroff")]
}

/// The units of one volume.
pub fn units(volume: &Volume) -> Vec<Owned> {
    let (name, unlock) = (&volume.name, cryptsetup_unit(volume));
    let socket = format!("kubestead-key-{name}.socket");
    vec![
        owned(
            format!("/etc/systemd/system/{socket}"),
            format!(
                "[Unit]\nDescription=Key of the encrypted volume {name}\nDefaultDependencies=no\nConflicts=shutdown.target\nBefore=shutdown.target {unlock}\n\n\
                 [Socket]\nListenStream=/run/kubestead/{}.sock\nSocketMode=0600\nDirectoryMode=0700\nAccept=yes\nRemoveOnStop=yes\n",
                volume.mapper()
            ),
            0o644,
        ),
        owned(
            format!("/etc/systemd/system/kubestead-key-{name}@.service"),
            format!(
                "[Unit]\nDescription=Fetch the key of the encrypted volume {name}\nDefaultDependencies=no\nWants=network-online.target\n\
                 After=network-online.target nss-lookup.target\nConflicts=shutdown.target\nBefore=shutdown.target\n\n\
                 [Service]\nType=oneshot\nTimeoutStartSec=infinity\nStandardInput=null\nStandardOutput=socket\nStandardError=journal\nNoNewPrivileges=yes\n\
                 ProtectSystem=strict\nReadWritePaths=/run/kubestead\nPrivateTmp=yes\nExecStart={FETCH} --wait {name}\n"
            ),
            0o644,
        ),
        owned(
            format!("/etc/systemd/system/{unlock}.d/10-kubestead.conf"),
            format!("[Unit]\nRequires={socket}\nWants=network-online.target\nAfter={socket} network-online.target\n"),
            0o644,
        ),
    ]
}

/// The drop-ins that keep the kubelet and containerd from starting on a bare mount point, and volumes mounted until pods have ended.
pub fn require_mounts(spec: &HostStorage) -> Vec<Owned> {
    let paths =
        |wanted: &dyn Fn(&Volume) -> bool| spec.volumes.iter().filter(|v| wanted(v)).map(|v| v.path.as_str()).collect::<Vec<_>>().join(" ");
    let drop_in = |unit: &str, paths: String| {
        owned(format!("/etc/systemd/system/{unit}.d/10-kubestead.conf"), format!("[Unit]\nRequiresMountsFor={paths}\n"), 0o644)
    };
    let mut found = Vec::new();
    let (all, runtime) = (paths(&|_| true), paths(&|v| v.path.starts_with("/var/lib/containerd")));
    if !all.is_empty() {
        found.push(drop_in("kubelet.service", all.clone()));
        found.push(drop_in("kubestead-pods.service", all));
    }
    if !runtime.is_empty() {
        found.push(drop_in("containerd.service", runtime));
    }
    found
}

/// The volume's line in /etc/crypttab.
pub fn crypttab(volume: &Volume) -> String {
    let discard = if volume.discard { ",discard" } else { "" };
    let mapper = volume.mapper();
    format!(
        "{mapper} {} /run/kubestead/{mapper}.sock luks,_netdev,nofail,headless=true,x-systemd.device-timeout=0{discard}",
        volume.device()
    )
}

/// The volume's line in /etc/fstab.
pub fn fstab(volume: &Volume) -> String {
    let pass = if volume.filesystem == crate::spec::Filesystem::Xfs { 0 } else { 2 };
    format!(
        "/dev/mapper/{} {} {} _netdev,nofail,noatime,x-systemd.device-timeout=0 0 {pass}",
        volume.mapper(),
        volume.path,
        volume.filesystem.as_str()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_names_are_escaped_as_systemd_does() {
        assert_eq!(escape("luks-vol-a"), "luks\\x2dvol\\x2da");
    }
}

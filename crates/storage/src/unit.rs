//! The files by which a volume opens and mounts itself at boot: crypttab(5), fstab(5), systemd.socket(5) and drop-ins.
//!
//! `_netdev` hangs the unlocking off remote-cryptsetup.target; `nofail` in both files keeps logins possible while the key server is
//! away; the device time-out of 0 and the retry loop in `fetch` let a node heal by itself, however long it takes.
//!
//! A volume that is unlocked by hand has no line in crypttab, so that nothing asks for its key on the console. Its mount waits for the mapping without
//! limit, and what needs the mount waits for that.

use std::fmt::Write as _;

use kubestead_core::put::Owned;

use crate::spec::{HostStorage, Volume};

/// The script that fetches keys.
pub const FETCH: &str = "/usr/local/lib/kubestead/fetch";
/// Its text.
pub const FETCH_TEXT: &str = include_str!("scripts/fetch.sh");
/// The key servers, a line each: user, address, port.
pub const SERVERS: &str = "/etc/kubestead/servers";

/// The files that have lines of ours among those of others. They are replaced whole, so that a link would become a file.
pub const TABS: [&str; 2] = ["/etc/crypttab", "/etc/fstab"];

fn owned(path: impl Into<String>, text: impl Into<String>, mode: u32) -> Owned {
    Owned { path: path.into(), text: text.into(), mode }
}

/// A name for a systemd unit (systemd.unit(5), "String escaping"): all but letters, digits, `:`, `_` and `.` become `\xNN`.
fn escape(name: &str) -> String {
    let mut text = String::with_capacity(2 * name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || ":_.".contains(c) {
            text.push(c);
        } else {
            let _ = write!(text, "\\x{:02x}", c as u32);
        }
    }
    text
}

/// The systemd unit that opens a volume.
pub fn cryptsetup_unit(volume: &Volume) -> String {
    format!("systemd-cryptsetup@{}.service", escape(&volume.mapper()))
}

/// The files by which a host fetches keys; none if it does not.
pub fn fetching(spec: &HostStorage) -> Vec<Owned> {
    if !spec.fetches() {
        return Vec::new();
    }
    let servers: String = spec.servers.iter().map(|s| format!("{} {} {}\n", s.user, s.address, s.port)).collect();
    vec![owned(FETCH, FETCH_TEXT, 0o755), owned(SERVERS, servers, 0o644)]
}

/// The files by which a host shuts down while its volumes are closed.
pub fn limits() -> Vec<Owned> {
    // The device of a volume waits for its key without limit, and so does its stop job when something still holds it. All file systems
    // are unmounted long before this, so the node reboots.
    let limit =
        |target: &str| owned(format!("/etc/systemd/system/{target}.target.d/10-kubestead.conf"), "[Unit]\nJobTimeoutSec=3min\n", 0o644);
    vec![limit("reboot"), limit("poweroff")]
}

/// The units of one volume; none if no key of it is fetched.
pub fn units(volume: &Volume) -> Vec<Owned> {
    if volume.fetched() { fetched_units(volume) } else { Vec::new() }
}

/// The units of a volume whose key is fetched at boot.
pub fn fetched_units(volume: &Volume) -> Vec<Owned> {
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

/// All files that are ours alone on a host with volumes.
pub fn own_files(spec: &HostStorage) -> Vec<Owned> {
    if spec.volumes.is_empty() && spec.groups.is_empty() {
        return Vec::new();
    }
    let common = fetching(spec).into_iter().chain(limits());
    common.chain(spec.volumes.iter().flat_map(units)).chain(require_mounts(spec)).collect()
}

/// Where files of ours may be that are needed no more, since volumes are unlocked by hand now.
pub fn left_paths(spec: &HostStorage) -> Vec<String> {
    let units = spec.volumes.iter().filter(|v| v.by_hand()).flat_map(fetched_units).map(|file| file.path);
    let common = [FETCH, SERVERS].map(str::to_owned).into_iter().filter(|_| !spec.volumes.is_empty() && !spec.fetches());
    units.chain(common).collect()
}

/// The volume's line in /etc/crypttab; none if no key of it is fetched.
pub fn crypttab(volume: &Volume) -> Option<String> {
    if !volume.fetched() {
        return None;
    }
    let discard = if volume.discard { ",discard" } else { "" };
    let mapper = volume.mapper();
    Some(format!(
        "{mapper} {} /run/kubestead/{mapper}.sock luks,_netdev,nofail,headless=true,x-systemd.device-timeout=0{discard}",
        volume.device()
    ))
}

/// The volume's line in /etc/fstab.
pub fn fstab(volume: &Volume) -> String {
    let pass = if volume.filesystem == crate::spec::Filesystem::Xfs { 0 } else { 2 };
    // What is encrypted waits for a key, perhaps of a server.
    let late = if volume.is_encrypted() { "_netdev," } else { "" };
    let (source, path, kind) = (volume.source(), &volume.path, volume.filesystem.as_str());
    format!("{source} {path} {kind} {late}nofail,noatime,x-systemd.device-timeout=0 0 {pass}")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::sandbox::Sandbox;

    #[test]
    fn unit_names_are_escaped_as_systemd_does() {
        assert_eq!(escape("luks-vol-a"), "luks\\x2dvol\\x2da");
    }

    const OURS: &str = "ours-ours-ours-ours-ours-ours-ours-ours-ours-ours-ours-ours-ours";
    const SERVER: &str = "key-key-key-key-key-key-key-key-key-key-key-key-key-key-key-key-";

    /// A node with two key servers, of which ssh does this: `$host` is the one that is asked.
    fn node(ssh: &str) -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.put("etc/kubestead/share.d/data", &OURS[..64]);
        sandbox.put("etc/kubestead/servers", "keys 10.0.0.1 22\nkeys 10.0.0.2 2222\n");
        sandbox.program("ssh", &format!("case $* in *10.0.0.1*) host=1 ;; *) host=2 ;; esac; key={SERVER}\n{ssh}"));
        sandbox.program("sleep", "true");
        // Thirty seconds of the real one are one here.
        sandbox.program("timeout", "shift 3; exec /usr/bin/timeout -k 1 1 \"$@\"");
        sandbox
    }

    fn fetch(sandbox: &Sandbox, arguments: &[&str]) -> (Option<i32>, String, String) {
        let begin = Instant::now();
        let found = sandbox.bash(FETCH_TEXT, arguments, b"");
        assert!(begin.elapsed() < Duration::from_secs(20));
        let left: Vec<_> = std::fs::read_dir(sandbox.path("run/kubestead")).into_iter().flatten().collect();
        assert!(left.is_empty(), "nothing of a share stays: {left:?}");
        found
    }

    #[test]
    fn a_server_that_hangs_streams_or_answers_too_little_is_left_for_the_next() {
        let key = format!("{SERVER}{}", &OURS[..64]);
        for first in [
            "while :; do /usr/bin/sleep 0.1; done",
            "printf %s \"$key\"; while :; do /usr/bin/sleep 0.1; done",
            "yes",
            "yes >&2",
            "printf short",
            "printf %sx \"$key\"",
            "exit 66",
            "echo 'kex_exchange_identification: Connection closed by remote host' >&2; exit 255",
            // A shared connection that ends at the very moment that it is asked.
            "echo 'mux_client_hello_exchange: write packet: Broken pipe' >&2; exit 255",
        ] {
            let sandbox = node(&format!("if [ $host = 1 ]; then {first}; else printf %s \"$key\"; fi"));
            let (status, said, why) = fetch(&sandbox, &["data"]);
            assert!(status == Some(0) && said == key, "{first}: {status:?} {said:?} {why}");
            assert!(sandbox.calls("sleep").is_empty(), "the next is asked at once");
        }
        let asked = node("printf %s \"$key\"");
        fetch(&asked, &["data"]);
        let ssh = asked.calls("ssh");
        assert!(
            ssh.len() == 1 && ssh[0].contains("ServerAliveInterval=5 -o ServerAliveCountMax=3 -p 22 keys@10.0.0.1 get data"),
            "{ssh:?}"
        );
        assert!(asked.calls("timeout")[0].starts_with("-k 5 30 ssh "));
    }

    #[test]
    fn keys_at_set_up_share_a_connection_that_no_other_key_pair_made() {
        let sandbox = node("printf %s \"$key\"");
        let asked = |key_pair: &str, arguments: &[&str]| {
            sandbox.put("etc/kubestead/id_ed25519", key_pair);
            assert_eq!(fetch(&sandbox, arguments).0, Some(0));
            let call = sandbox.calls("ssh").pop().unwrap();
            call.split(' ').find_map(|word| word.strip_prefix("ControlPath=")).map(str::to_owned)
        };
        let first = asked("one", &["data"]);
        assert!(first.as_deref().is_some_and(|path| path.contains("run/kubestead/") && path.ends_with("-%C")), "{first:?}");
        assert_eq!(asked("another", &["--wait", "data"]), None);
        assert_ne!(asked("another", &["data"]), first);
    }

    #[test]
    fn a_dropped_login_is_tried_again_for_a_minute_and_a_refusal_is_not() {
        let dropped = "echo 'Connection reset by peer' >&2; exit 255";
        let once = format!(
            "n=$(grep -c ^ssh $0.count 2> /dev/null || true); echo ssh >> $0.count; if [ \"${{n:-0}}\" -lt 4 ]; then {dropped}; fi; printf %s \"$key\""
        );
        let sandbox = node(&once);
        let (status, said, why) = fetch(&sandbox, &["data"]);
        assert!(status == Some(0) && said.len() == 128, "{status:?} {why}");
        assert_eq!(sandbox.calls("sleep").len(), 2);
        let sandbox = node(dropped);
        let (status, said, _) = fetch(&sandbox, &["data"]);
        let waited: u32 = sandbox.calls("sleep").iter().map(|call| call.parse::<u32>().unwrap()).sum();
        assert!(status == Some(75) && said.is_empty() && (60..75).contains(&waited), "{status:?} {waited}");
        for (ssh, expected) in
            [("exit 64", 64), ("exit 66", 66), ("echo 'keys@10.0.0.1: Permission denied (publickey).' >&2; exit 255", 75)]
        {
            let sandbox = node(ssh);
            assert_eq!(fetch(&sandbox, &["data"]).0, Some(expected), "{ssh}");
            assert!(sandbox.calls("sleep").is_empty() && sandbox.calls("ssh").len() == 2, "{ssh}");
        }
    }

    #[test]
    fn at_boot_it_asks_until_a_server_answers_and_a_share_that_is_not_whole_is_told() {
        let sandbox = node(
            "n=$(grep -c ^ssh $0.count 2> /dev/null || true); echo ssh >> $0.count; [ \"${n:-0}\" -ge 30 ] || exit 66; printf %s \"$key\"",
        );
        assert_eq!(fetch(&sandbox, &["--wait", "data"]).0, Some(0));
        assert!(sandbox.calls("sleep").len() >= 15);
        sandbox.put("etc/kubestead/share.d/data", "cut");
        assert_eq!(fetch(&sandbox, &["data"]).0, Some(66));
        assert_eq!(fetch(&sandbox, &["../data"]).0, Some(64));
    }
}

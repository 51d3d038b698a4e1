//! What the lab needs of the host: all that is missing at once, with the line that installs it.

use std::path::Path;

use crate::build;
use crate::error::Error;

/// Program and the Debian package that has it.
const ALWAYS: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("ethtool", "ethtool"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("mke2fs", "e2fsprogs"),
    ("bash", "bash"),
];
const TO_BUILD: &[(&str, &str)] = &[
    ("go", "golang (1.21 or newer; it fetches the toolchain that it needs)"),
    ("gcc", "gcc"),
    ("make", "make"),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
    ("xz", "xz-utils"),
    ("mmdebstrap", "mmdebstrap"),
    ("dpkg-deb", "dpkg"),
    ("dpkg-scanpackages", "dpkg-dev"),
    ("gpg", "gnupg"),
    ("apt-get", "apt"),
];

fn found(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').chain(["/usr/sbin", "/sbin"]).any(|dir| Path::new(dir).join(program).is_file())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}

/// Whether commands enter the lab's network through a user namespace.
pub(crate) fn rootless() -> bool {
    !is_root()
}

/// Checks that a lab can run here.
pub fn requirements() -> Result<(), Error> {
    let mut missing = Vec::new();
    let mut packages: Vec<&str> = Vec::new();
    let wanted = ALWAYS.iter().chain(if build::cached().is_some() { &[] } else { TO_BUILD });
    for (program, package) in wanted {
        if !found(program) {
            missing.push(format!("  the program {program} is missing"));
            packages.push(package);
        }
    }
    if rootless() {
        if build::cached().is_none() && !found("newuidmap") {
            missing.push("  the program newuidmap is missing".into());
            packages.push("uidmap");
        }
        let closed = |path: &str, value: &str| std::fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
        if closed("/proc/sys/kernel/unprivileged_userns_clone", "0")
            || closed("/proc/sys/user/max_user_namespaces", "0")
            || closed("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")
        {
            missing.push("  user namespaces are forbidden to ordinary users: allow them with sysctl, or run this as root".into());
        }
    }
    if !cfg!(target_arch = "x86_64") {
        missing.push("  User Mode Linux runs on x86_64 only".into());
    }
    if missing.is_empty() {
        return Ok(());
    }
    packages.sort_unstable();
    packages.dedup();
    if !packages.is_empty() {
        missing.push(format!("install them: apt-get install {}", packages.join(" ")));
    }
    Err(Error::Missing(missing))
}

//! What the lab needs of the host: all that is missing at once, with the line that installs or allows it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::build;
use crate::error::Error;
use crate::namespaces::Namespaces;
use crate::qemu;
use crate::spec::{Backend, Parts};

/// Program and the Debian package that has it.
type Program = (&'static str, &'static str);

const ALWAYS: &[Program] = &[
    ("ip", "iproute2"),
    ("setsid", "util-linux"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("mke2fs", "e2fsprogs"),
    ("bash", "bash"),
];
const UML: &[Program] = &[("ethtool", "ethtool")];
const QEMU: &[Program] = &[(qemu::PROGRAM, "qemu-system-x86")];
const TO_BUILD: &[Program] = &[
    ("go", "golang"),
    ("gcc", "gcc"),
    ("mmdebstrap", "mmdebstrap"),
    ("dpkg-deb", "dpkg"),
    ("dpkg-scanpackages", "dpkg-dev"),
    ("gpg", "gnupg"),
    ("apt-get", "apt"),
];
const INTERNET: &[Program] = &[("openssl", "openssl"), ("gpg", "gnupg")];
const TO_BUILD_UML: &[Program] = &[("make", "make"), ("flex", "flex"), ("bison", "bison"), ("bc", "bc"), ("xz", "xz-utils")];
const TO_BUILD_QEMU: &[Program] = &[("depmod", "kmod"), ("modprobe", "kmod")];

/// Where ranges of user numbers begin, and how long they are (login.defs(5), SUB_UID_MIN and SUB_UID_COUNT).
const FIRST: u64 = 100_000;
const RANGE: u64 = 65_536;

/// How many mappings a process of the host should be allowed (vm.max_map_count; 65,530 unless somebody raised it). Under User Mode Linux each page of a
/// program's memory may be one, and a program that gets no more of them stands still for ever. These are as many as 1 GiB has pages.
const MAPPINGS: u64 = 262_144;

/// What the host could allow more, and what it is good for. A lab runs without it.
pub fn advice(parts: &Parts) -> Option<String> {
    let allowed = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
    if parts.backend == Backend::Uml { few_mappings(&allowed) } else { None }
}

fn few_mappings(allowed: &str) -> Option<String> {
    let allowed: u64 = allowed.trim().parse().ok()?;
    (allowed < MAPPINGS).then(|| {
        let enough = allowed * 4 / 1024;
        format!(
            "a program in a machine that takes more than {enough} MiB of memory may stand still for ever, an API server with many definitions for instance: as root, \
             sysctl -w vm.max_map_count={MAPPINGS}"
        )
    })
}

fn found(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').chain(["/usr/sbin", "/sbin"]).any(|dir| Path::new(dir).join(program).is_file())
}

/// Checks that a lab of these parts can be built and run here.
pub fn requirements(parts: &Parts) -> Result<(), Error> {
    let backend = parts.backend;
    let to_build = build::cached(parts).is_none();
    let mut missing = Vec::new();
    let mut packages: Vec<&str> = Vec::new();
    let (run, make) = match backend {
        Backend::Uml => (UML, TO_BUILD_UML),
        Backend::Qemu | Backend::QemuTcg => (QEMU, TO_BUILD_QEMU),
    };
    let mut wanted: Vec<Program> = [ALWAYS, run].concat();
    if parts.internet {
        wanted.extend(INTERNET);
    }
    if to_build {
        wanted.extend([TO_BUILD, make].concat());
    }
    if to_build && !is_root() {
        wanted.push(("newuidmap", "uidmap"));
        if found("unshare")
            && !Command::new("unshare").arg("--help").output().is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains("--map-auto"))
        {
            missing
                .push("  unshare has no option --map-auto: it needs util-linux 2.38 or newer, or run the first `lab build` as root".into());
        }
        let user = user();
        for (file, option) in [("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")] {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            if !has_range(&text, &user) {
                let (name, first) = (&user.0, free(&text));
                missing.push(format!(
                    "  {file} has no line for {name}, and a root file system has files of other owners: as root, usermod {option} {first}-{} {name}",
                    first + RANGE - 1
                ));
            }
        }
    }
    for (program, package) in wanted {
        if !found(program) {
            let version = if program == "go" { " (1.21 or newer; it fetches the toolchain that it needs)" } else { "" };
            missing.push(format!("  the program {program} is missing{version}"));
            packages.push(package);
        }
    }
    if found("unshare")
        && found("ip")
        && let Err(why) = Namespaces::choose()
    {
        missing.push(format!("  {why}"));
    }
    if backend != Backend::Uml {
        missing.extend(devices(backend));
    }
    if !cfg!(target_arch = "x86_64") {
        missing.push("  the lab's machines run on x86_64 only".into());
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

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}

/// The user's name and number.
fn user() -> (String, String) {
    let number = std::fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m)).unwrap_or_default().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.get(2) == Some(&number.as_str()));
    (name.map_or_else(|| number.clone(), |fields| fields[0].to_owned()), number)
}

/// Whether a file such as /etc/subuid (subuid(5)) gives the user a range.
fn has_range(text: &str, (name, number): &(String, String)) -> bool {
    text.lines().filter_map(|line| line.split_once(':')).any(|(who, _)| who == name || who == number)
}

/// The first number behind all ranges.
fn free(text: &str) -> u64 {
    let end = |line: &str| {
        let (first, count) = line.split_once(':')?.1.split_once(':')?;
        Some(first.parse::<u64>().ok()? + count.trim().parse::<u64>().ok()?)
    };
    text.lines().filter_map(end).fold(FIRST, u64::max)
}

/// What a lab runs on of which nothing says it: QEMU on a computer of its own where KVM works, which is tried and not assumed; else User Mode Linux, and
/// why.
pub fn usual() -> (Backend, Option<String>) {
    let missing =
        QEMU.iter().find(|(program, _)| !found(program)).map(|(program, package)| format!("{program} is not there: it is in {package}"));
    match missing.map_or_else(kvm, Err) {
        Ok(()) => (Backend::Qemu, None),
        Err(why) => (Backend::Uml, Some(why)),
    }
}

fn opens(path: &str) -> Result<(), String> {
    std::fs::OpenOptions::new().read(true).write(true).open(path).map(drop).map_err(|e| format!("{path} cannot be opened: {e}"))
}

/// Whether QEMU can use KVM, and reach the lab's network.
fn kvm() -> Result<(), String> {
    is_no_guest(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default())?;
    opens("/dev/net/tun")?;
    opens("/dev/kvm")?;
    works(&mut Command::new(qemu::PROGRAM))
}

/// In a virtual machine KVM may well be there, take a machine and never run it, or take the computer along: nothing that is safe to try tells. `hypervisor`
/// is the flag of a processor that is not a computer's own (Linux, arch/x86/include/asm/cpufeatures.h).
fn is_no_guest(cpuinfo: &str) -> Result<(), String> {
    let mut flags = cpuinfo.lines().filter_map(|line| line.strip_prefix("flags")).flat_map(str::split_whitespace);
    if flags.any(|flag| flag == "hypervisor") {
        return Err(
            "this computer is a virtual machine itself, and whether KVM works in it cannot be told; --backend qemu uses it".to_owned()
        );
    }
    Ok(())
}

/// What QEMU cannot open.
fn devices(backend: Backend) -> Vec<String> {
    let mut missing = Vec::new();
    if let Err(error) = opens("/dev/net/tun") {
        missing.push(format!("  {error}: modprobe tun; its mode is 0666 where udev made it"));
    }
    if let (Backend::Qemu, Err(error)) = (backend, opens("/dev/kvm").and_then(|()| works(&mut Command::new(qemu::PROGRAM)))) {
        missing.push(format!(
            "  KVM cannot be used ({error}): load kvm_intel or kvm_amd and join the group kvm, or choose --backend uml or --backend qemu-tcg"
        ));
    }
    missing
}

/// Whether the virtual processor of QEMU can be made.
fn works(qemu: &mut Command) -> Result<(), String> {
    qemu.args(["-machine", "q35,accel=kvm", "-cpu", "host", "-m", "16M", "-S", "-no-user-config", "-nodefaults", "-display", "none"]);
    // At the end of its input it quits by itself only when it is told to.
    qemu.args(["-monitor", "stdio"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = qemu.spawn().map_err(|e| e.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        let _ = std::io::Write::write_all(&mut stdin, b"quit\n");
    }
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said.lines().next().unwrap_or("QEMU ended").to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kvm_is_tried_and_what_refuses_it_is_told() {
        let sh = |script: &str| works(Command::new("sh").args(["-c", script]));
        assert_eq!(sh("read -r line && [ $line = quit ]"), Ok(()));
        assert_eq!(sh("echo 'failed to set MSR 0x10a' >&2; kill -ABRT $$"), Err("failed to set MSR 0x10a".to_owned()));
        assert_eq!(sh("exit 1"), Err("QEMU ended".to_owned()));
        let guest = "processor\t: 0\nmodel name\t: hypervisor\nflags\t\t: fpu vmx hypervisor lahf_lm\n";
        assert!(is_no_guest(guest).is_err_and(|why| why.contains("--backend qemu")));
        assert_eq!([is_no_guest(&guest.replace("vmx hypervisor", "vmx")), is_no_guest("")], [Ok(()), Ok(())]);
        let (backend, why) = usual();
        assert_eq!((backend == Backend::Qemu, backend == Backend::Uml), (why.is_none(), why.is_some()));
    }

    #[test]
    fn a_host_that_allows_few_mappings_is_told() {
        assert!(
            few_mappings("65530\n").is_some_and(|told| told.contains("more than 255 MiB") && told.ends_with("vm.max_map_count=262144"))
        );
        assert_eq!([few_mappings("262144\n"), few_mappings("")], [None, None]);
    }

    #[test]
    fn a_range_is_found_by_name_or_number() {
        let user = ("ann".to_owned(), "1000".to_owned());
        assert!(has_range("bob:1:2\nann:100000:65536\n", &user) && has_range("1000:100000:65536\n", &user));
        assert!(!has_range("anna:100000:65536\nann\n", &user));
        assert_eq!((free(""), free("bob:231072:65536\nann:100000:65536\n")), (100_000, 296_608));
    }
}

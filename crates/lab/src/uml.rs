//! A machine as a User Mode Linux process: Linux itself, in seccomp mode, on a veth pair.

use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::disk;
use crate::error::Error;
use crate::process::run;
use crate::spec::{GATEWAY, Machine};

/// The end of the veth pair that the machine sits on; interface names have at most 15 characters.
fn inner(index: usize) -> String {
    format!("p{index}")
}

/// Makes the bridge and a veth pair a machine. Offloads are off: the raw transport carries packets as they are.
pub(crate) async fn network(machines: usize) -> Result<(), Error> {
    let gateway = format!("{GATEWAY}/24");
    run("ip", &["link", "set", "lo", "up"]).await?;
    run("ip", &["link", "add", "br0", "type", "bridge"]).await?;
    run("ip", &["addr", "add", &gateway, "dev", "br0"]).await?;
    run("ip", &["link", "set", "br0", "up"]).await?;
    for index in 0..machines {
        let (outer, inner) = (format!("v{index}"), inner(index));
        run("ip", &["link", "add", &outer, "type", "veth", "peer", "name", &inner]).await?;
        run("ip", &["link", "set", &outer, "master", "br0", "up"]).await?;
        run("ip", &["link", "set", &inner, "up"]).await?;
        for end in [&outer, &inner] {
            run("ethtool", &["-K", end, "tx", "off", "rx", "off", "gro", "off", "gso", "off", "tso", "off"]).await?;
        }
    }
    Ok(())
}

/// Boots a machine. One CPU: Go programs then choose GOMAXPROCS=1, and all threads of a guest share one host process anyway.
/// The process dies with its parent, so that a crash of the supervisor leaves nothing behind.
pub(crate) fn boot(lab: &Path, kernel: &Path, machine: &Machine, index: usize) -> Result<Child, Error> {
    let dir = disk::folder(lab, &machine.name);
    let console = dir.join("console.log");
    let log = std::fs::File::create(&console).map_err(Error::file("cannot write", &console))?;
    let errors = log.try_clone().map_err(Error::file("cannot write", &console))?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(kernel);
    command.arg(format!("mem={}M", machine.memory)).args(["ncpus=1", "seccomp=on", "root=/dev/ubda", "rw"]);
    command.arg(format!("umid={}", machine.name));
    command.arg(format!("ubd0={}", dir.join("root.img").display())).arg(format!("ubd1r={}", dir.join("config.img").display()));
    for (number, spare) in machine.disks.iter().enumerate() {
        command.arg(format!("ubd{}={},,{}", number + 2, dir.join(format!("disk-{}.img", spare.serial)).display(), spare.serial));
    }
    command.arg(format!("vec0:transport=raw,ifname={},depth=64,gro=0,mac=02:00:00:77:00:{index:02x}", inner(index)));
    command.args(["con=null", "con0=null,fd:1"]);
    command.arg(format!("lab.ip={}/24", machine.address)).arg(format!("lab.host={}", machine.name)).arg(format!("lab.gw={GATEWAY}"));
    // Guest memory is a file in TMPDIR: on a tmpfs it is memory only as touched.
    if Path::new("/dev/shm").is_dir() {
        command.env("TMPDIR", "/dev/shm");
    }
    command.env("HOME", &dir).stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0).kill_on_drop(true);
    command.spawn().map_err(|e| Error::Program { program: kernel.display().to_string(), detail: e.to_string() })
}

/// Cuts the power: the kernel and every process that it made for its guests' threads.
pub(crate) async fn cut(mut child: Child) {
    if let Some(pid) = child.id() {
        let group = format!("-{pid}");
        let _ = run("kill", &["-KILL", "--", &group]).await;
    }
    let _ = child.kill().await;
    let _ = child.wait().await;
}

//! What runs machines: one trait for every backend, and what all backends have in common: the bridge, the process, its end.

use std::path::{Path, PathBuf};

use tokio::process::{Child, Command};

use crate::disk;
use crate::error::Error;
use crate::process::run;
use crate::qemu::Qemu;
use crate::spec::{Backend, GATEWAY, Machine};
use crate::uml::Uml;

/// A backend. It says what to run and runs nothing itself.
pub(crate) trait Runner: Send + Sync {
    /// The commands that make the port of the machine of that number and put it into the bridge, `br0`.
    fn port(&self, index: usize) -> Vec<String>;

    /// The program that is the machine, with its arguments. It writes its console to standard output. `dir` is the machine's folder.
    fn command(&self, dir: &Path, machine: &Machine, index: usize) -> Vec<String>;

    /// Whether a machine is at its best on one CPU of this computer.
    fn takes_turns(&self) -> bool;
}

/// The backend's runner; `kernel` is the folder that its kernel's recipe made.
pub(crate) fn runner(backend: Backend, kernel: PathBuf) -> Box<dyn Runner> {
    match backend {
        Backend::Uml => Box::new(Uml { kernel }),
        Backend::Qemu => Box::new(Qemu { kernel, kvm: true }),
        Backend::QemuTcg => Box::new(Qemu { kernel, kvm: false }),
    }
}

/// The card's address in the machine of that number.
pub(crate) fn mac(index: usize) -> String {
    format!("02:00:00:77:00:{index:02x}")
}

/// What every machine's kernel is told: its name and address, and under which names it finds its card and its configuration disk.
pub(crate) fn parameters(machine: &Machine, card: &str, config: &str) -> Vec<String> {
    let Machine { name, address, .. } = machine;
    vec![
        format!("lab.ip={address}/24"),
        format!("lab.host={name}"),
        format!("lab.gw={GATEWAY}"),
        format!("lab.nic={card}"),
        format!("lab.config={config}"),
    ]
}

/// A machine's disks, each with its serial number, in the order in which the kernel names them.
pub(crate) fn spare_disks(dir: &Path, machine: &Machine) -> Vec<(PathBuf, String)> {
    machine.disks.iter().map(|disk| (dir.join(disk::spare(&disk.serial)), disk.serial.clone())).collect()
}

/// Makes the bridge, and a port for each machine.
pub(crate) async fn network(runner: &dyn Runner, machines: usize) -> Result<(), Error> {
    let bridge = ["ip link set lo up".to_owned(), "ip link add br0 type bridge".to_owned(), format!("ip addr add {GATEWAY}/24 dev br0")];
    let up = "ip link set br0 up".to_owned();
    for line in bridge.into_iter().chain([up]).chain((0..machines).flat_map(|index| runner.port(index))) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [program, arguments @ ..] = words.as_slice() {
            run(program, arguments).await?;
        }
    }
    Ok(())
}

/// Boots a machine. The process dies with its parent, so that a crash of the supervisor leaves nothing behind. It holds `alive` open
/// for as long as it lives.
pub(crate) fn boot(runner: &dyn Runner, lab: &Path, machine: &Machine, index: usize, alive: std::fs::File) -> Result<Child, Error> {
    let dir = disk::folder(lab, &machine.name);
    let console = dir.join("console.log");
    let log = std::fs::File::create(&console).map_err(Error::file("cannot write", &console))?;
    let errors = log.try_clone().map_err(Error::file("cannot write", &console))?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).args(runner.command(&dir, machine, index));
    // Guest memory is a file in TMPDIR under User Mode Linux: on a tmpfs it is memory only as touched.
    if Path::new("/dev/shm").is_dir() {
        command.env("TMPDIR", "/dev/shm");
    }
    command.env("HOME", &dir).stdin(alive).stdout(log).stderr(errors).process_group(0).kill_on_drop(true);
    command.spawn().map_err(|e| Error::Program { program: format!("the machine {}", machine.name), detail: e.to_string() })
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

//! A machine as a User Mode Linux process: Linux itself, in seccomp mode, on a veth pair.

use std::path::{Path, PathBuf};

use crate::runner::{Runner, mac, parameters, spare_disks};
use crate::spec::Machine;

/// User Mode Linux.
pub(crate) struct Uml {
    /// The folder with the kernel, `linux`.
    pub(crate) kernel: PathBuf,
}

/// The end of the veth pair that the machine sits on; interface names have at most 15 characters.
fn inner(index: usize) -> String {
    format!("p{index}")
}

impl Runner for Uml {
    /// A veth pair. Offloads are off: the raw transport carries packets as they are.
    fn port(&self, index: usize) -> Vec<String> {
        let (outer, inner) = (format!("v{index}"), inner(index));
        let plain = |end: &str| format!("ethtool -K {end} tx off rx off gro off gso off tso off");
        vec![
            format!("ip link add {outer} type veth peer name {inner}"),
            format!("ip link set {outer} master br0 up"),
            format!("ip link set {inner} up"),
            plain(&outer),
            plain(&inner),
        ]
    }

    /// One CPU: Go programs then choose GOMAXPROCS=1, and all threads of a guest share one host process anyway.
    fn command(&self, dir: &Path, machine: &Machine, index: usize) -> Vec<String> {
        let mut words = vec![self.kernel.join("linux").display().to_string(), format!("mem={}M", machine.memory)];
        words.extend(["ncpus=1", "seccomp=on", "root=/dev/ubda", "rw"].map(str::to_owned));
        words.push(format!("umid={}", machine.name));
        words.push(format!("ubd0={}", dir.join("root.img").display()));
        words.push(format!("ubd1r={}", dir.join("config.img").display()));
        for (number, (file, serial)) in spare_disks(dir, machine).into_iter().enumerate() {
            words.push(format!("ubd{}={},,{serial}", number + 2, file.display()));
        }
        words.push(format!("vec0:transport=raw,ifname={},depth=64,gro=0,mac={}", inner(index), mac(index)));
        words.extend(["con=null", "con0=null,fd:1"].map(str::to_owned));
        words.extend(parameters(machine, "vec0", "/dev/ubdb"));
        words
    }

    fn takes_turns(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::LabSpec;

    #[test]
    fn disks_keep_their_serial_numbers() {
        let words = Uml { kernel: "/k".into() }.command(Path::new("/lab/kube1"), &LabSpec::default().machines[1], 1);
        assert_eq!(words[0], "/k/linux");
        assert!(words.contains(&"ubd2=/lab/kube1/disk-kube1-data.img,,kube1-data".to_owned()), "{words:?}");
        assert!(words.contains(&"lab.nic=vec0".to_owned()) && words.contains(&"lab.ip=10.77.0.21/24".to_owned()));
    }
}

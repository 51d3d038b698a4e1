//! A machine under QEMU, with KVM or without: Debian's kernel for virtual machines, virtio disks, a tap in the bridge.

use std::path::{Path, PathBuf};

use crate::runner::{Runner, mac, parameters, spare_disks};
use crate::spec::Machine;

/// The program.
pub(crate) const PROGRAM: &str = "qemu-system-x86_64";

/// A virtio disk's serial number has at most so many bytes (`VIRTIO_BLK_ID_BYTES`); QEMU cuts a longer one without a word.
pub(crate) const SERIAL: usize = 20;

/// QEMU.
pub(crate) struct Qemu {
    /// The folder with `linux`, `initramfs` and `modules.img`.
    pub(crate) kernel: PathBuf,
    /// Whether the processor does the work.
    pub(crate) kvm: bool,
}

/// A value inside one of QEMU's comma-separated options: a comma of its own is doubled.
fn value(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

impl Runner for Qemu {
    fn port(&self, index: usize) -> Vec<String> {
        vec![format!("ip tuntap add v{index} mode tap"), format!("ip link set v{index} master br0 up")]
    }

    fn command(&self, dir: &Path, machine: &Machine, index: usize) -> Vec<String> {
        let (machine_type, processor) = if self.kvm { ("q35,accel=kvm", "host") } else { ("q35,accel=tcg", "max") };
        let mut words: Vec<String> =
            [PROGRAM, "-no-user-config", "-nodefaults", "-display", "none", "-serial", "stdio"].map(str::to_owned).into();
        let mut option = |name: &str, value: String| words.extend([format!("-{name}"), value]);
        option("machine", machine_type.to_owned());
        option("cpu", processor.to_owned());
        option("smp", "1".to_owned());
        option("m", format!("{}M", machine.memory));
        option("kernel", self.kernel.join("linux").display().to_string());
        option("initrd", self.kernel.join("initramfs").display().to_string());
        let own = ["console=ttyS0", "net.ifnames=0", "lab.root=/dev/vda", "lab.modules=/dev/vdc"].map(str::to_owned);
        option("append", [own.to_vec(), parameters(machine, "eth0", "/dev/vdb")].concat().join(" "));
        let fixed = [(dir.join("root.img"), false), (dir.join("config.img"), true), (self.kernel.join("modules.img"), true)];
        let fixed = fixed.into_iter().map(|(file, read_only)| (file, None, read_only));
        let spare = spare_disks(dir, machine).into_iter().map(|(file, serial)| (file, Some(serial), false));
        for (number, (file, serial, read_only)) in fixed.chain(spare).enumerate() {
            let read_only = if read_only { ",readonly=on" } else { ",discard=unmap" };
            option("drive", format!("if=none,id=d{number},format=raw,file={}{read_only}", value(&file)));
            let serial = serial.map(|serial| format!(",serial={serial}")).unwrap_or_default();
            option("device", format!("virtio-blk-pci,drive=d{number}{serial}"));
        }
        option("netdev", format!("tap,id=n,ifname=v{index},script=no,downscript=no"));
        option("device", format!("virtio-net-pci,netdev=n,mac={},romfile=", mac(index)));
        words
    }

    fn takes_turns(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Backend, LabSpec};

    #[test]
    fn disks_keep_their_serial_numbers_and_only_the_kernels_own_are_read_only() {
        let words = Qemu { kernel: "/k".into(), kvm: true }.command(Path::new("/a,b/kube1"), &LabSpec::default().machines[1], 1).join(" ");
        assert!(words.contains("file=/a,,b/kube1/root.img,discard=unmap "), "{words}");
        assert!(words.contains("file=/k/modules.img,readonly=on "));
        assert!(words.contains("file=/a,,b/kube1/disk-kube1-data.img,discard=unmap -device virtio-blk-pci,drive=d3,serial=kube1-data "));
        assert!(words.contains("accel=kvm -cpu host") && words.contains("ifname=v1,"));
        let words = Qemu { kernel: "/k".into(), kvm: false }.command(Path::new("/l"), &LabSpec::default().machines[3], 3).join(" ");
        assert!(words.contains("accel=tcg -cpu max") && !words.contains("drive=d3"));
    }

    #[test]
    fn a_serial_number_that_would_be_cut_is_refused() {
        let mut spec = LabSpec { backend: Some(Backend::QemuTcg), ..LabSpec::default() };
        assert!(spec.check().is_ok());
        spec.machines[0].disks[0].serial = "a".repeat(SERIAL + 1);
        assert!(spec.check().is_err());
        spec.backend = None;
        assert!(spec.check().is_ok());
    }
}

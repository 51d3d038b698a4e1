//! The second backend: one machine under QEMU, without KVM, on the same root file system and with the same names of disks.

use std::path::Path;
use std::time::Instant;

use crate::scenario::Scenario;
use crate::stage::{Claim, Done, Stage, is};
use crate::worker::say;

pub(super) static SCENARIOS: &[Scenario] =
    &[Scenario::own("the lab's machines run under QEMU as well, on the same disks", &[], (90, 3600), qemu)];

const LAB: &str =
    r#"{"machines": [{"name": "kube1", "address": "10.77.0.21", "memory": 768, "disks": [{"serial": "kube1-data", "size": 512}]}]}"#;
const DISK: &str = "/dev/disk/by-id/ubd-kube1-data";
/// QEMU's own name of it.
const VIRTIO: &str = "/dev/disk/by-id/virtio-kube1-data";
const IMAGE: &str = "labs/lab/machines/kube1/disk-kube1-data.img";

fn lab(s: &Stage, words: &[&str]) -> Claim {
    s.kubestead(&[&["lab"], words].concat()).run().ok()
}

/// Tells how long something of the lab took.
fn timed(s: &Stage, words: &[&str]) -> Claim {
    let begin = Instant::now();
    let claim = lab(s, words);
    say(&format!("      after {} s", begin.elapsed().as_secs()));
    claim
}

fn kube1(s: &Stage, words: &[&str]) -> Claim {
    s.at("kube1", words).run().ok()
}

/// No process has a file of this scenario's on its command line.
fn no_process(s: &Stage) -> Claim {
    s.program("pgrep", &["-f", &format!("file={}", s.word("labs"))]).run().status(1)
}

fn qemu(s: &Stage) -> Done {
    s.folder("labs/lab")?;
    s.write("labs/lab/lab.json", LAB)?;
    if !Path::new("/dev/kvm").exists() {
        let none = s.kubestead(&["lab", "up", "--backend", "qemu"]).run();
        s.claim("KVM that is not there is named", none.fails().and(none.says("KVM cannot be used")));
    }
    s.claim("lab up", timed(s, &["up", "--backend", "qemu-tcg"]));
    s.equip("kube1")?;
    s.claim("it is Debian's own kernel", kube1(s, &["debians_own_kernel"]));
    let names = kube1(s, &["same_device", DISK, VIRTIO]);
    s.claim("the disk has the name that it has in every lab, and QEMU's own", names);
    s.claim("dm-crypt works", kube1(s, &["secret_disk", DISK]));
    let clear = super::cluster::in_images(s, &["canary".to_owned()], &[s.word(IMAGE)])?;
    s.claim("the disk does not hold the word in the clear", is(!clear, || "it does".to_owned()));
    let other = s.kubestead(&["lab", "up", "--backend", "uml"]).run();
    s.claim("a lab that runs keeps its backend", other.fails().and(other.says("runs on qemu-tcg: stop it first")));
    s.claim("the power is cut", lab(s, &["kill", "kube1"]));
    s.claim("it is off", s.kubestead(&["lab", "status"]).run().status(1));
    s.claim("power back", timed(s, &["start", "kube1"]));
    s.claim("what was synced is there", kube1(s, &["open_disk", DISK]));
    s.claim("lab down", lab(s, &["down"]));
    s.claim("it leaves no process", no_process(s));
    s.claim("the same disks boot as User Mode Linux", lab(s, &["up", "--backend", "uml"]));
    let booted = kube1(s, &["the_labs_own_kernel"]).and_then(|()| kube1(s, &["open_disk", DISK]));
    s.claim("and the disk has its name, and the file", booted);
    s.claim("the backend is remembered", s.kubestead(&["lab", "up"]).run().status(0));
    s.claim("lab down --wipe", lab(s, &["down", "--wipe"]));
    s.claim("it leaves no process", s.machine_processes().status(1).and(no_process(s)));
    Ok(())
}

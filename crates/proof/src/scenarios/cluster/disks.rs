//! Disks and headers that are not ours, or not whole.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, is};

pub(super) static SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "disks that hold something are left to the byte, and a machine that was cut off between two steps is finished beside them",
        shows: &["F02", "R1", "R2", "R4", "nothing is formatted that is not proven blank", "looking does not write"],
        fixture: Fixture::Machines,
        leaves: Leaves::WornOut,
        limit: 1200,
        takes: 250,
        core: true,
        run: not_ours,
    },
    Scenario {
        name: "a header with a flipped byte is held and left to the byte, and with its header back the volume opens",
        shows: &["F02", "R1", "nothing is formatted that is not proven blank"],
        fixture: Fixture::Cluster,
        leaves: Leaves::WornOut,
        limit: 600,
        takes: 50,
        core: false,
        run: flipped_header,
    },
    Scenario {
        name: "a lab that is taken down leaves no process of its machines",
        shows: &[],
        fixture: Fixture::Machines,
        leaves: Leaves::WornOut,
        limit: 300,
        takes: 40,
        core: false,
        run: no_process,
    },
];

/// The UUID that kubestead gives a physical volume, made here a second time.
fn physical_uuid(s: &Stage, group: &str, device: &str) -> Result<String, String> {
    let sum = s.program("sha256sum", &[]).input(format!("kubestead {group} {device}")).run().answer()?;
    uuid_of(&sum)
}

fn uuid_of(sum: &str) -> Result<String, String> {
    let letters: Vec<char> = "abcdefghijklmnopqrstuvwxyz0123456789".chars().collect();
    let mut text = String::new();
    for at in (0..64).step_by(2) {
        let byte = sum.get(at..at + 2).and_then(|hex| usize::from_str_radix(hex, 16).ok()).ok_or_else(|| format!("{sum} is no sum"))?;
        text.push(letters[byte % letters.len()]);
    }
    Ok([0..6, 6..10, 10..14, 14..18, 18..22, 22..26, 26..32].map(|part| text[part].to_owned()).join("-"))
}

fn not_ours(s: &Stage) -> Done {
    s.disks_only()?;
    let [kube2, cp1, kube1] = ["kube2", "cp1", "kube1"].map(|name| format!("/dev/disk/by-id/ubd-{name}-data"));
    // As a run leaves it that is cut off between pvcreate and vgcreate; and on cp1 the same by somebody else.
    let uuid = physical_uuid(s, "vg01", &kube2)?;
    s.on("kube2", &["pvcreate", "-q", "-y", "--uuid", &uuid, "--norestorefile", &kube2]).run().ok()?;
    s.on("cp1", &["pvcreate", "-q", "-y", &cp1]).run().ok()?;
    s.on("kube1", &["mkfs.ext4", "-q", "-F", &kube1]).run().ok()?;
    let image = || -> Result<String, String> {
        s.on("kube1", &["sync"]).run().ok()?;
        s.program("sha256sum", &["labs/lab/machines/kube1/disk-kube1-data.img"]).run().answer()
    };
    let foreign = image()?;
    let plan = s.plan(&[]);
    s.claim("a disk with a filesystem is held and named", plan.status(4).and(plan.says("ext4")));
    let held = s.plan(&[]);
    let what = "cp1/vg01: /dev/disk/by-id/ubd-cp1-data holds a physical volume";
    s.claim("somebody else's physical volume is held and named", held.says(what));
    s.claim("up does the rest and ends so", s.kubestead(&["up"]).run().status(4));
    s.claim("not a byte of it was changed", image().and_then(|now| is(now == foreign, || "the disk of kube1 was changed".to_owned())));
    let finished = || s.on("kube2", &["findmnt", "-M", "/var/lib/kubestead/volumes"]).run().ok();
    s.claim("the machine that was cut off was finished", finished());
    Ok(())
}

fn flipped_header(s: &Stage) -> Done {
    s.disks_only()?;
    s.at("kube2", &["flip_header"]).run().ok()?;
    let plan = s.plan(&[]);
    s.claim("a header with a flipped byte is held and named", plan.status(4).and(plan.says("first copy")));
    let sum = || s.on("kube2", &["sha256sum", "/dev/vg01/volkube"]).run().answer();
    let flipped = sum()?;
    s.claim("up leaves it alone", s.kubestead(&["up"]).run().status(4));
    let same: Claim = sum().and_then(|now| is(now == flipped, || "the volume was changed".to_owned()));
    s.claim("not a byte of it was changed", same);
    s.at("kube2", &["put_header_back"]).run().ok()?;
    s.claim("with its header back it opens again", s.kubestead(&["up"]).run().ok());
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "the form of every scenario")]
fn no_process(s: &Stage) -> Done {
    s.claim("its machines are found while it runs", s.machine_processes().ok());
    s.claim("down", s.kubestead(&["lab", "down"]).run().ok());
    s.claim("down leaves no process", s.machine_processes().status(1));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_the_letters_and_the_form_of_lvms() {
        let uuid = uuid_of(&"00ff24".repeat(22)[..64]).unwrap();
        assert_eq!(uuid, "adaada-adaa-daad-aada-adaa-daad-aadaad");
        assert!(uuid_of("zz").is_err());
    }
}

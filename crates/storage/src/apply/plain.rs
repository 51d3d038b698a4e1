//! The real scripts over a volume without encryption.

use super::tests::volume;
use super::*;
use crate::sandbox::Sandbox;
use crate::spec::Encryption;

const PLAIN: &str = "kubestead:volume,kubestead:plain=data";
const NEW_PLAIN: &str = "kubestead:new,kubestead:volume,kubestead:plain=data";
const MIB: usize = 1 << 20;

fn own() -> Volume {
    Volume { encryption: Encryption::None, ..volume() }
}

/// A machine with the LV, which is tagged so, under both of its names.
fn machine(tags: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.device("/dev/vg01/data", "dm-1", "253:1", &vec![0; 20 * MIB]);
    std::os::unix::fs::symlink(sandbox.path("dev/dm-1"), sandbox.path("dev/mapper/vg01-data")).unwrap();
    sandbox.put("sys/class/block/dm-1/slaves/sda/dev", "8:16\n");
    let there = sandbox.path("removed");
    let lvs = format!(
        "[ ! -e {} ] || exit 5\ncase $* in *vg_name,lv_size*) echo '  vg01 20971520 {tags}' ;; *lv_tags*) echo '  {tags}' ;; esac",
        there.display()
    );
    sandbox.program("lvs", &lvs);
    sandbox.program("lvremove", &format!("touch {}", there.display()));
    sandbox.program("blkid", "echo ext4");
    sandbox
}

fn filesystem(sandbox: &Sandbox) {
    let made = std::process::Command::new("mkfs.ext4").args(["-q", "-F"]).arg(sandbox.path("dev/dm-1")).status().unwrap();
    assert!(made.success());
}

#[test]
fn its_filesystem_is_made_on_the_lv_itself_and_only_under_the_tag_that_names_it() {
    let sandbox = machine(NEW_PLAIN);
    let (status, said) = sandbox.run(&mkfs(&own()));
    assert_eq!(status, Some(0), "{said}");
    assert!(sandbox.calls("cryptsetup").is_empty());
    assert_eq!(
        sandbox.calls("lvchange"),
        ["-q --addtag kubestead:mkfs vg01/data", "-q --deltag kubestead:new --deltag kubestead:mkfs vg01/data"]
    );
    assert_eq!(std::fs::read(sandbox.path("dev/dm-1")).unwrap()[1024 + 0x38..1024 + 0x3a], [0x53, 0xef], "a real ext4");
    for (tags, volume, word) in [
        ("kubestead:new,kubestead:volume", own(), "vg01/data was made to be encrypted"),
        ("kubestead:new,kubestead:volume,kubestead:plain=other", own(), "vg01/data was made to be encrypted"),
        (NEW_PLAIN, volume(), "vg01/data was made without encryption"),
    ] {
        let sandbox = machine(tags);
        let (status, said) = sandbox.run(&mkfs(&volume));
        assert!(status == Some(90) && said.contains(word), "{tags}: {status:?} {said}");
        assert!(sandbox.calls("lvchange").is_empty() && sandbox.calls("cryptsetup").is_empty());
    }
    // What is on a new one that we did not begin is somebody's.
    let sandbox = machine(NEW_PLAIN);
    filesystem(&sandbox);
    let (status, said) = sandbox.run(&mkfs(&own()));
    assert!(status == Some(90) && said.contains("is tagged as new and holds ext4"), "{said}");
    let sandbox = machine("kubestead:new,kubestead:volume,kubestead:plain=data,kubestead:mkfs");
    filesystem(&sandbox);
    assert_eq!(sandbox.run(&mkfs(&own())).0, Some(0), "ours that was cut off is made again");
    assert_eq!(machine(PLAIN).run(&mkfs(&own())).0, Some(91), "a finished one is done");
}

#[test]
fn another_size_before_its_filesystem_is_made_makes_the_lv_anew_with_its_tags() {
    let larger = Volume { size: kubestead_core::size::Bytes(1 << 31), ..own() };
    let sandbox = machine(NEW_PLAIN);
    let (status, said) = sandbox.run(&create(&larger, true, false));
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(
        sandbox.calls("lvcreate"),
        ["-q -y -Wy -n data -L 2147483648B --addtag kubestead:new --addtag kubestead:volume --addtag kubestead:plain=data vg01"]
    );
    assert!(sandbox.calls("cryptsetup").is_empty());
    // A filesystem that we did not begin, and one of a volume that was begun to be encrypted.
    for tags in [NEW_PLAIN, "kubestead:new,kubestead:volume,kubestead:mkfs"] {
        let sandbox = machine(tags);
        filesystem(&sandbox);
        let (status, said) = sandbox.run(&create(&larger, true, false));
        assert!(status == Some(90) && said.contains("is tagged as new and holds ext4"), "{tags}: {said}");
        assert!(sandbox.calls("lvremove").is_empty());
    }
    let sandbox = machine("kubestead:new,kubestead:volume,kubestead:plain=data,kubestead:mkfs");
    filesystem(&sandbox);
    assert_eq!(sandbox.run(&create(&larger, true, false)).0, Some(0));
}

#[test]
fn it_is_mounted_and_grown_by_its_own_name_without_a_key() {
    let sandbox = machine(PLAIN);
    sandbox.program("findmnt", "echo /dev/mapper/vg01-data");
    assert_eq!(sandbox.run(&procedure(&Action::Mount { volume: own() })).0, Some(91), "mounted already");
    sandbox.program("resize2fs", "true");
    let smaller = Volume { size: kubestead_core::size::Bytes(20 << 20), ..own() };
    sandbox.program("lvs", "echo 20971520");
    let (status, said) = sandbox.run(&grow(&smaller));
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(sandbox.calls("resize2fs"), ["/dev/mapper/vg01-data"]);
    assert!(sandbox.calls("cryptsetup").is_empty());
}

#[test]
fn a_wipe_of_it_looks_at_both_tags_and_at_what_it_holds_and_leaves_the_lines_of_others() {
    let wipe = || procedure(&Action::Wipe { volume: own() });
    let fstab = |sandbox: &Sandbox| sandbox.place("/dev/vda / ext4 defaults 0 1\n/dev/mapper/vg01-data2 /data2 ext4 defaults 0 2\n");
    let finished = |tags: &str| {
        let sandbox = machine(tags);
        filesystem(&sandbox);
        sandbox.put("etc/fstab", format!("{}{}\n", fstab(&sandbox), sandbox.place(&unit::fstab(&own()))));
        sandbox
    };
    let sandbox = finished(PLAIN);
    let (status, said) = sandbox.run(&wipe());
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(sandbox.read("etc/fstab"), fstab(&sandbox));
    assert_eq!(std::fs::read(sandbox.path("dev/dm-1")).unwrap()[1024 + 0x38..1024 + 0x3a], [0, 0], "its signature is gone");
    assert_eq!(sandbox.run(&wipe()).0, Some(91), "a second time there is nothing to do");
    for (tags, word) in [
        ("kubestead:plain=data", "no tag that says that kubestead made it"),
        ("kubestead:volume", "no tag that says that it was made without encryption"),
        ("kubestead:volume,kubestead:plain=other", "no tag that says that it was made without encryption"),
    ] {
        let sandbox = finished(tags);
        let before = sandbox.read("etc/fstab");
        let (status, said) = sandbox.run(&wipe());
        assert!(status == Some(90) && said.contains(word), "{tags}: {status:?} {said}");
        assert!(sandbox.calls("lvremove").is_empty() && sandbox.read("etc/fstab") == before);
    }
    let sealed = finished(PLAIN);
    sealed.program("wipefs", "echo crypto_LUKS");
    let (status, said) = sealed.run(&wipe());
    assert!(status == Some(90) && said.contains("/dev/vg01/data holds crypto_LUKS"), "{said}");
    let used = finished(PLAIN);
    used.put("sys/class/block/dm-1/holders/dm-9/dm/name", "theirs\n");
    let (status, said) = used.run(&wipe());
    assert!(status == Some(90) && said.contains("is in use by theirs"), "{said}");
    // Cut before the LV went, with the signature gone: the next run goes on.
    let cut = machine(PLAIN);
    assert_eq!(cut.run(&wipe()).0, Some(0));
}

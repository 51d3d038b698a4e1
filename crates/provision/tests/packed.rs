//! A bundle as one file, and back. Needs: tar, zstd.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by it

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use kubestead_provision::releases::{Packed, pack, unpack, verify};
use sha2::{Digest, Sha256};

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// A bundle of two files in a folder, with what else is there.
fn bundle(dir: &Path) -> PathBuf {
    let folder = dir.join("bundle");
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    std::fs::create_dir_all(folder.join("images")).unwrap();
    let file = |kind: &str, path: &str, name: &str, more: &str| {
        std::fs::write(folder.join(path), name).unwrap();
        format!(
            "{{\"path\":\"{path}\",\"kind\":\"{kind}\",\"name\":\"{name}\",\"version\":\"1\",\"sha256\":\"{}\",\"size\":{},\"roles\":[\"worker\"]{more}}}",
            sum(name.as_bytes()),
            name.len()
        )
    };
    let files = [
        file("image", "images/pause.tar", "pause", ",\"image\":\"registry.k8s.io/pause:3\""),
        file("binary", "bin/kubelet", "kubelet", ""),
    ];
    let json = format!("{{\"formatVersion\":1,\"kubernetes\":\"1.37.1\",\"source\":\"built\",\"files\":[{}]}}", files.join(","));
    std::fs::write(folder.join("bundle.json"), json).unwrap();
    folder
}

fn left(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_bundle_comes_back_whole_and_the_same_bundle_makes_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (from, file, back) = (bundle(dir.path()), dir.path().join("bundle.tar.zst"), dir.path().join("back"));
    std::fs::write(from.join("notes.txt"), "of the bundle's maker").unwrap();
    assert_eq!(pack(&from, &file).await.unwrap().1, Packed::Made);
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(pack(&from, &file).await.unwrap().1, Packed::Already);
    // Neither times nor modes nor owners are in it.
    std::fs::set_permissions(from.join("bin/kubelet"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::File::open(from.join("bin/kubelet")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let again = dir.path().join("again.tar.zst");
    pack(&from, &again).await.unwrap();
    assert_eq!(std::fs::read(&again).unwrap(), bytes);

    let (unpacked, done) = unpack(&file, &back).await.unwrap();
    assert_eq!((done, unpacked.files.len()), (Packed::Made, 2));
    assert_eq!(left(&back), ["bin", "bundle.json", "images"]);
    assert_eq!(verify(&back).unwrap(), unpacked);
    assert_eq!(unpack(&file, &back).await.unwrap().1, Packed::Already);
    // What a run that was cut off left is taken up.
    std::fs::rename(&back, dir.path().join("back.unpacking")).unwrap();
    std::fs::write(dir.path().join("back.unpacking/unpacking"), "").unwrap();
    assert_eq!(unpack(&file, &back).await.unwrap().1, Packed::Made);
    assert_eq!(left(dir.path()), ["again.tar.zst", "back", "bundle", "bundle.tar.zst"]);
}

#[tokio::test]
async fn nothing_of_somebody_is_overwritten_and_what_is_no_whole_bundle_leaves_none() {
    let dir = tempfile::tempdir().unwrap();
    let (from, file, back) = (bundle(dir.path()), dir.path().join("bundle.tar.zst"), dir.path().join("back"));
    std::fs::write(&file, "mine").unwrap();
    assert!(pack(&from, &file).await.unwrap_err().to_string().contains("is something else"));
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    std::fs::remove_file(&file).unwrap();
    pack(&from, &file).await.unwrap();
    std::fs::create_dir(&back).unwrap();
    assert!(unpack(&file, &back).await.unwrap_err().to_string().contains("another bundle or none"));
    std::fs::remove_dir(&back).unwrap();
    std::fs::create_dir(dir.path().join("back.unpacking")).unwrap();
    std::fs::write(dir.path().join("back.unpacking/mine"), "").unwrap();
    assert!(unpack(&file, &back).await.unwrap_err().to_string().contains("is not ours"));
    std::fs::remove_dir_all(dir.path().join("back.unpacking")).unwrap();

    std::fs::write(from.join("bin/kubelet"), "kubelot").unwrap();
    assert!(pack(&from, &dir.path().join("bad.tar.zst")).await.unwrap_err().to_string().contains("bin/kubelet has the sha256"));
    let hostile = |change: &str| {
        let tree = dir.path().join("tree");
        let _ = std::fs::remove_dir_all(&tree);
        std::fs::create_dir(&tree).unwrap();
        bundle(&tree);
        let made = Command::new("bash")
            .args(["-c", change, "change"])
            .arg(dir.path().join("hostile.tar.zst"))
            .current_dir(tree.join("bundle"))
            .status();
        assert!(made.unwrap().success(), "{change}");
        dir.path().join("hostile.tar.zst")
    };
    for (change, cause) in [
        ("echo x > more; tar --zstd -cf \"$1\" *", "it holds \"more\""),
        ("ln -s /etc/passwd images/link; tar --zstd -cf \"$1\" *", "it holds \"images/link\""),
        ("rm bin/kubelet; tar --zstd -cf \"$1\" *", "bin/kubelet"),
        ("echo other > bin/kubelet; tar --zstd -cf \"$1\" *", "bin/kubelet has the sha256"),
        ("tar --zstd -cPf \"$1\" --transform 's,^bin,../outside,' *", "hostile.tar.zst"),
        ("tar --zstd -cf \"$1\" *; truncate -s -20 \"$1\"", "cannot unpack"),
        ("echo no > \"$1\"", "cannot unpack"),
    ] {
        let error = unpack(&hostile(change), &back).await.unwrap_err().to_string();
        assert!(error.contains(cause), "{change}: {error}");
        assert_eq!(left(dir.path()), ["bundle", "bundle.tar.zst", "hostile.tar.zst", "tree"], "{change}");
    }
}

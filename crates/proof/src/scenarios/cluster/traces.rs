//! Where secrets must not be: command lines, and disks.

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, all, fresh_value, is};

use super::NODES;
use super::secrets::base64;

pub(super) static SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "no command line of this computer or of a node ever showed a secret or a token of a join",
        shows: &["F01", "F08", "a key is on standard input or a pipe"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 300,
        takes: 10,
        core: true,
        run: command_lines,
    },
    Scenario {
        name: "a disk holds no file of an encrypted volume in the clear, and the recovery key opens it with plain cryptsetup",
        shows: &["F02"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 600,
        takes: 40,
        core: true,
        run: ciphertext,
    },
    Scenario {
        name: "no secret lies in the clear on any machine's raw disk",
        shows: &["F02", "F08", "F09", "a key is on standard input or a pipe"],
        fixture: Fixture::Cluster,
        leaves: Leaves::AsFound,
        limit: 600,
        takes: 40,
        core: false,
        run: raw_disks,
    },
];

/// A secret value as it is and in base64, a recovery key, the key of encryption at rest, and the identity that opens all.
fn needles(s: &Stage) -> Result<Vec<String>, String> {
    let kept = s.kept()?;
    let recovery = s.kubestead(&["volume", "recovery", "kube1", "volkube"]).run().answer()?;
    let key = s.at("cp1", &["encryption_key"]).run().answer()?;
    let identities = s.read("age.txt")?;
    let identity = identities.lines().find(|line| line.starts_with("AGE-SECRET-KEY")).ok_or("no identity is in age.txt")?.to_owned();
    Ok(vec![base64(&kept), kept, recovery, key, identity])
}

fn are_five(needles: &[String]) -> Claim {
    let mut found: Vec<&String> = needles.iter().filter(|needle| needle.len() >= 20).collect();
    found.sort();
    found.dedup();
    is(found.len() == 5, || format!("only {} are", found.len()))
}

/// Whether a word is a token of kubeadm: six and sixteen letters and digits.
fn is_token(word: &str) -> bool {
    let good = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    word.split_once('.').is_some_and(|(id, secret)| good(id, 6) && good(secret, 16))
}

fn command_lines(s: &Stage) -> Done {
    let needles = needles(s)?;
    s.claim("there are five to look for", are_five(&needles));
    let kube1 = s.on("kube1", &["cat", "/run/cmdlines"]).run().answer()?;
    let cp1 = s.on("cp1", &["cat", "/run/cmdlines"]).run().answer()?;
    s.claim("command lines were seen", is(kube1.lines().any(|word| word == "kubeadm"), || "kubeadm was not seen on kube1".to_owned()));
    s.claim("a word of one is found", is(kube1.contains("volkube"), || "volkube was not seen on kube1".to_owned()));
    let here = s.command_lines();
    let bad = |text: &str| needles.iter().any(|needle| text.contains(needle.as_str())) || text.lines().any(is_token);
    let clean = [("this computer", &here), ("cp1", &cp1), ("kube1", &kube1)];
    s.claim("none shows a secret, nor a token", clean.iter().try_for_each(|(name, text)| is(!bad(text), || format!("one of {name} does"))));
    Ok(())
}

/// Whether one of the needles is in an image.
pub(in crate::scenarios) fn in_images(s: &Stage, needles: &[String], images: &[String]) -> Result<bool, String> {
    let program = include_str!("../../scripts/in_images.py");
    s.write("in_images.py", program)?;
    s.write("needles", &needles.join("\n"))?;
    let [script, file] = ["in_images.py", "needles"].map(|name| s.word(name));
    let words: Vec<&str> = [script.as_str(), file.as_str()].into_iter().chain(images.iter().map(String::as_str)).collect();
    let ran = s.program("python3", &words).run();
    ran.ok().or_else(|_| ran.status(1)).map(|()| ran.status == Some(0))
}

fn image(s: &Stage, machine: &str, name: &str) -> String {
    s.word(&format!("labs/lab/machines/{machine}/{name}.img"))
}

fn ciphertext(s: &Stage) -> Done {
    let canary = fresh_value()?;
    let file = "/var/lib/kubestead/volumes/pool-s-0001/canary";
    s.at("kube1", &["canaries", file, "/root/bare", &canary]).run().ok()?;
    let (bare, hidden) = (vec![format!("{canary}-bare")], vec![format!("{canary}-file")]);
    let found = in_images(s, &bare, &[image(s, "kube1", "root")])?;
    s.claim("the search can find a canary in the clear", is(found, || "it does not".to_owned()));
    let found = in_images(s, &hidden, &[image(s, "kube1", "disk-kube1-data")])?;
    s.claim("the encrypted disk does not hold the canary", is(!found, || "it does".to_owned()));
    let key = s.kubestead(&["volume", "recovery", "kube1", "volkube"]).run();
    key.ok()?;
    let opens = s.at("kube1", &["recovery_opens", "/dev/vg01/volkube"]).input(key.stdout).run();
    s.claim("the recovery key opens the volume with plain cryptsetup", opens.ok());
    s.on("kube1", &["rm", file, "/root/bare"]).run().ok()
}

fn raw_disks(s: &Stage) -> Done {
    let needles = needles(s)?;
    s.claim("there are five to look for", are_five(&needles));
    s.at("kube1", &["canaries", "/run/canary", "/root/bare", &s.kept()?.replace("value", "canary")]).run().ok()?;
    let machines = || NODES.into_iter().chain(["masterlock"]);
    s.claim("no machine has a core dump or swap", all(machines(), |machine| s.at(machine, &["no_core_and_no_swap"]).run().ok()));
    let mut images = Vec::new();
    for machine in machines() {
        let folder = s.path(&format!("labs/lab/machines/{machine}"));
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        images.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "img")));
    }
    let images: Vec<String> = images.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    s.claim("there are images to look at", is(images.len() >= 7, || images.join(", ")));
    let bare = vec![format!("{}-bare", s.kept()?.replace("value", "canary"))];
    s.claim("the search can find what lies in the clear", is(in_images(s, &bare, &images)?, || "it does not".to_owned()));
    s.claim("no secret is on the raw image of any disk", is(!in_images(s, &needles, &images)?, || "one is".to_owned()));
    s.on("kube1", &["rm", "/run/canary", "/root/bare"]).run().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_kubeadm_is_told_from_other_words() {
        assert!(is_token("abcdef.0123456789abcdef"));
        for other in ["abcdef.0123456789abcdeF", "abcde.0123456789abcdef", "abcdef.0123456789abcdef0", "abcdef", "a.b"] {
            assert!(!is_token(other), "{other}");
        }
    }

    #[test]
    fn images_are_searched_beyond_their_holes() {
        use std::io::{Seek, SeekFrom, Write};
        let folder = tempfile::tempdir().unwrap();
        let (image, needles) = (folder.path().join("a.img"), folder.path().join("needles"));
        let mut file = std::fs::File::create(&image).unwrap();
        file.set_len(1 << 26).unwrap();
        // Across the border of two of the blocks that are read at once.
        file.write_all(b"x").unwrap();
        file.seek(SeekFrom::Start((1 << 25) - 3)).unwrap();
        file.write_all(b"needle").unwrap();
        let status = |text: &str| {
            std::fs::write(&needles, text).unwrap();
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/in_images.py");
            std::process::Command::new("python3").arg(script).args([&needles, &image]).status().unwrap().code()
        };
        assert_eq!((status("nothing\nneedle\n"), status("nothing\nnor this\n")), (Some(0), Some(1)));
    }
}

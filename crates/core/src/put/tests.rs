use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use super::*;

/// A folder that is a machine's root: the real scripts with its paths.
struct Root(std::path::PathBuf);

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Root {
    fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("put-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(root.join("a")).unwrap();
        Self(root)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn text(&self, script: &str) -> String {
        script
            .replace("/run/kubestead.act", &self.path("act"))
            .replace(MANIFEST, &self.path("files"))
            .replace(PENDING, &self.path("pending"))
    }

    /// Its status, after it has read as much of the contents, and what it said.
    fn run(&self, procedure: &Procedure, stdin: &[u8]) -> (Option<i32>, String) {
        let script = self.text(&procedure.command().script());
        let mut child = Command::new("bash").args(["-c", &script]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that refuses does not read to the end.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let out = child.wait_with_output().unwrap();
        (out.status.code(), String::from_utf8(out.stderr).unwrap())
    }

    fn put(&self, files: &[Owned]) -> (Option<i32>, String) {
        let procedure = put_texts(files);
        self.run(&procedure, procedure.stdin.bytes())
    }

    fn look(&self, files: &[Owned]) -> Files {
        let command = crate::probe::command(&[section(files.iter().map(|f| &f.path), [self.path("place")])], "n1");
        let script = self.text(&command.script());
        let out = Command::new("bash").env("LC_ALL", "C").args(["-c", &script]).output().unwrap();
        Files::of(&crate::probe::parse(&out.stdout, "n1").unwrap()).unwrap()
    }

    fn owned(&self, name: &str, text: &str) -> Owned {
        Owned { path: self.path(name), text: text.to_owned(), mode: 0o644 }
    }
}

#[test]
fn all_files_come_or_none_does_and_what_a_cut_left_goes() {
    let root = Root::new();
    root.put(&[root.owned("a/it's", "old")]);
    std::fs::write(root.path("a/.kubestead.AbCdEf"), "left by a power cut").unwrap();
    let files = [("a/it's", "one\n", 0o755), ("b/c/two", "zwei", 0o600)];
    let files = files.map(|(name, text, mode)| Owned { path: root.path(name), text: text.to_owned(), mode });
    let mut procedure = put_texts(&files);
    let run = |procedure: &Procedure, stdin: &[u8]| root.run(procedure, stdin).0;
    assert_eq!(procedure.stdin.bytes(), b"one\nzwei");
    assert_eq!(run(&procedure, b"one\nzwe"), Some(90), "a cut is refused");
    assert!(root.read("a/it's") == "old" && root.read("b/c/two").is_empty());
    assert_eq!(run(&procedure, b"onX\nzwei"), Some(92), "another content is seen");
    root.put(&[root.owned("a/it's", "onX\n")]);
    assert_eq!(run(&procedure, b"one\nzwei"), Some(0));
    assert_eq!((root.read("a/it's").as_str(), root.read("b/c/two").as_str()), ("one\n", "zwei"));
    assert_eq!(std::fs::metadata(root.path("b/c/two")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(root.path("a")).unwrap().count(), 1);
    procedure.guard.push_str("\nif fits; then already; fi");
    assert_eq!(run(&procedure, b"one\nzwei"), Some(91));
    std::fs::set_permissions(root.path("b/c/two"), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(run(&procedure, b"one\nzwei"), Some(0), "another mode does not fit");
    std::fs::remove_file(root.path("b/c/two")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.path("b/c/two")).unwrap();
    assert_eq!(run(&procedure, b"one\nzwei"), Some(90), "a link is not followed");
    assert_eq!(run(&puts(&[]), b""), Some(0));
}

#[test]
fn what_was_written_and_is_asked_for_no_more_is_told_while_it_is_there() {
    let root = Root::new();
    let (stays, left, other) = (root.owned("a", "1\n"), root.owned("b/c d", "2\n"), root.owned("e", "3\n"));
    root.put(&[stays.clone(), left.clone()]);
    root.put(&[Owned { text: "4\n".into(), ..left.clone() }]);
    std::fs::write(&other.path, "not ours\n").unwrap();
    let one = std::slice::from_ref(&stays);
    assert_eq!(root.look(one).left, BTreeSet::from([left.path.clone()]), "and once, though it was written twice");
    assert!(root.look(&[stays.clone(), left.clone()]).left.is_empty());
    std::fs::remove_file(&left.path).unwrap();
    assert!(root.look(one).left.is_empty());
}

#[test]
fn somebody_elses_file_is_refused_until_it_was_adopted_and_a_copy_stays() {
    let root = Root::new();
    let file = root.owned("a/config.toml", "# ours\n");
    std::fs::write(&file.path, "[plugins.nvidia]\n").unwrap();
    let wanted = std::slice::from_ref(&file);
    assert_eq!(root.look(wanted).ownership(&file), Ownership::Foreign);
    let (status, said) = root.put(wanted);
    assert!(status == Some(90) && said.contains("config.toml was not written by kubestead"), "{said}");
    assert_eq!(root.read("a/config.toml"), "[plugins.nvidia]\n");
    let other = root.owned("z/other", "the manifest knows others too\n");
    assert_eq!(root.put(std::slice::from_ref(&other)).0, Some(0));
    let found = root.look(wanted);
    let Some(Found::File { sum, headings, .. }) = found.found.get(&file.path) else { panic!("{found:?}") };
    assert_eq!((sum.as_str(), headings.as_slice()), (digest("[plugins.nvidia]\n").as_str(), ["[plugins.nvidia]".to_owned()].as_slice()));
    // It changes between the look and the consent; then it does not.
    assert_eq!(root.run(&adopt(&file.path, &digest("other")), b"").0, Some(90));
    assert_eq!(root.run(&adopt(&file.path, sum), b"").0, Some(0));
    assert_eq!(root.run(&adopt(&file.path, sum), b"").0, Some(91));
    assert_eq!(root.read("a/config.toml.before-kubestead"), "[plugins.nvidia]\n");
    assert_eq!(root.look(wanted).ownership(&file), Ownership::Ours);
    assert_eq!(root.put(wanted).0, Some(0));
    assert_eq!((root.read("a/config.toml").as_str(), root.look(wanted).ownership(&file)), ("# ours\n", Ownership::Done));
    // Edited later: asked again, and the first copy stays.
    std::fs::write(&file.path, "# ours\n[plugins.kata]\n").unwrap();
    assert_eq!(root.look(wanted).ownership(&file), Ownership::Changed);
    let (status, said) = root.put(wanted);
    assert!(status == Some(90) && said.contains("was changed since kubestead wrote it"), "{said}");
    assert_eq!(root.run(&adopt(&file.path, &digest("# ours\n[plugins.kata]\n")), b"").0, Some(0));
    assert_eq!(root.put(wanted).0, Some(0));
    assert_eq!(root.read("a/config.toml.before-kubestead"), "[plugins.nvidia]\n");
    assert_eq!(root.read("a/config.toml.before-kubestead.1"), "# ours\n[plugins.kata]\n");
    let lines = [&file, &other].map(|file| format!("{}  {}\n", digest(&file.text), file.path)).concat();
    assert_eq!(root.read("files"), lines, "the manifest is exact again");
}

#[test]
fn what_holds_what_it_shall_is_recorded_and_what_an_earlier_version_wrote_is_known() {
    let root = Root::new();
    let (same, next) = (root.owned("a/same", "x\n"), root.owned("a/unit\\x2d.service", "# Written by kubestead.\nnew\n"));
    std::fs::write(&same.path, "x\n").unwrap();
    std::fs::write(&next.path, "# Written by kubestead.\nold\n").unwrap();
    let all = [same.clone(), next.clone()];
    let found = root.look(&all);
    assert_eq!((found.ownership(&same), found.ownership(&next)), (Ownership::Unrecorded, Ownership::Ours));
    let pairs = [(same.path.clone(), digest("x\n"))];
    assert_eq!(root.run(&record(&pairs), b"").0, Some(0));
    assert_eq!(root.run(&record(&pairs), b"").0, Some(91));
    assert_eq!(root.put(&all).0, Some(0));
    assert_eq!(root.read("a/unit\\x2d.service.before-kubestead"), "# Written by kubestead.\nold\n", "it may have been edited");
    let found = root.look(&all);
    assert_eq!((found.ownership(&same), found.ownership(&next)), (Ownership::Done, Ownership::Done));
    assert_eq!(Files::holding(&all).written, found.written);
    // The record is refused for what has changed since.
    std::fs::write(&same.path, "y\n").unwrap();
    assert_eq!(root.run(&record(&pairs), b"").0, Some(90));
}

#[test]
fn a_name_makes_nothing_ours_and_what_an_earlier_version_wrote_without_a_word_asks_once() {
    let root = Root::new();
    for name in ["etc/kubestead/servers", "etc/sysctl.d/zz-kubestead.conf", "etc/systemd/system/kubestead-key-data.socket"] {
        let file = root.owned(name, "ours\n");
        let wanted = std::slice::from_ref(&file);
        std::fs::create_dir_all(std::path::Path::new(&file.path).parent().unwrap()).unwrap();
        std::fs::write(&file.path, "theirs\n").unwrap();
        assert_eq!(root.look(wanted).ownership(&file), Ownership::Foreign, "{name}");
        let (status, said) = root.put(wanted);
        assert!(status == Some(90) && said.contains("was not written by kubestead") && root.read(name) == "theirs\n", "{said}");
        assert_eq!(root.run(&adopt(&file.path, &digest("theirs\n")), b"").0, Some(0));
        assert_eq!((root.put(wanted).0, root.read(name).as_str()), (Some(0), "ours\n"));
        assert_eq!(root.read(&format!("{name}.before-kubestead")), "theirs\n");
        // One that holds what it shall asks nobody, whoever wrote it.
        std::fs::write(root.path("files"), "").unwrap();
        assert_eq!(root.look(wanted).ownership(&file), Ownership::Unrecorded);
        assert_eq!(root.put(wanted).0, Some(0));
        assert_eq!(root.look(wanted).ownership(&file), Ownership::Done);
    }
}

#[test]
fn a_cut_between_the_manifest_and_the_file_asks_nobody() {
    let root = Root::new();
    let (old, new) = (root.owned("a/f", "old\n"), root.owned("a/f", "new\n"));
    root.put(std::slice::from_ref(&old));
    let mut cut = put_texts(std::slice::from_ref(&new));
    cut.act = cut.act.replace("    note announce\n", "    note announce\n    exit 7\n");
    for before in ["old\n", "# Written by kubestead.\n"] {
        assert_eq!(root.run(&cut, b"new\n").0, Some(7));
        assert_eq!(root.read("files").lines().count(), 2);
        assert_eq!((root.read("a/f").as_str(), root.look(std::slice::from_ref(&new)).ownership(&new)), (before, Ownership::Ours));
        assert_eq!(root.put(std::slice::from_ref(&new)).0, Some(0));
        assert_eq!(root.read("files"), format!("{}  {}\n", digest("new\n"), new.path));
        // Then one of an earlier version, which kept no manifest.
        std::fs::write(root.path("files"), "").unwrap();
        std::fs::write(root.path("a/f"), "# Written by kubestead.\n").unwrap();
    }
}

/// Every content under every manifest: what the plan is made on is what the guard finds.
#[test]
fn the_look_and_the_guard_agree_in_every_state() {
    let contents = [None, Some("new\n"), Some("old\n"), Some("# Written by kubestead.\n"), Some("[theirs]\n")];
    let manifests: [&[&str]; 5] = [&[], &["new\n"], &["old\n"], &["old\n", "new\n"], &["other\n"]];
    let mut asked = 0;
    for content in contents {
        for manifest in manifests {
            let root = Root::new();
            let file = root.owned("a/f", "new\n");
            let lines: String = manifest.iter().map(|text| format!("{}  {}\n", digest(text), file.path)).collect();
            std::fs::write(root.path("files"), &lines).unwrap();
            if let Some(text) = content {
                std::fs::write(&file.path, text).unwrap();
            }
            let wanted = std::slice::from_ref(&file);
            let ownership = root.look(wanted).ownership(&file);
            let asks = matches!(ownership, Ownership::Changed | Ownership::Foreign);
            let (status, said) = root.put(wanted);
            assert_eq!(status, Some(if asks { 90 } else { 0 }), "{content:?} {manifest:?} {ownership:?} {said}");
            if asks {
                asked += 1;
                assert_eq!(Some(root.read("a/f").as_str()), content);
                assert_eq!(root.run(&adopt(&file.path, &digest(root.read("a/f"))), b"").0, Some(0));
                assert_eq!(root.put(wanted).0, Some(0));
                assert_eq!(Some(root.read("a/f.before-kubestead").as_str()), content);
            }
            assert_eq!(root.read("a/f"), "new\n");
            assert_eq!((root.look(wanted).ownership(&file), root.read("files").lines().count()), (Ownership::Done, 1));
        }
    }
    assert_eq!(asked, 3 + 4 + 5, "of old ones, of marked ones, of theirs");
}

#[test]
fn a_writing_that_was_not_taken_to_its_end_is_seen() {
    let root = Root::new();
    assert!(!root.look(&[]).pending);
    std::fs::write(root.path("pending"), "").unwrap();
    assert!(root.look(&[]).pending);
}

#[test]
fn links_and_folders_are_told_apart_and_noise_is_a_gap() {
    let root = Root::new();
    let (link, folder) = (root.owned("a/link", "x"), root.owned("a/folder", "x"));
    std::os::unix::fs::symlink("/dev/null", &link.path).unwrap();
    std::fs::create_dir(&folder.path).unwrap();
    let found = root.look(&[link.clone(), folder.clone()]);
    assert_eq!((found.ownership(&link), found.ownership(&folder)), (Ownership::Other, Ownership::Other));
    std::fs::write(root.path("place"), "a program").unwrap();
    assert!(!root.look(&[]).found.contains_key(&root.path("place")), "it is not read");
    std::fs::remove_file(root.path("place")).unwrap();
    std::os::unix::fs::symlink("/bin/true", root.path("place")).unwrap();
    assert_eq!(root.look(&[]).found.get(&root.path("place")), Some(&Found::Other));
    for bad in ["f\tnosum\t-\t/a", "what", "w\t/a", "\t\t\t\t"] {
        assert!(Files::read(bad).is_err(), "{bad:?}");
    }
}

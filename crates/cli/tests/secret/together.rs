//! Commands at the same time, and what one of them has not finished.

use super::*;

#[test]
fn commands_at_the_same_time_lose_nothing_of_each_other() {
    let repo = Repo::new();
    repo.registry();
    let file = "secrets/registry.yaml";
    let mut running: Vec<_> = (0..10)
        .map(|number| {
            let mut command = repo.command("kubestead");
            command.args(["secret", "set", file, &format!("stringData/key-{number}")]);
            command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    // What reads the folder meets files that the others are writing.
    let readers: Vec<_> = [["rotate", "secrets"], ["check", "secrets"], ["list", "secrets"]]
        .into_iter()
        .cycle()
        .take(12)
        .map(|args| repo.command("kubestead").arg("secret").args(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    for (number, child) in running.iter_mut().enumerate() {
        write!(child.stdin.take().unwrap(), "value-{number}").unwrap();
    }
    running.extend(readers);
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for number in 0..10 {
        assert_eq!(repo.get(file, &format!("stringData/key-{number}")), format!("value-{number}"));
    }
    let left = std::fs::read_dir(repo.path("secrets")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| name == "registry.yaml" || name == "escrow"), "no lock file and no other is left");
}

#[test]
fn what_is_being_written_is_no_document_yet() {
    let repo = Repo::new();
    assert_eq!(repo.run(&["new", "secrets/store.p12"], "bytes").code, 0);
    let part = "secrets/.kubestead-0123456789abcdef";
    repo.write(part, &repo.read("secrets/store.p12"));
    let before = repo.read(part);
    let ran = repo.run(&["rotate", "secrets"], "");
    assert!(ran.code == 0 && ran.out.lines().count() == 1, "{} {}", ran.out, ran.err);
    assert_eq!(repo.read(part), before);
    assert!(!repo.run(&["list", "secrets"], "").out.contains(".kubestead-"));
}

#[test]
fn who_holds_the_lock_is_waited_for_and_hinders_nobody_once_killed() {
    let repo = Repo::new();
    repo.registry();
    // A process of its own that holds the file's lock and is killed.
    let mut holder = repo.command("flock").args(["--no-fork", "secrets/registry.yaml", "sleep", "1000"]).spawn().unwrap();
    let mut child = None;
    while child.is_none() {
        // Until the holder has it, `unset` is done at once.
        let mut command = repo.command("kubestead");
        command.args(["secret", "unset", "secrets/registry.yaml", "stringData/none"]).stderr(Stdio::piped());
        let mut started = command.spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(started.stderr.as_mut().unwrap()), &mut line).unwrap();
        if line.contains("waiting: another command is changing secrets/registry.yaml") {
            child = Some(started);
        } else {
            assert!(started.wait().unwrap().success(), "{line}");
        }
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(child.unwrap().wait().unwrap().success());
}

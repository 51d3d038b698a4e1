//! The backend against a real sshd on loopback, each with a configuration of its own.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test fails by it, and says that it skips

mod sshd;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command as Program, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kubestead_backend::ssh::{Gates, SshHost};
use kubestead_core::command::{Command, Source, Stdin};
use kubestead_core::host::{Host, HostError};
use kubestead_core::secret::Secret;
use kubestead_core::transport::Login;
use rustix::process::{Signal, kill_process};
use sshd::{Sshd, works};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_scripts_secrets_and_every_status_arrive() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = sshd.connect().await;
    if !works(&host).await {
        return;
    }
    let script = format!("x={}; printf '%s ' ${{#x}}; tr '\\0' 0 < /proc/$$/cmdline; cat; echo bad >&2; exit 7", "y".repeat(400_000));
    let input: Vec<u8> = (0..200_000).map(|n| u8::try_from(n % 256).unwrap()).collect();
    let out = host.run(&Command::write_script(script).stdin(Stdin::Secret(Secret::new(input.clone())))).await.unwrap();
    assert_eq!((out.status, String::from_utf8(out.stderr).unwrap().as_str()), (7, "bad\n"));
    let text = out.stdout;
    assert!(text.starts_with(b"400000 bash0--norc0-s0") && text.ends_with(&input), "the script is in no command line");
    for status in [0, 1, 124, 127, 255] {
        assert_eq!(host.run(&Command::read_script(format!("exit {status}"))).await.unwrap().status, status);
    }
    let missing = host.run(&Command::read(["no-such-program"])).await.unwrap();
    assert!(missing.status == 127 && missing.tail().contains("no-such-program"), "a missing tool is no lost connection: {missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_hangs_or_streams_without_end_costs_a_limit() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = sshd.connect().await;
    if !works(&host).await {
        return;
    }
    let hangs = Command::read_script("printf '\\036storage/lvm\\n' >&2; sleep 600").limit_seconds(1);
    let error = host.run(&hangs).await.unwrap_err();
    assert_eq!(error, HostError::Timeout { host: "kube1".into(), seconds: 1, at: Some("storage/lvm".into()) });
    assert_eq!(error.to_string(), "kube1: no answer for 1 s at: storage/lvm");
    // One that ignores every signal of its own limit: ours ends it.
    let deaf = Command::read_script("trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 300' & wait; sleep 300").limit_seconds(1);
    let begin = Instant::now();
    assert!(matches!(host.run(&deaf).await.unwrap_err(), HostError::Timeout { .. }));
    assert!(begin.elapsed() < Duration::from_secs(250), "what it left behind is not waited for");
    let endless = host.run(&Command::read_script("printf '\\036here\\n' >&2; yes").limit_output(1 << 20)).await.unwrap_err();
    assert_eq!(endless, HostError::TooMuch { host: "kube1".into(), limit: 1 << 20, at: Some("here".into()) });
    assert!(matches!(host.run(&Command::read_script("yes >&2")).await.unwrap_err(), HostError::TooMuch { .. }));
    assert!(host.run(&Command::read(["true"])).await.unwrap().success(), "and the connection is as it was");
}

/// Whoever watches a cluster with services asks for the API's port at every look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_of_a_host_is_reached_through_one_of_ours_however_often_it_is_asked_for() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = sshd.connect().await;
    let there = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = there.local_addr().unwrap().port();
    let ours = host.forward(remote).await.unwrap();
    assert_eq!((host.forward(remote).await.unwrap(), host.forward(remote).await.unwrap()), (ours, ours));
    assert_ne!(host.forward(1).await.unwrap(), ours, "another port has its own");
    let _client = std::net::TcpStream::connect(("127.0.0.1", ours)).unwrap();
    there.accept().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_a_connection_is_enough() {
    for sessions in [1, 2] {
        let Some(sshd) = Sshd::start(&format!("MaxSessions {sessions}")) else { return };
        let host = sshd.connect().await;
        if !works(&host).await {
            return;
        }
        let commands: Vec<Command> = (0..6).map(|n| Command::read(["echo".to_owned(), n.to_string()])).collect();
        let all = || futures::future::join_all(commands.iter().map(|command| host.run(command)));
        for (n, out) in all().await.into_iter().enumerate() {
            assert_eq!(out.unwrap().text(), format!("{n}\n"), "MaxSessions {sessions}, without a lease");
        }
        let lease = host.lease().await.unwrap().expect("nobody has it");
        for (n, out) in all().await.into_iter().enumerate() {
            assert_eq!(out.unwrap().text(), format!("{n}\n"), "MaxSessions {sessions}, beside the lease");
        }
        drop(lease);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_that_sshd_drops_come_through_all_the_same() {
    let Some(sshd) = Sshd::start("MaxStartups 2:50:4") else { return };
    let gates = Arc::new(Gates::default());
    let login = |n: usize| {
        let (login, gates) = (sshd.login(&format!("kube{n}")), Arc::clone(&gates));
        async move { SshHost::connect(&login, &gates).await.map(|_| ()) }
    };
    for result in futures::future::join_all((0..24).map(login)).await {
        result.unwrap();
    }
    let log = std::fs::read_to_string(sshd.path("log")).unwrap();
    assert!(log.contains("drop connection") || log.contains("MaxStartups"), "the limit was met: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_hosts_behind_a_jump_host_with_usual_limits_are_all_seen() {
    let (Some(jump), Some(target)) = (Sshd::start(""), Sshd::start("MaxStartups 100")) else { return };
    let config = target.path("config");
    let through = |sshd: &Sshd| std::fs::read_to_string(sshd.path("config")).unwrap().replace("Host *\n", "  HostName 127.0.0.1\n");
    std::fs::write(&config, format!("Host jump\n{}Host kube*\n{}  ProxyJump jump\n", through(&jump), through(&target))).unwrap();
    let gates = Arc::new(Gates::default());
    let login = |n: usize| {
        let login = Login { destination: format!("kube{n}"), ..target.login(&format!("kube{n}")) };
        let gates = Arc::clone(&gates);
        async move { SshHost::connect(&login, &gates).await.map(|_| ()) }
    };
    for result in futures::future::join_all((0..24).map(login)).await {
        result.unwrap();
    }
    let log = std::fs::read_to_string(jump.path("log")).unwrap();
    assert!(!log.contains("drop connection"), "no more begin at once than its sshd takes: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_has_one_writer_and_what_a_login_prints_is_no_answer() {
    let noise = "#!/bin/sh\necho '@@n9 x 0 0'; echo welcome; echo motd >&2\nexec bash -c \"$SSH_ORIGINAL_COMMAND\"\n";
    let Some(sshd) = Sshd::start("") else { return };
    let forced = sshd.path("forced");
    std::fs::write(&forced, noise).unwrap();
    std::fs::set_permissions(&forced, std::fs::Permissions::from_mode(0o755)).unwrap();
    let Some(noisy) = Sshd::start(&format!("ForceCommand {}", forced.display())) else { return };
    let (first, second) = (sshd.connect().await, noisy.connect().await);
    if !works(&first).await {
        return;
    }
    let lease = second.lease().await.unwrap().expect("noise is skipped");
    assert!(first.lease().await.unwrap().is_none(), "another writer has it");
    drop(lease);
    assert!(first.lease().await.unwrap().is_some(), "and it is free again");
    let sections = [kubestead_core::probe::Section::program("a", ["echo", "one"])];
    let out = second.run(&kubestead_core::probe::command(&sections, "n1")).await.unwrap();
    assert_eq!(kubestead_core::probe::parse(&out.stdout, "n1").unwrap().text("a").unwrap(), "one\n");
    // A login that may not do anything says why.
    std::fs::write(&forced, "#!/bin/sh\necho 'This account is currently not available.'\nexit 1\n").unwrap();
    let error = second.lease().await.err().unwrap().to_string();
    assert!(error.contains("its lock was not given") && error.contains("This account is currently not available"), "{error}");
}

#[test]
fn a_lock_is_free_again_when_the_beats_stop() {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("lock");
    let script = include_str!("../src/ssh/scripts/lease.sh").replace("/run/kubestead.lock", lock.to_str().unwrap());
    let script = format!("silence=1\n{script}");
    let mut child =
        Program::new("timeout").args(["30", "bash", "-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // The pipe stays open, as a connection does whose network is gone.
    let pipe = child.stdin.take().unwrap();
    assert_ne!(child.wait().unwrap().code(), Some(124), "it waits for ever");
    drop(pipe);
    assert!(Program::new("flock").args(["-n", lock.to_str().unwrap(), "true"]).status().unwrap().success());
}

/// Every write until one is refused; what the last one before it wrote, and the refusal.
async fn until_refused(host: &SshHost, marks: &Path) -> (usize, HostError) {
    let begin = Instant::now();
    for n in 0.. {
        if let Err(error) =
            host.run(&Command::write_script("touch \"$mark\"").var("mark", marks.join(n.to_string()).to_str().unwrap())).await
        {
            return (n, error);
        }
        assert!(begin.elapsed() < Duration::from_secs(120), "it goes on writing without its lock");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_whose_lock_was_lost_writes_no_more() {
    // Killed, the lock is free at once; stopped, it is silent as a machine is behind a network that is gone.
    let lost = async |signal| {
        let Some(sshd) = Sshd::with_lock_of_its_own() else { return };
        let host = sshd.connect().await;
        if !works(&host).await {
            return;
        }
        let marks = tempfile::tempdir().unwrap();
        let lease = host.lease().await.unwrap().expect("nobody has it");
        assert!(host.run(&Command::write(["true"])).await.unwrap().success());
        let holder = sshd.lock_holder();
        kill_process(holder, signal).unwrap();
        let (refused, error) = until_refused(&host, marks.path()).await;
        let why = error.to_string();
        assert!(matches!(error, HostError::Lost { .. }) && why.contains("its lock was lost") && why.contains("run again"), "{why}");
        assert!(refused == 0 || marks.path().join((refused - 1).to_string()).exists(), "those before it were done");
        assert!(!marks.path().join(refused.to_string()).exists(), "the refused one has done nothing");
        assert!(host.run(&Command::write(["true"])).await.is_err(), "and it stays so");
        assert!(host.run(&Command::read(["true"])).await.unwrap().success(), "looking goes on");
        drop(lease);
        let _ = kill_process(holder, Signal::KILL);
        let again = host.lease().await.unwrap().expect("it is free");
        assert!(host.run(&Command::write(["true"])).await.unwrap().success(), "a lock that was taken anew is a right to write");
        drop(again);
    };
    futures::join!(lost(Signal::KILL), lost(Signal::STOP));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sudo_that_refuses_is_named_with_what_to_do() {
    let Some(sshd) = Sshd::with_forced("PATH=${0%/*}:$PATH\nexport PATH\nexec bash -c \"$SSH_ORIGINAL_COMMAND\"") else { return };
    let host = sshd.connect().await;
    if !works(&host).await {
        return;
    }
    sshd.program("id", "echo 1000");
    for said in [
        "sudo: a password is required",
        "sudo: sorry, you must have a tty to run sudo",
        "ops is not in the sudoers file.  This incident will be reported.",
        "Sorry, user ops is not allowed to execute '/usr/bin/timeout -k 9 60 bash --norc -s' as root on kube1.",
    ] {
        sshd.program("sudo", &format!("echo \"{said}\" >&2\nexit 1"));
        let of_command = host.run(&Command::read(["true"])).await.unwrap_err();
        let of_lease = host.lease().await.err().expect("no lock without sudo");
        for error in [of_command, of_lease] {
            assert_eq!(error, HostError::Sudo { host: "kube1".into(), said: said.into() });
            let told = error.to_string();
            assert!(told.starts_with("kube1: sudo refused: ") && told.contains("NOPASSWD") && told.contains("root"), "{told}");
            assert!(!error.is_retryable(), "trying again does not help");
        }
    }
    // One that lets us in: what a script of ours says with such words is that script's.
    sshd.program("sudo", "[ \"$1 $2\" = '-n --' ] || exit 9\nshift 2\nexec \"$@\"");
    for script in ["echo out; echo 'sudo: no' >&2; exit 1", "printf '\\036guard\\n' >&2; echo 'sudo: no' >&2; exit 1"] {
        assert_eq!(host.run(&Command::read_script(script)).await.unwrap().status, 1, "{script}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_login_shell_takes_a_command_and_start_files_run_at_most_once() {
    let home = tempfile::tempdir().unwrap();
    let runs = home.path().join("runs");
    std::fs::write(home.path().join(".bashrc"), format!("echo run >> {}\n", runs.display())).unwrap();
    let home = format!("SetEnv HOME={}", home.path().display());
    // Root's own shell, then others in its place: sshd takes a shell from the list of accounts alone, and what that one ran does not count.
    for shell in [None, Some("sh"), Some("dash"), Some("bash"), Some("fish"), Some("tcsh")] {
        let sshd = match shell {
            None => Sshd::start(&home),
            Some(shell) if Program::new(shell).args(["-c", "true"]).stdin(Stdio::null()).status().is_ok() => {
                Sshd::with_forced_and(&format!("rm -f {}; exec {shell} -c \"$SSH_ORIGINAL_COMMAND\"", runs.display()), &home)
            }
            Some(shell) => {
                eprintln!("skipped: {shell} is not installed");
                continue;
            }
        };
        let Some(sshd) = sshd else { return };
        let host = sshd.connect().await;
        if !works(&host).await {
            return;
        }
        let _ = std::fs::remove_file(&runs);
        let input = Stdin::Secret(Secret::new(b"it's $HOME!\n".to_vec()));
        let out = host.run(&Command::write_script("cat; exit 7").stdin(input)).await.unwrap();
        assert_eq!((out.status, out.text().as_str()), (7, "it's $HOME!\n"), "{shell:?}: {}", out.tail());
        let times = std::fs::read_to_string(&runs).unwrap_or_default().lines().count();
        assert!(times <= 1, "{shell:?}: .bashrc ran {times} times for one command");
        assert!(shell != Some("bash") || times == 1, "a bash that sshd started reads .bashrc, or this test shows nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_files_are_sent_at_once_than_the_operators_line_is_given() {
    const AT_ONCE: usize = 16;
    // Six a host: two of its eight channels stay free for what is not a file.
    const HOSTS: usize = 5;
    let Some(sshd) = Sshd::start("") else { return };
    let gates = Arc::new(Gates::default());
    let mut hosts = Vec::new();
    for n in 0..HOSTS {
        hosts.push(SshHost::connect(&sshd.login(&format!("kube{n}")), &gates).await.unwrap());
    }
    if !works(&hosts[0]).await {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (running, seen, go) = (dir.path().join("running"), dir.path().join("seen"), dir.path().join("go"));
    std::fs::create_dir(&running).unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "file").unwrap();
    let source = Source { path: file, size: 4, sha256: kubestead_core::put::digest(b"file") };
    // Each shows itself before it counts, so of too many the last one counts too many.
    let script = "mkdir \"$dir/running/$BASHPID\"; set -- \"$dir\"/running/*; echo $# >> \"$dir/seen\"; \
                  until [ -e \"$dir/go\" ]; do sleep 0.1; done; cat; rmdir \"$dir/running/$BASHPID\"";
    let send = Command::write_script(script).var("dir", dir.path().to_str().unwrap()).stdin(Stdin::Files(vec![source]));
    let count = || std::fs::read_dir(&running).unwrap().count();
    let all = futures::future::join_all(hosts.iter().cycle().take(HOSTS * 6).map(|host| host.run(&send)));
    let release = async {
        let begin = Instant::now();
        while count() < AT_ONCE {
            assert!(begin.elapsed() < Duration::from_secs(120), "only {} are sent at once", count());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // What waits would have begun by the time that others have come and gone.
        for host in hosts.iter().cycle().take(HOSTS * 4) {
            assert!(host.run(&Command::read(["true"])).await.unwrap().success(), "what sends no file does not wait");
        }
        std::fs::write(&go, "").unwrap();
    };
    let (sent, ()) = futures::join!(all, release);
    for out in sent {
        assert_eq!(out.unwrap().text(), "file");
    }
    let most = std::fs::read_to_string(seen).unwrap().lines().map(|n| n.parse::<usize>().unwrap()).max();
    assert_eq!(most, Some(AT_ONCE));
}

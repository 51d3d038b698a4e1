//! The real scripts over a folder that stands for a machine, with programs that write down how they were called.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command as Process, Stdio};

use kubestead_core::command::Command;

use super::super::fixture::spec;
use super::*;

/// Paths that scripts use, which stand below the folder.
const PLACES: [&str; 7] =
    ["/etc/kubernetes", "/etc/kubestead", "/etc/cni", "/run/kubestead", "/run/flannel", "/usr/local/lib/kubestead", "/proc/"];

struct Machine(tempfile::TempDir);

impl Machine {
    fn new(programs: &[(&str, &str)]) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine.put("run/none", "");
        for (name, body) in programs {
            machine.program(name, body);
        }
        machine
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    fn put(&self, path: &str, text: &str) {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// A program; `$T` is the folder.
    fn program(&self, name: &str, body: &str) {
        let (path, root) = (format!("bin/{name}"), self.0.path().display());
        self.put(&path, &format!("#!/bin/bash\nT={root}\nprintf '%s\\n' \"{name} $*\" >> $T/calls\n{body}\n"));
        std::fs::set_permissions(self.path(&path), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Status, what it printed, what it said.
    fn run(&self, command: &Command, stdin: &str) -> (i32, String, String) {
        let root = self.0.path().to_str().unwrap();
        let script = PLACES.iter().fold(command.script().into_owned(), |script, place| script.replace(place, &format!("{root}{place}")));
        let script =
            format!("PATH={root}/bin:$PATH\n{}", script.replace(" PATH=/usr/local/sbin", &format!(" PATH={root}/bin:/usr/local/sbin")));
        let piped = Stdio::piped;
        let mut child = Process::new("bash").args(["-c", &script]).stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let out = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(root, "");
        (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
    }
}

#[test]
fn a_reset_takes_its_own_node_out_and_stops_before_what_stays_mounted() {
    let machine = Machine::new(&[
        ("systemctl", ""),
        ("stop-pods", ""),
        ("findmnt", "cat $T/mounts"),
        ("umount", "[ ! -e $T/busy ] && grep -vxF -- \"$1\" $T/mounts > $T/left; [ ! -e $T/busy ] && mv $T/left $T/mounts"),
        ("kubeadm", "[ \"$1\" != reset ] || rm -f $T/etc/kubernetes/kubelet.conf"),
        ("ip", "exit 1"),
        ("nft", "exit 1"),
    ]);
    let stop = machine.path("usr/local/lib/kubestead");
    std::fs::create_dir_all(&stop).unwrap();
    std::os::unix::fs::symlink(machine.path("bin/stop-pods"), stop.join("stop-pods")).unwrap();
    let run = || machine.run(&reset(&spec()).command(), "");
    assert_eq!(run().0, 91, "no node");
    machine.put("etc/kubernetes/kubelet.conf", "x");
    let (status, _, said) = run();
    assert!(status == 90 && said.contains("that kubestead did not make"), "{said}");
    machine.put(RECORD, "other\n");
    let (status, _, said) = run();
    assert!(status == 90 && said.contains("it belongs to the cluster other"), "{said}");
    assert_eq!(machine.read("calls"), "", "nothing was touched");
    machine.put(RECORD, "home\n");
    machine.put(ENCRYPTION, "key");
    machine.put("mounts", "/\n/var/lib/kubelet/pods/a\n/var/lib/kubelet/pods/a/b\n/var/lib/kubelet\n/data\n");
    machine.put("busy", "");
    let line = |path: &str| format!("{}  {}\n", "a".repeat(64), machine.path(path).display());
    machine.put(put::MANIFEST, &[RECORD, "/etc/kubernetes/adm/adm.yaml", "/etc/kubestead/servers"].map(line).concat());
    let (status, _, said) = run();
    assert!(status == 90 && said.contains("still mounted") && said.contains("/var/lib/kubelet/pods/a/b"), "{said}");
    assert!(!machine.read("calls").contains("kubeadm") && machine.read(RECORD) == "home\n" && machine.read(ENCRYPTION) == "key");
    std::fs::remove_file(machine.path("busy")).unwrap();
    std::fs::remove_file(machine.path("calls")).unwrap();
    let (status, _, said) = run();
    assert_eq!(status, 0, "{said}");
    let calls = machine.read("calls");
    let umounts: Vec<&str> = calls.lines().filter_map(|call| call.strip_prefix("umount ")).collect();
    assert_eq!(umounts, ["/var/lib/kubelet/pods/a/b", "/var/lib/kubelet/pods/a"], "the deepest first, and the volume stays");
    for call in
        ["systemctl stop kubelet", "stop-pods ", "kubeadm reset --force", "ip link delete cni0", "nft delete table ip6 flannel-ipv6"]
    {
        assert!(calls.contains(call), "{call}: {calls}");
    }
    assert!(!machine.path(ENCRYPTION).exists() && !machine.path(RECORD).exists());
    assert_eq!(machine.read(put::MANIFEST), line("/etc/kubestead/servers"), "the manifest tells of nothing that was deleted");
    assert_eq!(run().0, 91, "a second one does nothing");
}

/// kubeadm as far as the script needs it: what it makes of a description is the description.
const KUBEADM: &str =
    "config=; for ((i = 1; i <= $#; i++)); do case ${!i} in --config | --old-config) n=$((i + 1)); config=${!n} ;; esac; done
case \"$*\" in
*--dry-run*) mkdir -p $KUBEADM_INIT_DRYRUN_DIR/etc; [ -e $T/mute ] || cp $config $KUBEADM_INIT_DRYRUN_DIR/etc/kube-apiserver.yaml ;;
*migrate*) printf 'kind: InitConfiguration\\n---\\nkind: ClusterConfiguration\\n%s\\n' \"$(cat $config)\" > \"${!#}\" ;;
*upload-config*) printf 'kind: ClusterConfiguration\\n%s\\n' \"$(cat $config)\" > $T/record ;;
esac";

#[test]
fn an_api_server_gets_its_mounts_only_if_it_runs_as_kubeadm_makes_it() {
    let machine = Machine::new(&[
        ("kubeadm", KUBEADM),
        ("kubectl", "cat $T/record"),
        ("ss", "echo 'LISTEN 0 4096 *:6443 *:* users:((\"kube-apiserver\",pid=7,fd=3))'"),
        ("curl", "printf ok"),
    ]);
    machine.put("etc/kubernetes/admin.conf", "");
    machine.put("proc/7/mountinfo", "1 2 0:1 / /run/new rw - tmpfs tmpfs rw\n");
    let (before, after) = ("kind: A\n", "kind: A\n- mountPath: /run/new\n");
    let stdin = format!("{before}{AFTER}\n{after}");
    let run = |folder: &str| machine.run(&mount(&[folder.to_owned()], &BTreeSet::new()).var("restart", "0").command(), &stdin);
    let manifest = || machine.read(MANIFEST);
    // As kubeadm printed them: what stands around the line between them is not theirs.
    let (before, after) = (format!("{before}\n"), format!("\n{after}"));
    machine.put("record", &format!("kind: ClusterConfiguration\n{}\n", before.trim_end()));
    // Somebody's own line in the manifest.
    machine.put(MANIFEST, &format!("{before}# mine\n"));
    let (status, _, said) = run("/run/new");
    assert!(
        status == 90 && said.contains("is not what kubeadm makes for this cluster: # mine") && said.contains("of /run/new, and"),
        "{said}"
    );
    assert!(manifest().contains("# mine") && !machine.read("calls").contains("upload-config"));
    machine.put(MANIFEST, &before);
    // Another record in the cluster.
    let record = machine.read("record");
    machine.put("record", "kind: ClusterConfiguration\nother\n");
    let (status, _, said) = run("/run/new");
    assert!(status == 90 && said.contains("is not that of this cluster: other"), "{said}");
    machine.put("record", &record);
    // kubeadm that makes nothing.
    machine.put("mute", "");
    let (status, _, said) = run("/run/new");
    assert!(status == 90 && said.contains("kubeadm did not describe"), "{said}");
    std::fs::remove_file(machine.path("mute")).unwrap();
    assert_eq!(manifest(), before);
    let (status, _, said) = run("/run/new");
    assert_eq!((status, manifest()), (0, after.clone()), "{said}");
    assert!(machine.read("record").contains("mountPath") && !machine.path("run/kubestead-mount").exists());
    assert_eq!(run("/run/new").0, 91);
    // A run that was cut off after the record: it is taken up.
    machine.put(MANIFEST, &before);
    let (status, _, said) = run("/run/new");
    assert_eq!((status, manifest()), (0, after), "{said}");
    // One that does not come up with them.
    machine.put("proc/7/mountinfo", "");
    let (status, _, said) = run("/run/new");
    assert!(status == 92 && said.contains("does not run with /run/new mounted after 0 s"), "{status} {said}");
}

#[test]
fn the_hash_of_the_authority_is_that_of_its_public_key() {
    let command = Command::read_script(include_str!("../scripts/ca-hash.sh"));
    let machine = Machine::new(&[]);
    assert_ne!(machine.run(&command, "").0, 0, "there is none");
    let admin = include_str!("../../../../core/tests/admin.conf");
    let authority = kubestead_core::credentials::Credentials::parse("cp1", "admin.conf", admin).unwrap().authority();
    let pem = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, authority).unwrap();
    machine.put("etc/kubernetes/pki/ca.crt", std::str::from_utf8(&pem).unwrap());
    let (status, printed, said) = machine.run(&command, "");
    let sections: Vec<_> = super::super::sections().into_iter().filter(|section| section.name == "kubeadm/ca").collect();
    let probe = kubestead_core::probe::command(&sections, "n1");
    let answers = kubestead_core::probe::parse(machine.run(&probe, "").1.as_bytes(), "n1").unwrap();
    let seen = super::super::observe::spki(answers.text("kubeadm/ca").unwrap()).unwrap();
    assert_eq!((status, printed.trim()), (0, seen.as_str()), "{said}");
}

#[test]
fn a_link_in_the_place_of_the_key_file_stays() {
    for target in ["real", "nowhere"] {
        let machine = Machine::new(&[]);
        machine.put("real", "");
        std::fs::create_dir_all(machine.path(ENCRYPTION).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(machine.path(target), machine.path(ENCRYPTION)).unwrap();
        let (status, _, said) = machine.run(&key_file(&Secret::new(b"key".to_vec())).command(), "key");
        assert!(status == 90 && said.contains("is not a regular file"), "{said}");
        assert!(machine.path(ENCRYPTION).is_symlink() && machine.read("real").is_empty());
    }
}

#[test]
fn a_kubelet_that_does_not_start_is_told() {
    let start = Procedure::script(include_str!("../scripts/start-kubelet.sh")).command();
    let machine = Machine::new(&[("systemctl", "[ ! -e $T/dead ] || [ \"$1\" = start ]")]);
    assert_eq!(machine.run(&start, "").0, 0);
    machine.put("dead", "");
    assert_eq!(machine.run(&start, "").0, 92);
}

/// kubeadm as far as the script needs it: what it makes of a description is the description, for each program the lines that name it.
const PROGRAMS: &str = "config=; for ((i = 1; i <= $#; i++)); do case ${!i} in --config | --old-config) n=$((i + 1)); config=${!n} ;; esac; done
case \"$*\" in
*control-plane*) for one in kube-apiserver kube-controller-manager kube-scheduler; do grep \"^    - $one\\|^    - .*--$one\" $config > $KUBEADM_INIT_DRYRUN_DIR/$one.yaml || true; done ;;
*etcd*) grep '^    - .*--etcd' $config > $KUBEADM_INIT_DRYRUN_DIR/etcd.yaml || true ;;
*migrate*) printf 'kind: InitConfiguration\\n---\\nkind: ClusterConfiguration\\n%s\\n' \"$(cat $config)\" > \"${!#}\" ;;
*upload-config*) printf 'kind: ClusterConfiguration\\n%s\\n' \"$(cat $config)\" > $T/record ;;
esac";
const SCHEDULER: &str = "/etc/kubernetes/manifests/kube-scheduler.yaml";
const KEPT_SCHEDULER: &str = "/etc/kubestead/manifests/kube-scheduler.yaml";

/// A control plane whose scheduler runs with what its manifest says, unless that is `bad`.
fn plane() -> Machine {
    let machine = Machine::new(&[
        ("kubeadm", PROGRAMS),
        ("kubectl", "cat $T/record"),
        // What runs is what the manifest says.
        (
            "mv",
            "/usr/bin/mv \"$@\"; sed -n 's/^    - //p' $T/etc/kubernetes/manifests/kube-scheduler.yaml | tr -d \"'\" | tr '\\n' '\\0' > $T/proc/7/cmdline",
        ),
        ("curl", "grep -q bad $T/etc/kubernetes/manifests/kube-scheduler.yaml || printf ok"),
        ("find", "case $1 in /var/log/pods) echo \"1 $T/log/0.log\" ;; *) exec /usr/bin/find \"$@\" ;; esac"),
    ]);
    machine.put("etc/kubernetes/admin.conf", "");
    machine.put("proc/7/comm", "kube-scheduler\n");
    machine.put("proc/7/cmdline", "kube-scheduler\0--kube-scheduler-v=2\0");
    machine.put(
        "log/0.log",
        "2026-01-01T00:00:00Z stderr F Error: unknown flag: --kube-scheduler-bad\n2026-01-01T00:00:00Z stderr F Usage of it\n",
    );
    machine.put(SCHEDULER, "    - kube-scheduler\n    - --kube-scheduler-v=2\n");
    machine.put("record", &format!("kind: ClusterConfiguration\n{BEFORE}\n"));
    machine
}

const BEFORE: &str = "a\n    - kube-scheduler\n    - --kube-scheduler-v=2";

fn with(machine: &Machine, lines: &str) -> (i32, String) {
    let of = |v: &str| Components { scheduler: [("v".to_owned(), vec![v.to_owned()])].into(), ..Components::default() };
    let command = components(&of("2"), &of("3"), (false, false), &BTreeSet::from(OLD.map(str::to_owned))).var("restart", "0").command();
    let (status, _, said) = machine.run(&command, &format!("{BEFORE}{AFTER}\na\n    - kube-scheduler\n{lines}"));
    (status, said)
}

/// Files that nothing names any more.
const OLD: [&str; 2] = ["/etc/kubernetes/adm/audit-0.yaml", "/etc/kubernetes/adm/audit-mine.yaml"];

/// What stands in "kept" of a manifest, whose place another one took that is there now.
fn keep(machine: &Machine, old: &str) {
    machine.put(KEPT_SCHEDULER, old);
    machine.put("etc/kubestead/manifests/.kube-scheduler", &format!("{}  -\n", put::digest(machine.read(SCHEDULER))));
}

#[test]
fn a_program_gets_other_arguments_and_the_cluster_is_told_when_it_runs_with_them() {
    let machine = plane();
    let (status, said) = with(&machine, "    - --kube-scheduler-v=3\n    - '--kube-scheduler-x=a: b'\n");
    assert_eq!(status, 0, "{said}");
    let manifest = machine.read(SCHEDULER);
    assert_eq!(manifest, "    - kube-scheduler\n    - --kube-scheduler-v=3\n    - '--kube-scheduler-x=a: b'\n");
    assert!(machine.read("record").contains("v=3") && !machine.path("etc/kubestead/manifests").exists());
    assert!(!machine.path("run/kubestead-components").exists());
    // A run that was cut off before the record was written is taken up, and starts nothing again.
    machine.put("record", &format!("kind: ClusterConfiguration\n{BEFORE}\n"));
    let before = std::fs::metadata(machine.path(SCHEDULER)).unwrap().modified().unwrap();
    assert_eq!(with(&machine, "    - --kube-scheduler-v=3\n    - '--kube-scheduler-x=a: b'\n").0, 0);
    assert_eq!(std::fs::metadata(machine.path(SCHEDULER)).unwrap().modified().unwrap(), before);
}

#[test]
fn arguments_that_do_not_run_are_put_back_and_the_programs_own_words_are_told() {
    let machine = plane();
    let (status, said) = with(&machine, "    - --kube-scheduler-bad\n");
    assert!(
        status == 92
            && said.contains(
                "kube-scheduler does not run with these arguments, and got its old ones back: Error: unknown flag: --kube-scheduler-bad"
            ),
        "{status} {said}"
    );
    assert_eq!(machine.read(SCHEDULER), "    - kube-scheduler\n    - --kube-scheduler-v=2\n");
    assert!(!machine.path(KEPT_SCHEDULER).exists() && !machine.read("calls").contains("upload-config"));
    // Nothing was written yet: it is put back all the same.
    let machine = plane();
    machine.put("log/0.log", "");
    let (status, said) = with(&machine, "    - --kube-scheduler-bad\n");
    assert!(status == 92 && said.contains("got its old ones back: it was not ready after 0 s"), "{status} {said}");
    assert_eq!(machine.read(SCHEDULER), "    - kube-scheduler\n    - --kube-scheduler-v=2\n");
}

#[test]
fn what_a_run_that_was_cut_off_left_is_finished_or_put_back() {
    // A wish that is none any more stands there, and was not seen to run.
    let (machine, old) = (plane(), "    - kube-scheduler\n    - --kube-scheduler-v=2\n");
    machine.put(SCHEDULER, "    - kube-scheduler\n    - --kube-scheduler-bad\n");
    keep(&machine, old);
    let (status, said) = with(&machine, "    - --kube-scheduler-v=3\n");
    assert!(status == 0 && machine.read(SCHEDULER).contains("v=3"), "{said}");
    // Since then somebody mended it by hand.
    let machine = plane();
    machine.put(SCHEDULER, "    - kube-scheduler\n    - --kube-scheduler-bad\n");
    keep(&machine, old);
    machine.put(SCHEDULER, "    - kube-scheduler\n    - --kube-scheduler-own\n");
    let (status, said) = with(&machine, "    - --kube-scheduler-v=3\n");
    assert!(status == 90 && said.contains("is not what kubeadm makes") && machine.read(SCHEDULER).contains("own"), "{said}");
    let (status, _, said) = machine.run(&put_back().var("restart", "0").command(), "");
    assert!(status == 90 && said.contains("was changed since a run was cut off") && machine.read(SCHEDULER).contains("own"), "{said}");
    // The API server does not answer: nobody can say what is wished.
    let machine = plane();
    machine.put(SCHEDULER, "    - kube-scheduler\n    - --kube-scheduler-bad\n");
    keep(&machine, old);
    let (status, _, said) = machine.run(&put_back().var("restart", "0").command(), "");
    assert!(status == 0 && machine.read(SCHEDULER) == old && !machine.path(KEPT_SCHEDULER).exists(), "{said}");
    assert_eq!(machine.run(&put_back().command(), "").0, 91, "a second time there is nothing");
    // All were seen to run, and what the old arguments named is gone: nothing is put back, and the step ends what is left.
    let machine = plane();
    machine.put(SCHEDULER, "    - kube-scheduler\n    - --kube-scheduler-v=3\n");
    keep(&machine, old);
    machine.put("etc/kubestead/manifests/seen", "");
    assert_eq!(machine.run(&put_back().command(), "").0, 91);
    assert!(machine.read(SCHEDULER).contains("v=3"));
    assert_eq!(state(&machine), Some("unfinished".to_owned()));
    assert_eq!(with(&machine, "    - --kube-scheduler-v=3\n").0, 0);
    assert!(state(&machine).is_none() && machine.read(SCHEDULER).contains("v=3") && machine.read("record").contains("v=3"));
}

#[test]
fn a_kubelet_that_waits_for_the_api_server_that_it_shall_start_is_started_again() {
    let machine = plane();
    machine.put(SCHEDULER, "    - kube-scheduler\n    - --kube-scheduler-bad\n");
    keep(&machine, "    - kube-scheduler\n    - --kube-scheduler-v=2\n");
    std::fs::remove_file(machine.path("proc/7/comm")).unwrap();
    machine.program("curl", "[ ! -e $T/proc/7/comm ] || printf ok");
    machine.program("systemctl", "[ \"$*\" != 'restart kubelet' ] || echo kube-scheduler > $T/proc/7/comm");
    let back = |stuck: &str| machine.run(&put_back().var("restart", "3").var("stuck", stuck).command(), "");
    let (status, _, said) = back("9");
    assert!(status == 92 && !machine.read("calls").contains("systemctl"), "{said}");
    let (status, _, said) = back("1");
    assert_eq!(status, 0, "{said}");
    assert_eq!(machine.read("calls").matches("systemctl restart kubelet").count(), 1);
    // What is on trial may have to go again: then the kubelet must know that the pod was there.
    let machine = plane();
    std::fs::remove_file(machine.path("proc/7/comm")).unwrap();
    machine.program("curl", "exit 7");
    machine.program("systemctl", "cat $T/etc/kubernetes/manifests/kube-scheduler.yaml >> $T/woken");
    let of = |v: &str| Components { scheduler: [("v".to_owned(), vec![v.to_owned()])].into(), ..Components::default() };
    let trial = components(&of("2"), &of("3"), (false, false), &BTreeSet::new()).var("restart", "2").var("stuck", "0").command();
    let (status, _, said) = machine.run(&trial, &format!("{BEFORE}{AFTER}\na\n    - kube-scheduler\n    - --kube-scheduler-v=3\n"));
    assert!(status == 92 && said.contains("neither with these arguments nor with the old ones"), "{said}");
    assert_eq!(machine.read("woken"), "    - kube-scheduler\n    - --kube-scheduler-v=2\n");
}

/// What the probe tells of a run that was cut off.
fn state(machine: &Machine) -> Option<String> {
    let sections: Vec<_> = super::super::sections().into_iter().filter(|section| section.name == "kubeadm/state").collect();
    let answers =
        kubestead_core::probe::parse(machine.run(&kubestead_core::probe::command(&sections, "n1"), "").1.as_bytes(), "n1").unwrap();
    let last = answers.text("kubeadm/state").unwrap().lines().last().map(str::to_owned);
    last.filter(|last| last.starts_with("un"))
}

#[test]
fn a_certificate_follows_its_key_after_a_cut_between_the_two() {
    const NEW: [&str; 2] = ["etc/kubernetes/pki/.kubestead.apiserver.key", "etc/kubernetes/pki/.kubestead.apiserver.crt"];
    let machine = plane();
    machine.put("etc/kubernetes/pki/apiserver.crt", "old");
    machine.put("proc/8/comm", "kube-apiserver\n");
    machine.put("proc/8/cmdline", "kube-apiserver\0");
    machine.put("etc/kubernetes/manifests/kube-apiserver.yaml", "    - kube-apiserver\n");
    assert_eq!((state(&machine), machine.run(&put_back().command(), "").0), (None, 91));
    machine.put(NEW[1], "new");
    assert_eq!(state(&machine).as_deref(), Some("unproven"));
    let (status, _, said) = machine.run(&put_back().var("restart", "0").command(), "");
    assert!(status == 0 && machine.read("etc/kubernetes/pki/apiserver.crt") == "new" && !machine.path(NEW[1]).exists(), "{said}");
    // Before the first of them neither is used.
    for one in NEW {
        machine.put(one, "newer");
    }
    assert_eq!(state(&machine), None);
    assert_eq!(with(&machine, "    - --kube-scheduler-v=3\n").0, 0);
    assert!(machine.read("etc/kubernetes/pki/apiserver.crt") == "new" && NEW.iter().all(|one| !machine.path(one).exists()));
}

#[test]
fn of_files_that_nothing_names_any_more_ours_alone_go() {
    let machine = plane();
    for path in OLD {
        machine.put(path, "text");
    }
    let ours = machine.path(OLD[0]);
    machine.put(put::MANIFEST, &format!("{}  {}\n", put::digest("text"), ours.display()));
    let (status, said) = with(&machine, "    - --kube-scheduler-v=3\n");
    assert!(status == 0 && !ours.exists() && machine.read(OLD[1]) == "text", "{said}");
    assert_eq!(machine.read(put::MANIFEST), "");
}

#[test]
fn a_program_that_ended_often_in_earlier_years_is_waited_for_all_the_same() {
    let machine = plane();
    // It has begun nine times; with the new arguments it is ready at the third look.
    machine.program("find", "case $1 in /var/log/pods) echo \"1 $T/log/9.log\" ;; *) exec /usr/bin/find \"$@\" ;; esac");
    machine.program("curl", "echo x >> $T/looks; [ \"$(wc -l < $T/looks)\" -lt 3 ] || printf ok");
    machine.program("sleep", "");
    let of = |v: &str| Components { scheduler: [("v".to_owned(), vec![v.to_owned()])].into(), ..Components::default() };
    let command = components(&of("2"), &of("3"), (false, false), &BTreeSet::new()).var("restart", "30").command();
    let (status, _, said) = machine.run(&command, &format!("{BEFORE}{AFTER}\na\n    - kube-scheduler\n    - --kube-scheduler-v=3\n"));
    assert!(status == 0 && machine.read(SCHEDULER).contains("v=3"), "{said}");
}

#[test]
fn an_api_server_that_must_start_again_is_remembered_until_it_has() {
    let machine = plane();
    assert_eq!(machine.run(&mark_again().command(), "").0, 0);
    assert_eq!(state(&machine).as_deref(), Some("unfinished"));
    machine.put("etc/kubernetes/manifests/kube-apiserver.yaml", "    - kube-apiserver\n");
    let (status, said) = with(&machine, "    - --kube-scheduler-v=3\n");
    assert!(status == 92 && said.contains("kube-apiserver does not come up again"), "{said}");
    assert_eq!(state(&machine).as_deref(), Some("unproven"), "until then it is remembered");
}

#[test]
fn a_manifest_or_a_record_that_somebody_changed_stays() {
    let machine = plane();
    machine.put(SCHEDULER, "    - kube-scheduler\n    - --kube-scheduler-v=2\n    - --kube-scheduler-own\n");
    let (status, said) = with(&machine, "    - --kube-scheduler-v=3\n");
    assert!(status == 90 && said.contains("is not what kubeadm makes for this cluster: - --kube-scheduler-own"), "{said}");
    assert!(machine.read(SCHEDULER).contains("own"));
    let machine = plane();
    machine.put("record", "kind: ClusterConfiguration\nother\n");
    let (status, said) = with(&machine, "    - --kube-scheduler-v=3\n");
    assert!(status == 90 && said.contains("is not that of this cluster: other") && machine.read(SCHEDULER).contains("v=2"), "{said}");
}

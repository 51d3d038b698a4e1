//! One action: guard, act, verify. The last word has the kubelet.

use std::net::Ipv4Addr;

use kubestead_core::command::Command;
use kubestead_core::host::{Host, Hosts};
use kubestead_core::outcome::Done;
use kubestead_core::procedure::{Failed, Procedure};
use kubestead_core::put::{Owned, with_manifest};
use kubestead_core::reload::written;

use super::action::Action;
use super::approver::APPROVER;
use super::error::Error;
use super::link::LINK;
use super::observe;
use super::spec::{FILE, FOLDER, Settings, UNIT};
use crate::admin::ADMIN;

/// How long a kubelet may take until it is healthy, and until it answers through the API server, in seconds: as long as kubeadm waits on a slow machine.
const START: u64 = 600;

/// `start_again`.
const START_AGAIN: &str = include_str!("scripts/start-again.sh");

/// Carries an action out. `host` is the step's own; a kubelet that starts again is asked by a control plane.
pub async fn apply(action: &Action, host: &dyn Host, hosts: &Hosts) -> Result<Done, Error> {
    let on = host.name();
    match action {
        Action::Adoption(adoption) => {
            adoption.procedure().run(host).await.map_err(Failed::at(format!("{on}: what is where a file of kubestead's belongs")))
        }
        Action::Settings { files, settings, hostname, asks } => {
            let done = write(files).run(host).await.map_err(Failed::at::<Error>(format!("{on}: settings of the kubelet")))?;
            if let Some(first) = asks {
                let first = hosts.get(first.as_str()).ok_or_else(|| Error::NoHost(first.to_string()))?;
                taken(settings, hostname.as_str(), first.as_ref()).await?;
            }
            Ok(done)
        }
        Action::Approver { files } => written(files, include_str!("scripts/approver.sh"))
            .run(host)
            .await
            .map_err(Failed::at(format!("{on}: who approves certificates of kubelets"))),
        Action::NoApprover => no_unit("kubestead-approver.service", &APPROVER)
            .run(host)
            .await
            .map_err(Failed::at(format!("{on}: take away who approves certificates of kubelets"))),
        Action::Link { files, address } => {
            link(files, *address).run(host).await.map_err(Failed::at(format!("{on}: the address of the cache of names")))
        }
        Action::NoLink => no_unit(LINK_UNIT, &LINK)
            .run(host)
            .await
            .map_err(Failed::at(format!("{on}: take away what gives it the address of the cache of names"))),
        Action::Unset { .. } => unset().run(host).await.map_err(Failed::at(format!("{on}: take settings of the kubelet away"))),
    }
}

const LINK_UNIT: &str = "kubestead-dns.service";

fn link(files: &[Owned], address: Ipv4Addr) -> Procedure {
    guarded(files, &Procedure::script(include_str!("scripts/link.sh"))).var("address", address.to_string())
}

/// Ends a unit of ours, and removes what it is made of.
fn no_unit(unit: &str, paths: &[&str]) -> Procedure {
    with_manifest(include_str!("scripts/no-unit.sh")).var("unit", unit).list("paths", paths)
}

/// Writes files by a script of the domain, with its own guard and verification.
fn guarded(files: &[Owned], own: &Procedure) -> Procedure {
    let mut procedure = written(files, &own.act);
    procedure.guard = format!("{}\n{}", procedure.guard, own.guard);
    procedure.verify = format!("{}\n{}", procedure.verify, own.verify);
    procedure
}

fn write(files: &[Owned]) -> Procedure {
    let own = Procedure::script(include_str!("scripts/settings.sh"));
    let text = files.iter().find(|file| file.path == FILE).map(|file| file.text.as_str());
    guarded(files, &own).after(START_AGAIN).var("start", START.to_string()).var("file", FILE).var("text", text.unwrap_or_default())
}

fn unset() -> Procedure {
    let procedure = with_manifest(include_str!("scripts/unset.sh")).after(START_AGAIN);
    procedure.var("start", START.to_string()).var("unit", UNIT).var("file", FILE)
}

/// Whether a kubelet says that it runs with these settings.
async fn taken(settings: &Settings, hostname: &str, first: &dyn Host) -> Result<(), Error> {
    let script = ADMIN.to_owned() + include_str!("scripts/told.sh");
    let ask = Command::read_script(script).var("hostname", hostname).var("limit", START.to_string()).limit_seconds(START + 60);
    let silent = || Error::Silent { host: hostname.to_owned(), first: first.name().to_owned() };
    let output =
        first.run(&ask).await.map_err(|error| Failed::at::<Error>(format!("{hostname}: what its kubelet runs with"))(error.into()))?;
    let told = Some(output.text()).filter(|_| output.success()).and_then(|text| observe::config(&text)).ok_or_else(silent)?;
    let differences = settings.differences(&told);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::Other { host: hostname.to_owned(), what: differences.join(", "), folder: FOLDER })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use kubestead_core::command::Output;
    use kubestead_core::host::MockHost;
    use kubestead_core::name::{HostName, Name};
    use kubestead_core::put::{MANIFEST, PENDING};
    use serde_json::json;

    use super::*;

    /// A machine in a folder, with programs that write down how they were called, and a kubelet that refuses what is bad.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            for folder in ["/run", "/bin", "/etc/kubestead", "/etc/systemd/system"] {
                std::fs::create_dir_all(machine.place(folder)).unwrap();
            }
            let kubelet = "#!/bin/bash\nfor a; do case $a in --config-dir=*) d=${a#*=} ;; esac; done\nif grep -q bad \"$d\"/*.conf; then\n\
                 echo 'E1128 run.go:72] \"command failed\" err=\"invalid configuration: it is bad, path: &TypeMeta{}\"'\nelse\n\
                 echo 'E1128 run.go:72] \"command failed\" err=\"cannot exit on lock file contention: no lock file specified\"'\nfi >&2\nexit 1\n";
            let systemctl = "#!/bin/bash\nr=${0%/*}/..\necho \"$*\" >> $r/asked\ncase \" $* \" in\n*' is-active '*) [ -e $r/active ] ;;\n\
                 *' show '*) echo NeedDaemonReload=yes ;;\nesac\n";
            for (name, text) in [("kubelet", kubelet), ("systemctl", systemctl), ("curl", "#!/bin/bash\necho ok\n")] {
                let path = machine.place(&format!("/bin/{name}"));
                std::fs::write(&path, text).unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
            machine
        }

        fn place(&self, path: &str) -> String {
            format!("{}{path}", self.0.path().display())
        }

        fn run(&self, procedure: &Procedure) -> (Option<i32>, String) {
            let script = ["/etc/kubernetes/kubelet.conf.d", "/etc/systemd/system", MANIFEST, PENDING, "/run/kubestead"]
                .iter()
                .fold(procedure.command().script().into_owned(), |script, path| script.replace(path, &self.place(path)))
                .replace("PATH=/usr/local/sbin:", &format!("PATH={}:/usr/local/sbin:", self.place("/bin")));
            let mut child = std::process::Command::new("bash")
                .args(["-c", &script])
                .stdin(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), procedure.stdin.bytes());
            let out = child.wait_with_output().unwrap();
            (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
        }

        fn has(&self, path: &str) -> bool {
            std::path::Path::new(&self.place(path)).exists()
        }

        fn restarts(&self) -> usize {
            let asked = std::fs::read_to_string(self.place("/asked")).unwrap_or_default();
            asked.lines().filter(|line| line.starts_with("restart kubelet")).count()
        }
    }

    fn settings(value: serde_json::Value) -> Settings {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_the_kubelet_does_not_take_is_not_written_and_its_words_are_told() {
        let machine = Machine::new();
        let (status, said) = machine.run(&write(&settings(json!({"cpuManagerPolicy": "bad"})).files()));
        assert!(status == Some(90) && said.contains("does not take these settings: invalid configuration: it is bad\n"), "{said}");
        assert!(!machine.has(FILE) && !machine.has(UNIT) && !machine.has(PENDING) && !machine.has("/run/kubestead-kubelet"));
        // Somebody's own file of the folder is read beside ours.
        std::fs::create_dir_all(machine.place(FOLDER)).unwrap();
        std::fs::write(machine.place("/etc/kubernetes/kubelet.conf.d/90-own.conf"), "bad").unwrap();
        assert_eq!(machine.run(&write(&settings(json!({"maxPods": 50})).files())).0, Some(90));
    }

    #[test]
    fn a_kubelet_that_runs_starts_again_and_one_that_does_not_stays() {
        let machine = Machine::new();
        let files = settings(json!({"maxPods": 50})).files();
        let (status, said) = machine.run(&write(&files));
        assert!(status == Some(0) && machine.restarts() == 0, "{said}");
        assert_eq!(std::fs::read_to_string(machine.place(FILE)).unwrap(), files[0].text);
        std::fs::write(machine.place("/active"), "").unwrap();
        assert_eq!((machine.run(&write(&files)).0, machine.restarts(), machine.has(PENDING)), (Some(0), 1, false));
        // It leaves as it came; what somebody changed stays.
        std::fs::write(machine.place(FILE), "edited").unwrap();
        let (status, said) = machine.run(&unset());
        assert!(status == Some(90) && said.contains("was changed since") && machine.has(UNIT), "{said}");
        std::fs::write(machine.place(FILE), &files[0].text).unwrap();
        let (status, said) = machine.run(&unset());
        assert!(status == Some(0) && !machine.has(FILE) && !machine.has(UNIT) && machine.restarts() == 2, "{said}");
        let manifest = std::fs::read_to_string(machine.place(MANIFEST)).unwrap();
        assert!(!manifest.contains("kubelet"), "{manifest}");
        assert_eq!(machine.run(&unset()).0, Some(0), "again");
    }

    #[test]
    fn a_node_gets_the_address_of_its_cache_of_names_and_no_other_link_may_have_it() {
        let machine = Machine::new();
        let ip = |told: &str| {
            let path = machine.place("/bin/ip");
            std::fs::write(&path, format!("#!/bin/bash\necho '{told}'\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        let address = Ipv4Addr::new(169, 254, 20, 10);
        let procedure = link(&super::super::link::files(address), address);
        ip("7: nodelocaldns    inet 169.254.20.10/32 scope global nodelocaldns");
        let (status, said) = machine.run(&procedure);
        assert!(status == Some(90) && said.contains("the address of nodelocaldns already") && !machine.has(LINK[0]), "{said}");
        ip("7: kubestead-dns    inet 169.254.20.10/32 scope global kubestead-dns");
        let (status, said) = machine.run(&procedure);
        assert!(status == Some(0) && machine.has(LINK[0]), "{said}");
        let text = std::fs::read_to_string(machine.place(LINK[0])).unwrap();
        assert!(text.contains("ip address replace 169.254.20.10/32 dev kubestead-dns\n") && !text.contains("ExecStop"), "{text}");
        assert!(std::fs::read_to_string(machine.place("/asked")).unwrap().contains("restart kubestead-dns.service"));
        // One that was edited by hand stays.
        std::fs::write(machine.place(LINK[0]), "edited").unwrap();
        let (status, said) = machine.run(&no_unit(LINK_UNIT, &LINK));
        assert!(status == Some(90) && said.contains("was changed since") && machine.has(LINK[0]), "{said}");
        std::fs::write(machine.place(LINK[0]), text).unwrap();
        assert!(machine.run(&no_unit(LINK_UNIT, &LINK)).0 == Some(0) && !machine.has(LINK[0]));
        assert_eq!(machine.run(&no_unit(LINK_UNIT, &LINK)).0, Some(0), "again");
    }

    /// The kubelet has the last word, by the control plane's question.
    #[tokio::test]
    async fn done_is_what_the_kubelet_says_of_itself() {
        let told = json!({"kubeletconfig": {"maxPods": 50}}).to_string();
        for (status, text, maxpods, word) in [
            (0, told.as_str(), 50, ""),
            (0, told.as_str(), 60, "maxPods is 50 and shall be 60"),
            (1, "", 50, "does not tell"),
            (0, "x", 50, "does not tell"),
        ] {
            let (mut node, mut first) = (MockHost::new(), MockHost::new());
            node.expect_name().return_const("kube1".to_owned());
            first.expect_name().return_const("cp1".to_owned());
            node.expect_run().times(1).return_once(|_| Ok(Output::default()));
            let output = Output { status, stdout: text.as_bytes().to_vec(), stderr: vec![] };
            let asks = first.expect_run().withf(|command| command.render().contains("kube1.example.com"));
            asks.times(1).return_once(move |_| Ok(output));
            let hosts = Hosts::from([("cp1".to_owned(), Arc::new(first) as Arc<dyn Host>)]);
            let settings = settings(json!({"maxPods": maxpods}));
            let action = Action::Settings {
                files: settings.files(),
                settings,
                hostname: HostName::new("kube1.example.com").unwrap(),
                asks: Some(Name::new("cp1").unwrap()),
            };
            match apply(&action, &node, &hosts).await {
                Ok(_) => assert_eq!(word, ""),
                Err(error) => assert!(!word.is_empty() && error.to_string().contains(word), "{error}"),
            }
        }
    }
}

//! The machines and the cluster that scenarios share.

use std::path::PathBuf;

use super::{Call, Claim, Done, ON_MACHINE, Ran, Stage};
use crate::scenario::Fixture;

/// Functions for machines, which are put there.
const MACHINE: &str = concat!(
    include_str!("../scripts/alone.sh"),
    include_str!("../scripts/certificates.sh"),
    include_str!("../scripts/cis.sh"),
    include_str!("../scripts/encryption.sh"),
    include_str!("../scripts/fleet.sh"),
    include_str!("../scripts/gateway.sh"),
    include_str!("../scripts/hostile.sh"),
    include_str!("../scripts/issuer.sh"),
    include_str!("../scripts/key-servers.sh"),
    include_str!("../scripts/load-balancer.sh"),
    include_str!("../scripts/logs.sh"),
    include_str!("../scripts/names.sh"),
    include_str!("../scripts/packages.sh"),
    include_str!("../scripts/qemu.sh"),
    include_str!("../scripts/registry.sh"),
    include_str!("../scripts/recovery.sh"),
    include_str!("../scripts/traffic.sh"),
    include_str!("../scripts/machine.sh")
);

impl Stage {
    /// Makes a fixture from nothing.
    pub(crate) fn start(&self, fixture: Fixture) -> Done {
        match fixture {
            Fixture::Own => Ok(()),
            Fixture::Api => self.api_server(),
            Fixture::Machines => self.machines(),
            Fixture::Volumes => {
                self.machines()?;
                self.disks_only()?;
                self.kubestead(&["up"]).run().ok()?;
                self.is_as_found()
            }
            Fixture::Cluster => {
                self.machines()?;
                self.kubestead(&["up"]).run().ok()?;
                self.is_as_found()
            }
        }
    }

    /// What a scenario leaves as it found it: the plan is empty, perhaps not at once.
    pub(crate) fn is_as_found(&self) -> Done {
        self.eventually(180, || self.plan(&[]).status(0)).map_err(|why| format!("it is not left as it was found: {why}"))
    }

    /// The configuration that leads ssh to the machines.
    pub(super) fn ssh_config(&self) -> PathBuf {
        self.work.join("labs/lab/ssh_config")
    }

    /// A program of this computer in the network of the machines, which it enters as ssh does.
    pub fn beside_machines(&self, words: &[&str]) -> Result<Call<'_>, String> {
        let config = std::fs::read_to_string(self.ssh_config()).map_err(|error| format!("{}: {error}", self.ssh_config().display()))?;
        let command = config.lines().find_map(|line| line.trim().strip_prefix("ProxyCommand nsenter "));
        let enter = command.ok_or("the lab's ssh_config enters no network")?.split_whitespace().take_while(|word| *word != "bash");
        Ok(self.program("nsenter", &enter.chain(words.iter().copied()).collect::<Vec<_>>()))
    }

    /// A kubeconfig of the cluster's administrator, whom `kubestead kubeconfig` makes for eight hours: its context is `sudo`. It is a file of the scenario's folder.
    pub fn administrator(&self) -> Result<String, String> {
        let (path, text) = (self.word("administrator"), self.kubestead(&["kubeconfig"]).run().answer()?);
        self.program("install", &["-m", "600", "/dev/stdin", &path]).input(text).run().ok().map(|()| path)
    }

    /// Puts the functions for machines on one.
    pub fn equip(&self, machine: &str) -> Done {
        self.on(machine, &["dd", &format!("of={ON_MACHINE}"), "status=none"]).input(MACHINE).run().ok()
    }

    /// A lab of a scenario's own: starts these machines, which are written as in `lab.json`, equips those that are named, and makes the operator's keys.
    pub fn lab(&self, machines: &str, equipped: &[&str]) -> Claim {
        self.folder("labs/lab")?;
        self.write("labs/lab/lab.json", machines)?;
        self.kubestead(&["lab", "up"]).run().ok()?;
        equipped.iter().try_for_each(|machine| self.equip(machine))?;
        self.kubestead(&["init", "--dir", &self.word("")]).run().ok()
    }

    /// The processes of machines of this scenario's labs: the disks of each stand on its command line. The status is 1 if there is none.
    pub fn machine_processes(&self) -> Ran {
        self.program("pgrep", &["-f", &format!("ubd0={}", self.word("labs"))]).run()
    }

    /// Takes the lab down: none of its machines runs any more.
    pub fn down(&self) -> Claim {
        self.kubestead(&["lab", "down"]).run().ok()?;
        self.machine_processes().status(1)
    }

    /// The lab's four machines with blank disks, a key that opens secrets, and the cluster file of `examples/three-nodes`.
    fn machines(&self) -> Done {
        self.kubestead(&["lab", "up"]).run().ok()?;
        self.kubestead(&["init", "--dir", &self.work.to_string_lossy()]).run().ok()?;
        for machine in ["cp1", "kube1", "kube2", "masterlock"] {
            self.equip(machine)?;
        }
        for machine in ["cp1", "kube1"] {
            self.at(machine, &["sample"]).run().ok()?;
        }
        self.watch_command_lines();
        self.keep_a_secret()?;
        self.cluster_file()
    }

    /// The file without Kubernetes, for what is about disks alone; Secrets are nobody's then.
    pub fn disks_only(&self) -> Done {
        let file = self.read("cluster.yaml")?;
        let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with("kubernetes:") && !line.starts_with("namespace:")).collect();
        self.write("cluster.yaml", &format!("{}\n", lines.join("\n")))?;
        self.remove("secrets/kept.yaml")
    }

    /// The file of the cluster, as the fixture has it.
    pub fn cluster_file(&self) -> Done {
        let bundle = self.kubestead(&["lab", "build"]).run().answer()?;
        let text = self.repository("examples/three-nodes/cluster.yaml")?;
        let config = format!("ssh: {{config: {}}}", self.ssh_config().display());
        let text = text.replace("ssh: {user: root}", &config).replace("bundle: bundle,", &format!("bundle: {bundle},"));
        self.write("cluster.yaml", &text)
    }
}

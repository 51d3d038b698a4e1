//! The machines and the cluster that scenarios share.

use std::path::PathBuf;

use super::{Done, ON_MACHINE, Stage};
use crate::scenario::Fixture;

/// Functions for machines, which are put there.
const MACHINE: &str = include_str!("../scripts/machine.sh");

impl Stage {
    /// Makes a fixture from nothing.
    pub(crate) fn start(&self, fixture: Fixture) -> Done {
        match fixture {
            Fixture::Own => Ok(()),
            Fixture::Machines => self.machines(),
            Fixture::Cluster => {
                self.machines()?;
                self.kubestead(&["up"]).run().ok()?;
                self.is_as_found()
            }
        }
    }

    /// A cluster that a scenario leaves as it found it: the plan is empty, perhaps not at once.
    pub(crate) fn is_as_found(&self) -> Done {
        self.eventually(180, || self.plan(&[]).status(0)).map_err(|why| format!("it is not left as it was found: {why}"))
    }

    /// The configuration that leads ssh to the machines.
    pub(super) fn ssh_config(&self) -> PathBuf {
        self.work.join("labs/lab/ssh_config")
    }

    /// The lab's four machines with blank disks, a key that opens secrets, and the cluster file of `examples/three-nodes`.
    fn machines(&self) -> Done {
        let bundle = self.kubestead(&["lab", "build"]).run().answer()?;
        self.kubestead(&["lab", "up"]).run().ok()?;
        self.kubestead(&["init", "--dir", &self.work.to_string_lossy()]).run().ok()?;
        for machine in ["cp1", "kube1", "kube2", "masterlock"] {
            self.on(machine, &["tee", ON_MACHINE]).input(MACHINE).run().ok()?;
        }
        let example = self.top.join("examples/three-nodes/cluster.yaml");
        let text = std::fs::read_to_string(&example).map_err(|error| format!("{}: {error}", example.display()))?;
        let config = format!("ssh: {{config: {}}}", self.ssh_config().display());
        let text = text.replace("ssh: {user: root}", &config).replace("bundle: bundle,", &format!("bundle: {bundle},"));
        self.write("cluster.yaml", &text)
    }
}

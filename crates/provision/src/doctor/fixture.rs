//! A cluster of three, and scripts that run here.

use std::path::Path;
use std::process::Command;

use kubestead_core::name::Name;
use kubestead_core::probe::{self, Answers, Section};

use crate::file::{Cluster, Node, Role};

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// cp1, kube1 and kube2.
pub(super) fn cluster() -> Cluster {
    let mut cluster = Cluster::new(name("home"), "/secrets".into());
    cluster.nodes =
        [("cp1", "10.77.0.11"), ("kube1", "10.77.0.21"), ("kube2", "10.77.0.22")].map(|(of, at)| Node::new(name(of), at)).into();
    cluster.nodes[0].roles.insert(Role::ControlPlane);
    cluster
}

/// What a section answers whose texts are changed so, with programs of `path` ahead of this machine's.
pub(super) fn run(sections: &[Section], changes: &[(&str, &str)], path: Option<&Path>) -> Answers {
    let mut script = probe::command(sections, "n1").script().into_owned();
    for (from, to) in changes {
        assert!(script.contains(from), "{from} is not in {script}");
        script = script.replace(from, to);
    }
    let mut bash = Command::new("bash");
    if let Some(path) = path {
        bash.env("PATH", format!("{}:{}", path.display(), std::env::var("PATH").unwrap()));
    }
    let out = bash.args(["-c", &script]).output().unwrap();
    probe::parse(&out.stdout, "n1").unwrap()
}

/// A program of a folder.
pub(super) fn program(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/bash\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

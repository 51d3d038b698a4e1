//! Reaching the machines from outside: an ssh configuration whose ProxyCommand enters the lab's network, so that plain `ssh`,
//! `kubestead` and Ansible need to know nothing of the lab.

use std::fmt::Write as _;
use std::path::Path;

use crate::error::Error;
use crate::namespaces::Namespaces;
use crate::spec::LabSpec;

/// The name of [`REACH`] in the lab's folder.
pub(crate) const REACH_NAME: &str = "reach.sh";
/// What carries bytes between ssh and a machine, in the lab's network.
pub(crate) const REACH: &str = include_str!("scripts/reach.sh");

/// The ssh configuration.
pub(crate) fn ssh_config(dir: &Path, spec: &LabSpec, supervisor: u32, namespaces: Namespaces) -> String {
    let (dir, enter) = (dir.display(), namespaces.nsenter());
    let mut text = String::from("# Written by `kubestead lab up`.\n");
    for machine in &spec.machines {
        let _ = write!(
            text,
            "Host {name} {address}\n  HostName {address}\n  User root\n  IdentityFile {dir}/id\n  IdentitiesOnly yes\n  UserKnownHostsFile {dir}/known_hosts\n  \
             GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  HostKeyAlgorithms ssh-ed25519\n  ProxyCommand nsenter {enter} -t {supervisor} bash {dir}/{REACH_NAME} %h %p\n",
            name = machine.name,
            address = machine.address,
        );
    }
    text
}

/// The machines' host keys.
pub(crate) fn known_hosts(dir: &Path, spec: &LabSpec) -> Result<String, Error> {
    let mut text = String::new();
    for machine in &spec.machines {
        let path = crate::disk::folder(dir, &machine.name).join("ssh_host_ed25519_key.pub");
        let key = std::fs::read_to_string(&path).map_err(Error::file("cannot read", &path))?;
        let mut words = key.split_whitespace();
        let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let _ = writeln!(text, "{},{} {kind} {key}", machine.name, machine.address);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_is_reached_by_name_and_address_with_a_known_key() {
        let text = ssh_config(Path::new("/lab"), &LabSpec::default(), 7, Namespaces::UserAndNetwork);
        assert!(
            text.contains("Host kube1 10.77.0.21\n")
                && text.contains("StrictHostKeyChecking yes")
                && text.contains("ProxyCommand nsenter -U --preserve-credentials -n -t 7 bash /lab/reach.sh %h %p\n")
        );
        assert!(!ssh_config(Path::new("/lab"), &LabSpec::default(), 7, Namespaces::Network).contains("-U"));
    }
}

//! How to log in to the machines of a cluster file.

use kubestead_core::name::Name;
use kubestead_core::transport::Login;

use super::cluster::Cluster;

impl Cluster {
    /// How to log in to each machine, nodes first, then key servers.
    pub fn logins(&self) -> Vec<(Name, Login)> {
        let login = |name: &Name, address: &str, user: Option<&String>, port| {
            let user = user.or(self.ssh.user.as_ref()).cloned();
            (name.clone(), Login { name: name.to_string(), destination: address.to_owned(), user, port, config: self.ssh.config.clone() })
        };
        let nodes = self.nodes.iter().map(|n| login(&n.name, &n.address, n.ssh.user.as_ref(), n.ssh.port));
        let servers = self.servers.iter().map(|s| login(&s.name, &s.address, None, (s.port != 22).then_some(s.port)));
        nodes.chain(servers).collect()
    }
}

//! What is checked, by name.

use serde::Serialize;

/// A check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Machines answer.
    Reach,
    /// Names of the cluster are found from every node.
    Dns,
    /// Packets of the size that pods send get through.
    Mtu,
    /// Pods on other nodes answer.
    Pods,
    /// Clocks agree.
    Clock,
    /// The kernel has room for connections.
    Conntrack,
    /// The disk below etcd is quick enough.
    Fsync,
    /// Certificates do not end soon.
    Certificates,
    /// File systems have room.
    Disk,
    /// Images that pods need are there.
    Images,
    /// Persistent volumes are well.
    Volumes,
    /// All is as the file says.
    Plan,
}

impl Kind {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 12] = [
        Self::Reach,
        Self::Dns,
        Self::Mtu,
        Self::Pods,
        Self::Clock,
        Self::Conntrack,
        Self::Fsync,
        Self::Certificates,
        Self::Disk,
        Self::Images,
        Self::Volumes,
        Self::Plan,
    ];

    /// Its name, as it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reach => "reach",
            Self::Dns => "dns",
            Self::Mtu => "mtu",
            Self::Pods => "pods",
            Self::Clock => "clock",
            Self::Conntrack => "conntrack",
            Self::Fsync => "fsync",
            Self::Certificates => "certificates",
            Self::Disk => "disk",
            Self::Images => "images",
            Self::Volumes => "volumes",
            Self::Plan => "plan",
        }
    }

    /// The check of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What is looked at, and what it means when it is not well.
    pub const fn means(self) -> &'static str {
        match self {
            Self::Reach => "every machine of the file answers over ssh; of one that does not, nothing else is known",
            Self::Dns => {
                "every node asks every CoreDNS, and the address of their Service, over UDP and TCP; where queries are lost, pods wait seconds for each name"
            }
            Self::Mtu => {
                "packets as large as pods send them get from node to node uncut; where not, small answers come and large ones hang"
            }
            Self::Pods => "every node reaches a pod on each other node; where not, Services answer from some nodes and not from others",
            Self::Clock => "clocks agree and something keeps them; where not, certificates, tokens and etcd fail",
            Self::Conntrack => "the kernel has room to follow more connections; when it is full, new ones are dropped without a word",
            Self::Fsync => "what etcd writes reaches its disk soon; where not, the API is slow, and leaders change",
            Self::Certificates => "certificates of control planes do not end soon; when they do, nothing reaches the API any more",
            Self::Disk => "file systems have bytes and inodes; when they are full, the kubelet evicts pods and etcd stops",
            Self::Images => "images that pods wait for are there; where not, the pods do not begin",
            Self::Volumes => "persistent volumes and claims are well; a claim that is lost keeps its pod from running",
            Self::Plan => "machines, files and objects are as the cluster file says; what is not, `kubestead plan` tells",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_name_of_its_own_by_which_it_is_found() {
        for (n, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert!(Kind::ALL[n + 1..].iter().all(|other| other.name() != kind.name()) && !kind.means().is_empty());
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(Kind::named("all"), None);
    }
}

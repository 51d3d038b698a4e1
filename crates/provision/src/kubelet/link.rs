//! The address at which each node's cache of names answers: a link of no wire, which the node has for itself alone. It is there before any pod is, and stays
//! until the node starts anew when nothing asks for it any more: pods keep the address that they were made with.

use std::net::Ipv4Addr;

use kubestead_core::put::Owned;

const UNIT: &str = "/etc/systemd/system/kubestead-dns.service";
/// All of its files.
pub const LINK: [&str; 1] = [UNIT];

/// Its files.
pub(super) fn files(address: Ipv4Addr) -> Vec<Owned> {
    let text = format!(
        "# Written by kubestead.
[Unit]
Description=The address of the cache of names for pods
Before=kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-ip link add kubestead-dns type dummy
ExecStart=ip address replace {address}/32 dev kubestead-dns
ExecStart=ip link set kubestead-dns up

[Install]
WantedBy=multi-user.target
"
    );
    vec![Owned { path: UNIT.to_owned(), text, mode: 0o644 }]
}

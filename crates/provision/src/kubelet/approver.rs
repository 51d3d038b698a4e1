//! Who approves the certificates that kubelets ask for: a program of the control plane, which approves a node its own host name and address. Kubernetes
//! signs what is approved, and approves such certificates of nobody by itself (`kubernetes.io/kubelet-serving`).

use std::net::IpAddr;

use kubestead_core::name::HostName;
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};

use crate::admin::ADMIN;

const PROGRAM: &str = "/usr/local/lib/kubestead/approve-kubelets";
/// Each node with the names that it may be known by.
const NODES: &str = "/etc/kubestead/kubelets";
const UNIT: &str = "/etc/systemd/system/kubestead-approver.service";
/// All of them.
pub const APPROVER: [&str; 3] = [PROGRAM, NODES, UNIT];

const UNIT_TEXT: &str = "# Written by kubestead.
[Unit]
Description=Approve the certificates by which kubelets are known
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/local/lib/kubestead/approve-kubelets
# Also where there is no cluster yet, or its API does not answer.
Restart=always
RestartSec=5
NoNewPrivileges=true
PrivateTmp=true
ProtectHome=true
ProtectSystem=strict

[Install]
WantedBy=multi-user.target
";

/// A node whose kubelet asks for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Known {
    /// Its host name.
    pub hostname: HostName,
    /// Its address.
    pub address: IpAddr,
}

impl Known {
    /// The names in its certificate (RFC 5280, GeneralNames), in hex digits: a host name has 63 characters at most, so no length takes more than a byte.
    fn names(&self) -> String {
        let of = |tag: u8, value: &[u8]| [&[tag, u8::try_from(value.len()).unwrap_or(u8::MAX)], value].concat();
        let address = match self.address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let names = [of(0x82, self.hostname.as_str().as_bytes()), of(0x87, &address)].concat();
        of(0x30, &names).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Its files.
pub(super) fn files(nodes: &[Known]) -> Vec<Owned> {
    let file = |path: &str, text: String, mode| Owned { path: path.to_owned(), text, mode };
    let nodes: String = nodes.iter().map(|node| format!("{} {}\n", node.hostname, node.names())).collect();
    vec![
        file(PROGRAM, format!("#!/bin/bash\n{ADMIN}{}", include_str!("scripts/approve.sh")), 0o755),
        file(NODES, nodes, 0o644),
        file(UNIT, UNIT_TEXT.to_owned(), 0o644),
    ]
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn known(hostname: &str, address: &str) -> Known {
        Known { hostname: HostName::new(hostname).unwrap(), address: address.parse().unwrap() }
    }

    #[test]
    fn names_are_written_as_in_a_certificate() {
        assert_eq!(known("kube1", "10.77.0.21").names(), "300d82056b7562653187040a4d0015");
        let longest = known(&format!("{}.{}", "a".repeat(31), "b".repeat(31)), "fd00::1").names();
        assert!(longest.starts_with("3053823f6161") && longest.ends_with("8710fd000000000000000000000000000001"), "{longest}");
    }

    fn program(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What the real program says of a request that the real openssl makes, and whether it approves it.
    struct Judge(tempfile::TempDir);

    impl Judge {
        fn new() -> Self {
            let judge = Self(tempfile::tempdir().unwrap());
            let at = |name: &str| judge.0.path().join(name);
            let [text, nodes, _] = <[Owned; 3]>::try_from(files(&[known("kube1", "10.77.0.21")])).unwrap();
            let text =
                text.text.replace(NODES, &at("nodes").display().to_string()).replace("/etc/kubernetes", &at("").display().to_string());
            program(&at("approve"), &text);
            std::fs::write(at("nodes"), nodes.text).unwrap();
            std::fs::write(at("admin.conf"), "").unwrap();
            program(&at("kubectl"), &format!("#!/bin/bash\ncat {}\n", at("asked").display()));
            program(&at("curl"), &format!("#!/bin/bash\nprintf '%s\\n' \"$*\" >> {}\n", at("called").display()));
            judge
        }

        /// `config` is what openssl-req(1) makes the request of.
        fn says(&self, user: &str, group: &str, subject: &str, config: &str) -> (String, bool) {
            let at = |name: &str| self.0.path().join(name);
            std::fs::write(at("config"), format!("[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nO=x\n{config}")).unwrap();
            let mut make = Command::new("openssl");
            make.args(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject]);
            if config.contains("[e]") {
                make.args(["-reqexts", "e"]);
            }
            let made = make.arg("-keyout").arg(at("key")).arg("-config").arg(at("config")).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            let request = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &made.stdout);
            std::fs::write(at("asked"), format!("csr-1 uid-1 \"{user}\" {group}- {request}\n")).unwrap();
            let _ = std::fs::remove_file(at("called"));
            let path = format!("{}:{}", self.0.path().display(), std::env::var("PATH").unwrap());
            let ran = Command::new("bash").arg(at("approve")).env("PATH", path).output().unwrap();
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
            let called = std::fs::read_to_string(at("called")).unwrap_or_default();
            assert!(called.is_empty() || called.contains("/certificatesigningrequests/csr-1/approval"), "{called}");
            (String::from_utf8(ran.stdout).unwrap(), !called.is_empty())
        }
    }

    #[test]
    fn a_node_gets_a_certificate_for_its_own_names_and_nobody_gets_another() {
        let judge = Judge::new();
        let (kube1, of_kube1) = ("system:node:kube1", "/O=system:nodes/CN=system:node:kube1");
        let names = |names: &str| format!("[e]\nsubjectAltName={names}\n");
        let good = names("DNS:kube1,IP:10.77.0.21");
        let (told, approved) = judge.says(kube1, "node", of_kube1, &good);
        assert!(approved && told.contains("approved: csr-1"), "{told}");
        for (user, group, subject, config, why) in [
            ("system:node:kube2", "node", of_kube1, &good, "no node kube2"),
            ("system:node:kube2", "node", "/O=system:nodes/CN=system:node:kube2", &good, "no node kube2"),
            ("someone", "", of_kube1, &good, "not a node"),
            (kube1, "", of_kube1, &good, "not a node"),
            (kube1, "node", "/O=system:nodes/CN=system:node:kube2", &good, "another subject"),
            (kube1, "node", "/O=system:masters/CN=system:node:kube1", &good, "another subject"),
            (kube1, "node", "/O=system:nodes/O=system:masters/CN=system:node:kube1", &good, "another subject"),
            (kube1, "node", of_kube1, &names("DNS:kube1,IP:10.77.0.22"), "other names"),
            (kube1, "node", of_kube1, &names("DNS:kube1,IP:10.77.0.21,DNS:kubernetes"), "other names"),
            (kube1, "node", of_kube1, &names("DNS:kube1,IP:10.77.0.21,URI:https://x"), "other names"),
            (kube1, "node", of_kube1, &names("IP:10.77.0.21"), "other names"),
            (kube1, "node", of_kube1, &format!("{good}basicConstraints=CA:TRUE\n"), "other names"),
            (kube1, "node", of_kube1, &String::new(), "other names"),
        ] {
            let (told, approved) = judge.says(user, group, subject, config);
            assert!(!approved && told.starts_with("not approved: csr-1") && told.contains(why), "{user} {subject} {config}: {told}");
        }
    }
}

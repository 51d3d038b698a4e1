//! One action of the key server's domain.

use kubestead_core::command::{Command, quote};
use kubestead_core::host::{FilePut, Host, HostError, Hosts};
use kubestead_core::name::Name;
use kubestead_core::outcome::Done;
use kubestead_core::procedure::{Procedure, ProcedureError};
use kubestead_storage::apply::write_files;

use super::observe::is_key;
use super::plan::Action;
use super::spec::{EnrolledNode, IDENTITY, KEYS, KeyServerSpec};

/// An action that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// On a host.
    #[error("{what}")]
    Procedure {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: ProcedureError,
    },
    /// A host is not connected.
    #[error("{0} is not connected")]
    NoHost(String),
    /// A node's public key is not one.
    #[error("{node} has no usable public key in {IDENTITY}.pub: {found:?}")]
    BadKey {
        /// The node.
        node: Name,
        /// What was read.
        found: String,
    },
}

fn failed(what: String) -> impl FnOnce(ProcedureError) -> Error {
    move |source| Error::Procedure { what, source }
}

/// Carries an action out. `host` is the step's own; enrolling also reads the node's public key.
pub async fn apply(action: &Action, host: &dyn Host, hosts: &Hosts) -> Result<Done, Error> {
    match action {
        Action::Setup { spec } => setup(spec, host).await.map_err(failed(format!("{}: set the key server up", host.name()))),
        Action::KeyPair => key_pair().run(host).await.map_err(failed(format!("{}: make its key pair", host.name()))),
        Action::Client { files } => {
            let mut done = Done::Already;
            for file in files {
                let put = FilePut::plain(&file.path, &file.text).mode(file.mode).write(host).await;
                if put.map_err(failed(format!("{}: write {}", host.name(), file.path)))? == Done::Changed {
                    done = Done::Changed;
                }
            }
            Ok(done)
        }
        Action::Enrol { spec, node } => enrol(spec, node, host, hosts).await,
        Action::Share { spec, node, volume } => {
            share(spec, node, volume).run(host).await.map_err(failed(format!("{}: make the share of {node}/{volume}", host.name())))
        }
    }
}

async fn setup(spec: &KeyServerSpec, host: &dyn Host) -> Result<Done, ProcedureError> {
    let (user, directory) = (quote(&spec.user), quote(&spec.directory));
    let account = Procedure::new(
        "grep -qiE '^[[:space:]]*Include[[:space:]]+/etc/ssh/sshd_config.d/\\*.conf' /etc/ssh/sshd_config || refuse 'sshd_config does not include /etc/ssh/sshd_config.d/*.conf: add that line at its top'",
        format!(
            "id -u {user} >/dev/null 2>&1 || useradd --system --home-dir {directory} --no-create-home --shell /bin/sh {user}\n\
             install -d -m 0700 -o {user} -g {user} {directory}\ntouch {KEYS}; chmod 0644 {KEYS}; chown root:root {KEYS}"
        ),
        format!("[ \"$(stat -c %a {directory})\" = 700 ] || unverified 'the folder of keys is open to others'"),
    );
    account.run(host).await?;
    write_files(&spec.files(), "sshd -t\nsystemctl reload ssh 2>/dev/null || systemctl reload sshd", host).await
}

fn key_pair() -> Procedure {
    Procedure::new(
        format!("[ ! -f {IDENTITY}.pub ] || already"),
        format!(
            "umask 077; mkdir -p /etc/kubestead; chmod 755 /etc/kubestead; rm -f {IDENTITY}; ssh-keygen -q -t ed25519 -N '' -C masterlock@$(hostname) -f {IDENTITY}"
        ),
        format!("[ \"$(stat -c %a {IDENTITY})\" = 600 ] || unverified 'its mode is wrong'"),
    )
}

/// The share is made on the server, whole or not at all, and never replaced: to lose it is to lose the volume.
fn share(spec: &KeyServerSpec, node: &Name, volume: &Name) -> Procedure {
    let (user, directory) = (quote(&spec.user), quote(&format!("{}/{node}", spec.directory)));
    Procedure::new(
        format!(
            "f={directory}/{volume}\nif [ -e \"$f\" ]; then [ \"$(stat -c %s \"$f\")\" = 64 ] && already; refuse \"$f is there and is not 64 bytes\"; fi"
        ),
        format!(
            "umask 077; install -d -m 0700 -o {user} -g {user} {directory}\nhead -c 64 /dev/urandom > \"$f.part\"; chmod 0400 \"$f.part\"; chown {user} \"$f.part\"\n\
             sync \"$f.part\"; mv -nT \"$f.part\" \"$f\"; sync {directory}"
        ),
        "[ \"$(stat -c %s \"$f\")\" = 64 ] || unverified \"$f is not whole\"",
    )
}

async fn enrol(spec: &KeyServerSpec, node: &EnrolledNode, server: &dyn Host, hosts: &Hosts) -> Result<Done, Error> {
    let what = format!("{}: let {} in", server.name(), node.name);
    let own = hosts.get(node.name.as_str()).ok_or_else(|| Error::NoHost(node.name.to_string()))?;
    let read = own.run(&Command::read(["cut", "-d", " ", "-f1,2", &format!("{IDENTITY}.pub")])).await;
    let found = read.map_err(|e: HostError| failed(what.clone())(e.into()))?.text().trim().to_owned();
    if !is_key(&found) {
        return Err(Error::BadKey { node: node.name.clone(), found });
    }
    line(spec, node, &found).run(server).await.map_err(failed(what))
}

/// Replaces this node's own line; the others stay as they are.
fn line(spec: &KeyServerSpec, node: &EnrolledNode, key: &str) -> Procedure {
    let line = quote(&format!("{}{key} masterlock@{}", spec.line_start(node), node.name));
    Procedure::new(
        format!("grep -qxF {line} {KEYS} && already; true"),
        format!(
            "t=$(mktemp {KEYS}.XXXXXX); awk -v own=masterlock@{} '$NF != own' {KEYS} > \"$t\"; printf '%s\\n' {line} >> \"$t\"\nchmod 0644 \"$t\"; sync \"$t\"; mv -fT \"$t\" {KEYS}; sync /etc/ssh",
            node.name
        ),
        format!("grep -qxF {line} {KEYS} || unverified 'the line is not there'"),
    )
}

//! `kubestead kubeconfig`, and the credential plugin that its contexts call.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use kubestead_core::name::Name;
use kubestead_provision::access::{self, Plugin};
use kubestead_provision::compose;
use kubestead_provision::file::Cluster;
use kubestead_provision::fleet::Fleet;
use kubestead_provision::ssh::SshHost;

use crate::args::Common;
use crate::exit::{Exit, Failure, fail};
use crate::print;

/// Connects to the control plane alone.
async fn control_plane(cluster: &Cluster) -> Result<SshHost, Failure> {
    let first = compose::first(cluster).ok_or_else(|| fail(Exit::Usage, "the cluster file asks for no Kubernetes"))?;
    Ok(Fleet::connect_one(cluster, first).await?)
}

pub(crate) async fn run(common: &Common, merge: bool) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let host = control_plane(&cluster).await?;
    let file = std::path::absolute(&common.file)?.display().to_string();
    let mut args = vec!["credential".into(), "--file".into(), file];
    // kubectl calls it where nobody can say so again.
    args.extend(common.trust_ssh_config.then(|| "--trust-ssh-config".to_owned()));
    let plugin = Plugin { command: std::env::current_exe()?.display().to_string(), args };
    let person = std::env::var("USER").ok().filter(|u| !u.is_empty()).unwrap_or_else(|| "admin".to_owned());
    let namespace = cluster.namespace.as_ref().map(|n| (&n.name, n.users.as_slice()));
    let ours = access::kubeconfig(&host, cluster.name.as_str(), &person, namespace, &plugin).await?;
    if !merge {
        print::data(&access::render(&ours)?);
        return Ok(Exit::Done);
    }
    let path = kubeconfig_path();
    let theirs = match std::fs::read_to_string(&path) {
        Ok(text) => access::parse(&path.display().to_string(), &text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => serde_json::Value::Null,
        Err(error) => return Err(fail(Exit::Failed, format!("cannot read {}: {error}", path.display()))),
    };
    write(&path, &access::render(&access::merge(theirs, &ours))?)?;
    print::note(&format!("{}: the context is {}", path.display(), ours["current-context"].as_str().unwrap_or_default()));
    Ok(Exit::Done)
}

pub(crate) async fn credential(common: &Common, user: &str) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let user = Name::new(user)?;
    let namespace = cluster.namespace.as_ref().filter(|n| n.users.contains(&user));
    let namespace = namespace.ok_or_else(|| fail(Exit::Usage, format!("the cluster file has no user {user}")))?;
    let host = control_plane(&cluster).await?;
    print::json(&access::credential(&host, &namespace.name, &user).await?)?;
    Ok(Exit::Done)
}

/// Where kubectl reads and writes: the first file of KUBECONFIG, else ~/.kube/config.
fn kubeconfig_path() -> PathBuf {
    let listed = std::env::var_os("KUBECONFIG").and_then(|list| std::env::split_paths(&list).find(|p| !p.as_os_str().is_empty()));
    listed.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".kube/config"))
}

/// Whole or not at all, readable by its owner alone.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let dir = real.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(dir)?;
    let part = dir.join(format!(".kubestead-{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(std::fs::rename(&part, &real)?)
}

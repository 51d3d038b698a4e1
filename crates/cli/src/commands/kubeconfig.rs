//! `kubestead kubeconfig`, and the credential plugin that its contexts call.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kubestead_backend::ssh::Ssh;
use kubestead_core::name::Name;
use kubestead_core::transport::{Remote, Transport as _};
use kubestead_provision::access::{self, Plugin};
use kubestead_provision::compose;
use kubestead_provision::file::Cluster;
use kubestead_provision::kubeconfig;

use crate::args::Common;
use crate::exit::{Exit, Failure, fail};
use crate::folders;
use crate::print;

/// Connects to the control plane alone.
pub(super) async fn control_plane(cluster: &Cluster) -> Result<Arc<dyn Remote>, Failure> {
    let login = compose::first(cluster).and_then(|first| cluster.logins().into_iter().find(|(name, _)| name == first));
    let (_, login) = login.ok_or_else(|| fail(Exit::Usage, "the cluster file asks for no Kubernetes"))?;
    Ssh::default().connect(&login).await.map_err(Failure::unreachable)
}

pub(crate) async fn run(common: &Common, merge: bool) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let endpoint = compose::kubeadm_spec(&cluster).map(|spec| spec.endpoint).unwrap_or_default();
    let host = control_plane(&cluster).await?;
    let file = std::path::absolute(&common.file)?.display().to_string();
    let mut args = vec!["credential".into(), "--file".into(), file];
    // kubectl calls it where nobody can say so again.
    args.extend(common.trust_ssh_config.then(|| "--trust-ssh-config".to_owned()));
    let plugin = Plugin { command: std::env::current_exe()?.display().to_string(), args };
    let person = std::env::var("USER").ok().filter(|u| !u.is_empty()).unwrap_or_else(|| "admin".to_owned());
    let namespace = cluster.namespace.as_ref().map(|n| (&n.name, n.users.as_slice()));
    let ours = access::kubeconfig(host.as_ref(), cluster.name.as_str(), &endpoint, &person, namespace, &plugin).await?;
    if !merge {
        print::bytes().all(access::render(&ours)?.as_bytes())?;
        return Ok(Exit::Done);
    }
    let current = ours["current-context"].as_str().unwrap_or_default();
    let changed = put(&paths()?, &ours)?;
    for path in &changed {
        print::note(&format!("{}: the context is {current}", path.display()));
    }
    if changed.is_empty() {
        print::note(&format!("nothing to do: the context is {current}"));
    }
    Ok(Exit::Done)
}

pub(crate) async fn credential(common: &Common, user: &str) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let user = Name::new(user)?;
    let namespace = cluster.namespace.as_ref().filter(|n| n.users.contains(&user));
    let namespace = namespace.ok_or_else(|| fail(Exit::Usage, format!("the cluster file has no user {user}")))?;
    let host = control_plane(&cluster).await?;
    print::json(&access::credential(host.as_ref(), &namespace.name, &user).await?.exec_credential())?;
    Ok(Exit::Done)
}

/// The files that kubectl reads: those of KUBECONFIG, else ~/.kube/config.
fn paths() -> Result<Vec<PathBuf>, Failure> {
    let listed = std::env::var_os("KUBECONFIG").unwrap_or_default();
    let listed: Vec<PathBuf> = std::env::split_paths(&listed).filter(|p| !p.as_os_str().is_empty()).collect();
    if listed.is_empty() { Ok(vec![folders::home("KUBECONFIG")?.join(".kube/config")]) } else { Ok(listed) }
}

/// Puts the entries into the files, and answers which were written.
fn put(paths: &[PathBuf], ours: &serde_json::Value) -> Result<Vec<PathBuf>, Failure> {
    let texts = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let names = || paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
    let merged = kubeconfig::merge(&texts, ours).map_err(|e| fail(Exit::Held, format!("{}: {e}", names())))?;
    let mut changed = Vec::new();
    for ((path, old), new) in paths.iter().zip(&texts).zip(merged) {
        if let Some(new) = new {
            replace(path, old.as_deref(), &new)
                .map_err(|e| fail(Exit::Failed, format!("cannot write {}: {}", path.display(), e.message)))?;
            changed.push(path.clone());
        }
    }
    Ok(changed)
}

fn read(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fail(Exit::Failed, format!("cannot read {}: {error}", path.display()))),
    }
}

/// Whole or not at all, readable by its owner alone; where a link leads, not in its place. How the file was before kubestead first
/// changed it stays beside it.
fn replace(path: &Path, old: Option<&str>, new: &str) -> Result<(), Failure> {
    let real = match std::fs::canonicalize(path) {
        Ok(real) => real,
        // A link to nothing: written through, it would be a file in its place.
        Err(_) if path.is_symlink() => return Err(fail(Exit::Failed, "it is a link to a file that is not there")),
        Err(_) => std::path::absolute(path)?,
    };
    let dir = real.parent().ok_or_else(|| fail(Exit::Failed, "it is in no folder"))?;
    if !dir.is_dir() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    if let Some(old) = old {
        let mut copy = real.clone().into_os_string();
        copy.push(".before-kubestead");
        if !Path::new(&copy).exists() {
            place(dir, Path::new(&copy), old)?;
        }
    }
    if read(&real)?.as_deref() != old {
        return Err(fail(Exit::Failed, "another program changed it meanwhile; run it again"));
    }
    place(dir, &real, new)
}

fn place(dir: &Path, path: &Path, text: &str) -> Result<(), Failure> {
    let part = dir.join(format!(".kubestead-{}", std::process::id()));
    // One of a program of the same number that was killed.
    let _ = std::fs::remove_file(&part);
    let written = (|| {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, path)?;
        std::fs::File::open(dir)?.sync_all()
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    Ok(written?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn ours(certificate: &str) -> serde_json::Value {
        serde_json::json!({"clusters": [{"name": "home", "cluster": {"server": "https://e:6443"}}],
            "users": [{"name": "me@home-sudo", "user": {"client-certificate-data": certificate}}],
            "contexts": [{"name": "sudo", "context": {"cluster": "home", "user": "me@home-sudo"}}], "current-context": "sudo"})
    }

    #[test]
    fn a_link_stays_a_link_the_mode_is_0600_and_the_first_state_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("dotfiles"), dir.path().join("config"));
        let theirs = "# mine\napiVersion: v1\nkind: Config\nusers:\n- name: else\n  user: {token: t}\n";
        std::fs::write(&real, theirs).unwrap();
        std::os::unix::fs::symlink("dotfiles", &link).unwrap();
        assert_eq!(put(std::slice::from_ref(&link), &ours("QUJD")).unwrap(), std::slice::from_ref(&link));
        assert_eq!(put(std::slice::from_ref(&link), &ours("REVG")).unwrap(), std::slice::from_ref(&link));
        assert!(put(std::slice::from_ref(&link), &ours("REVG")).unwrap().is_empty(), "nothing to write");
        assert!(link.is_symlink());
        let text = std::fs::read_to_string(&real).unwrap();
        assert!(text.starts_with(theirs.trim_end()) && text.contains("REVG") && !text.contains("QUJD"), "{text}");
        let copy = dir.path().join("dotfiles.before-kubestead");
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), theirs);
        for path in [&real, &copy] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "nothing is left over");
    }

    #[test]
    fn a_file_that_is_not_there_is_made_and_one_of_somebody_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/config");
        assert_eq!(put(std::slice::from_ref(&path), &ours("QUJD")).unwrap().len(), 1);
        assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        let theirs = "contexts:\n- name: sudo\n  context: {cluster: prod, user: boss}\n";
        std::fs::write(&path, theirs).unwrap();
        let failure = put(std::slice::from_ref(&path), &ours("QUJD")).unwrap_err();
        assert!(failure.exit == Exit::Held && failure.message.contains("context sudo"), "{failure:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), theirs);
        let dangling = dir.path().join("link");
        std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
        assert!(put(std::slice::from_ref(&dangling), &ours("QUJD")).is_err() && dangling.is_symlink());
    }
}

//! Credentials for people: a kubeconfig with an administrator's short-lived certificate and a user's tokens on demand. Both are made
//! on the control plane and come over ssh; nothing of them touches the control plane's disk.

use kubestead_core::command::{Command, quote};
use kubestead_core::host::{Host, HostError};
use kubestead_core::name::Name;
use serde_json::{Value, json};

/// How long the administrator's certificate lives.
const CERTIFICATE: &str = "8h";
/// How long a user's token lives.
const TOKEN: &str = "3h";
/// The administrator's context.
pub const SUDO: &str = "sudo";

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The control plane did not answer.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It answered with an error.
    #[error("{host}: {what}: {tail}")]
    Refused {
        /// The control plane.
        host: String,
        /// What was asked.
        what: &'static str,
        /// The end of its answer.
        tail: String,
    },
    /// A kubeconfig is not one.
    #[error("{what} was not understood: {detail}")]
    Format {
        /// What was read.
        what: String,
        /// What is wrong.
        detail: String,
    },
}

/// The program that a context runs for a token: its path and arguments.
pub struct Plugin {
    /// Absolute.
    pub command: String,
    /// Arguments before the user's name.
    pub args: Vec<String>,
}

async fn ask(host: &dyn Host, what: &'static str, command: Command) -> Result<String, Error> {
    let output = host.run(&command).await?;
    if output.success() { Ok(output.text()) } else { Err(Error::Refused { host: host.name().to_owned(), what, tail: output.tail() }) }
}

/// A kubeconfig with the context `sudo` and, where the file names a namespace with users, `USER@CLUSTER` for each, the first of them
/// current. The administrator is `person` in the group kubeadm:cluster-admins, for eight hours.
pub async fn kubeconfig(
    host: &dyn Host,
    cluster: &str,
    person: &str,
    namespace: Option<(&Name, &[Name])>,
    plugin: &Plugin,
) -> Result<Value, Error> {
    let script = format!(
        "set -euo pipefail; umask 077; f=$(mktemp /run/kubestead.XXXXXX); trap 'rm -f \"$f\"' EXIT\n\
         kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-system get configmap kubeadm-config -o 'jsonpath={{.data.ClusterConfiguration}}' > \"$f\"\n\
         kubeadm kubeconfig user --config \"$f\" --client-name {} --org kubeadm:cluster-admins --validity-period {CERTIFICATE}",
        quote(person)
    );
    let text = ask(host, "make an administrator's certificate", Command::write_script(script)).await?;
    let made = parse("kubeadm's kubeconfig", &text)?;
    let field = |list: &str, inner: &str| made[list][0][inner].clone();
    let admin = format!("{person}@{cluster}-sudo");
    let mut config = json!({"apiVersion": "v1", "kind": "Config", "preferences": {},
        "clusters": [{"name": cluster, "cluster": field("clusters", "cluster")}],
        "users": [{"name": admin, "user": field("users", "user")}],
        "contexts": [{"name": SUDO, "context": {"cluster": cluster, "user": admin, "namespace": "kube-system"}}],
        "current-context": SUDO});
    if let Some((namespace, users)) = namespace {
        for user in users {
            let name = format!("{user}@{cluster}");
            let args: Vec<Value> = plugin.args.iter().cloned().chain([user.to_string()]).map(Value::from).collect();
            push(
                &mut config["users"],
                json!({"name": name, "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1",
                "command": plugin.command, "args": args, "interactiveMode": "Never"}}}),
            );
            push(
                &mut config["contexts"],
                json!({"name": name, "context": {"cluster": cluster, "user": name, "namespace": namespace.as_str()}}),
            );
        }
        if let Some(user) = users.first() {
            config["current-context"] = format!("{user}@{cluster}").into();
        }
    }
    Ok(config)
}

/// A token for a user, as client-go's exec plugins answer it (`ExecCredential`). The server may shorten its life; what it says counts.
pub async fn credential(host: &dyn Host, namespace: &Name, user: &Name) -> Result<Value, Error> {
    let argv = [
        "kubectl",
        "--kubeconfig",
        "/etc/kubernetes/admin.conf",
        "-n",
        namespace.as_str(),
        "create",
        "token",
        user.as_str(),
        "--duration",
        TOKEN,
        "-o",
        "json",
    ];
    let text = ask(host, "ask for a token", Command::write(argv)).await?;
    let request = parse("the answer to the token request", &text)?;
    let status = json!({"token": request["status"]["token"], "expirationTimestamp": request["status"]["expirationTimestamp"]});
    Ok(json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
}

/// Reads a kubeconfig, YAML or JSON.
pub fn parse(what: &str, text: &str) -> Result<Value, Error> {
    serde_saphyr::from_str(text).map_err(|e| Error::Format { what: what.to_owned(), detail: e.to_string() })
}

/// Writes a kubeconfig as YAML.
pub fn render(config: &Value) -> Result<String, Error> {
    serde_saphyr::to_string(config).map_err(|e| Error::Format { what: "the kubeconfig".into(), detail: e.to_string() })
}

/// Puts our entries into somebody's kubeconfig: entries of the same name are replaced, everything else stays.
pub fn merge(mut theirs: Value, ours: &Value) -> Value {
    if !theirs.is_object() {
        return ours.clone();
    }
    for list in ["clusters", "users", "contexts"] {
        for entry in ours[list].as_array().into_iter().flatten() {
            if let Some(all) = theirs[list].as_array_mut() {
                all.retain(|old| old["name"] != entry["name"]);
            }
            push(&mut theirs[list], entry.clone());
        }
    }
    theirs["current-context"] = ours["current-context"].clone();
    theirs
}

fn push(list: &mut Value, entry: Value) {
    match list.as_array_mut() {
        Some(all) => all.push(entry),
        None => *list = Value::Array(vec![entry]),
    }
}

#[cfg(test)]
mod tests {
    use kubestead_core::command::Output;
    use kubestead_core::twin::ScriptedHost;

    use super::*;

    fn said(text: &str) -> Output {
        Output { status: 0, stdout: text.as_bytes().to_vec(), stderr: vec![] }
    }

    #[tokio::test]
    async fn the_user_is_current_and_foreign_entries_stay() {
        let text = "apiVersion: v1\nclusters:\n- cluster: {server: https://e:6443}\n  name: x\nusers:\n- name: y\n  user: {client-key-data: a2V5}\n";
        let host = ScriptedHost::new("cp1", [Ok(said(text))]);
        let (namespace, users) = (Name::new("apps").unwrap(), [Name::new("apps-user").unwrap()]);
        let plugin = Plugin { command: "/bin/kubestead".into(), args: vec!["credential".into()] };
        let ours = kubeconfig(&host, "home", "me", Some((&namespace, &users)), &plugin).await.unwrap();
        assert_eq!(ours["current-context"], "apps-user@home");
        assert_eq!(ours["users"][1]["user"]["exec"]["args"], json!(["credential", "apps-user"]));
        let theirs = parse("t", "apiVersion: v1\nkind: Config\nusers:\n- name: else\n  user: {token: t}\n- name: me@home-sudo\n  user: {token: old}\ncurrent-context: else\n").unwrap();
        let merged = merge(theirs, &ours);
        let names: Vec<&str> = merged["users"].as_array().unwrap().iter().filter_map(|u| u["name"].as_str()).collect();
        assert_eq!(names, ["else", "me@home-sudo", "apps-user@home"]);
        assert_eq!(merge(merged.clone(), &ours), merged, "a second merge changes nothing");
        assert_eq!(parse("again", &render(&merged).unwrap()).unwrap(), merged);
    }

    #[tokio::test]
    async fn a_token_comes_with_its_own_end() {
        let host = ScriptedHost::new("cp1", [Ok(said(r#"{"status":{"token":"t","expirationTimestamp":"2030-01-01T00:00:00Z"}}"#))]);
        let found = credential(&host, &Name::new("apps").unwrap(), &Name::new("u").unwrap()).await.unwrap();
        assert_eq!(found["status"]["expirationTimestamp"], "2030-01-01T00:00:00Z");
    }
}

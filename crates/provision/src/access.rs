//! Credentials for people: a kubeconfig with an administrator's short-lived certificate and a user's tokens on demand. Both are made
//! on the control plane and come over ssh; nothing of them touches the control plane's disk.

use jiff::Timestamp;
use kubestead_core::command::Command;
use kubestead_core::credentials::{Credentials, CredentialsError};
use kubestead_core::host::{Host, HostError};
use kubestead_core::name::Name;
use kubestead_core::secret::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

/// How long the administrator's certificate lives.
const CERTIFICATE: &str = "8h";
/// How long a user's token lives.
const TOKEN: &str = "3h";
/// The longest answer to a token request, in bytes. A token has about 1 KiB.
const ANSWER: usize = 64 << 10;
/// The administrator's context.
pub const SUDO: &str = "sudo";
/// How the administrator's entry ends, after the cluster's name.
pub(crate) const ADMIN: &str = "-sudo";

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
    /// What it answered is not used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Its credentials are for another place than the cluster file says.
    #[error(
        "{host}: the kubeconfig that kubeadm printed is for {found}, and the cluster file says {wanted}. When the endpoint in the file was \
         changed after the cluster was made, change it back; else {host} may be compromised"
    )]
    Elsewhere {
        /// The control plane.
        host: String,
        /// Where its API server is by what it says.
        found: String,
        /// Where it is by the cluster file.
        wanted: String,
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

fn certificate(person: &str) -> Command {
    Command::write_script(include_str!("scripts/person.sh")).var("person", person).var("validity", CERTIFICATE)
}

/// A kubeconfig with the context `sudo` and, where the file names a namespace with users, `USER@CLUSTER` for each, the first of them
/// current. The administrator is `person` in the group kubeadm:cluster-admins, for eight hours. `endpoint` is where the API server is by
/// the cluster file: a host that says something else is not believed.
pub async fn kubeconfig(
    host: &dyn Host,
    cluster: &str,
    endpoint: &str,
    person: &str,
    namespace: Option<(&Name, &[Name])>,
    plugin: &Plugin,
) -> Result<Value, Error> {
    let text = ask(host, "make an administrator's certificate", certificate(person)).await?;
    let made = Credentials::parse(host.name(), "the kubeconfig that kubeadm printed", &text)?;
    let server = format!("https://{endpoint}");
    if made.server() != server {
        return Err(Error::Elsewhere { host: host.name().to_owned(), found: made.server().to_owned(), wanted: server });
    }
    let key = made.key();
    let key = String::from_utf8_lossy(key.expose());
    let admin = format!("{person}@{cluster}{ADMIN}");
    let mut config = json!({"apiVersion": "v1", "kind": "Config", "preferences": {},
        "clusters": [{"name": cluster, "cluster": {"server": server, "certificate-authority-data": made.authority()}}],
        "users": [{"name": admin, "user": {"client-certificate-data": made.certificate(), "client-key-data": key}}],
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

/// A user's token, and when it ends.
#[derive(Clone, Debug)]
pub struct Token {
    /// A JSON Web Token.
    pub token: Secret,
    /// When the server says that it ends.
    pub ends: Timestamp,
}

impl Token {
    /// As client-go's exec plugins answer it (`ExecCredential`).
    pub fn exec_credential(&self) -> Value {
        let status = json!({"token": String::from_utf8_lossy(self.token.expose()), "expirationTimestamp": self.ends.to_string()});
        json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})
    }
}

/// A token for a user. The server may shorten its life; what it says counts.
pub async fn credential(host: &dyn Host, namespace: &Name, user: &Name) -> Result<Token, Error> {
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
    token(&text).map_err(|detail| Error::Format { what: format!("{}: the answer to the token request", host.name()), detail })
}

/// Takes the answer to a token request apart: three parts in base64url with dots between them (RFC 7515), and a time (RFC 3339).
fn token(text: &str) -> Result<Token, String> {
    #[derive(Deserialize)]
    struct Request {
        status: Status,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        token: String,
        expiration_timestamp: String,
    }
    if text.len() > ANSWER {
        return Err(format!("it is longer than {ANSWER} bytes"));
    }
    // What serde says may hold what it read.
    let Status { token, expiration_timestamp } =
        serde_json::from_str::<Request>(text).map_err(|e| format!("no TokenRequest with a token and its end, line {}", e.line()))?.status;
    let token = Secret::new(token.into_bytes());
    let parts = || token.expose().split(|c| *c == b'.');
    let part = |part: &[u8]| !part.is_empty() && part.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
    if parts().count() != 3 || !parts().all(part) {
        return Err("the token is no JSON Web Token".to_owned());
    }
    let ends = expiration_timestamp.parse().map_err(|_| "the end of the token is no time".to_owned())?;
    Ok(Token { token, ends })
}

/// Writes a kubeconfig as YAML.
pub fn render(config: &Value) -> Result<String, Error> {
    serde_saphyr::to_string(config).map_err(|e| Error::Format { what: "the kubeconfig".into(), detail: e.to_string() })
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

    const MADE: &str = include_str!("../../core/tests/admin.conf");

    async fn ask_for(text: &str) -> Result<Value, Error> {
        let host = ScriptedHost::new("cp1", [Ok(said(text))]);
        let (namespace, users) = (Name::new("apps").unwrap(), [Name::new("apps-user").unwrap()]);
        let plugin = Plugin { command: "/bin/kubestead".into(), args: vec!["credential".into()] };
        kubeconfig(&host, "home", "10.0.0.11:6443", "me", Some((&namespace, &users)), &plugin).await
    }

    /// The real script, with a kubeadm that prints how it was called.
    #[test]
    fn a_certificate_is_made_for_the_person_that_asks() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        for (name, body) in [("kubectl", "echo configuration"), ("kubeadm", "printf '[%s]' \"$@\"; cat \"$4\"")] {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/bash\n{body}\n")).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let root = folder.path().display();
        let script = certificate("it's me").script().replace("/run/kubestead.", &format!("{root}/config."));
        let out = std::process::Command::new("bash").args(["-c", &format!("PATH={root}:$PATH\n{script}")]).output().unwrap();
        let said = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success() && said.starts_with("[kubeconfig][user][--config]") && said.ends_with("configuration\n"), "{said}");
        assert!(said.contains("[--client-name][it's me][--org][kubeadm:cluster-admins][--validity-period][8h]"), "{said}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "the configuration does not stay");
    }

    #[tokio::test]
    async fn the_user_is_current_and_only_the_certificate_is_the_hosts() {
        let ours = ask_for(MADE).await.unwrap();
        assert_eq!(ours["current-context"], "apps-user@home");
        assert_eq!(ours["users"][1]["user"]["exec"]["args"], json!(["credential", "apps-user"]));
        let admin = ours["users"][0]["user"].as_object().unwrap();
        assert_eq!(admin.keys().collect::<Vec<_>>(), ["client-certificate-data", "client-key-data"]);
        for (key, value) in admin {
            assert!(MADE.contains(&format!("{key}: {}\n", value.as_str().unwrap())), "{key}");
        }
        assert_eq!(ours["clusters"][0]["cluster"]["server"], "https://10.0.0.11:6443");
    }

    #[tokio::test]
    async fn a_host_cannot_bring_a_program_or_another_server_into_a_kubeconfig() {
        let exec = MADE.replace("    client-key-data", "    exec: {command: /tmp/evil}\n    client-key-data");
        let error = ask_for(&exec).await.unwrap_err();
        assert!(
            matches!(&error, Error::Credentials(CredentialsError::Field { field, .. }) if field == "users[0].user.exec.command"),
            "{error}"
        );
        let error = ask_for(&MADE.replace("10.0.0.11", "192.0.2.66")).await.unwrap_err().to_string();
        assert!(error.contains("cp1") && error.contains("https://192.0.2.66:6443") && error.contains("https://10.0.0.11:6443"), "{error}");
    }

    #[tokio::test]
    async fn a_token_comes_with_its_own_end() {
        let answer =
            r#"{"kind":"TokenRequest","spec":{},"status":{"token":"eyJh.eyJp.c2ln-_","expirationTimestamp":"2030-01-01T00:00:00Z"}}"#;
        let host = ScriptedHost::new("cp1", [Ok(said(answer))]);
        let found = credential(&host, &Name::new("apps").unwrap(), &Name::new("u").unwrap()).await.unwrap();
        let status = json!({"token": "eyJh.eyJp.c2ln-_", "expirationTimestamp": "2030-01-01T00:00:00Z"});
        assert_eq!(found.exec_credential()["status"], status);
        assert!(!format!("{found:?}").contains("eyJ"));
    }

    #[test]
    fn an_answer_that_is_no_token_is_refused_and_not_repeated() {
        let answer = |token: &str, end: &str| json!({"status": {"token": token, "expirationTimestamp": end}}).to_string();
        let end = "2030-01-01T00:00:00Z";
        let long = "a".repeat(70_000);
        for (text, why) in [
            (answer("SECRET", end), "no JSON Web Token"),
            (answer("SECRET.b.c.d", end), "no JSON Web Token"),
            (answer("SECRET.b.", end), "no JSON Web Token"),
            (answer("SECRET.b.c\u{1b}[2J", end), "no JSON Web Token"),
            (answer("SECRET.b.c\r\nX-Other: 1", end), "no JSON Web Token"),
            (answer("SECRET.b.c", "tomorrow"), "no time"),
            (answer(&format!("SECRET.b.{long}"), end), "longer than"),
            (r#"{"status":{"token":["SECRET"]}}"#.to_owned(), "no TokenRequest"),
            ("SECRET".to_owned(), "no TokenRequest"),
            (String::new(), "no TokenRequest"),
        ] {
            let error = token(&text).unwrap_err();
            assert!(error.contains(why) && !error.contains("SECRET"), "{why}: {error}");
        }
    }
}

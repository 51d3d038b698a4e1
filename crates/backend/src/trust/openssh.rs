//! What OpenSSH's own programs say: how a host is reached (`ssh -G`), which keys it shows (ssh-keyscan), whether ssh takes them.
//!
//! All of them are bounded in time and in what is read of them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kubestead_core::transport::Login;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::Error;
use super::key::HostKey;
use crate::ssh::arguments;

/// How long a program may take.
const LIMIT: Duration = Duration::from_secs(45);
/// How long it waits for a host, in seconds.
const ANSWER: u8 = 10;
/// The most that is read of what a program says.
const SAID: u64 = 1 << 18;
/// The most of it that is repeated, in characters.
const REPEATED: usize = 300;

/// How ssh reaches a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// What it connects to: a name or an address, in lower case.
    pub(super) host: String,
    pub(super) port: u16,
    /// What the host is called in known_hosts.
    pub(super) name: String,
    /// Another name of it there, under which ssh takes a key too but looks for none that changed: without the port.
    pub(super) other: Option<String>,
    /// The operator's known_hosts, in the order in which they are read.
    pub(super) own: Vec<PathBuf>,
    /// Those of the system.
    pub(super) system: Vec<PathBuf>,
    /// What ssh goes through.
    pub(super) jump: Option<String>,
    family: Option<&'static str>,
}

/// What a program said.
struct Said {
    success: bool,
    out: String,
    err: String,
}

/// What is said of a program's words in a message: the end of them, in one line.
fn tail(text: &str) -> String {
    let words: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let joined = words.join("; ");
    let skip = joined.chars().count().saturating_sub(REPEATED);
    joined.chars().skip(skip).collect()
}

async fn run(login: &Login, mut command: Command, what: &'static str) -> Result<Said, Error> {
    let failed = |why: String| Error::Program { host: login.name.clone(), what, why };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|e| failed(e.to_string()))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let all = async { tokio::join!(take(stdout), take(stderr), child.wait()) };
    let Ok((out, err, status)) = tokio::time::timeout(LIMIT, all).await else {
        return Err(failed(format!("it had not ended after {} s", LIMIT.as_secs())));
    };
    Ok(Said { success: status.map_err(|e| failed(e.to_string()))?.success(), out, err })
}

/// The beginning of what a program says. Who says more is ended by a closed pipe.
async fn take(from: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        let _ = from.take(SAID).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Asks ssh how it reaches a host, by all of its configuration.
pub(super) async fn route(login: &Login) -> Result<Route, Error> {
    let mut ssh = Command::new("ssh");
    ssh.arg("-G").args(arguments(login));
    let said = run(login, ssh, "ssh -G").await?;
    if !said.success {
        return Err(Error::Program { host: login.name.clone(), what: "ssh -G", why: tail(&said.err) });
    }
    read_route(&said.out).map_err(|why| Error::Route { host: login.name.clone(), why })
}

fn read_route(text: &str) -> Result<Route, String> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).filter(|value| *value != "none");
    let host = value("hostname").unwrap_or_default().to_ascii_lowercase();
    // ssh-keyscan takes a list and a range of addresses for several hosts.
    let plain = |text: &str, more: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "._:-".contains(c) || more.contains(c))
    };
    if !plain(&host, "%") {
        return Err(format!("its HostName is {host:?}, which is no name of one host"));
    }
    let port = value("port").and_then(|port| port.parse().ok()).filter(|port| *port != 0).ok_or("ssh tells no port")?;
    let alias = value("hostkeyalias").map(str::to_ascii_lowercase);
    if let Some(alias) = alias.as_deref().filter(|alias| !plain(alias, "[]@")) {
        return Err(format!("its HostKeyAlias is {alias:?}, which would not be found again in known_hosts"));
    }
    let (name, other) = match (alias, port) {
        (Some(alias), _) => (alias, None),
        (None, 22) => (host.clone(), None),
        (None, port) => (format!("[{host}]:{port}"), Some(host.clone())),
    };
    Ok(Route {
        own: files("UserKnownHostsFile", value("userknownhostsfile"))?,
        system: files("GlobalKnownHostsFile", value("globalknownhostsfile"))?,
        jump: value("proxyjump")
            .map(|jump| format!("the jump host {jump}"))
            .or_else(|| value("proxycommand").map(|_| "a ProxyCommand".to_owned())),
        family: match value("addressfamily") {
            Some("inet") => Some("-4"),
            Some("inet6") => Some("-6"),
            _ => None,
        },
        host,
        port,
        name,
        other,
    })
}

/// The files that ssh names. It prints them with blanks between, so that one with a blank in its path cannot be told from two.
fn files(option: &str, value: Option<&str>) -> Result<Vec<PathBuf>, String> {
    let words = value.unwrap_or_default().split(' ').filter(|word| !word.is_empty() && *word != "none");
    let all: Vec<PathBuf> = words.map(PathBuf::from).filter(|path| path != Path::new("/dev/null")).collect();
    match all.iter().find(|path| !path.is_absolute()) {
        Some(path) => Err(format!("{option}: {} is not a whole path without blanks", path.display())),
        None => Ok(all),
    }
}

/// The keys that a host shows: one of each kind that it has.
pub(super) async fn scan(login: &Login, route: &Route) -> Result<Vec<HostKey>, Error> {
    let mut scan = Command::new("ssh-keyscan");
    scan.args(["-T", &ANSWER.to_string(), "-p", &route.port.to_string()]).args(route.family).args(["--", &route.host]);
    let said = run(login, scan, "ssh-keyscan").await?;
    let keys = read_scan(&said.out).map_err(|why| Error::Answer { host: login.name.clone(), why })?;
    if keys.is_empty() {
        let why = match tail(&said.err) {
            said if said.is_empty() => format!("nothing answers as sshd does at {} port {}", route.host, route.port),
            said => said,
        };
        return Err(Error::Silent { host: login.name.clone(), why });
    }
    Ok(keys)
}

/// The keys in ssh-keyscan's answer, in the order of their kinds.
fn read_scan(text: &str) -> Result<Vec<HostKey>, String> {
    let mut keys = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let key = match words[..] {
            [_, kind, base64] => HostKey::parse(kind, base64),
            _ => None,
        };
        keys.push(key.ok_or_else(|| format!("what it shows as a key is none: {:?}", line.chars().take(100).collect::<String>()))?);
    }
    keys.sort();
    keys.dedup();
    match keys.windows(2).find(|two| two[0].kind() == two[1].kind()) {
        Some(two) => Err(format!("it shows two keys of the kind {}", two[0].kind())),
        None => Ok(keys),
    }
}

/// What ssh says of a host's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opinion {
    /// It takes it.
    Accepted,
    /// It does not; its words.
    Refused(String),
    /// It did not come so far; its words.
    Unreached(String),
}

/// Asks ssh whether it takes a host's key, by certificates, known_hosts and whatever else it is told to go by. It logs nobody in, and writes
/// nothing.
pub(super) async fn opinion(login: &Login) -> Result<Opinion, Error> {
    let mut ssh = Command::new("ssh");
    for option in [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "PreferredAuthentications=none",
        "ControlMaster=no",
        "ControlPath=none",
        "ClearAllForwardings=yes",
        "ForwardAgent=no",
        "PermitLocalCommand=no",
        "RemoteCommand=none",
        "LogLevel=ERROR",
    ] {
        ssh.args(["-o", option]);
    }
    ssh.args(["-o", &format!("ConnectTimeout={ANSWER}"), "-n", "-T"]).args(arguments(login)).arg("true");
    let said = run(login, ssh, "ssh").await?;
    Ok(read_opinion(said.success, &said.err))
}

fn read_opinion(success: bool, err: &str) -> Opinion {
    let last = err.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    // Who may not log in has been told that after the key.
    if success || last.contains(": Permission denied (") {
        Opinion::Accepted
    } else if last == "Host key verification failed." {
        Opinion::Refused(tail(err))
    } else {
        Opinion::Unreached(tail(err))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::key::tests::key;
    use super::*;

    const G: &str = "user root\nhostname Kube1\nport 22\naddressfamily any\nglobalknownhostsfile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2\nuserknownhostsfile /root/.ssh/known_hosts /root/.ssh/known_hosts2\n";

    #[test]
    fn a_host_is_called_in_known_hosts_as_ssh_calls_it() {
        let names = |text: &str| read_route(text).map(|route| (route.name, route.other));
        assert_eq!(names(G), Ok(("kube1".into(), None)));
        assert_eq!(names(&G.replace("port 22", "port 2222")), Ok(("[kube1]:2222".into(), Some("kube1".into()))));
        assert_eq!(names(&G.replace("port 22", "port 2222\nhostkeyalias Cluster1")), Ok(("cluster1".into(), None)));
        for (bad, word) in [
            (G.replace("Kube1", "a,b"), "no name of one host"),
            (G.replace("Kube1", "10.0.0.0/24"), "no name of one host"),
            (G.replace("Kube1", "-oProxyCommand=x"), "no name of one host"),
            (G.replace("hostname Kube1\n", ""), "no name of one host"),
            (G.replace("port 22", "port 0"), "no port"),
            (format!("{G}hostkeyalias a b\n"), "would not be found again"),
            (format!("{G}hostkeyalias *\n"), "would not be found again"),
            (G.replace("/root/.ssh/known_hosts2", "/root/my hosts"), "UserKnownHostsFile: hosts is not a whole path"),
        ] {
            assert!(read_route(&bad).unwrap_err().contains(word), "{bad}");
        }
    }

    #[test]
    fn the_files_and_the_way_are_those_that_ssh_tells() {
        let route = read_route(&G.replace("userknownhostsfile /root/.ssh/known_hosts", "userknownhostsfile /dev/null none /home/me/known"))
            .unwrap();
        assert_eq!(route.own, [Path::new("/home/me/known"), Path::new("/root/.ssh/known_hosts2")]);
        assert_eq!((route.system.len(), route.jump), (2, None));
        let through = |line: &str| read_route(&format!("{G}{line}\n")).unwrap().jump;
        assert_eq!(through("proxyjump me@gate:22").as_deref(), Some("the jump host me@gate:22"));
        assert_eq!(through("proxycommand nc %h %p").as_deref(), Some("a ProxyCommand"));
        assert_eq!((through("proxyjump none"), through("proxyusefdpass no")), (None, None));
        assert_eq!(read_route(&G.replace("any", "inet6")).unwrap().family, Some("-6"));
    }

    #[test]
    fn an_answer_is_keys_alone_and_one_of_each_kind() {
        let line = |number: u8| format!("kube1 {}\n", key(number).words());
        assert_eq!(read_scan(&format!("# kube1:22 SSH-2.0-x\n{}\n", line(1))).unwrap(), [key(1)]);
        assert_eq!(read_scan(&format!("{0}{0}", line(1))).unwrap(), [key(1)]);
        assert_eq!(read_scan("").unwrap(), []);
        for bad in [format!("{}{}", line(1), line(2)), "kube1 ssh-ed25519 AAAA".into(), "kube1".into(), line(1).replace('\n', " x\n")] {
            assert!(read_scan(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_ssh_says_last_is_what_it_thinks_of_the_key() {
        assert_eq!(read_opinion(false, "banner\nroot@kube1: Permission denied (publickey).\n"), Opinion::Accepted);
        assert_eq!(read_opinion(true, ""), Opinion::Accepted);
        assert!(matches!(
            read_opinion(
                false,
                "No ED25519 host key is known for kube1 and you have requested strict checking.\nHost key verification failed.\n"
            ),
            Opinion::Refused(_)
        ));
        for said in [
            "ssh: connect to host kube1 port 22: Connection refused",
            // The jump host's refusal is not the host's.
            "me@gate: Permission denied (publickey).\nConnection closed by UNKNOWN port 65535",
            "Host key verification failed.\nConnection closed by UNKNOWN port 65535",
            "",
        ] {
            assert!(matches!(read_opinion(false, said), Opinion::Unreached(_)), "{said}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_answered_is_understood_or_refused(text in any::<String>()) {
            let _ = (read_scan(&text), read_route(&text), read_opinion(false, &text));
            prop_assert!(tail(&text).chars().count() <= REPEATED);
        }
    }
}

//! How to log in to a machine, and what ssh's words mean when that fails.

use kubestead_core::command::quote;
use kubestead_core::host::HostError;
use kubestead_core::transport::Login;

/// A login as a command to type.
pub(crate) fn by_hand(login: &Login) -> String {
    let mut words = vec!["ssh".to_owned()];
    words.extend(login.config.iter().flat_map(|config| ["-F".to_owned(), quote(&config.display().to_string())]));
    words.extend(login.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]));
    words.extend(login.user.iter().flat_map(|user| ["-l".to_owned(), quote(user)]));
    words.push(quote(&login.destination));
    words.join(" ")
}

/// The arguments that choose the host, its destination last and never taken for an option.
pub(crate) fn arguments(login: &Login) -> Vec<String> {
    let mut words = Vec::new();
    words.extend(login.config.iter().flat_map(|config| ["-F".to_owned(), config.display().to_string()]));
    words.extend(login.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]));
    words.extend(login.user.iter().flat_map(|user| ["-l".to_owned(), user.clone()]));
    words.extend(["--".to_owned(), login.destination.clone()]);
    words
}

/// Why a login failed: what ssh said, and what to try by hand.
pub(super) fn failure(login: &Login, said: &str) -> HostError {
    let any = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let changed = any(&["IDENTIFICATION HAS CHANGED"]);
    let mut detail = format!("{}; try it: {}", words(said, changed), by_hand(login));
    let host = login.name.clone();
    if changed || any(&["Host key verification failed", "host key is known"]) {
        detail += if changed {
            ". If it was made anew: compare the key on its console, remove the old one (ssh-keygen -R), then kubestead trust"
        } else {
            ". Where none is known yet, of it or of a jump host: kubestead trust shows it, to compare with the machine's console"
        };
        HostError::HostKey { host, detail }
    } else if any(&["Permission denied", "Too many authentication failures"]) {
        detail += ". Nothing is asked here: a key with a passphrase needs an agent that has it (ssh-add)";
        HostError::Auth { host, detail }
    } else {
        if dropped(said) {
            detail +=
                ". sshd drops logins when many begin at once: see MaxStartups and PerSourcePenalties in sshd_config, of a jump host too";
        }
        HostError::Connect { host, detail }
    }
}

/// What ssh said, in one line. Of a key that changed it says much: what counts is which line of which file has the old one.
fn words(said: &str, changed: bool) -> String {
    let counts = |line: &&str| !changed || ["Offending", "Host key for", "The fingerprint"].iter().any(|begin| line.starts_with(begin));
    said.lines().map(str::trim).filter(|line| !line.is_empty()).filter(counts).collect::<Vec<_>>().join(" ")
}

/// Whether sshd (or that of a jump host) ended the connection before anybody could log in. Trying again helps.
pub(super) fn dropped(said: &str) -> bool {
    const WORDS: [&str; 6] = [
        "kex_exchange_identification",
        "ssh_exchange_identification",
        "banner exchange",
        "Connection closed by remote host",
        "Connection reset by",
        "Not allowed at this time",
    ];
    // What a jump host, or the program of a ProxyCommand, names as its reason: it will say the same again.
    const CAUSES: [&str; 9] = [
        "Permission denied",
        "timed out",
        "Host key verification failed",
        "Connection refused",
        "No route to host",
        "Could not resolve",
        "Name or service not known",
        "not found",
        "stdio forwarding failed",
    ];
    WORDS.iter().any(|word| said.contains(word)) && !CAUSES.iter().any(|word| said.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_said_is_told_apart_and_what_to_type_is_named() {
        let here = Login { name: "kube1".into(), destination: "10.0.0.1".into(), user: None, port: None, config: None };
        let said = |login: &Login, text: &str| failure(login, text).to_string();
        assert_eq!(said(&here, "timed\r\n\r\nout"), "kube1: no connection: timed out; try it: ssh 10.0.0.1");
        let there = Login { user: Some("ops".into()), port: Some(2222), config: Some("/my files/ssh".into()), ..here.clone() };
        assert_eq!(
            said(&there, "root: Permission denied (publickey)."),
            "kube1: login refused: root: Permission denied (publickey).; try it: ssh -F '/my files/ssh' -p 2222 -l ops 10.0.0.1. Nothing is asked here: a key with a passphrase needs an agent that has it (ssh-add)"
        );
        assert!(matches!(failure(&here, "Host key verification failed."), HostError::HostKey { .. }));
        let unknown = said(
            &here,
            "No ED25519 host key is known for 10.0.0.1 and you have requested strict checking.\nHost key verification failed.\n",
        );
        assert!(unknown.contains("is not a known one: No ED25519") && unknown.contains("kubestead trust shows it"), "{unknown}");
        let changed = said(
            &here,
            "@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!  @\n@@@@@\nIT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\n\
             Offending ED25519 key in /home/me/.ssh/known_hosts:3\nHost key for 10.0.0.1 has changed and you have requested strict checking.\n\
             Host key verification failed.\n",
        );
        let told = "Offending ED25519 key in /home/me/.ssh/known_hosts:3 Host key for 10.0.0.1 has changed and";
        assert!(!changed.contains('@') && changed.contains(told) && changed.contains("ssh-keygen -R"), "{changed}");
        assert!(said(&here, "kex_exchange_identification: read: Connection reset by peer").contains("MaxStartups"));
        let misleading = Login { destination: "Permission denied".into(), ..here };
        assert!(matches!(failure(&misleading, "no route"), HostError::Connect { .. }));
    }

    #[test]
    fn a_destination_is_never_an_option() {
        let login = Login { name: "x".into(), destination: "-oProxyCommand=id".into(), user: None, port: None, config: None };
        assert_eq!(arguments(&login), ["--", "-oProxyCommand=id"]);
    }

    #[test]
    fn only_a_login_that_sshd_dropped_is_tried_again() {
        for said in [
            "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 10.0.0.1 port 22",
            "kex_exchange_identification: Connection closed by remote host",
            "Connection closed by remote host\nkex_exchange_identification: banner line contains invalid characters",
            "Not allowed at this time",
        ] {
            assert!(dropped(said), "{said}");
        }
        for said in
            ["Permission denied (publickey).", "connect to host x port 22: Connection timed out", "Connection refused", "No route to host"]
        {
            assert!(!dropped(said), "{said}");
        }
        // What a jump host or a program said of itself, and what ssh then says of the connection.
        for said in [
            "Host key verification failed.",
            "ops@gate: Permission denied (publickey).",
            "channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed",
            "ssh: Could not resolve hostname gate: Name or service not known",
            "bash: line 1: exec: nosuchprogram: not found",
        ] {
            let said =
                format!("kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535\n{said}");
            assert!(!dropped(&said), "{said}");
        }
    }
}

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
    let mut detail = format!("{}; try it: {}", said.trim().replace(['\r', '\n'], " "), by_hand(login));
    let host = login.name.clone();
    let any = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if any(&["Host key verification failed", "IDENTIFICATION HAS CHANGED", "host key is known"]) {
        HostError::HostKey { host, detail }
    } else if any(&["Permission denied", "Too many authentication failures"]) {
        HostError::Auth { host, detail }
    } else {
        if dropped(said) {
            detail +=
                ". sshd drops logins when many begin at once: see MaxStartups and PerSourcePenalties in sshd_config, of a jump host too";
        }
        HostError::Connect { host, detail }
    }
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
    WORDS.iter().any(|word| said.contains(word)) && !said.contains("Permission denied") && !said.contains("timed out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_said_is_told_apart_and_what_to_type_is_named() {
        let here = Login { name: "kube1".into(), destination: "10.0.0.1".into(), user: None, port: None, config: None };
        let said = |login: &Login, text: &str| failure(login, text).to_string();
        assert_eq!(said(&here, "timed\r\nout"), "kube1: no connection: timed  out; try it: ssh 10.0.0.1");
        let there = Login { user: Some("ops".into()), port: Some(2222), config: Some("/my files/ssh".into()), ..here.clone() };
        assert_eq!(
            said(&there, "root: Permission denied (publickey)."),
            "kube1: login refused: root: Permission denied (publickey).; try it: ssh -F '/my files/ssh' -p 2222 -l ops 10.0.0.1"
        );
        assert!(matches!(failure(&here, "Host key verification failed."), HostError::HostKey { .. }));
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
    }
}

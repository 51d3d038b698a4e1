//! Whether an ssh configuration may be used without asking: whoever can change the cluster file in a branch can change a file beside it
//! too, and ssh runs what a configuration says, on the computer of the one who looks at the branch.

use std::path::{Path, PathBuf};

use super::cluster::Cluster;

/// Directives that run nothing, write no file and hand on nothing of the operator's; some only with certain values, see [`suspect`]. All
/// others, those of future versions too, are not used from a repository before its configuration is trusted.
const HARMLESS: [&str; 42] = [
    "addressfamily",
    "batchmode",
    "bindaddress",
    "bindinterface",
    "casignaturealgorithms",
    "certificatefile",
    "checkhostip",
    "ciphers",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "globalknownhostsfile",
    "hashknownhosts",
    "host",
    "hostkeyalgorithms",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityfile",
    "ipqos",
    "kbdinteractiveauthentication",
    "kexalgorithms",
    "loglevel",
    "macs",
    "match",
    "numberofpasswordprompts",
    "passwordauthentication",
    "port",
    "preferredauthentications",
    "proxyjump",
    "pubkeyacceptedalgorithms",
    "pubkeyacceptedkeytypes",
    "pubkeyauthentication",
    "rekeylimit",
    "requesttty",
    "requiredrsasize",
    "serveralivecountmax",
    "serveraliveinterval",
    "stricthostkeychecking",
    "tcpkeepalive",
    "user",
    "userknownhostsfile",
];

/// Why a configuration is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Untrusted {
    /// A line that may run a program, or hand something on.
    #[error(
        "{path}:{line}: {directive} is not used from a repository unless it is trusted: ssh would run or hand on what the file says, here\n  \
         hint: read the file; then give --trust-ssh-config, or name a configuration outside the repository"
    )]
    Directive {
        /// The configuration.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What stands there.
        directive: String,
    },
    /// The file cannot be read.
    #[error("cannot read ssh.config {path}: {source}")]
    Read {
        /// The configuration.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Refuses a configuration that may have come with the cluster file in `dir` and holds more than harmless directives: one that is written
/// from that folder on, wherever links lead, and one in a repository. `~/.ssh` and the folders in `own` are the operator's, wherever they lie.
pub fn vet(cluster: &Cluster, dir: &Path, own: &[PathBuf]) -> Result<(), Untrusted> {
    let Some(config) = &cluster.ssh.config else { return Ok(()) };
    let path = config.display().to_string();
    let read = |source| Untrusted::Read { path: path.clone(), source };
    let real = std::fs::canonicalize(config).map_err(read)?;
    let home = std::env::home_dir().map(|home| home.join(".ssh"));
    let inside = |top: &Path| std::fs::canonicalize(top).is_ok_and(|top| real.starts_with(top));
    let came_along = config.starts_with(dir) || inside(dir) || real.ancestors().any(|top| top.join(".git").exists());
    if !came_along || home.iter().chain(own).any(|top| inside(top)) {
        return Ok(());
    }
    let text = super::read::bounded(&real).map_err(read)?;
    match first_unsafe(&text) {
        Some((line, directive)) => Err(Untrusted::Directive { path, line, directive }),
        None => Ok(()),
    }
}

/// The first line that is not known to be harmless, and its directive.
fn first_unsafe(text: &str) -> Option<(usize, String)> {
    text.split('\n').enumerate().find_map(|(index, line)| Some((index + 1, suspect(line)?)))
}

/// A directive that is not harmless, as written; None if the line is.
fn suspect(line: &str) -> Option<String> {
    let space = [' ', '\t', '\r', '\u{c}'];
    let line = line.trim_matches(space);
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c| space.contains(&c) || c == '=').unwrap_or(line.len());
    let (word, value) = (&line[..end], line[end..].trim_start_matches(space).trim_start_matches('=').trim_start_matches(space));
    let shown = || word.chars().take(40).collect::<String>();
    if !HARMLESS.iter().any(|known| known.eq_ignore_ascii_case(word)) || line.contains('\0') {
        return Some(shown());
    }
    let lower = value.to_ascii_lowercase();
    // ssh puts these into the command line of a jump host's ssh, and the oldest versions do not ask what a shell makes of them, nor whether
    // they begin as an option does.
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:@%[]/,+".contains(c);
    let word_alone = || value.chars().all(plain) && !value.split([',', '@', '/', '[']).any(|part| part.starts_with('-'));
    match word.to_ascii_lowercase().as_str() {
        "match" if lower.contains("exec") || value.contains(['"', '\'', '\\']) => Some(format!("{} exec", shown())),
        "proxyjump" | "hostname" | "user" if !word_alone() => Some(format!("{} with what a shell reads", shown())),
        // A module of PKCS #11 is a library that ssh loads.
        "identityfile" | "certificatefile" if lower.trim_start_matches(['"', '\'']).starts_with("pkcs11:") => {
            Some(format!("{} pkcs11:", shown()))
        }
        // ssh writes the keys of jump hosts into that file, under the name that HostKeyAlias says: it may be any file of the operator's.
        "userknownhostsfile" if !["/dev/null", "none"].contains(&lower.as_str()) => Some(shown()),
        "stricthostkeychecking" if !["yes", "ask"].contains(&lower.as_str()) => Some(format!("{} {value}", shown())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_or_hands_on_is_found_however_it_is_written() {
        for bad in [
            "ProxyCommand nc %h %p",
            "  proxycommand=nc",
            "\tProxyCommand\tnc",
            "\"ProxyCommand\" nc",
            "Match host a exec \"touch /tmp/x\"",
            "Match !EXEC=true",
            "match e\"x\"ec true",
            "KnownHostsCommand /bin/x",
            "LocalCommand x",
            "PermitLocalCommand yes",
            "Include other",
            "PKCS11Provider x.so",
            "SecurityKeyProvider x.so",
            "IdentityAgent /tmp/s",
            "XAuthLocation /tmp/x",
            "ForwardAgent yes",
            "SendEnv *",
            "LocalForward 1 a:2",
            "UpdateHostKeys yes",
            "ControlPath x",
            "SomethingNew x",
            "HostName a;b",
            "User $(x)",
            "ProxyJump a`b`",
            "Host a\0b",
            // With HostKeyAlias pty a line of known_hosts is one of authorized_keys.
            "UserKnownHostsFile ~/.ssh/authorized_keys",
            "UserKnownHostsFile=/dev/null ~/.bashrc",
            "StrictHostKeyChecking no",
            "StrictHostKeyChecking=accept-new",
            "stricthostkeychecking \"off\"",
            "IdentityFile pkcs11:?module-path=/repo/x.so",
            "CertificateFile \"PKCS11:x\"",
            "ProxyJump -Fevil host",
            "ProxyJump me@-Fevil",
            "ProxyJump a,-Fevil",
            "ProxyJump ssh://-Fevil",
            "HostName -Fevil",
            "User -Fevil",
        ] {
            let text = format!("# a comment\n\nHost a\n{bad}\r\n");
            assert_eq!(first_unsafe(&text).map(|(line, _)| line), Some(4), "{bad:?}");
        }
        let harmless = "Host *\n  User root\n  Port=2222\n\tProxyJump me@jump:22\n  IdentityFile ~/.ssh/id\n  StrictHostKeyChecking yes\n  UserKnownHostsFile /dev/null\n  GlobalKnownHostsFile known_hosts\n  ProxyJump a,ssh://b:22\n  RequestTTY no\n#ProxyCommand x\nMatch host a user b\n  HostName 10.0.0.1\n";
        assert_eq!(first_unsafe(harmless), None);
    }
}

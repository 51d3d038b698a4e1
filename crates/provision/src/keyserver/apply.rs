//! One action of the key server's domain.

use kubestead_core::command::{Command, Stdin, quote};
use kubestead_core::host::{Host, HostError, Hosts};
use kubestead_core::name::Name;
use kubestead_core::outcome::Done;
use kubestead_core::procedure::{Procedure, ProcedureError};
use kubestead_core::put;
use kubestead_core::put::digest;
use kubestead_core::secret::Secret;
use kubestead_storage::apply::write_files;

use super::line;
use super::observe::is_key;
use super::plan::{Action, Replaced};
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
            put::write(files, host).await.map_err(failed(format!("{}: write its ssh configuration for key servers", host.name())))
        }
        Action::Enrol { spec, node, key, replaces, revoked } => {
            enrol(&Enrolment { spec, node, key: key.as_deref(), replaces: replaces.as_ref(), revoked: *revoked }, host, hosts).await
        }
        Action::Share { spec, node, volume } => {
            share(spec, node, volume).run(host).await.map_err(failed(format!("{}: make the share of {node}/{volume}", host.name())))
        }
        Action::Copy { spec, from, directory, node, volume, sha256 } => {
            let what = format!("{}: copy the share of {node}/{volume} from {from}", host.name());
            let other = hosts.get(from.as_str()).ok_or_else(|| Error::NoHost(from.to_string()))?;
            let output = other.run(&Command::read(["cat", &format!("{directory}/{node}/{volume}")])).await;
            let output = output.map_err(|e: HostError| failed(what.clone())(e.into()))?;
            let (status, tail) = (output.status, output.tail());
            // It opens nothing without the node's own share, and is in memory only.
            let value = Secret::new(output.stdout);
            if status != 0 {
                return Err(failed(what)(ProcedureError::Exit { status, tail }));
            }
            let found = digest(value.expose());
            if value.expose().len() != 64 || sha256.as_ref().is_some_and(|sum| *sum != found) {
                return Err(failed(what)(ProcedureError::Refused(format!("{from} gives another share than when this was planned"))));
            }
            copy(spec, node, volume, &found, value).run(host).await.map_err(failed(what))
        }
        Action::Revoke { spec, node, addresses } => {
            revoke(spec, node, addresses).run(host).await.map_err(failed(format!("{}: shut {node} out", host.name())))
        }
        Action::Wipe { spec, node, volume } => {
            wipe(spec, node, volume).run(host).await.map_err(failed(format!("{}: delete the share of {node}/{volume}", host.name())))
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

/// Puts a share where none is. It comes on standard input.
fn copy(spec: &KeyServerSpec, node: &Name, volume: &Name, sum: &str, value: Secret) -> Procedure {
    let (user, directory) = (quote(&spec.user), quote(&format!("{}/{node}", spec.directory)));
    Procedure::new(
        format!(
            "f={directory}/{volume}\nsame() {{ [ \"$(sha256sum < \"$f\" | cut -d' ' -f1)\" = {sum} ]; }}\n\
             if [ -e \"$f\" ]; then same && already; refuse \"$f is there and holds another share\"; fi"
        ),
        format!(
            "umask 077; install -d -m 0700 -o {user} -g {user} {directory}\nhead -c 64 > \"$f.part\"; chmod 0400 \"$f.part\"; chown {user} \"$f.part\"\n\
             sync \"$f.part\"; mv -nT \"$f.part\" \"$f\"; sync {directory}"
        ),
        "same || unverified \"$f does not hold what was sent\"",
    )
    .stdin(Stdin::Secret(value))
}

/// An enrolment as it was planned.
struct Enrolment<'a> {
    spec: &'a KeyServerSpec,
    node: &'a EnrolledNode,
    key: Option<&'a str>,
    replaces: Option<&'a Replaced>,
    revoked: bool,
}

async fn enrol(planned: &Enrolment<'_>, server: &dyn Host, hosts: &Hosts) -> Result<Done, Error> {
    let node = planned.node;
    let what = format!("{}: let {} in", server.name(), node.name);
    let own = hosts.get(node.name.as_str()).ok_or_else(|| Error::NoHost(node.name.to_string()))?;
    let read = own.run(&Command::read(["cut", "-d", " ", "-f1,2", &format!("{IDENTITY}.pub")])).await;
    let found = read.map_err(|e: HostError| failed(what.clone())(e.into()))?.text().trim().to_owned();
    if !is_key(&found) {
        return Err(Error::BadKey { node: node.name.clone(), found });
    }
    if planned.key.is_some_and(|key| key != found) {
        return Err(failed(what)(ProcedureError::Refused("its key is another than when this was planned".into())));
    }
    admit(planned, &found).run(server).await.map_err(failed(what))
}

/// The lines that are the node's, for awk: of this cluster, or of the first builds.
fn own_lines(spec: &KeyServerSpec, node: &Name) -> (String, &'static str) {
    let values = format!(
        "-v own={} -v old={} -v mark={}",
        line::mark(&spec.cluster, node),
        line::old_mark(node),
        quote(&line::revoked(&spec.cluster, node))
    );
    (values, "index($0, \"restrict,from=\") == 1 && ($NF == own || $NF == old)")
}

/// Replaces the file by what awk leaves of it and one more line.
fn rewrite(values: &str, dropped: &str, line: &str) -> String {
    format!(
        "t=$(mktemp {KEYS}.XXXXXX); awk {values} '!({dropped} || $0 == mark)' {KEYS} > \"$t\"; printf '%s\\n' {} >> \"$t\"\n\
         chmod 0644 \"$t\"; sync \"$t\"; mv -fT \"$t\" {KEYS}; sync /etc/ssh",
        quote(line)
    )
}

/// Ends the user's connections that come from these addresses. A connection that is open outlives the line that let it in, and the
/// processes of sshd do not say whose they are: the address does. Without ss(8) all of the user's connections end; nodes ask again.
fn end_sessions(user: &str, addresses: &[String]) -> String {
    let list = addresses.iter().map(|a| quote(a)).collect::<Vec<_>>().join(" ");
    format!(
        "id=$(id -u {user})\n\
         sessions() {{\n\
         if command -v ss > /dev/null; then for a in {list}; do ss -Htnp state established | awk -v a=\"$a\" '{{ p = $4; sub(/:[0-9]+$/, \"\", p); gsub(/[][]|::ffff:/, \"\", p); if (p == a) print }}' | \
         {{ grep -o 'pid=[0-9]*' || true; }} | cut -d= -f2; done\n\
         else ls /proc | grep -x '[0-9]*'; fi | sort -u | while read -r p; do\n\
         [ \"$(awk '/^Uid:/ {{ print $2 }}' \"/proc/$p/status\" 2>/dev/null)\" != \"$id\" ] || echo \"$p\"; done\n}}\n\
         for round in 1 2; do for p in $(sessions); do kill -KILL \"$p\" 2>/dev/null || true; done; sleep 1; done",
        user = quote(user)
    )
}

/// Replaces this node's own line; the others stay as they are.
fn admit(planned: &Enrolment<'_>, key: &str) -> Procedure {
    let (spec, node) = (planned.spec, planned.node);
    let line = line::render(spec, node, key);
    let mark = line::revoked(&spec.cluster, &node.name);
    let (values, own) = own_lines(spec, &node.name);
    let before = planned.replaces.map_or("", |r| r.key.as_str());
    let shut_out = if planned.revoked { "true" } else { "! marked || refuse 'it was shut out since this was planned'" };
    let sessions = planned.replaces.map(|r| end_sessions(&spec.user, std::slice::from_ref(&r.address))).unwrap_or_default();
    Procedure::new(
        format!(
            "marked() {{ grep -qxF {mark} {KEYS}; }}\nif grep -qxF {line} {KEYS} && ! marked; then already; fi\n{shut_out}\n\
             now=$(awk {values} '{own} {{ print $(NF-2) \" \" $(NF-1) }}' {KEYS} | sort -u)\n\
             [ -z \"$now\" ] || [ \"$now\" = {before} ] || [ \"$now\" = {key} ] || refuse 'another key is enrolled than when this was planned'",
            mark = quote(&mark),
            line = quote(&line),
            before = quote(before),
            key = quote(key)
        ),
        format!("{}\n{sessions}", rewrite(&values, own, &line)),
        format!("grep -qxF {} {KEYS} || unverified 'the line is not there'", quote(&line)),
    )
}

/// The line goes first, so that nobody comes in any more; then those who are in are put out.
fn revoke(spec: &KeyServerSpec, node: &Name, addresses: &[String]) -> Procedure {
    let mark = line::revoked(&spec.cluster, node);
    let (values, own) = own_lines(spec, node);
    let sessions = if addresses.is_empty() { "sessions() { :; }".to_owned() } else { end_sessions(&spec.user, addresses) };
    Procedure::new(
        format!(
            "[ -f {KEYS} ] || refuse 'it is no key server of ours: {KEYS} is not there'\n\
             lines() {{ awk {values} '{own}' {KEYS} | grep -q .; }}\nif ! lines && grep -qxF {mark} {KEYS}; then already; fi",
            mark = quote(&mark)
        ),
        format!("{}\n{sessions}", rewrite(&values, own, &mark)),
        "! lines || unverified 'its line is still there'\n[ -z \"$(sessions)\" ] || unverified 'a connection of it is still open'",
    )
}

/// Deletes one share, and only of a node that is shut out.
fn wipe(spec: &KeyServerSpec, node: &Name, volume: &Name) -> Procedure {
    let directory = quote(&format!("{}/{node}", spec.directory));
    let mark = quote(&line::revoked(&spec.cluster, node));
    Procedure::new(
        format!(
            "f={directory}/{volume}\ngrep -qxF {mark} {KEYS} || refuse '{node} is not shut out: its share may be needed'\n\
             ! grep -qF 'serve {node} ' {KEYS} || refuse 'a line still lets {node} in'\n\
             if [ ! -e \"$f\" ] && [ ! -L \"$f\" ]; then already; fi\n[ -f \"$f\" ] && [ ! -L \"$f\" ] || refuse \"$f is not a regular file\""
        ),
        format!("shred -n 1 -u \"$f\"; rmdir --ignore-fail-on-non-empty {directory}; sync {}", quote(&spec.directory)),
        "[ ! -e \"$f\" ] || unverified \"$f is still there\"",
    )
}

#[cfg(test)]
mod tests {
    use kubestead_core::command::Output;
    use kubestead_core::twin::ScriptedHost;
    use std::sync::Arc;

    use super::super::fixture::{KEY, OTHER, name, spec};
    use super::*;

    fn planned<'a>(spec: &'a KeyServerSpec, replaces: Option<&'a Replaced>) -> Enrolment<'a> {
        Enrolment { spec, node: &spec.nodes[0], key: Some(KEY), replaces, revoked: false }
    }

    #[test]
    fn every_script_is_one_that_bash_can_read() {
        let spec = spec();
        let replaced = Replaced { key: OTHER.into(), address: "10.77.0.21".into() };
        let all = [
            key_pair(),
            share(&spec, &name("kube1"), &name("data")),
            copy(&spec, &name("kube1"), &name("data"), "aa", Secret::new(vec![7; 64])),
            admit(&planned(&spec, Some(&replaced)), KEY),
            revoke(&spec, &name("kube1"), &["10.77.0.21".into()]),
            wipe(&spec, &name("kube1"), &name("data")),
        ];
        for procedure in all {
            let command = procedure.command();
            let status = std::process::Command::new("bash").args(["-n", "-c", &*command.script()]).status().unwrap();
            assert!(status.success(), "{}", command.script());
        }
    }

    /// Runs a script of ours over a file of lines, in a folder of its own.
    fn over(procedure: &Procedure, lines: &str) -> (i32, String, String) {
        static RUN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let run = RUN.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("kubestead-lines-{}-{run}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("keys");
        std::fs::write(&file, lines).unwrap();
        let script = procedure
            .command()
            .script()
            .replace(KEYS, &file.display().to_string())
            .replace("sync /etc/ssh", "true")
            .replace("/run/kubestead.act", &dir.join("lock").display().to_string())
            // No connections are touched by a test.
            .replace("kill -KILL", "true")
            .replace("sleep 1", "true")
            .replace("id -u masterlock", "echo none");
        let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        let left = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        (output.status.code().unwrap(), left, Output { stderr: output.stderr, ..Output::default() }.tail())
    }

    #[test]
    fn a_line_is_replaced_alone_and_only_when_it_is_the_planned_one() {
        let spec = spec();
        let foreign = format!("{KEY} me@desk\n# a comment\n{OTHER} kubestead:home/kube1\n");
        let old = line::render(&spec, &spec.nodes[0], OTHER);
        let new = line::render(&spec, &spec.nodes[0], KEY);
        let first = admit(&planned(&spec, None), KEY);
        assert_eq!(over(&first, &foreign), (0, format!("{foreign}{new}\n"), String::new()));
        assert_eq!(over(&first, &format!("{new}\n")).0, 91, "it is so already");
        let (status, left, said) = over(&first, &format!("{foreign}{old}\n"));
        assert!(status == 90 && left == format!("{foreign}{old}\n") && said.contains("another key"), "{said}");
        let replaced = Replaced { key: OTHER.into(), address: "10.77.0.21".into() };
        let again = admit(&planned(&spec, Some(&replaced)), KEY);
        assert_eq!(over(&again, &format!("{foreign}{old}\n")), (0, format!("{foreign}{new}\n"), String::new()));
        let mark = line::revoked(&spec.cluster, &name("kube1"));
        let (status, _, said) = over(&first, &format!("{foreign}{mark}\n"));
        assert!(status == 90 && said.contains("shut out"), "{said}");
        let back = admit(&Enrolment { revoked: true, ..planned(&spec, None) }, KEY);
        assert_eq!(over(&back, &format!("{mark}\n{foreign}")), (0, format!("{foreign}{new}\n"), String::new()));
    }

    #[test]
    fn a_revocation_takes_the_nodes_own_line_and_leaves_a_mark() {
        let spec = spec();
        let line = line::render(&spec, &spec.nodes[0], KEY);
        let others = format!("{KEY} me@desk\n{}\n", line.replace("kube1", "kube10"));
        let mark = line::revoked(&spec.cluster, &name("kube1"));
        let script = revoke(&spec, &name("kube1"), &["10.77.0.21".into()]);
        assert_eq!(over(&script, &format!("{line}\n{others}")), (0, format!("{others}{mark}\n"), String::new()));
        assert_eq!(over(&script, &format!("{others}{mark}\n")).0, 91, "a second time changes nothing");
    }

    #[tokio::test]
    async fn a_copied_share_is_on_standard_input_and_nowhere_else() {
        let spec = spec();
        let value = b"canary-share-of-sixty-four-bytes-canary-share-of-sixty-four-byte".to_vec();
        let answer = |stdout| Ok(Output { status: 0, stdout, stderr: Vec::new() });
        let (from, to) = (Arc::new(ScriptedHost::new("spare", [answer(value.clone())])), ScriptedHost::new("masterlock", [answer(vec![])]));
        let hosts = Hosts::from([("spare".to_owned(), Arc::clone(&from) as Arc<dyn Host>)]);
        let action = |sha256: Option<String>| Action::Copy {
            spec: spec.clone(),
            from: name("spare"),
            directory: "/k".into(),
            node: name("kube1"),
            volume: name("data"),
            sha256,
        };
        apply(&action(None), &to, &hosts).await.unwrap();
        assert_eq!(from.asked()[0].render(), "cat /k/kube1/data");
        let sent = &to.asked()[0];
        assert!(!sent.render().contains("canary") && sent.stdin.bytes() == value);
        let from = Arc::new(ScriptedHost::new("spare", [answer(value)])) as Arc<dyn Host>;
        let error = apply(&action(Some("aa".into())), &to, &Hosts::from([("spare".to_owned(), from)])).await.unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

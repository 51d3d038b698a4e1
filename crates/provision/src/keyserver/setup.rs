//! Setting a key server up: the one action that changes sshd's configuration.

use std::net::IpAddr;

use kubestead_core::procedure::Procedure;
use kubestead_core::put::{PENDING, digest, with_manifest};

use super::spec::{KEYS, SERVE, SSHD, Site, effective};

/// Every look and every change is one script under the machine's lock: what is tried is what takes its place.
pub(super) fn setup(site: &Site, from: IpAddr) -> Procedure {
    let [serve, rules] = site.files();
    with_manifest(include_str!("scripts/setup.sh"))
        .var("user", site.user.as_str())
        .var("directory", site.directory.as_str())
        .var("from", from.to_string())
        .var("base", "/etc/ssh")
        .var("keys", KEYS)
        .var("serve", SERVE)
        .var("serve_sum", digest(&serve.text))
        .var("serve_text", serve.text)
        .var("rules", SSHD)
        .var("rules_sum", digest(&rules.text))
        .var("rules_text", rules.text)
        .var("pending", PENDING)
        .list("effective", effective())
}

#[cfg(test)]
mod tests {
    use kubestead_core::put;

    use super::super::fixture::{address, site};
    use super::super::twin::Server;
    use super::*;

    const RULES: &str = "etc/sshd_config.d/50-kubestead.conf";

    /// What sshd does with `-t`, `-T`, `-f` and `-C`: files that are included come first, the first value of a key holds, and `Match User`
    /// is known. `$T/old` names a key that it does not know.
    const SSHD_SHORT: &str = r#"
f=$T/etc/sshd_config user= mode=
while [ $# != 0 ]; do
  case $1 in -t | -T) mode=$1 ;; -f) f=$2; shift ;; -C) user=${2#user=}; user=${user%%,*}; shift ;; esac
  shift
done
all=$(cat $(sed -n 's/^Include //p' "$f") "$f" 2> /dev/null)
if [ -e "$T/old" ] && grep -qiE "^ *$(cat "$T/old") " <<< "$all"; then echo "$f: line 1: Bad configuration option" >&2; exit 255; fi
[ "$mode" = -T ] || exit 0
awk -v user="$user" 'BEGIN { on = 1 } /^Match User/ { on = ($3 == user); next } /^Match all/ { on = 1; next } /^(Include|$)/ { next }
  on && !(tolower($1) in seen) { seen[tolower($1)] = 1; print tolower($0) }' <<< "$all" | sed 's/^ *//'
"#;

    /// A server whose sshd is the one above, or the one that is installed; `None` if none is that can be asked.
    fn server(installed: bool) -> Option<Server> {
        let server = Server::new();
        let root = server.path().display().to_string();
        server.write("etc/sshd_config", &format!("Include {root}/etc/sshd_config.d/*.conf\nPasswordAuthentication no\n"));
        if !installed {
            server.program("sshd", SSHD_SHORT);
            return Some(server);
        }
        let key = server.path().join("host");
        std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap();
        let config = server.read("etc/sshd_config");
        server.write("etc/sshd_config", &format!("{config}HostKey {}\n", key.display()));
        server.program("sshd", "case $* in *-f*) ;; *) set -- \"$@\" -f \"$T/etc/sshd_config\" ;; esac; exec /usr/sbin/sshd \"$@\"");
        let (status, ..) = server.bash(&format!("{root}/programs/sshd -t"), b"");
        (status == 0).then_some(server)
    }

    fn servers() -> impl Iterator<Item = Server> {
        [false, true].into_iter().filter_map(server)
    }

    fn run(server: &Server) -> (i32, String) {
        server.run(&setup(&site(), address("10.77.0.21")))
    }

    /// That nothing of ours is there, and sshd was told nothing.
    fn untouched(server: &Server) -> bool {
        !server.exists(RULES) && !server.exists("lib/serve") && server.read("log").is_empty() && !server.exists("etc/reload-pending")
    }

    #[test]
    fn a_server_is_set_up_once_with_an_account_that_keys_open() {
        for server in servers() {
            assert_eq!(run(&server), (0, String::new()));
            assert_eq!(server.read("log"), "useradd masterlock\nusermod -p * masterlock\nsystemctl reload ssh.service\n");
            assert!(server.read("shadow").starts_with("masterlock:*:") && server.exists("keys") && !server.exists("etc/reload-pending"));
            assert!(server.read(RULES).starts_with("Match User masterlock\n") && server.mode(RULES) == 0o644);
            assert_eq!((server.mode("lib/serve"), server.names("etc/sshd_config.d"), server.names("run")), (0o755, 1, 1));
            assert_eq!(run(&server).0, 91, "a second time changes nothing");
            server.write("shadow", "masterlock:!:1::::::\n");
            assert_eq!(run(&server), (0, String::new()));
            assert!(server.read("shadow").starts_with("masterlock:*:"), "a locked account is opened for keys");
        }
    }

    #[test]
    fn what_kubestead_did_not_make_is_refused_before_anything_is_done() {
        let server = server(false).unwrap();
        let mut cases = vec![
            ("passwd", "masterlock:x:1000:1000::/home/masterlock:/bin/bash\n", "was not made by kubestead: its home is /home/masterlock"),
            ("passwd", "masterlock:x:0:0::/k:/bin/sh\n", "has the number 0"),
            ("passwd", "masterlock:x:33:33::/k:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\n", "the number 33 together with www-data"),
            ("passwd", "keys:x:998:998::/k:/bin/sh\n", "is the home of keys"),
            ("group", "masterlock:x:27:me\n", "the group masterlock is there without an account"),
        ];
        for (file, text, word) in cases.drain(..) {
            server.write(file, text);
            let (status, said) = run(&server);
            assert!(status == 90 && said.contains(word), "{said}");
            assert!(untouched(&server), "{word}");
            server.write(file, "");
        }
        let (status, said) = server.run_as(&setup(&site(), address("10.77.0.21")), "masterlock");
        assert!(status == 90 && said.contains("is the account that kubestead logs in by") && untouched(&server), "{said}");
    }

    #[test]
    fn what_was_changed_since_is_refused_until_it_was_adopted_and_a_copy_stays() {
        use kubestead_core::put::adopt;
        for file in [RULES, "lib/serve"] {
            let server = server(false).unwrap();
            assert_eq!(run(&server), (0, String::new()));
            let ours = server.read(file);
            server.write(file, "# somebody's\n");
            let (status, said) = run(&server);
            assert!(status == 90 && said.contains("was changed since kubestead wrote it"), "{said}");
            assert_eq!(server.read(file), "# somebody's\n");
            let path = server.path().join(file).display().to_string();
            assert_eq!(server.run(&adopt(&path, &digest("# somebody's\n"))), (0, String::new()));
            assert_eq!(run(&server), (0, String::new()));
            assert_eq!((server.read(file), server.read(&format!("{file}.before-kubestead"))), (ours, "# somebody's\n".to_owned()));
            assert_eq!(server.read("etc/files").lines().count(), 2, "the manifest is exact again: {}", server.read("etc/files"));
            // One of an earlier version, which kept no manifest, is written down where it is as it shall be.
            server.write("etc/files", "");
            assert_eq!((run(&server).0, server.read("etc/files").lines().count()), (91, 2));
        }
    }

    #[test]
    fn rules_that_sshd_does_not_take_never_take_their_place() {
        let server = server(false).unwrap();
        server.write("old", "DisableForwarding");
        let (status, said) = run(&server);
        assert!(status == 90 && said.contains("were tried and not put in place: sshd refuses it") && untouched(&server), "{said}");
        server.write("old", "PasswordAuthentication");
        let (status, said) = run(&server);
        assert!(status == 90 && said.contains("sshd refuses its configuration as it is") && untouched(&server), "{said}");
    }

    #[test]
    fn rules_that_would_not_hold_for_the_account_are_refused() {
        for server in servers() {
            server.write("etc/sshd_config.d/10-own.conf", "Match User masterlock\n  AuthorizedKeysFile /dev/null\nMatch all\n");
            let (status, said) = run(&server);
            assert!(status == 90 && said.contains("it gives 'authorizedkeysfile /dev/null' and not"), "{said}");
            assert!(untouched(&server));
        }
        // Where the whole folder is of one account's rules, ours would not hold; an sshd that is not installed cannot show it.
        if let Some(server) = server(true) {
            let config = server.read("etc/sshd_config");
            server.write(
                "etc/sshd_config",
                &format!("{}Match User ops\n{}", config.split_once('\n').unwrap().1, config.split_once('\n').unwrap().0),
            );
            assert!(run(&server).0 == 90 && untouched(&server));
        }
    }

    #[test]
    fn rules_that_would_change_the_operators_login_are_refused() {
        let server = server(false).unwrap();
        // An sshd in whose configuration our rules end somebody's Match.
        server.program(
            "sshd",
            &format!("case $* in *user=root*) case $* in */with/*) echo 'permittty no'; exit ;; esac ;; esac\n{SSHD_SHORT}"),
        );
        let (status, said) = run(&server);
        assert!(status == 90 && said.contains("it would change how root logs in") && untouched(&server), "{said}");
    }

    #[test]
    fn rules_that_sshd_does_not_read_are_taken_back() {
        for before in [None, Some("Match User masterlock\n  MaxSessions 1\nMatch all\n\n"), Some("# no end of line")] {
            let server = server(false).unwrap();
            if let Some(text) = before {
                server.write(RULES, text);
                let (status, said) = run(&server);
                assert!(status == 90 && said.contains("was not written by kubestead"), "its name makes it nobody's: {said}");
                let path = server.path().join(RULES).display().to_string();
                assert_eq!(server.run(&put::adopt(&path, &digest(text))), (0, String::new()));
            }
            server.write("dead", "");
            let (status, said) = run(&server);
            assert!(status == 92 && said.contains("were taken back: sshd did not read it"), "{said}");
            assert_eq!(server.exists(RULES).then(|| server.read(RULES)), before.map(str::to_owned));
            assert!(server.exists("etc/reload-pending"), "the next plan begins again");
            server.remove("dead");
            assert_eq!(run(&server), (0, String::new()));
            assert!(!server.exists("etc/reload-pending") && server.read(RULES).contains("ForceCommand none"));
            let copy = format!("{RULES}.before-kubestead");
            assert_eq!(server.exists(&copy).then(|| server.read(&copy)), before.map(str::to_owned));
        }
    }

    #[test]
    fn the_questions_about_the_account_are_answered_as_they_are_read() {
        let server = server(false).unwrap();
        assert_eq!(run(&server), (0, String::new()));
        let sections = super::super::observe::server_sections(&super::super::fixture::spec());
        let ask = |name: &str| {
            let section = sections.iter().filter(|s| s.name == name).cloned().collect::<Vec<_>>();
            let (status, stdout, _) = server.look(&kubestead_core::probe::command(&section, "n1"));
            assert_eq!(status, 0);
            kubestead_core::probe::parse(&stdout, "n1").unwrap().text(name).unwrap().to_owned()
        };
        let said = ask("keyserver/account");
        assert!(said.contains("entry 998 ") && said.contains("password none\n") && !said.contains("other "), "{said}");
        server.write("shadow", "masterlock:!:1::::::\n");
        assert!(ask("keyserver/account").contains("password locked\n"));
        server.write("shadow", "masterlock:$6$canary:1::::::\n");
        assert!(ask("keyserver/account").contains("password set\n") && !ask("keyserver/account").contains("canary"));
        let passwd = server.read("passwd");
        server.write("passwd", &format!("{passwd}twin:x:998:1::/:/bin/sh\nkeys:x:5:5::/k:/bin/sh\n"));
        let said = ask("keyserver/account");
        assert!(said.contains("sharer twin\n") && said.contains("other keys\n"), "{said}");
        server.write("k/kube1/data", &"x".repeat(64));
        server.write("k/kube1/keep", "");
        let sum = kubestead_core::put::digest("x".repeat(64));
        let mut lines: Vec<String> = ask("keyserver/shares").lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines, ["0 - kube1/keep".to_owned(), format!("64 {sum} kube1/data")]);
        assert!(!ask("keyserver/sshd").contains("unincluded"));
        server.write("etc/sshd_config", "# Include sshd_config.d/*.conf\nPasswordAuthentication no\n");
        assert!(ask("keyserver/sshd").starts_with("unincluded\nfrom "));
        server.write("passwd", &passwd);
        let (status, said) = run(&server);
        assert!(status == 90 && said.contains("does not include"), "as the guard says: {said}");
    }
}

//! One action of the key server's domain. The scripts are in `scripts/`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kubestead_core::command::{Command, Output, Stdin};
use kubestead_core::host::{Host, HostError, Hosts};
use kubestead_core::name::Name;
use kubestead_core::outcome::Done;
use kubestead_core::procedure::{Failed, Procedure, ProcedureError};
use kubestead_core::put;
use kubestead_core::put::digest;
use kubestead_core::secret::Secret;

use super::account::PublicKey;
use super::action::{Action, Replaced};
use super::error::Error;
use super::line;
use super::setup::setup;
use super::spec::{IDENTITY, KEYS, Site};

/// Bytes of a share.
const SHARE: usize = 64;

/// Carries an action out. `host` is the step's own; enrolling also reads the node's public key.
pub async fn apply(action: &Action, host: &dyn Host, hosts: &Hosts) -> Result<Done, Error> {
    let server = host.name();
    let (what, procedure) = match action {
        Action::Adoption(adoption) => (format!("{server}: what is where a file of kubestead's belongs"), adoption.procedure()),
        Action::Setup { site, from } => (format!("{server}: set the key server up"), setup(site, *from)),
        Action::KeyPair => (format!("{server}: make its key pair"), key_pair()),
        Action::Client { files } => {
            let what = format!("{server}: write its ssh configuration for key servers");
            return put::write(files, host).await.map_err(Failed::at(what));
        }
        Action::Enrol { site, node, address, key, replaces, revoked } => {
            let what = format!("{server}: let {node} in");
            let found = public_key(node, hosts, &what).await?;
            if key.as_ref().is_some_and(|key| *key != found) {
                return Err(Failed::at(what)(ProcedureError::Refused("its key is another than when this was planned".into())));
            }
            (what, enrol(site, node, *address, &found, replaces, *revoked))
        }
        Action::Shares { site, node, volumes, damaged } => {
            (format!("{server}: make shares of {node}"), shares(site, node, volumes, damaged))
        }
        Action::Copy { site, from, node, shares, damaged } => {
            let what = format!("{server}: copy shares of {node} from {from}");
            let other = hosts.get(from.as_str()).ok_or_else(|| Error::NoHost(from.to_string()))?;
            let (sums, value) = read_shares(site, node, shares, from, other.as_ref()).await.map_err(Failed::at::<Error>(what.clone()))?;
            (what, copy(site, node, &sums, damaged, value))
        }
        Action::Revoke { site, node, addresses } => (format!("{server}: shut {node} out"), revoke(site, node, addresses)),
        Action::Wipe { site, node, volume } => (format!("{server}: delete the share of {node}/{volume}"), wipe(site, node, volume)),
    };
    procedure.run(host).await.map_err(Failed::at(what))
}

/// The public key of the private key that the node has now.
async fn public_key(node: &Name, hosts: &Hosts, what: &str) -> Result<PublicKey, Error> {
    let own = hosts.get(node.as_str()).ok_or_else(|| Error::NoHost(node.to_string()))?;
    let read = own.run(&Command::read(["ssh-keygen", "-y", "-P", "", "-f", IDENTITY])).await;
    let output: Output = read.map_err(|e: HostError| Failed::at::<Error>(what)(e.into()))?;
    PublicKey::of(output.text().trim()).map_err(|bad| Error::BadKey { node: node.clone(), found: format!("{} {}", bad.0, output.tail()) })
}

/// Reads shares from the server that has them. They open nothing without the node's own share, and are in memory only.
async fn read_shares(
    site: &Site,
    node: &Name,
    shares: &BTreeMap<Name, Option<String>>,
    from: &Name,
    other: &dyn Host,
) -> Result<(BTreeMap<Name, String>, Secret), ProcedureError> {
    let read = Command::read_script(include_str!("scripts/read-shares.sh"))
        .list("volumes", shares.keys().map(Name::as_str))
        .var("directory", format!("{}/{node}", site.directory));
    let output = other.run(&read).await?;
    let (status, tail) = (output.status, String::from_utf8_lossy(&output.stderr).trim().to_owned());
    let value = Secret::new(output.stdout);
    if status != 0 {
        return Err(ProcedureError::Exit { status, tail });
    }
    if value.expose().len() != SHARE * shares.len() {
        return Err(ProcedureError::Refused(format!("{from} gives {} bytes for {} shares", value.expose().len(), shares.len())));
    }
    let mut sums = BTreeMap::new();
    for ((volume, planned), share) in shares.iter().zip(value.expose().chunks(SHARE)) {
        let found = digest(share);
        if planned.as_ref().is_some_and(|sum| *sum != found) {
            return Err(ProcedureError::Refused(format!("{from} gives another share of {volume} than when this was planned")));
        }
        sums.insert(volume.clone(), found);
    }
    Ok((sums, value))
}

pub(super) fn key_pair() -> Procedure {
    put::with_manifest(include_str!("scripts/keypair.sh")).var("identity", IDENTITY)
}

/// What shares that are put on a server have in common, ahead of where they come from.
fn place(script: &str, site: &Site, node: &Name, volumes: impl IntoIterator<Item = String>, damaged: &BTreeMap<Name, u64>) -> Procedure {
    Procedure::script(&[include_str!("scripts/place.sh"), script].concat())
        .var("user", site.user.as_str())
        .var("directory", format!("{}/{node}", site.directory))
        .list("volumes", volumes)
        .list("damaged", damaged.iter().map(|(volume, size)| format!("{volume}:{size}")))
}

pub(super) fn shares(site: &Site, node: &Name, volumes: &[Name], damaged: &BTreeMap<Name, u64>) -> Procedure {
    place(include_str!("scripts/make-shares.sh"), site, node, volumes.iter().map(Name::to_string), damaged)
}

/// Puts shares where none are. They come on standard input.
pub(super) fn copy(site: &Site, node: &Name, sums: &BTreeMap<Name, String>, damaged: &BTreeMap<Name, u64>, value: Secret) -> Procedure {
    place(include_str!("scripts/copy-shares.sh"), site, node, sums.keys().map(Name::to_string), damaged)
        .list("sums", sums.values())
        .stdin(Stdin::Secret(value))
}

/// What letting in and shutting out have in common: the node's own lines, and the account's connections from addresses. Those of an
/// address that is none, as somebody may have written into a line, cannot be told from others: all end.
fn lines(script: &str, site: &Site, node: &Name, addresses: &[String]) -> Procedure {
    let everyone = addresses.iter().any(|address| address.parse::<IpAddr>().is_err());
    Procedure::script(&[include_str!("scripts/lines.sh"), script].concat())
        .var("keys", KEYS)
        .var("user", site.user.as_str())
        .var("directory", site.directory.as_str())
        .var("own", line::mark(&site.cluster, node))
        .var("old", line::old_mark(node))
        .var("mark", line::revoked(&site.cluster, node))
        .var("everyone", if everyone { "yes" } else { "" })
        .list("addresses", addresses)
}

/// Replaces this node's own lines; the others stay as they are.
pub(super) fn enrol(site: &Site, node: &Name, address: IpAddr, key: &PublicKey, replaces: &[Replaced], revoked: bool) -> Procedure {
    let before: Vec<String> = replaces.iter().map(|r| r.address.clone()).collect();
    lines(include_str!("scripts/enrol.sh"), site, node, &before)
        .var("line", line::render(site, node, address, key))
        .var("key", key.as_str())
        .var("revoked", if revoked { "yes" } else { "" })
        .list("before", replaces.iter().map(|r| r.key.as_str()))
}

/// Safe beside another writer, and asked without the lease of the machine: every script that changes the file of keys runs alone on the
/// machine (the lock of [`Procedure`]), reads the file under that lock and replaces it whole. A revocation that comes first leaves its mark,
/// at which an enrolment or a restore that was planned before it refuses; one that comes second takes the line away. Either way the node is out
/// until somebody consents to a plan that was made after the revocation.
pub(super) fn revoke(site: &Site, node: &Name, addresses: &[String]) -> Procedure {
    lines(include_str!("scripts/revoke.sh"), site, node, addresses)
}

fn wipe(site: &Site, node: &Name, volume: &Name) -> Procedure {
    Procedure::script(include_str!("scripts/wipe.sh"))
        .var("keys", KEYS)
        .var("directory", site.directory.as_str())
        .var("mark", line::revoked(&site.cluster, node))
        .var("node", node.as_str())
        .var("volume", volume.as_str())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kubestead_core::twin::ScriptedHost;

    use super::super::fixture::{KEY, OTHER, enrolled, key, name, site, spec};
    use super::super::twin::Server;
    use super::*;

    fn admit(replaces: &[&str], revoked: bool) -> Procedure {
        let replaces: Vec<Replaced> = replaces.iter().map(|k| Replaced { key: key(k), address: "10.77.0.21".into() }).collect();
        enrol(&site(), &name("kube1"), spec().nodes[0].address, &key(KEY), &replaces, revoked)
    }

    #[test]
    fn a_line_is_replaced_alone_and_only_when_it_is_the_planned_one() {
        let (spec, server) = (spec(), Server::new());
        let foreign = format!("{KEY} me@desk\n# a comment\n{OTHER} kubestead:home/kube1\n");
        let (old, new) = (enrolled(&spec, OTHER), enrolled(&spec, KEY));
        let mark = line::revoked(&site().cluster, &name("kube1"));
        let over = |procedure: &Procedure, lines: &str| {
            server.write("keys", lines);
            let (status, said) = server.run(procedure);
            (status, server.read("keys"), said)
        };
        let first = admit(&[], false);
        assert_eq!(over(&first, &foreign), (0, format!("{foreign}{new}\n"), String::new()));
        assert_eq!(over(&first, &format!("{new}\n")).0, 91, "it is so already");
        let (status, left, said) = over(&first, &format!("{foreign}{old}\n"));
        assert!(status == 90 && left == format!("{foreign}{old}\n") && said.contains("another key"), "{said}");
        let again = admit(&[OTHER], false);
        assert_eq!(over(&again, &format!("{foreign}{old}\n")), (0, format!("{foreign}{new}\n"), String::new()));
        assert_eq!(over(&again, &format!("{new}\n{old}\n")), (0, format!("{new}\n"), String::new()), "a second line does not stay");
        let (status, _, said) = over(&first, &format!("{foreign}{mark}\n"));
        assert!(status == 90 && said.contains("shut out"), "{said}");
        let back = admit(&[], true);
        assert_eq!(over(&back, &format!("{mark}\n{foreign}")), (0, format!("{foreign}{new}\n"), String::new()));
        server.remove("keys");
        assert!(server.run(&first).1.contains("no key server of ours"));
    }

    #[test]
    fn a_revocation_takes_the_nodes_own_line_and_leaves_a_mark() {
        let (spec, server) = (spec(), Server::new());
        let line = enrolled(&spec, KEY);
        let others = format!("{KEY} me@desk\n{}\n", line.replace("kube1", "kube10"));
        let mark = line::revoked(&site().cluster, &name("kube1"));
        let script = revoke(&site(), &name("kube1"), &["10.77.0.21".into()]);
        server.write("keys", &format!("{line}\n{others}"));
        assert_eq!((server.run(&script), server.read("keys")), ((0, String::new()), format!("{others}{mark}\n")));
        assert_eq!(server.run(&script).0, 91, "a second time changes nothing");
    }

    #[test]
    fn a_revocation_beside_another_writer_holds_whoever_comes_first() {
        let (spec, server) = (spec(), Server::new());
        let mark = line::revoked(&site().cluster, &name("kube1"));
        // Other nodes are let in by a run that is at work, which also has an enrolment of this node that was planned before.
        server.write("keys", &format!("{}\n", enrolled(&spec, OTHER)));
        let others: Vec<Procedure> =
            (2..8).map(|n| enrol(&site(), &name(&format!("kube{n}")), IpAddr::from([10, 77, 0, 20 + n]), &key(KEY), &[], false)).collect();
        let (planned, out) = (admit(&[OTHER], false), revoke(&site(), &name("kube1"), &["10.77.0.21".into()]));
        std::thread::scope(|scope| {
            for procedure in others.iter().chain([&planned]) {
                scope.spawn(|| server.run(procedure));
            }
            assert_eq!(scope.spawn(|| server.run(&out)).join().unwrap(), (0, String::new()));
        });
        let lines = server.read("keys");
        assert!(lines.contains(&format!("{mark}\n")) && !lines.contains("home/kube1\n"), "{lines}");
        assert_eq!(lines.lines().filter(|line| line.starts_with("restrict,")).count(), 6, "and no other line was lost: {lines}");
        assert_eq!(server.run(&planned).0, 90, "what was planned before does not let it in again");
        assert_eq!(server.read("keys"), lines);
    }

    #[test]
    fn connections_end_of_the_account_of_the_shares_alone() {
        use std::os::unix::process::CommandExt as _;
        let server = Server::new();
        let output = std::process::Command::new("id").arg("-u").output().unwrap().stdout;
        let own: u32 = String::from_utf8(output).unwrap().trim().parse().unwrap();
        // Root is never the account: its process is somebody's then.
        let number = if own == 0 { 65_534 } else { own };
        let mut process = std::process::Command::new("sleep").arg("100").uid(number).spawn().unwrap();
        let (id, alive) = (process.id(), |id: u32| std::path::Path::new(&format!("/proc/{id}/exe")).exists());
        let run = |number: u32, home: &str, others: &str| {
            server.write("keys", &format!("{}\n", enrolled(&spec(), KEY)));
            server.write("passwd", &format!("masterlock:x:{number}:998::{home}:/bin/sh\n{others}"));
            server.write("ss", &format!("0 0 10.77.0.5:22 10.77.0.21:5555 users:((\"sshd\",pid={id},fd=4))\n"));
            server.run(&revoke(&site(), &name("kube1"), &["10.77.0.21".into()]))
        };
        assert_eq!(run(number, "/root", ""), (0, String::new()), "the account is somebody else's");
        assert_eq!(run(number, "/k", &format!("www-data:x:{number}:33::/var/www:/bin/sh\n")), (0, String::new()), "and so is its number");
        assert_eq!(run(0, "/k", ""), (0, String::new()), "nothing of root's ends");
        assert!(alive(id), "its line went, and no connection ended");
        std::thread::scope(|scope| {
            scope.spawn(|| process.wait().unwrap());
            assert_eq!(run(number, "/k", ""), (0, String::new()));
        });
        assert!(!alive(id), "the account is the shares' own");
    }

    #[test]
    fn shares_are_made_whole_once_and_what_is_none_goes_where_it_was_planned() {
        let server = Server::new();
        let all = [name("data"), name("keep")];
        let make = |damaged: &[(&str, u64)]| {
            server.run(&shares(&site(), &name("kube1"), &all, &damaged.iter().map(|(volume, size)| (name(volume), *size)).collect()))
        };
        server.write("k/kube1/keep.part", "left by a cut");
        assert_eq!(make(&[]), (0, String::new()));
        let (data, keep) = (server.bytes("k/kube1/data"), server.bytes("k/kube1/keep"));
        assert!(data.len() == 64 && keep.len() == 64 && data != keep);
        assert_eq!((server.mode("k/kube1/data"), server.mode("k/kube1"), server.names("k/kube1")), (0o400, 0o700, 2));
        assert_eq!(make(&[]).0, 91);
        server.write("k/kube1/data", "");
        let (status, said) = make(&[]);
        assert!(status == 90 && said.contains("has 0 bytes, and a share has 64"), "{said}");
        assert_eq!(make(&[("data", 63)]).0, 90, "another one than was planned");
        assert_eq!(make(&[("data", 0)]), (0, String::new()));
        assert_eq!((server.bytes("k/kube1/data").len(), server.bytes("k/kube1/keep")), (64, keep));
    }

    /// What the look at the shares tells.
    fn look(server: &Server) -> String {
        let sections: Vec<_> =
            super::super::observe::server_sections(&spec()).into_iter().filter(|section| section.name == "keyserver/shares").collect();
        let (_, stdout, _) = server.look(&kubestead_core::probe::command(&sections, "n1"));
        kubestead_core::probe::parse(&stdout, "n1").unwrap().text("keyserver/shares").unwrap().to_owned()
    }

    #[test]
    fn a_link_or_another_thing_in_the_place_of_shares_is_seen_and_nothing_is_written_or_deleted_through_it() {
        use std::os::unix::fs::symlink;
        let sums = BTreeMap::from([(name("data"), digest([7; 64]))]);
        let text = format!("share kube1/data {} {}\n", digest([7; 64]), "BwcH".repeat(21) + "Bw==");
        let marked = |server: &Server| server.write("keys", &format!("{}\n", line::revoked(&site().cluster, &name("kube1"))));
        let run = |server: &Server| {
            let archive = super::super::export::Archive::parse(
                format!("kubestead key server, format 1\nserver s\ncluster home\n{text}end 1\n").as_bytes(),
            );
            let restore = archive.unwrap().restore(&spec(), &[], &std::collections::BTreeSet::new());
            [
                shares(&site(), &name("kube1"), &[name("data")], &BTreeMap::new()),
                copy(&site(), &name("kube1"), &sums, &BTreeMap::new(), Secret::new(vec![7; 64])),
                restore,
                wipe(&site(), &name("kube1"), &name("data")),
            ]
            .map(|procedure| server.run(&procedure))
        };
        for (place, told) in [("k", "/"), ("k/kube1", "kube1"), ("k/kube1/data", "kube1/data")] {
            for link in [true, false] {
                let server = Server::new();
                marked(&server);
                std::fs::remove_dir(server.path().join("k")).unwrap();
                std::fs::create_dir_all(server.path().join(place).parent().unwrap()).unwrap();
                std::fs::create_dir_all(server.path().join("theirs/kube1")).unwrap();
                let theirs = match (place, link) {
                    ("k" | "k/kube1", true) => "theirs/kube1/data",
                    _ => "theirs/file",
                };
                server.write(theirs, &"x".repeat(64));
                match (place, link) {
                    ("k", true) => symlink(server.path().join("theirs"), server.path().join(place)).unwrap(),
                    ("k/kube1", true) => symlink(server.path().join("theirs/kube1"), server.path().join(place)).unwrap(),
                    (_, true) => symlink(server.path().join(theirs), server.path().join(place)).unwrap(),
                    ("k/kube1/data", false) => std::fs::create_dir(server.path().join(place)).unwrap(),
                    (_, false) => server.write(place, "a file"),
                }
                assert_eq!(look(&server), format!("other - {told}\n"), "{place} {link}");
                for (status, said) in run(&server) {
                    // What is below a file is not there: a share that is gone is wiped already.
                    assert!(status == 90 || (status == 91 && !link), "{place} {link}: {status} {said}");
                }
                assert_eq!((server.read(theirs), server.names("theirs")), ("x".repeat(64), if theirs == "theirs/file" { 2 } else { 1 }));
                assert_eq!(server.names("theirs/kube1"), usize::from(theirs != "theirs/file"), "nothing is made where it leads");
            }
        }
        // What a cut left is replaced, and what a link of that name leads to is not written to.
        let server = Server::new();
        server.write("theirs", "theirs");
        std::fs::create_dir(server.path().join("k/kube1")).unwrap();
        symlink(server.path().join("theirs"), server.path().join("k/kube1/data.part")).unwrap();
        let made = server.run(&shares(&site(), &name("kube1"), &[name("data")], &BTreeMap::new()));
        assert_eq!((made, server.read("theirs"), server.bytes("k/kube1/data").len()), ((0, String::new()), "theirs".to_owned(), 64));
    }

    #[test]
    fn a_copy_that_somebody_keeps_of_the_file_of_keys_stays() {
        let server = Server::new();
        server.write("keys.backup", "theirs\n");
        server.write("keys", "");
        assert_eq!(server.run(&admit(&[], false)), (0, String::new()));
        assert_eq!(server.run(&revoke(&site(), &name("kube1"), &[])), (0, String::new()));
        assert_eq!(server.read("keys.backup"), "theirs\n");
        // A link would become a file.
        std::fs::rename(server.path().join("keys"), server.path().join("real")).unwrap();
        std::os::unix::fs::symlink(server.path().join("real"), server.path().join("keys")).unwrap();
        assert!(server.run(&admit(&[], true)).1.contains("is a link"));
    }

    #[test]
    fn copies_are_compared_and_never_take_the_place_of_another_share() {
        let server = Server::new();
        let value = [[7; 64], [8; 64]];
        let sums: BTreeMap<Name, String> = [("data", value[0]), ("keep", value[1])].map(|(v, bytes)| (name(v), digest(bytes))).into();
        let put = |bytes: &[u8]| server.run(&copy(&site(), &name("kube1"), &sums, &BTreeMap::new(), Secret::new(bytes.to_vec())));
        let (status, said) = put(&value.concat()[..100]);
        assert!(status == 90 && said.contains("did not arrive whole"), "{said}");
        assert!(!server.exists("k/kube1/data") && !server.exists("k/kube1/keep"), "all of them or none");
        assert_eq!(put(&[value[1], value[0]].concat()).0, 90);
        assert_eq!(put(&value.concat()), (0, String::new()));
        assert_eq!((server.bytes("k/kube1/data"), server.bytes("k/kube1/keep")), (value[0].to_vec(), value[1].to_vec()));
        assert_eq!(put(&value.concat()).0, 91);
        server.replace("k/kube1/data", &[9; 64]);
        server.remove("k/kube1/keep");
        let (status, said) = put(&value.concat());
        assert!(status == 90 && said.contains("holds another share") && !server.exists("k/kube1/keep"), "{said}");
    }

    #[test]
    fn a_key_pair_that_a_power_cut_tore_is_whole_again() {
        let server = Server::new();
        let make = || server.run(&key_pair());
        assert_eq!(make(), (0, String::new()));
        let (private, public) = (server.read("node/id_ed25519"), server.read("node/id_ed25519.pub"));
        assert!(PublicKey::of(&public).is_ok() && server.mode("node/id_ed25519") == 0o600);
        assert_eq!(make().0, 91);
        assert_eq!(server.read("etc/files").lines().count(), 2, "both are written down: {}", server.read("etc/files"));
        server.write("node/id_ed25519.pub", "");
        assert_eq!(make(), (0, String::new()));
        assert_eq!((server.read("node/id_ed25519"), server.read("node/id_ed25519.pub")), (private.clone(), public.clone()));
        server.write("node/id_ed25519", "");
        assert_eq!(make(), (0, String::new()), "an empty private key is made anew, and its public one, which is ours, with it");
        assert!(server.read("node/id_ed25519") != private && server.read("node/id_ed25519.pub") != public);
        assert_eq!((make().0, server.names("node"), server.read("etc/files").lines().count()), (91, 2, 2));
        assert_eq!(server.bash(&format!("sha256sum --status -c {}/etc/files", server.path().display()), b"").0, 0);
    }

    #[test]
    fn a_run_that_is_cut_off_at_any_line_leaves_a_key_pair_that_the_next_one_finishes() {
        let whole = key_pair();
        // A cut inside of a compound command is one of its lines alone.
        let cuts = whole.act.match_indices('\n').map(|(at, _)| at).collect::<Vec<_>>();
        let (mut tried, mut kept) = (0, 0);
        for before in ["nothing", "another"] {
            for at in &cuts {
                let mut cut = key_pair();
                cut.act = format!("{}\nexit 7\n", &whole.act[..*at]);
                let server = Server::new();
                if before == "another" {
                    // What lay there is ours, and is not a key any more.
                    assert_eq!(server.run(&whole).0, 0);
                    server.write("node/id_ed25519", "torn\n");
                    let path = server.path().join("node/id_ed25519").display().to_string();
                    assert_eq!(server.run(&put::adopt(&path, &digest("torn\n"))).0, 0);
                } else {
                    server.write("node/id_ed25519", "");
                    server.write("node/id_ed25519.pub", "");
                }
                if server.run(&cut).0 != 7 {
                    continue; // the text is none at this place
                }
                tried += 1;
                let private = server.read("node/id_ed25519");
                assert_eq!(
                    server.run(&whole),
                    (if server.exists("node/id_ed25519.pub") && done(&server, &private) { 91 } else { 0 }, String::new())
                );
                if private.starts_with("-----BEGIN") {
                    kept += 1;
                    assert_eq!(server.read("node/id_ed25519"), private, "a key that was made stays");
                }
                assert_eq!((server.run(&whole).0, server.read("etc/files").lines().count()), (91, 2), "{}", server.read("etc/files"));
            }
        }
        assert!(tried > 20 && kept > 4, "{tried} {kept}");
    }

    /// Whether the public file holds the key of this private one.
    fn done(server: &Server, private: &str) -> bool {
        let (status, told, _) = server.bash("ssh-keygen -y -P '' -f /dev/stdin 2> /dev/null", private.as_bytes());
        let of = |text: &[u8]| PublicKey::of(&String::from_utf8_lossy(text)).ok();
        status == 0 && of(&told).is_some() && of(&told) == of(&server.bytes("node/id_ed25519.pub"))
    }

    #[test]
    fn what_may_be_somebodys_key_is_not_replaced_until_it_was_adopted() {
        let keygen = |server: &Server, words: &str| {
            let (status, ..) = server.bash(&format!("ssh-keygen -q {words} -f {}/node/id_ed25519", server.path().display()), b"");
            assert_eq!(status, 0);
        };
        for (kind, words) in [("with a passphrase", "-t ed25519 -N secret"), ("of another kind", "-t ecdsa -N ''"), ("torn", "")] {
            let server = Server::new();
            if words.is_empty() {
                assert_eq!(server.run(&key_pair()).0, 0);
                server.write("node/id_ed25519", &server.read("node/id_ed25519")[..40]);
            } else {
                keygen(&server, words);
            }
            let names = ["node/id_ed25519", "node/id_ed25519.pub"];
            let before = names.map(|name| server.read(name));
            let (status, said) = server.run(&key_pair());
            assert!(status == 90 && said.contains("kubestead"), "{kind}: {said}");
            assert_eq!(names.map(|name| server.read(name)), before, "{kind}");
            for (name, text) in names.iter().zip(&before) {
                let path = server.path().join(name).display().to_string();
                assert!([0, 91].contains(&server.run(&put::adopt(&path, &digest(text))).0));
            }
            assert_eq!(server.run(&key_pair()), (0, String::new()), "{kind}");
            assert_eq!(server.read("node/id_ed25519.before-kubestead"), before[0]);
            assert_eq!(server.mode("node/id_ed25519.before-kubestead") & 0o077, 0, "a copy of a private key is as closed");
            assert_eq!(server.run(&key_pair()).0, 91);
        }
        // One that can be used stays, whoever made it, and is closed to others.
        let server = Server::new();
        keygen(&server, "-t ed25519 -N ''");
        let private = server.read("node/id_ed25519");
        server.bash(&format!("chmod 644 {}/node/id_ed25519", server.path().display()), b"");
        assert_eq!(server.run(&key_pair()), (0, String::new()));
        assert_eq!((server.read("node/id_ed25519"), server.mode("node/id_ed25519"), server.names("node")), (private, 0o600, 2));
        // Another public key beside it may be all that is left of a pair.
        server.write("node/id_ed25519.pub", OTHER);
        assert!(server.run(&key_pair()).1.contains("id_ed25519.pub was not written by kubestead"));
        // A link is nobody's file.
        server.remove("node/id_ed25519");
        std::os::unix::fs::symlink("/etc/passwd", server.path().join("node/id_ed25519")).unwrap();
        assert!(server.run(&key_pair()).1.contains("is not a regular file"));
    }

    #[tokio::test]
    async fn copied_shares_are_on_standard_input_and_nowhere_else() {
        let value = b"canary-share-of-sixty-four-bytes-canary-share-of-sixty-four-byte".repeat(2);
        let answer = |stdout| Ok(Output { status: 0, stdout, stderr: Vec::new() });
        let run = |given: Vec<u8>, sum: Option<String>| async move {
            let (from, to) = (Arc::new(ScriptedHost::new("spare", [answer(given)])), ScriptedHost::new("masterlock", [answer(vec![])]));
            let hosts = Hosts::from([("spare".to_owned(), Arc::clone(&from) as Arc<dyn Host>)]);
            let shares = BTreeMap::from([(name("data"), sum), (name("keep"), None)]);
            let action = Action::Copy { site: site(), from: name("spare"), node: name("kube1"), shares, damaged: BTreeMap::new() };
            let done = apply(&action, &to, &hosts).await;
            (done.map_err(|e| kubestead_core::outcome::causes(&e)), from.asked(), to.asked())
        };
        let (done, from, to) = run(value.clone(), Some(digest(&value[..64]))).await;
        done.unwrap();
        let (from, to) = (&from[0], &to[0]);
        assert!(from.script().starts_with("directory=/k/kube1\nvolumes=(data keep)\n"), "{}", from.script());
        assert!(!to.script().contains("canary") && to.stdin.bytes() == value);
        assert!(run(value.clone(), Some("aa".into())).await.0.unwrap_err().contains("another share of data"));
        let cut = run(value[..127].to_vec(), None).await;
        assert!(cut.0.unwrap_err().contains("gives 127 bytes for 2 shares") && cut.2.is_empty());
    }
}

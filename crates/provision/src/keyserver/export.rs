//! A whole key server as text, for an encrypted file: who is let in, and every share with its sha256. It is in memory only; what leaves
//! this program is encrypted.
//!
//! The text has a line each: what it is, its server and cluster, `line …` for a line of `/etc/ssh/kubestead_keys`, `share NODE/VOLUME
//! SHA256 BASE64`, and `end N` with the number of shares. A share is had by hand with `age -d FILE | awk '$2 == "kube1/data" { print $4 }' |
//! base64 -d`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::command::{Command, Stdin};
use kubestead_core::name::Name;
use kubestead_core::procedure::Procedure;
use kubestead_core::secret::Secret;
use zeroize::Zeroizing;

use super::line::{self, Entry};
use super::spec::{KEYS, KeyServerSpec};
use kubestead_core::put::digest;

const TITLE: &str = "kubestead key server, format 1";

/// A key server's secrets.
#[derive(Debug)]
pub struct Archive {
    /// The server that it was taken from.
    pub server: String,
    /// The cluster whose file named the server.
    pub cluster: String,
    /// The lines of the nodes' keys.
    pub lines: Vec<String>,
    /// The shares, as `NODE/VOLUME`.
    pub shares: BTreeMap<String, Secret>,
}

/// What is wrong with an archive. No message holds a share.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadArchive {
    /// It is something else.
    #[error("this is no key server: its first line is not {TITLE:?}")]
    Title,
    /// A line is not understood.
    #[error("line {0} is not understood")]
    Line(usize),
    /// A share is not what its checksum says.
    #[error("the share of {0} does not have the checksum that stands beside it")]
    Share(String),
    /// The end is missing.
    #[error("it was cut off")]
    Cut,
}

/// The command that prints a server's lines and shares. It only looks. Shares go through pipes and the shell's own `printf`.
pub fn read_command(spec: &KeyServerSpec) -> Command {
    Command::read_script(include_str!("scripts/export.sh"))
        .var("title", TITLE)
        .var("server", spec.server.as_str())
        .var("cluster", spec.site.cluster.as_str())
        .var("keys", KEYS)
        .var("directory", spec.site.directory.as_str())
}

impl Archive {
    /// Reads what [`read_command`] printed, or what [`Archive::render`] wrote. Every share is checked.
    pub fn parse(text: &[u8]) -> Result<Self, BadArchive> {
        let text = std::str::from_utf8(text).map_err(|_| BadArchive::Title)?;
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        if lines.next().map(|(_, l)| l) != Some(TITLE) {
            return Err(BadArchive::Title);
        }
        let mut found = Self { server: String::new(), cluster: String::new(), lines: Vec::new(), shares: BTreeMap::new() };
        for (number, line) in lines {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "server" => rest.clone_into(&mut found.server),
                "cluster" => rest.clone_into(&mut found.cluster),
                "line" => found.lines.push(rest.to_owned()),
                "share" => {
                    let (path, value) = share(rest).ok_or(BadArchive::Line(number))??;
                    found.shares.insert(path, value);
                }
                "end" if rest == found.shares.len().to_string() => return Ok(found),
                _ => return Err(BadArchive::Line(number)),
            }
        }
        Err(BadArchive::Cut)
    }

    /// The text that is encrypted.
    pub fn render(&self) -> Secret {
        let mut text = Zeroizing::new(format!("{TITLE}\nserver {}\ncluster {}\n", self.server, self.cluster));
        for line in &self.lines {
            let _ = writeln!(text, "line {line}");
        }
        for (path, value) in &self.shares {
            let _ = writeln!(text, "{}", row(path, value).as_str());
        }
        let _ = writeln!(text, "end {}", self.shares.len());
        Secret::new(text.as_bytes().to_vec())
    }

    /// The lines that another server shall get: those of nodes that are in the file, and the marks of nodes that were shut out. What the
    /// server already says about a node holds.
    pub fn lines_for(&self, spec: &KeyServerSpec, members: &BTreeSet<Name>, there: &[String]) -> (Vec<String>, Vec<String>) {
        let named = |text: &str| match line::parse(text) {
            Entry::Enrolled(l) if l.cluster.as_ref() == Some(&spec.site.cluster) => Some((l.node, false)),
            Entry::Revoked { cluster, node } if cluster == spec.site.cluster => Some((node, true)),
            Entry::Enrolled(_) | Entry::Revoked { .. } | Entry::Foreign => None,
        };
        let known: BTreeSet<Name> = there.iter().filter_map(|l| Some(named(l)?.0)).collect();
        let folder = format!(" {}\" ", spec.site.directory);
        let fits = |text: &&String| {
            named(text)
                .is_some_and(|(node, revoked)| !known.contains(&node) && (revoked || (members.contains(&node) && text.contains(&folder))))
        };
        let (taken, left): (Vec<&String>, Vec<&String>) = self.lines.iter().filter(|l| !there.contains(l)).partition(fits);
        (taken.into_iter().cloned().collect(), left.into_iter().cloned().collect())
    }

    /// The shares that another server shall not get: of nodes that it shut out and that the file does not have. They may have been wiped.
    pub fn shares_left(&self, spec: &KeyServerSpec, members: &BTreeSet<Name>, there: &[String]) -> BTreeSet<String> {
        let out: Vec<Name> = there
            .iter()
            .filter_map(|l| match line::parse(l) {
                Entry::Revoked { cluster, node } if cluster == spec.site.cluster && !members.contains(&node) => Some(node),
                Entry::Revoked { .. } | Entry::Enrolled(_) | Entry::Foreign => None,
            })
            .collect();
        let of_out = |path: &&String| out.iter().any(|node| path.split('/').next() == Some(node.as_str()));
        self.shares.keys().filter(of_out).cloned().collect()
    }

    /// Puts shares and lines on a server: those that are missing. A share that is there with another content, or a node that was shut out
    /// since the server was looked at, stops it before anything is written; every share is read back.
    pub fn restore(&self, spec: &KeyServerSpec, lines: &[String], left: &BTreeSet<String>) -> Procedure {
        let mut text = Zeroizing::new(String::new());
        for (path, value) in self.shares.iter().filter(|(path, _)| !left.contains(*path)) {
            let _ = writeln!(text, "{}", row(path, value).as_str());
        }
        for line in lines {
            let _ = writeln!(text, "line {line}");
        }
        Procedure::script(include_str!("scripts/restore.sh"))
            .var("user", spec.site.user.as_str())
            .var("directory", spec.site.directory.as_str())
            .var("keys", KEYS)
            .stdin(Stdin::Secret(Secret::new(text.as_bytes().to_vec())))
    }
}

fn row(path: &str, value: &Secret) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(value.expose()));
    Zeroizing::new(format!("share {path} {} {}", digest(value.expose()), encoded.as_str()))
}

/// `NODE/VOLUME SHA256 BASE64`; `None` if it is not so.
fn share(rest: &str) -> Option<Result<(String, Secret), BadArchive>> {
    let mut words = rest.split(' ');
    let (path, sum, encoded) = (words.next()?, words.next()?, words.next()?);
    let (node, volume) = path.split_once('/')?;
    Name::new(node).ok()?;
    Name::new(volume).ok()?;
    let value = Secret::new(STANDARD.decode(encoded).ok()?);
    if value.expose().len() != 64 || digest(value.expose()) != sum || words.next().is_some() {
        return Some(Err(BadArchive::Share(path.to_owned())));
    }
    Some(Ok((path.to_owned(), value)))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{KEY, OTHER, enrolled, members, name, spec};
    use super::super::twin::Server;
    use super::*;

    const CANARY: &[u8; 64] = b"canary-share-of-sixty-four-bytes-canary-share-of-sixty-four-byte";

    fn archive() -> Archive {
        let spec = spec();
        let own = enrolled(&spec, KEY);
        let lines =
            vec![own.clone(), own.replace("kube1", "kube2"), line::revoked(&name("home"), &name("kube3")), format!("{OTHER} me@desk")];
        let shares = BTreeMap::from([("kube1/data".to_owned(), Secret::new(CANARY.to_vec()))]);
        Archive { server: "masterlock".into(), cluster: "home".into(), lines, shares }
    }

    #[test]
    fn what_is_written_is_read_back_and_damage_is_told() {
        let text = archive().render();
        let back = Archive::parse(text.expose()).unwrap();
        assert_eq!((&back.server, &back.cluster, &back.lines), (&"masterlock".to_owned(), &"home".to_owned(), &archive().lines));
        assert_eq!(back.shares["kube1/data"].expose(), CANARY);
        assert!(!format!("{back:?}").contains("canary"));
        let text = String::from_utf8(text.expose().to_vec()).unwrap();
        for end in 0..text.len() - 1 {
            assert!(Archive::parse(&text.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        let encoded = STANDARD.encode(CANARY);
        let other = text.replace(&encoded, &STANDARD.encode([7; 64]));
        assert_eq!(Archive::parse(other.as_bytes()).unwrap_err(), BadArchive::Share("kube1/data".into()));
        for bad in [text.replace("kube1/data", "../data"), text.replace("server ", "x "), text.replace("end 1", "end 2")] {
            assert!(matches!(Archive::parse(bad.as_bytes()), Err(BadArchive::Line(_))));
        }
    }

    #[test]
    fn a_server_gets_the_lines_of_the_files_nodes_and_the_marks_alone() {
        let archive = archive();
        let (taken, left) = archive.lines_for(&spec(), &members(), &[]);
        assert_eq!(taken, [archive.lines[0].clone(), archive.lines[2].clone()]);
        assert_eq!(left, [archive.lines[1].clone(), archive.lines[3].clone()]);
        let mark = line::revoked(&name("home"), &name("kube1"));
        assert!(!archive.lines_for(&spec(), &members(), &[mark]).0.contains(&archive.lines[0]), "who was shut out stays out");
        let mark = line::revoked(&name("home"), &name("kube1"));
        assert!(archive.shares_left(&spec(), &members(), std::slice::from_ref(&mark)).is_empty());
        assert_eq!(archive.shares_left(&spec(), &BTreeSet::new(), &[mark]), BTreeSet::from(["kube1/data".to_owned()]));
    }

    fn restore(server: &Server) -> (i32, String) {
        let procedure = archive().restore(&spec(), &archive().lines[..1], &BTreeSet::new());
        let command = procedure.command();
        assert!(!command.render().contains("canary") && !command.render().contains(&STANDARD.encode(CANARY)));
        server.run(&procedure)
    }

    #[test]
    fn a_restore_writes_what_is_missing_and_never_over_another_share() {
        let server = Server::new();
        server.write("keys", "foreign\n");
        assert_eq!(restore(&server), (0, String::new()));
        assert_eq!(server.bytes("k/kube1/data"), CANARY);
        assert_eq!(server.read("keys"), format!("foreign\n{}\n", archive().lines[0]));
        assert_eq!(restore(&server).0, 91, "a second time changes nothing");
        for other in [&[7; 64][..], b""] {
            server.replace("k/kube1/data", other);
            let (status, said) = restore(&server);
            assert!(status == 90 && said.contains("holds another share") && !said.contains("canary"), "{said}");
            assert_eq!(server.bytes("k/kube1/data"), other);
        }
    }

    #[test]
    fn a_restore_does_not_let_in_who_was_shut_out_meanwhile() {
        let server = Server::new();
        let mark = format!("{}\n", line::revoked(&name("home"), &name("kube1")));
        server.write("keys", &mark);
        let (status, said) = restore(&server);
        assert!(status == 90 && said.contains("was shut out since"), "{said}");
        assert!(server.read("keys") == mark && !server.exists("k/kube1/data"));
    }

    #[test]
    fn an_export_is_read_back_from_the_real_script() {
        let server = Server::new();
        assert_eq!(restore(&server), (0, String::new()));
        server.write("k/kube1/keep", "");
        let (status, text, _) = server.look(&read_command(&spec()));
        let back = Archive::parse(&text).unwrap();
        assert_eq!((status, back.lines.as_slice(), back.shares["kube1/data"].expose()), (0, &archive().lines[..1], &CANARY[..]));
        assert_eq!(back.shares.len(), 1, "what is no share is not in it");
    }
}

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
use kubestead_core::command::{Command, Stdin, quote};
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
    Command::read_script(format!(
        "set -euo pipefail; export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin\necho {}\necho 'server {}'\necho 'cluster {}'\n\
         sed 's/^/line /' {KEYS}\ncd {}\nn=0\n\
         while IFS= read -r f; do printf 'share %s %s %s\\n' \"$f\" \"$(sha256sum < \"$f\" | cut -d' ' -f1)\" \"$(base64 -w0 < \"$f\")\"; n=$((n + 1)); \
         done < <(find . -mindepth 2 -maxdepth 2 -type f -size 64c -printf '%P\\n' | sort)\necho \"end $n\"",
        quote(TITLE),
        spec.server,
        spec.cluster,
        quote(&spec.directory)
    ))
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
            Entry::Enrolled(l) if l.cluster.as_ref() == Some(&spec.cluster) => Some((l.node, false)),
            Entry::Revoked { cluster, node } if cluster == spec.cluster => Some((node, true)),
            Entry::Enrolled(_) | Entry::Revoked { .. } | Entry::Foreign => None,
        };
        let known: BTreeSet<Name> = there.iter().filter_map(|l| Some(named(l)?.0)).collect();
        let folder = format!(" {}\" ", spec.directory);
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
                Entry::Revoked { cluster, node } if cluster == spec.cluster && !members.contains(&node) => Some(node),
                Entry::Revoked { .. } | Entry::Enrolled(_) | Entry::Foreign => None,
            })
            .collect();
        let of_out = |path: &&String| out.iter().any(|node| path.split('/').next() == Some(node.as_str()));
        self.shares.keys().filter(of_out).cloned().collect()
    }

    /// Puts shares and lines on a server: those that are missing. A share that is there with another content stops it before anything
    /// is written; every share is read back.
    pub fn restore(&self, spec: &KeyServerSpec, lines: &[String], left: &BTreeSet<String>) -> Procedure {
        let mut text = Zeroizing::new(String::new());
        for (path, value) in self.shares.iter().filter(|(path, _)| !left.contains(*path)) {
            let _ = writeln!(text, "{}", row(path, value).as_str());
        }
        for line in lines {
            let _ = writeln!(text, "line {line}");
        }
        let (user, directory) = (quote(&spec.user), quote(&spec.directory));
        Procedure::new(
            format!(
                "D={directory}; declare -A sums values; add=() missing=()\n\
                 while IFS= read -r row; do case $row in\n\
                 'share '*) set -f; set -- $row; path=$2 sum=$3 value=$4; [[ $path =~ ^[a-z0-9-]+/[a-z0-9-]+$ ]] || refuse 'a path is not NODE/VOLUME'; sums[$path]=$sum values[$path]=$value ;;\n\
                 'line '*) add+=(\"${{row#line }}\") ;;\nesac; done\n\
                 sum() {{ sha256sum < \"$1\" | cut -d' ' -f1; }}\n\
                 for s in \"${{!sums[@]}}\"; do\n\
                 if [ -e \"$D/$s\" ] || [ -L \"$D/$s\" ]; then [ \"$(sum \"$D/$s\")\" = \"${{sums[$s]}}\" ] || refuse \"$D/$s is there and holds another share\"; else missing+=(\"$s\"); fi\ndone\n\
                 new=(); for l in \"${{add[@]}}\"; do grep -qxF -- \"$l\" {KEYS} || new+=(\"$l\"); done\n\
                 [ \"${{#missing[@]}}\" != 0 ] || [ \"${{#new[@]}}\" != 0 ] || already"
            ),
            format!(
                "umask 077\nfor s in \"${{missing[@]}}\"; do\n\
                 install -d -m 0700 -o {user} -g {user} \"$D/${{s%/*}}\"; p=$D/$s.part\n\
                 printf %s \"${{values[$s]}}\" | base64 -d > \"$p\"; [ \"$(sum \"$p\")\" = \"${{sums[$s]}}\" ] || refuse \"$s did not arrive whole\"\n\
                 chmod 0400 \"$p\"; chown {user} \"$p\"; sync \"$p\"; mv -nT \"$p\" \"$D/$s\"; sync \"$D/${{s%/*}}\"\ndone\nsync \"$D\"\n\
                 if [ \"${{#new[@]}}\" != 0 ]; then t=$(mktemp {KEYS}.XXXXXX); cat {KEYS} > \"$t\"; printf '%s\\n' \"${{new[@]}}\" >> \"$t\"; chmod 0644 \"$t\"; sync \"$t\"; mv -fT \"$t\" {KEYS}; sync /etc/ssh; fi"
            ),
            "for s in \"${!sums[@]}\"; do [ \"$(sum \"$D/$s\")\" = \"${sums[$s]}\" ] || unverified \"$D/$s does not hold what was sent\"; done",
        )
        .stdin(Stdin::Secret(Secret::new(text.as_bytes().to_vec())))
    }
}

fn row(path: &str, value: &Secret) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(value.expose()));
    Zeroizing::new(format!("share {path} {} {}", digest(value.expose()), encoded.as_str()))
}

/// `NODE/VOLUME SHA256 BASE64`; nothing when it is not so.
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
    use super::super::fixture::{KEY, OTHER, members, name, spec};
    use super::*;

    const CANARY: &[u8; 64] = b"canary-share-of-sixty-four-bytes-canary-share-of-sixty-four-byte";

    fn archive() -> Archive {
        let spec = spec();
        let own = line::render(&spec, &spec.nodes[0], KEY);
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

    /// Runs the restore over a folder of its own.
    fn restore(dir: &std::path::Path) -> (i32, String) {
        use std::io::Write as _;
        let spec = KeyServerSpec { user: user(), directory: dir.join("shares").display().to_string(), ..spec() };
        let command = archive().restore(&spec, &archive().lines[..1], &BTreeSet::new()).command();
        let script = command
            .script()
            .replace(KEYS, &dir.join("keys").display().to_string())
            .replace("sync /etc/ssh", "true")
            .replace("/run/kubestead.act", &dir.join("lock").display().to_string());
        assert!(!command.render().contains("canary") && !command.render().contains(&STANDARD.encode(CANARY)));
        let mut child = std::process::Command::new("bash")
            .args(["-c", &script])
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(command.stdin.bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), kubestead_core::command::Output { stderr: output.stderr, ..Default::default() }.tail())
    }

    fn user() -> String {
        String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn a_restore_writes_what_is_missing_and_never_over_another_share() {
        let dir = std::env::temp_dir().join(format!("kubestead-restore-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("shares")).unwrap();
        std::fs::write(dir.join("keys"), "foreign\n").unwrap();
        assert_eq!(restore(&dir), (0, String::new()));
        let share = dir.join("shares/kube1/data");
        assert_eq!(std::fs::read(&share).unwrap(), CANARY);
        assert_eq!(std::fs::read_to_string(dir.join("keys")).unwrap(), format!("foreign\n{}\n", archive().lines[0]));
        assert_eq!(restore(&dir).0, 91, "a second time changes nothing");
        std::fs::remove_file(&share).unwrap();
        std::fs::write(&share, [7; 64]).unwrap();
        let (status, said) = restore(&dir);
        assert!(status == 90 && said.contains("holds another share") && !said.contains("canary"), "{said}");
        assert_eq!(std::fs::read(&share).unwrap(), [7; 64]);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

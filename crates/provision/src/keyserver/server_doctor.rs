//! What a key server must be: owners and modes, the configuration as written and as sshd takes it, and who is let in.

use kubestead_core::fact::Fact;
use kubestead_core::probe::{Answers, Section};
use kubestead_core::put::{Owned, Ownership};

use super::line::{self, Entry};
use super::login::{self, Password};
use super::observe::{self, ServerFacts};
use super::spec::{self, KEYS, KeyServerSpec, SERVE, SSHD};

pub(super) fn sections(spec: &KeyServerSpec) -> Vec<Section> {
    let (address, user, directory) = (spec.origin(), spec.site.user.as_str(), spec.site.directory.as_str());
    let places =
        ["/", "/etc", "/etc/ssh", KEYS, SSHD, "/etc/ssh/sshd_config", "/usr/local", "/usr/local/lib", "/usr/local/lib/kubestead", SERVE];
    let mut found = observe::server_sections(spec);
    found.extend([
        Section::program("doctor/clock", ["date", "+%s"]),
        Section::script("doctor/modes", include_str!("scripts/doctor-modes.sh")).list("paths", places).var("directory", directory),
        Section::script("doctor/shares", include_str!("scripts/doctor-shares.sh")).var("directory", directory),
        Section::program("doctor/effective", ["sshd", "-T", "-C", &format!("user={user},host={address},addr={address}")]),
        Section::script("doctor/running", include_str!("scripts/doctor-running.sh")),
    ]);
    found
}

/// What was looked at, each with what is wrong with it; empty when it is good.
pub(super) fn judge(spec: &KeyServerSpec, answers: &Answers) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut add = |what: &str, bad: String| found.push((what.to_owned(), bad));
    match observe::read_server(answers) {
        Ok(facts) => {
            add("its files are as kubestead writes them", files(spec, &facts));
            add("who is let in is let in by a forced command", lines(spec, &facts));
            add("every node of the file is let in from its own address", enrolled(spec, &facts));
        }
        Err(gap) => add("it is a key server", gap.to_string()),
    }
    let account = observe::read_server(answers).map_or_else(|gap| gap.to_string(), |facts| account(spec, &facts));
    let text = |name: &str| answers.text(name).map_err(|gap| gap.to_string());
    add("files and folders are root's, and the shares are the user's alone", text("doctor/modes").map_or_else(|e| e, |t| modes(spec, t)));
    add("every share is whole and a file", text("doctor/shares").map_or_else(|e| e, |t| shares(spec, t)));
    add("sshd takes the rules for the user", text("doctor/effective").map_or_else(|e| e, effective));
    add("the account is the shares' own, is let in, and has no password and no other group", account);
    let active = |t: &str| if t.lines().any(|l| l == "active") { String::new() } else { "no ssh service is active".to_owned() };
    add("an ssh service is active", text("doctor/running").map_or_else(|e| e, active));
    found
}

fn files(spec: &KeyServerSpec, facts: &ServerFacts) -> String {
    let good = |f: &Owned| matches!(facts.files.ownership(f), Ownership::Done | Ownership::Unrecorded) && !facts.files.pending;
    let other = spec.site.files().into_iter().filter(|f| !good(f)).map(|f| f.path);
    other.collect::<Vec<_>>().join(", ")
}

/// Somebody else's line may be there, but not one that opens a shell to the user whose shares these are.
fn lines(spec: &KeyServerSpec, facts: &ServerFacts) -> String {
    let open = |l: &&String| {
        let l = l.trim();
        let harmless = l.is_empty() || l.starts_with('#') || (l.contains("restrict") && l.contains("command=\""));
        !harmless && line::parse(l) == Entry::Foreign
    };
    let bad: Vec<&str> = facts.lines.iter().filter(open).map(|l| l.rsplit(' ').next().unwrap_or_default()).collect();
    if bad.is_empty() {
        return String::new();
    }
    format!("{KEYS} lets in without a forced command, and every share of {} can be read: {}", spec.site.directory, bad.join(", "))
}

fn enrolled(spec: &KeyServerSpec, facts: &ServerFacts) -> String {
    let entries: Vec<Entry> = facts.lines.iter().map(|l| line::parse(l)).collect();
    let mut bad = Vec::new();
    for node in spec.nodes.iter() {
        let own = entries.iter().filter_map(|e| match e {
            Entry::Enrolled(l) if l.node == node.name => Some(l.address.as_str()),
            Entry::Enrolled(_) | Entry::Revoked { .. } | Entry::Foreign => None,
        });
        match own.collect::<Vec<_>>().as_slice() {
            [] => bad.push(format!("{} is not let in", node.name)),
            [one] if *one == node.address.to_string() => {}
            several => bad.push(format!("{} is let in from {}", node.name, several.join(" and "))),
        }
    }
    bad.join(", ")
}

fn modes(spec: &KeyServerSpec, text: &str) -> String {
    let mut bad = Vec::new();
    for line in text.lines() {
        let mut words = line.rsplitn(3, ' ');
        let (Some(owner), Some(mode), Some(path)) = (words.next(), words.next(), words.next()) else {
            bad.push(line.to_owned());
            continue;
        };
        let good = if path == spec.site.directory.as_str() {
            owner == spec.site.user.as_str() && mode == "700"
        } else {
            // Nobody but root may write: neither to them nor beside them.
            owner == "root" && u32::from_str_radix(mode, 8).is_ok_and(|m| m & 0o022 == 0)
        };
        if !good {
            bad.push(format!("{path} is {owner}'s with mode {mode}"));
        }
    }
    bad.join(", ")
}

fn shares(spec: &KeyServerSpec, text: &str) -> String {
    let mut bad = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        let good = match words.as_slice() {
            ["d", "700", user, _, path] => *user == spec.site.user.as_str() && !path.contains('/'),
            ["f", "400", user, "64", path] => *user == spec.site.user.as_str() && path.matches('/').count() == 1 && !path.contains('.'),
            _ => false,
        };
        if !good {
            bad.push(match words.as_slice() {
                [kind, mode, user, size, path] => format!("{path} (type {kind}, mode {mode}, {user}'s, {size} bytes)"),
                _ => line.to_owned(),
            });
        }
    }
    bad.join(", ")
}

fn effective(text: &str) -> String {
    let said: Vec<String> = text.lines().map(|l| l.trim().to_ascii_lowercase()).collect();
    let all = spec::effective().into_iter().chain(["permituserenvironment no".to_owned()]);
    let missing = all.filter(|wanted| !said.iter().any(|l| l == wanted));
    let tell = |wanted: String| {
        let word = wanted.split(' ').next().unwrap_or_default();
        let found = said.iter().find(|l| l.split(' ').next() == Some(word)).map_or("nothing", String::as_str);
        format!("{wanted:?} is wanted, and sshd says {found:?}")
    };
    missing.map(tell).collect::<Vec<_>>().join(", ")
}

fn account(spec: &KeyServerSpec, facts: &ServerFacts) -> String {
    let (user, account) = (&spec.site.user, &facts.account);
    let mut bad: Vec<String> = login::not_ours(&spec.site, account).map(|(reason, _)| reason).into_iter().collect();
    match account.password {
        Password::None => {}
        Password::Locked => bad.push("it is locked, and sshd without PAM takes no keys for it".to_owned()),
        Password::Set => bad.push("it has a password".to_owned()),
        Password::Unknown => bad.push("it is not there".to_owned()),
    }
    if account.groups.iter().any(|group| group != user.as_str()) {
        bad.push(format!("its groups are {}", account.groups.iter().map(String::as_str).collect::<Vec<_>>().join(" ")));
    }
    match &facts.sshd {
        Fact::Known(rules) => bad.extend(login::refused(spec, account, rules)),
        Fact::Unknown(gap) => bad.push(gap.to_string()),
        Fact::Absent => {}
    }
    bad.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{KEY, OTHER, blank, enrolled as enrol, name, server, spec};
    use super::super::login::Rules;
    use super::*;

    /// The real sections over a folder.
    #[test]
    fn modes_and_shares_are_looked_at_as_they_are() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (directory, spec) = (folder.path().join("it's k"), spec());
        let place = directory.to_str().unwrap();
        let sections: Vec<Section> =
            sections(&spec).into_iter().filter(|s| ["doctor/modes", "doctor/shares"].contains(&s.name.as_str())).collect();
        let sections: Vec<Section> = sections.into_iter().map(|s| s.var("directory", place)).collect();
        let look = || {
            let command = kubestead_core::probe::command(&sections, "n1");
            let out = std::process::Command::new("bash").args(["-c", &*command.script()]).output().unwrap();
            kubestead_core::probe::parse(&out.stdout, "n1").unwrap()
        };
        assert!(look().text("doctor/modes").is_err() && look().text("doctor/shares").is_err(), "there is no such folder");
        std::fs::create_dir_all(directory.join("kube1")).unwrap();
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(directory.join("kube1/data"), [0; 64]).unwrap();
        std::fs::set_permissions(directory.join("kube1/data"), std::fs::Permissions::from_mode(0o440)).unwrap();
        let answers = look();
        let user = String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let modes = answers.text("doctor/modes").unwrap();
        assert!(modes.starts_with("/ ") && modes.ends_with(&format!("\n{place} 700 {user}")), "{modes}");
        let told = answers.text("doctor/shares").unwrap();
        assert!(told.contains(&format!("f 440 {} 64 kube1/data\n", user.trim())), "{told}");
        assert!(shares(&spec, told).contains("kube1/data"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let spec = spec();
        assert_eq!(modes(&spec, "/etc/ssh 755 root\n/k 700 masterlock\n"), "");
        assert_eq!(
            modes(&spec, "/etc/ssh 775 root\n/k 750 masterlock\n"),
            "/etc/ssh is root's with mode 775, /k is masterlock's with mode 750"
        );
        assert_eq!(shares(&spec, "d 700 masterlock 4096 kube1\nf 400 masterlock 64 kube1/data\n"), "");
        for bad in [
            "f 440 masterlock 64 kube1/data",
            "l 777 root 9 kube1/data",
            "f 400 masterlock 63 kube1/data",
            "f 400 masterlock 64 kube1/data.part",
        ] {
            assert!(shares(&spec, bad).contains("kube1/data"), "{bad}");
        }
        let good = format!("{}\npermituserenvironment no", spec::effective().join("\n"));
        assert_eq!(effective(&good), "");
        assert!(effective(&good.replace("maxsessions 1", "maxsessions 10")).contains("maxsessions 10"));
        let of = |change: &dyn Fn(&mut ServerFacts)| {
            let mut facts = server(&spec, &[]);
            change(&mut facts);
            account(&spec, &facts)
        };
        assert_eq!(of(&|_| ()), "");
        assert_eq!(of(&|f| f.account.password = Password::Locked), "it is locked, and sshd without PAM takes no keys for it");
        assert_eq!(of(&|f| f.account.password = Password::Set), "it has a password");
        assert!(of(&|f| f.account.groups.extend(["sudo".to_owned()])).contains("masterlock sudo"));
        assert!(of(&|f| f.account.entry = Some((1000, "/home/me".into()))).contains("was not made by kubestead"));
        let deny = Rules { deny_users: vec!["master*".into()], ..Rules::default() };
        assert!(of(&|f| f.sshd = Fact::Known(vec![(spec.origin(), deny.clone())])).contains("DenyUsers master*"));
    }

    #[test]
    fn a_line_without_a_forced_command_is_bad_and_one_with_is_somebody_elses() {
        let spec = spec();
        let facts = |lines: &[String]| ServerFacts { lines: lines.to_vec(), ..blank() };
        let own = enrol(&spec, KEY);
        let restricted = format!("restrict,command=\"/usr/bin/backup\" {OTHER} backup");
        assert_eq!(lines(&spec, &facts(&[own.clone(), restricted, line::revoked(&name("home"), &name("kube2"))])), "");
        assert!(lines(&spec, &facts(&[own.clone(), format!("{OTHER} me@desk")])).contains("me@desk"));
        assert_eq!(enrolled(&spec, &facts(std::slice::from_ref(&own))), "");
        assert_eq!(enrolled(&spec, &facts(&[])), "kube1 is not let in");
        assert!(enrolled(&spec, &facts(&[own.replace("10.77.0.21", "*")])).contains("from *"));
    }
}

//! Whether a key server lets the nodes' account log in: what the server says of the account, and what sshd takes for it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::spec::{Folder, KeyServerSpec, Site};

/// What a server says of the account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountFacts {
    /// Its number and home; `None` if there is no such account.
    pub entry: Option<(u32, String)>,
    /// Other accounts of the same number.
    pub sharers: BTreeSet<String>,
    /// Other accounts whose home is the shares' folder.
    pub others: BTreeSet<String>,
    /// Its groups; the group of its name, when there is one and no account.
    pub groups: BTreeSet<String>,
    /// What stands for its password.
    pub password: Password,
    /// The account that this was asked by.
    pub login: String,
}

/// What stands in shadow(5) for a password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Password {
    /// There is no account, or it could not be read.
    #[default]
    Unknown,
    /// No password opens it, and it is not locked: keys do.
    None,
    /// It is locked: sshd without PAM refuses keys too.
    Locked,
    /// It has one, or an empty one.
    Set,
}

/// What sshd takes for the account, coming from one address (`sshd -T -C`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// `AllowUsers`.
    pub allow_users: Vec<String>,
    /// `DenyUsers`.
    pub deny_users: Vec<String>,
    /// `AllowGroups`.
    pub allow_groups: Vec<String>,
    /// `DenyGroups`.
    pub deny_groups: Vec<String>,
    /// `PubkeyAcceptedAlgorithms`; `None` if sshd does not say.
    pub algorithms: Option<String>,
    /// Whether PAM is asked.
    pub pam: bool,
    /// Whether host names are looked up: patterns of names cannot be judged then.
    pub dns: bool,
    /// `PerSourcePenalties`, when it is on.
    pub penalties: Option<String>,
}

impl Rules {
    /// Reads the lines of `sshd -T`.
    pub fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        for line in lines {
            let (key, value) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            let words = || value.split_whitespace().map(str::to_owned);
            match key.to_ascii_lowercase().as_str() {
                "allowusers" => found.allow_users.extend(words()),
                "denyusers" => found.deny_users.extend(words()),
                "allowgroups" => found.allow_groups.extend(words()),
                "denygroups" => found.deny_groups.extend(words()),
                "pubkeyacceptedalgorithms" | "pubkeyacceptedkeytypes" => found.algorithms = Some(value.to_owned()),
                "usepam" => found.pam = value == "yes",
                "usedns" => found.dns = value == "yes",
                "persourcepenalties" => found.penalties = Some(value.to_owned()).filter(|v| v != "no" && v != "none"),
                _ => {}
            }
        }
        found
    }
}

/// Reasons not to set the account up: it is somebody else's, or the shares are. Each is a reason and what to do.
pub(super) fn not_ours(site: &Site, facts: &AccountFacts) -> Option<(String, String)> {
    let Site { user, directory, .. } = site;
    let another = || "name another account in keys.servers[].user, one that nobody has".to_owned();
    if facts.login == user.as_str() {
        return Some((format!("{user} is the account that kubestead logs in by: it would be left nothing but the nodes' keys"), another()));
    }
    if let Some((number, home)) = &facts.entry {
        if *number == 0 || !same(directory, home) {
            let reason = format!("the account {user} is there and was not made by kubestead: its number is {number} and its home {home:?}");
            return Some((reason, another()));
        }
        if !facts.sharers.is_empty() {
            return Some((format!("the account {user} has the number {number} together with {}", list(&facts.sharers)), another()));
        }
    } else if !facts.groups.is_empty() && facts.others.is_empty() {
        return Some((format!("the group {user} is there without an account of kubestead's"), another()));
    }
    let other = facts.others.first()?;
    let reason = format!("the shares in {directory} are of the account {}, and the file says {user}", list(&facts.others));
    let hint = if facts.entry.is_none() && facts.others.len() == 1 {
        format!(
            "write `user: {other}`; or rename it there, `usermod -l {user} {other} && groupmod -n {user} {other}`, and run `kubestead up` at once"
        )
    } else {
        format!("write `user: {other}`, or remove the account that owns no shares (`ls -l {directory}`)")
    };
    Some((reason, hint))
}

fn same(directory: &Folder, home: &str) -> bool {
    home.trim_end_matches('/') == directory.as_str()
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// What of sshd's rules refuses the account from an address: `None` if it is let in as far as can be seen.
pub(super) fn forbids(user: &Account, facts: &AccountFacts, rules: &Rules, from: IpAddr) -> Option<String> {
    let mut groups = facts.groups.clone();
    if facts.entry.is_none() {
        groups.insert(user.to_string()); // as useradd makes it
    }
    let users = |patterns: &[String]| patterns.iter().find(|p| user_fits(p, user.as_str(), from, rules.dns)).cloned();
    let of_groups = |patterns: &[String]| patterns.iter().find(|p| groups.iter().any(|g| glob(p, g))).cloned();
    if let Some(pattern) = rules.deny_users.iter().find(|p| user_fits(p, user.as_str(), from, false)) {
        return Some(format!("sshd refuses {user} (DenyUsers {pattern})"));
    }
    if !rules.allow_users.is_empty() && users(&rules.allow_users).is_none() {
        return Some(format!("sshd lets in {} only (AllowUsers): add {user}", rules.allow_users.join(" ")));
    }
    if let Some(pattern) = of_groups(&rules.deny_groups) {
        return Some(format!("sshd refuses the groups of {user} (DenyGroups {pattern})"));
    }
    if !rules.allow_groups.is_empty() && of_groups(&rules.allow_groups).is_none() {
        let wanted = rules.allow_groups.join(" ");
        return Some(format!("sshd lets in the groups {wanted} only (AllowGroups): add {}", list(&groups)));
    }
    if rules.algorithms.as_deref().is_some_and(|all| !all.split(',').any(|one| glob(one, "ssh-ed25519"))) {
        return Some("sshd takes no keys of the kind ssh-ed25519 (PubkeyAcceptedAlgorithms)".to_owned());
    }
    None
}

/// Whether the account as it is cannot log in although it is ours: setting up fixes it.
pub(super) fn locked(facts: &AccountFacts) -> bool {
    facts.entry.is_some() && !matches!(facts.password, Password::None | Password::Unknown)
}

/// The first thing that refuses a node of the server, with the node's address. One entry of rules holds for all addresses; of several, each
/// for its own, and an address that was not asked for is not judged.
pub(super) fn refused(spec: &KeyServerSpec, facts: &AccountFacts, rules: &[(IpAddr, Rules)]) -> Option<String> {
    let several: BTreeMap<&IpAddr, &Rules> = rules.iter().rev().map(|(from, rules)| (from, rules)).collect();
    let of = |address: IpAddr| match rules {
        [(_, rules)] => Some(rules),
        _ => several.get(&address).copied(),
    };
    let one = |address: IpAddr| Some(format!("{}, from {address}", forbids(&spec.site.user, facts, of(address)?, address)?));
    if spec.nodes.is_empty() { one(spec.origin()) } else { spec.nodes.iter().find_map(|node| one(node.address)) }
}

/// Whether a pattern of AllowUsers or DenyUsers fits: `USER` or `USER@HOST`, HOST an address, a range or a list of patterns (ssh_config(5),
/// PATTERNS). `names`: whether a pattern of host names may fit, which cannot be seen from here.
fn user_fits(pattern: &str, user: &str, from: IpAddr, names: bool) -> bool {
    let Some((own, hosts)) = pattern.rsplit_once('@') else { return glob(pattern, user) };
    if !glob(own, user) {
        return false;
    }
    let mut fits = false;
    for host in hosts.split(',') {
        let (negated, host) = host.strip_prefix('!').map_or((false, host), |rest| (true, rest));
        let address = !host.contains(|c: char| c.is_ascii_alphabetic() && !c.is_ascii_hexdigit());
        let found = in_range(host, from).unwrap_or_else(|| glob(host, &from.to_string()) || (names && !address));
        if found && negated {
            return false;
        }
        fits |= found;
    }
    fits
}

/// Whether an address is in `ADDRESS/BITS`; `None` if that is no range.
fn in_range(range: &str, address: IpAddr) -> Option<bool> {
    let (base, bits) = range.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    let number = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)) << 96, 32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    };
    let ((base, width), (own, own_width)) = (number(base.parse().ok()?), number(address));
    let mask = if bits == 0 { 0 } else { u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(u128::MAX) };
    Some(width == own_width && bits <= width && base & mask == own & mask)
}

/// `*` any text, `?` one character.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, t) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{own_account, spec};
    use super::*;

    fn rules(text: &str) -> Rules {
        Rules::read(text.lines())
    }

    fn why(text: &str) -> String {
        forbids(&spec().site.user, &own_account(), &rules(text), "10.77.0.21".parse().unwrap()).unwrap_or_default()
    }

    #[test]
    fn what_sshd_refuses_is_named_and_what_it_lets_in_is_not() {
        // As `sshd -T` of 9.2 prints it: a line for each pattern.
        assert_eq!(why("usepam yes\nallowusers deploy\nallowusers ops\n"), "sshd lets in deploy ops only (AllowUsers): add masterlock");
        assert_eq!(why("denyusers master*\n"), "sshd refuses masterlock (DenyUsers master*)");
        assert_eq!(why("allowgroups ssh-users\n"), "sshd lets in the groups ssh-users only (AllowGroups): add masterlock");
        assert_eq!(why("denygroups *lock\n"), "sshd refuses the groups of masterlock (DenyGroups *lock)");
        assert!(why("pubkeyacceptedalgorithms rsa-sha2-512,ecdsa-sha2-nistp256\n").contains("ssh-ed25519"));
        assert!(why("allowusers masterlock@10.78.0.0/16\n").contains("AllowUsers"));
        assert!(why("allowusers masterlock@!10.77.0.21,10.77.0.0/16\n").contains("AllowUsers"));
        assert!(why("allowusers masterlock@*.example.org\n").contains("AllowUsers"));
        for good in [
            "",
            "allowusers deploy\nallowusers masterlock\n",
            "allowusers m?sterlock@10.77.0.*\n",
            "allowusers *@10.77.0.0/24\n",
            "usedns yes\nallowusers masterlock@*.example.org\n",
            "denyusers root\ndenygroups wheel\nallowgroups masterlock sudo\n",
            "pubkeyacceptedalgorithms ssh-ed25519-cert-v01@openssh.com,ssh-ed25519,rsa-sha2-512\n",
        ] {
            assert_eq!(why(good), "", "{good}");
        }
    }

    #[test]
    fn rules_that_hold_for_one_address_are_asked_for_that_address() {
        let spec = spec();
        let other = ("10.77.0.22".parse().unwrap(), rules(""));
        let deny = |address: IpAddr| (address, rules("denyusers masterlock"));
        let own = spec.nodes[0].address;
        let said = Some("sshd refuses masterlock (DenyUsers masterlock), from 10.77.0.21".to_owned());
        assert_eq!(refused(&spec, &own_account(), &[other.clone(), deny(own)]), said);
        assert_eq!(refused(&spec, &own_account(), &[deny("10.77.0.9".parse().unwrap())]), said, "they are the same for all");
        assert_eq!(refused(&spec, &own_account(), &[other.clone(), deny("10.77.0.9".parse().unwrap())]), None);
        assert_eq!(refused(&spec, &own_account(), &[other]), None);
    }

    #[test]
    fn an_account_that_kubestead_did_not_make_is_known_by_its_home_and_number() {
        let site = spec().site;
        let not = |change: &dyn Fn(&mut AccountFacts)| {
            let mut facts = own_account();
            change(&mut facts);
            not_ours(&site, &facts).map(|(reason, _)| reason).unwrap_or_default()
        };
        assert_eq!(not(&|_| ()), "");
        assert_eq!(not(&|f| *f = AccountFacts { login: "root".into(), ..AccountFacts::default() }), "", "none is there yet");
        assert!(not(&|f| f.login = "masterlock".into()).contains("logs in by"));
        assert!(not(&|f| f.entry = Some((1000, "/home/masterlock".into()))).contains("was not made by kubestead"));
        assert!(not(&|f| f.entry = Some((0, "/k".into()))).contains("number is 0"));
        assert!(not(&|f| f.sharers = BTreeSet::from(["www-data".into()])).contains("together with www-data"));
        assert!(not(&|f| (f.entry, f.groups) = (None, BTreeSet::from(["masterlock".into()]))).contains("the group"));
    }

    #[test]
    fn another_account_than_that_of_the_shares_is_told_with_both_ways_out() {
        let facts = AccountFacts { others: BTreeSet::from(["keys".into()]), login: "root".into(), ..AccountFacts::default() };
        let (reason, hint) = not_ours(&spec().site, &facts).unwrap();
        assert_eq!(reason, "the shares in /k are of the account keys, and the file says masterlock");
        assert!(hint.contains("write `user: keys`") && hint.contains("usermod -l masterlock keys"), "{hint}");
        let both = AccountFacts { others: BTreeSet::from(["keys".into()]), ..own_account() };
        assert!(not_ours(&spec().site, &both).unwrap().1.contains("remove the account that owns no shares"));
    }

    #[test]
    fn ranges_and_patterns_are_those_of_sshd() {
        let in_range = |range: &str, address: &str| super::in_range(range, address.parse().unwrap());
        assert_eq!(in_range("10.0.0.0/8", "10.255.0.1"), Some(true));
        assert_eq!(in_range("0.0.0.0/0", "10.255.0.1"), Some(true));
        assert_eq!(in_range("fd00::/8", "10.255.0.1"), Some(false));
        assert_eq!(in_range("fd00::/64", "fd00::1"), Some(true));
        assert_eq!(in_range("10.0.0.1/32", "10.0.0.2"), Some(false));
        assert_eq!(in_range("10.0.0.1", "10.0.0.1"), None);
        assert!(glob("*a*b?", "xxaxxbx") && !glob("*a*b?", "xxaxxb") && glob("", "") && !glob("?", ""));
    }
}

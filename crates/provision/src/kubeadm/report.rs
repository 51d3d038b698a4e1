//! When certificates end, for people.

use jiff::Timestamp;
use kubestead_core::name::Name;

use super::observe::KubeadmFacts;

/// Days before its end from which on a certificate is warned of.
const SOON: i64 = 30;
const DAY: i64 = 86_400;

/// A line for each control plane: the certificate that ends first, and in how many days. `now` is in seconds since 1970.
pub fn lines(now: i64, servers: &[(&Name, &KubeadmFacts)]) -> Vec<String> {
    let line = |(name, facts): &(&Name, &KubeadmFacts)| {
        let first = facts.certificates.iter().min_by_key(|certificate| certificate.until)?;
        let days = first.until.saturating_sub(now).div_euclid(DAY);
        let date = Timestamp::from_second(first.until).map_or_else(|_| "an unknown day".to_owned(), |t| t.strftime("%Y-%m-%d").to_string());
        let path = &first.path;
        Some(match days {
            ..0 => format!(
                "{name:<10} {:<14} WARNING: {path} ended on {date}: run `kubeadm certs renew all` there and restart its static pods",
                "certificates"
            ),
            0..SOON => format!(
                "{name:<10} {:<14} WARNING: {path} ends on {date}, in {days} days: run `kubeadm certs renew all` there and restart its static pods",
                "certificates"
            ),
            _ => format!("{name:<10} {:<14} until {date}, for {days} days ({path})", "certificates"),
        })
    };
    servers.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::certificate::Certificate;
    use super::*;

    #[test]
    fn what_ends_first_is_told_and_warned_of_in_its_last_month() {
        let name = Name::new("cp1").unwrap();
        let now = 1_800_000_000;
        let with = |days: i64| KubeadmFacts {
            certificates: vec![
                Certificate { path: "/etc/kubernetes/pki/ca.crt".into(), until: now + 3650 * DAY },
                Certificate { path: "/etc/kubernetes/admin.conf".into(), until: now + days * DAY },
            ],
            ..KubeadmFacts::default()
        };
        for (days, words) in
            [(200, "for 200 days (/etc/kubernetes/admin.conf)"), (29, "WARNING: /etc/kubernetes/admin.conf ends on"), (-1, "ended on")]
        {
            let lines = lines(now, &[(&name, &with(days))]);
            assert!(lines.len() == 1 && lines[0].contains(words), "{lines:?}");
        }
        assert!(lines(now, &[(&name, &KubeadmFacts::default())]).is_empty());
    }
}

//! When certificates end, for people.

use jiff::Timestamp;
use kubestead_core::name::Name;

use super::observe::KubeadmFacts;

/// Days before its end from which on a certificate is warned of.
const SOON: i64 = 30;
const DAY: i64 = 86_400;

/// For each control plane the certificate that ends first, in how many days, and whether that is well. `now` is in seconds since 1970.
pub fn lines(now: i64, servers: &[(&Name, &KubeadmFacts)]) -> Vec<(Name, String, bool)> {
    let line = |(name, facts): &(&Name, &KubeadmFacts)| {
        let first = facts.certificates.iter().min_by_key(|certificate| certificate.until)?;
        let days = first.until.saturating_sub(now).div_euclid(DAY);
        let date = Timestamp::from_second(first.until).map_or_else(|_| "an unknown day".to_owned(), |t| t.strftime("%Y-%m-%d").to_string());
        let path = &first.path;
        let renew = "run `kubeadm certs renew all` there and restart its static pods";
        let text = match days {
            ..0 => format!("WARNING: {path} ended on {date}: {renew}"),
            0..SOON => format!("WARNING: {path} ends on {date}, in {days} days: {renew}"),
            _ => format!("until {date}, for {days} days ({path})"),
        };
        Some(((*name).clone(), text, days >= SOON))
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
        for (days, words, well) in [
            (200, "for 200 days (/etc/kubernetes/admin.conf)", true),
            (29, "WARNING: /etc/kubernetes/admin.conf ends on", false),
            (-1, "ended on", false),
        ] {
            let lines = lines(now, &[(&name, &with(days))]);
            assert!(lines.len() == 1 && lines[0].1.contains(words) && lines[0].2 == well, "{lines:?}");
        }
        assert!(lines(now, &[(&name, &KubeadmFacts::default())]).is_empty());
    }
}

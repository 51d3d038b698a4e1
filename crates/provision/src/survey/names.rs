//! Names for machines: what they call themselves, as a cluster file takes it.

use std::collections::BTreeSet;

use kubestead_core::name::{HostName, Name, ends_in_number, is_local};

/// The longest that is made of a host name: there is room for a number after it.
const LONGEST: usize = 50;
/// Names that are no machine's in a cluster file.
const TAKEN: [&str; 6] = ["all", "cluster", "control-plane", "localhost", "operator", "worker"];

/// A machine's names in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) name: Name,
    /// Its host name where that is another one than its name.
    pub(super) hostname: Option<HostName>,
    /// Whether the machine must be given that host name first.
    pub(super) renamed: bool,
}

/// Names for machines of these host names, all different: a name that another one has gets a number.
pub(super) fn of<'a>(hostnames: impl Iterator<Item = &'a str>, taken: &mut BTreeSet<String>) -> Vec<Names> {
    let mut hosts = BTreeSet::new();
    hostnames.map(|hostname| one(hostname, taken, &mut hosts)).collect()
}

fn one(hostname: &str, taken: &mut BTreeSet<String>, hosts: &mut BTreeSet<String>) -> Names {
    let short = label(hostname.split('.').next().unwrap_or_default());
    let free = |name: &String| !taken.contains(name) && !TAKEN.contains(&name.as_str());
    let numbered = (2..).map(|n| format!("{short}-{n}"));
    let name = std::iter::once(short.clone()).chain(numbered).find_map(|name| free(&name).then(|| Name::new(name).ok())?);
    let name = name.unwrap_or_else(|| unreachable_name(taken));
    taken.insert(name.to_string());
    let own = HostName::new(hostname).ok().filter(|own| !is_local(own.as_str()) && !ends_in_number(own.as_str()));
    // What is another machine's, or none, becomes its name.
    let kept = own.filter(|own| !hosts.contains(own.as_str()));
    let host = kept.clone().unwrap_or_else(|| HostName::from(&name));
    hosts.insert(host.as_str().to_owned());
    let renamed = host.as_str() != hostname;
    Names { hostname: Some(host).filter(|host| host.as_str() != name.as_str()), name, renamed }
}

/// A number that nobody has: what is left where a name could not be made.
fn unreachable_name(taken: &BTreeSet<String>) -> Name {
    let mut number = taken.len();
    loop {
        number += 1;
        if let Ok(name) = Name::new(format!("node{number}"))
            && !taken.contains(name.as_str())
        {
            return name;
        }
    }
}

/// A text as a label of RFC 1123.
fn label(text: &str) -> String {
    let plain: String = text
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(LONGEST)
        .collect();
    let plain = plain.trim_matches('-');
    match plain {
        "" => "node".to_owned(),
        // Programs would go to 0.0.0.8 for a machine called 8.
        number if ends_in_number(number) => format!("node-{number}"),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_valid_and_no_two_are_the_same() {
        let told = [
            "kube1",
            "kube1.example.com",
            "Kube1",
            "debian",
            "debian",
            "localhost",
            "",
            "a_b",
            "worker",
            "10.0.0.1",
            "\u{e9}",
            "-x-",
            &"z".repeat(64),
        ];
        let mut taken = BTreeSet::from(["masterlock".to_owned()]);
        let all = of(told.into_iter(), &mut taken);
        let names: Vec<&str> = all.iter().map(|names| names.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "kube1",
                "kube1-2",
                "kube1-3",
                "debian",
                "debian-2",
                "localhost-2",
                "node",
                "a-b",
                "worker-2",
                "node-10",
                "node-2",
                "x",
                &"z".repeat(50)
            ]
        );
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), told.len());
        let hosts: BTreeSet<String> =
            all.iter().map(|n| n.hostname.clone().unwrap_or_else(|| HostName::from(&n.name)).as_str().to_owned()).collect();
        assert_eq!(hosts.len(), told.len(), "host names too");
        assert_eq!(all[1].hostname.as_ref().map(HostName::as_str), Some("kube1.example.com"));
        let renamed: Vec<bool> = all.iter().map(|names| names.renamed).collect();
        assert_eq!(renamed, [false, false, true, false, true, true, true, true, false, true, true, true, true]);
    }
}

//! `namespace.podSecurity`: what pods may beyond Pod Security's level `baseline`.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::diagnostic::Place;
use kubestead_core::name::Name;

use crate::file::cluster::POOL_ROOT;
use crate::file::decode::{Wrong, boolean, entries, judged, key_name, list, number};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::grants::{Account, CAPABILITIES, Grants, HostPath, Mode, PodSecurity, Ports};
use crate::file::shape::{Bare, Form, Kind, NAME, Need};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of the section.
    struct Written {
        "hostPaths" host_paths Need::Otherwise("[]"), PATHS,
            "Paths of the machines that every pod of the namespace may mount.";
        "hostPorts" host_ports Need::Otherwise("[]"), PORTS,
            "Ports of the machines that every pod of the namespace may take.";
        "capabilities" capabilities Need::Otherwise("[]"), WORDS,
            "Capabilities that every container of the namespace may add, beside those of the level `baseline`.";
        "hostNetwork" host_network Need::Otherwise("false"), Kind::Boolean,
            "Whether every pod of the namespace may use the machine's network, and with it every port.";
        "accounts" accounts Need::Otherwise("{}"), Kind::entries("ACCOUNT", &NAME, &Kind::Map(&Granted::SHAPE)),
            "What pods of a service account may besides, by its name; it is made. Whoever may make pods in the namespace may run them as this account. Not \
             `default`, and none of `users`.";
        "volumePaths" volume_paths Need::Otherwise("[]"), Kind::List { of: &Kind::Text(&PATH), least: 0, most: Some(MOST), different: false },
            "Where new PersistentVolumes with `hostPath` or `local` may lie besides `/var/lib/kubestead/volumes`, in all of the cluster: these folders, and what \
             lies below them.";
    }
}

fields! {
    /// The fields of an account.
    struct Granted {
        "hostPaths" host_paths Need::Otherwise("[]"), PATHS,
            "Paths of the machines that its pods may mount.";
        "hostPorts" host_ports Need::Otherwise("[]"), PORTS,
            "Ports of the machines that its pods may take.";
        "capabilities" capabilities Need::Otherwise("[]"), WORDS,
            "Capabilities that its containers may add.";
        "hostNetwork" host_network Need::Otherwise("false"), Kind::Boolean,
            "Whether its pods may use the machine's network, and with it every port.";
        "privileged" privileged Need::Otherwise("false"), Kind::Boolean,
            "Whether its pods may do whatever the machine's root may. Nothing else is then written of it.";
    }
}

fields! {
    /// The fields of a path.
    struct Path {
        "path" path Need::Required, Kind::Text(&PATH),
            "The path. To write, it is mounted as a whole, and a `subPath` of the mount chooses within; to read, what lies below may be mounted too. It does not \
             lie where pods write: not within another one to write, a persistent volume, or the kubelet's folder.";
        "readOnly" read_only Need::Otherwise("false"), Kind::Boolean,
            "Whether every mount of it says `readOnly: true`.";
    }
}

/// More of one list than anybody reads; the API server weighs each against each mount of a pod.
const MOST: usize = 100;
const PATH: Form = Form { word: "an absolute path", pattern: "^(/[A-Za-z0-9._+@:-]+)+$", example: "/srv/share", bare: Bare::String };
const PORT: Form =
    Form { word: "a port, or a range", pattern: "^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?$", example: "30000-30100", bare: Bare::Whole };
const PATHS: Kind = Kind::List { of: &Kind::Map(&Path::SHAPE), least: 0, most: Some(MOST), different: false };
const PORTS: Kind = Kind::List { of: &Kind::Text(&PORT), least: 0, most: Some(MOST), different: false };
const WORDS: Kind = Kind::list(&Kind::Words(|| CAPABILITIES.to_vec()));

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Where the kubelet keeps the volumes of pods, in which they write.
const KUBELET: &str = "/var/lib/kubelet";

/// Grants as they are written, with the place of each path.
struct Decoded {
    grants: Grants,
    paths: Vec<(At<HostPath>, Mode)>,
}

/// Decodes the section. `users` are the accounts of people.
pub(super) fn decode(node: Yaml, users: &[Name], out: &mut Findings) -> PodSecurity {
    let f = Written::of(node, "namespace.podSecurity", out);
    let everyone = grants((f.host_paths, f.host_ports, f.capabilities, f.host_network), out);
    let (mut accounts, mut paths) = (BTreeMap::new(), everyone.paths);
    for (key, place, value) in f.accounts.map(|n| entries(n, "accounts", out)).unwrap_or_default() {
        let name = key_name(&key, &place, "a service account", out).filter(|name| is_a_workloads(name, users, &place, out));
        let (account, own) = account(value, &key, &place, out);
        paths.extend(own);
        accounts.extend(name.map(|name| (name, account)));
    }
    let volumes = f.volume_paths.map(|n| some(n, "volumePaths", out)).unwrap_or_default();
    let volumes: Vec<At<HostPath>> = volumes.into_iter().filter_map(|n| host_path(n, "a path of volumes", out)).collect();
    where_pods_write(&paths, &volumes, out);
    let volumes = volumes.into_iter().map(|at| at.value).collect();
    PodSecurity { everyone: everyone.grants, accounts, volumes }
}

/// Whether an account is none that every pod, or a person, has.
fn is_a_workloads(name: &Name, users: &[Name], place: &Place, out: &mut Findings) -> bool {
    let (message, hint) = if name.as_str() == "default" {
        ("default is the account of all pods that name none", "grant it to all, beside accounts, or write another name".to_owned())
    } else if users.contains(name) {
        ("it is a user's account: pods that run as it have the user's rights", "write another name, for workloads alone".to_owned())
    } else {
        return true;
    };
    out.error(place, format!("podSecurity.accounts: {name}: {message}"), hint);
    false
}

fn account(node: Yaml, name: &str, place: &Place, out: &mut Findings) -> (Account, Vec<(At<HostPath>, Mode)>) {
    let f = Granted::of(node, &format!("account {name}"), out);
    let Decoded { grants, paths } = grants((f.host_paths, f.host_ports, f.capabilities, f.host_network), out);
    if !f.privileged.and_then(|n| boolean(n, "privileged", out)).unwrap_or(false) {
        return (Account::Some(grants), paths);
    }
    if !grants.is_empty() {
        let message = format!("podSecurity.accounts: {name}: privileged allows all that is granted beside it");
        out.error(place, message, "leave the other fields out, or privileged".to_owned());
    }
    (Account::Anything, paths)
}

type Lists = (Option<Yaml>, Option<Yaml>, Option<Yaml>, Option<Yaml>);

fn grants((paths, ports, capabilities, network): Lists, out: &mut Findings) -> Decoded {
    let paths = paths.map(|n| some(n, "hostPaths", out)).unwrap_or_default();
    let paths: Vec<(At<HostPath>, Mode)> = paths.into_iter().filter_map(|n| path(n, out)).collect();
    out.twice(paths.iter().map(|(at, _)| (&at.value, &at.place)), "hostPaths has the path");
    let ports = ports.map(|n| some(n, "hostPorts", out)).unwrap_or_default();
    let ports: BTreeSet<Ports> = ports.into_iter().filter_map(|n| judged(n, "a host port", out, range)).map(|at| at.value).collect();
    let words = capabilities.map(|n| list(n, "capabilities", out)).unwrap_or_default();
    let words = words.into_iter().filter_map(|n| judged(n, "a capability", out, capability)).map(|at| at.value);
    let capabilities: BTreeSet<&'static str> = words.collect();
    let network = network.and_then(|n| boolean(n, "hostNetwork", out)).unwrap_or(false);
    let by_path = paths.iter().map(|(at, mode)| (at.value.clone(), *mode)).collect();
    Decoded { grants: Grants { paths: by_path, ports, capabilities, network }, paths }
}

/// A list of no more than [`MOST`].
fn some(node: Yaml, what: &str, out: &mut Findings) -> Vec<Yaml> {
    let mut items = list(node, what, out);
    if let Some(first) = items.get(MOST) {
        out.error(
            &first.place,
            format!("{what} has {} items, and {MOST} are the most", items.len()),
            "grant a folder that holds several".to_owned(),
        );
        items.truncate(MOST);
    }
    items
}

fn path(node: Yaml, out: &mut Findings) -> Option<(At<HostPath>, Mode)> {
    let f = Path::of(node, "a host path", out);
    let read_only = f.read_only.and_then(|n| boolean(n, "readOnly", out)).unwrap_or(false);
    let path = f.path.and_then(|n| host_path(n, "a host path", out))?;
    Some((path, if read_only { Mode::ReadOnly } else { Mode::ReadWrite }))
}

fn host_path(node: Yaml, what: &str, out: &mut Findings) -> Option<At<HostPath>> {
    judged(node, what, out, |text| {
        let wrong = || {
            let message = format!("{text:?} is not an absolute path of letters, digits and '._+@:-' below /");
            Wrong(message, Some("write it from / on, without '.', '..' and without a '/' at its end".to_owned()))
        };
        HostPath::new(text).ok_or_else(wrong)
    })
}

fn range(text: &str) -> Result<Ports, Wrong> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (number::<u16>(first), number::<u16>(last)) {
        (Some(first), Some(last)) if first > 0 && first <= last => Ok(Ports { first, last }),
        _ => {
            Err(Wrong(format!("{text:?} is neither a port nor a range of ports"), Some("write one such as 8080 or 30000-30100".to_owned())))
        }
    }
}

fn capability(text: &str) -> Result<&'static str, Wrong> {
    let plain = text.to_uppercase();
    let plain = plain.strip_prefix("CAP_").unwrap_or(&plain);
    let found = CAPABILITIES.into_iter().find(|known| *known == plain);
    match found {
        Some(found) if found == text => Ok(found),
        Some(found) => Err(Wrong(format!("{text:?} is not as Kubernetes writes it"), Some(format!("write {found}")))),
        None if plain == "ALL" => {
            let hint = "name those that are needed, or write privileged: true for an account".to_owned();
            Err(Wrong("ALL is each of them, and the machine's root".to_owned(), Some(hint)))
        }
        None => Err(Wrong(format!("Linux has no capability {text:?}"), Some("write one such as NET_ADMIN".to_owned()))),
    }
}

/// Whoever writes in a folder can make a link there that leads anywhere on the machine: what lies in it is no path to grant.
fn where_pods_write(paths: &[(At<HostPath>, Mode)], volumes: &[At<HostPath>], out: &mut Findings) {
    for (at, _) in paths {
        let path = &at.value;
        let written = paths.iter().filter(|(_, mode)| *mode == Mode::ReadWrite).map(|(other, _)| other.value.as_str());
        let within = written.chain(volumes.iter().map(|other| other.value.as_str())).find(|folder| path.is_below(folder));
        let slot = path.as_str().strip_prefix(POOL_ROOT).is_some_and(|rest| rest.matches('/').count() > 1);
        let kubelets = path.as_str() == KUBELET || path.is_below(KUBELET);
        let folder = match within {
            Some(folder) => folder,
            None if slot => "a persistent volume",
            None if kubelets => KUBELET,
            None => continue,
        };
        let message = format!("a host path: {path} lies in {folder}, where pods write: a link there would lead to any file of the machine");
        out.error(&at.place, message, "grant the folder around it, and choose within by subPath of the mount".to_owned());
    }
}

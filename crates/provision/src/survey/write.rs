//! The text of a cluster file for machines that were seen. Whatever a machine says stands in quotes or in a comment, in one line of visible characters.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;

use kubestead_core::name::{HostName, Name};
use kubestead_core::size::Bytes;
use kubestead_core::visible::visible;

use super::judge::{judge, who};
use super::names::{self, Names};
use super::sizes::{self, KUBERNETES, Part};
use super::{Disk, Note, Seen, Software, Wanted};
use crate::file::{KUBERNETES as VERSION, Network, POOL_ROOT, Subnet};

/// The volume group.
const GROUP: &str = "vg01";
/// The most of a comment, in characters.
const COMMENT: usize = 200;

/// A file that fits machines, and what is worth knowing of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The text of the cluster file.
    pub text: String,
    /// What is to be done before it is carried out.
    pub notes: Vec<Note>,
}

/// A machine with its part in the file.
struct Node<'a> {
    seen: &'a Seen,
    names: &'a Names,
    part: Part,
    /// What its blank disks give, if they give enough for its volumes.
    room: Option<u64>,
}

/// The file for machines, the first of which are control planes; a key server is a machine beside them, and without one volumes are unlocked by hand. The
/// error is what speaks against them.
pub fn propose(wanted: &Wanted, machines: &[Seen], server: Option<&Seen>) -> Result<Proposal, Vec<Note>> {
    let all: Vec<&Seen> = machines.iter().chain(server).collect();
    let names = names::of(all.iter().map(|seen| seen.found.hostname.as_str()), &mut BTreeSet::new());
    let mut notes = judge(&all, &names, machines.len());
    if notes.iter().any(|note| note.refuses) {
        return Err(notes);
    }
    let only = machines.len() <= wanted.control_planes;
    let mut nodes: Vec<Node> = Vec::new();
    for (index, (seen, names)) in machines.iter().zip(&names).enumerate() {
        let control_plane = index < wanted.control_planes;
        let part = Part { control_plane, worker: !control_plane || only };
        let room = sizes::room(blank(seen)).into();
        nodes.push(Node { seen, names, part, room });
    }
    if wanted.volumes {
        for node in &mut nodes {
            enough(node, &mut notes);
        }
        uneven(&nodes, &mut notes);
    }
    let mut text = head(wanted, machines.len());
    nodes_section(&mut text, &nodes);
    let with_disks: Vec<&Node> = nodes.iter().filter(|node| wanted.volumes && node.room.is_some()).collect();
    let root = storage(&mut text, &nodes, &with_disks);
    if let (Some(server), false) = (server.zip(names.last()), with_disks.is_empty()) {
        let (seen, names) = server;
        let port = seen.port.filter(|port| *port != 22).map_or_else(String::new, |port| format!(", port: {port}"));
        let _ = writeln!(
            text,
            "keys: # half of each volume's key lies there; it opens nothing alone\n  servers: [{{host: {}, address: {}{port}}}]",
            names.name,
            word(&seen.address)
        );
        let _ = writeln!(text, "  recovery: age # a second key of each volume, beside this file, encrypted");
    } else if !with_disks.is_empty() {
        text.push_str(
            "keys: # no key server: after each boot the volumes are locked until somebody types `kubestead volume unlock NODE`\n  unlock: [recovery]\n  \
             recovery: age # the keys lie beside this file, encrypted: keep copies of secrets/escrow and of your age key elsewhere\n",
        );
    }
    if wanted.software != Software::None {
        cluster_sections(&mut text, root, &all);
    }
    Ok(Proposal { text, notes })
}

fn blank(seen: &Seen) -> impl Iterator<Item = &Disk> {
    seen.found.disks.iter().filter(|disk| disk.holds.is_none() && disk.stable.is_some())
}

/// Whether a machine's blank disks are enough; no room if not.
fn enough(node: &mut Node, notes: &mut Vec<Note>) {
    let (room, least) = (node.room.unwrap_or_default(), sizes::least(node.part));
    if room >= least {
        return;
    }
    let who = who(node.seen);
    let held: Vec<String> =
        node.seen.found.disks.iter().filter_map(|disk| Some(format!("{}: {}", disk.kernel, disk.holds.as_ref()?))).take(4).collect();
    let what = match (room, held.is_empty()) {
        (0, true) => "it has no blank disk".to_owned(),
        (0, false) => format!("it has no blank disk: {}", held.join("; ")),
        (room, _) => format!("its blank disks have {}, and its volumes need {} at least", about(room), about(least)),
    };
    let next = "it gets no volumes in the file; attach a blank disk of that size, or empty one yourself (wipefs, blkdiscard), then run init again to another file";
    notes.push(Note::new(&who, what, next));
    node.room = None;
}

/// Machines whose disks are larger than another's of the same part.
fn uneven(nodes: &[Node], notes: &mut Vec<Note>) {
    for worker in [false, true] {
        let of: Vec<(&Node, u64)> =
            nodes.iter().filter(|node| node.part.worker == worker).filter_map(|node| Some((node, node.room?))).collect();
        let (Some((small, least)), Some((_, most))) = (of.iter().min_by_key(|(_, room)| *room), of.iter().max_by_key(|(_, room)| *room))
        else {
            continue;
        };
        if *most > least + least / 10 {
            let what = format!("its blank disks have {}, and those of others up to {}", about(*least), about(*most));
            notes.push(Note::new(
                &who(small.seen),
                what,
                "volumes are sized to fit it; give larger machines volumes of their own by name (`on: [NAME]`)",
            ));
        }
    }
}

/// A size as people read it, down to tenths.
fn about(bytes: u64) -> String {
    let (gi, mi) = (1_u64 << 30, 1_u64 << 20);
    if bytes >= gi { format!("{}.{} GiB", bytes / gi, bytes % gi * 10 / gi) } else { format!("{} MiB", bytes / mi) }
}

fn head(wanted: &Wanted, count: usize) -> String {
    let mut text = format!(
        "# Written by `kubestead init` from what {count} {} said; nothing was changed there.\n# Read it, then: kubestead check, kubestead plan, kubestead up. Every field: docs/cluster-file.md\n\
         apiVersion: kubestead/v1\nkind: Cluster\nname: {}\n",
        if count == 1 { "machine" } else { "machines" },
        wanted.name
    );
    software(&mut text, &wanted.software);
    let user = wanted.user.as_ref().map(|user| format!("user: {}", word(user)));
    let config = wanted.config.as_ref().map(|path| format!("config: {}", word(&path.display().to_string())));
    let ssh: Vec<String> = user.into_iter().chain(config).collect();
    if !ssh.is_empty() {
        let _ = writeln!(text, "ssh: {{{}}}", ssh.join(", "));
    }
    text
}

fn software(text: &mut String, software: &Software) {
    let path = |path: &Path| word(&path.display().to_string());
    match software {
        Software::Bundle(folder) => {
            let _ = writeln!(
                text,
                "kubernetes: {{version: {VERSION}, bundle: {}}} # a folder with all the software (docs/bundle.md)",
                path(folder)
            );
        }
        Software::Official => {
            let _ = writeln!(
                text,
                "# Software comes from the official repositories (docs/packages.md); `bundle: DIR` brings all of it instead (docs/bundle.md).\n\
                 kubernetes: {{version: {VERSION}}}"
            );
        }
        Software::None => {}
    }
}

fn nodes_section(text: &mut String, nodes: &[Node]) {
    text.push_str("nodes:\n");
    for Node { seen, names, part, .. } in nodes {
        let hostname = names.hostname.as_ref().map_or_else(String::new, |host: &HostName| format!(", hostname: {}", word(host.as_str())));
        let ssh = seen.port.map_or_else(String::new, |port| format!(", ssh: {{port: {port}}}"));
        let roles = match (part.control_plane, part.worker) {
            (true, true) => ", roles: [control-plane, worker]",
            (true, false) => ", roles: [control-plane]",
            (false, _) => "",
        };
        let system = format!("{} {}, {}", seen.found.machine.system.0, seen.found.machine.system.1, seen.found.architecture);
        let name = word(names.name.as_str());
        let _ = writeln!(text, "  - {{name: {name}{hostname}, address: {}{ssh}{roles}}} # {}", word(&seen.address), comment(&system));
    }
}

/// Disks and volumes. Returns the bytes of the volume with the pools, if there is one.
fn storage(text: &mut String, nodes: &[Node], with_disks: &[&Node]) -> Option<u64> {
    if with_disks.is_empty() {
        text.push_str("# No encrypted volumes: `disks`, `volumes` and `keys` would say which (docs/cluster-file.md).\n");
    } else {
        let _ = writeln!(text, "disks: # only what is proven blank is ever formatted\n  {GROUP}:\n    devices:");
        for node in with_disks {
            let devices: Vec<String> = blank(node.seen).filter_map(|disk| disk.stable.as_deref().map(word)).collect();
            let sizes: Vec<String> = blank(node.seen).filter_map(|disk| disk.size.map(about)).collect();
            let _ = writeln!(text, "      {}: [{}] # {}", word(node.names.name.as_str()), devices.join(", "), sizes.join(", "));
        }
    }
    let left: Vec<String> = nodes.iter().flat_map(|node| left_alone(node, with_disks)).collect();
    if !left.is_empty() {
        text.push_str("# Left alone:\n");
        text.extend(left.iter().map(|line| format!("#   {line}\n")));
    }
    if with_disks.is_empty() {
        return None;
    }
    text.push_str("volumes: # one LV, LUKS2, filesystem and mount on each of these nodes\n");
    let sizes = sizes::fit(&with_disks.iter().filter_map(|node| Some((node.part, node.room?))).collect::<Vec<_>>());
    let mut volume = |name: &str, on: Option<String>, size: u64, rest: &str| {
        on.map(|on| {
            let _ = writeln!(text, "  {name}: {{on: [{on}], group: {GROUP}, size: {}B, {rest}}}", Bytes(size));
            size
        })
    };
    let control = on(nodes, with_disks, "control-plane", &|part| part.control_plane);
    let all = on(nodes, with_disks, "all", &|_| true);
    let workers = on(nodes, with_disks, "worker", &|part| part.worker);
    let _ = volume("etcd", control.clone(), sizes.etcd, "path: /var/lib/etcd");
    let _ = volume("kubernetes", control, KUBERNETES.0, "path: /etc/kubernetes");
    let _ = volume("containerd", all.clone(), sizes.containerd, "path: /var/lib/containerd");
    let _ = volume("kubelet", all, sizes.kubelet, "path: /var/lib/kubelet");
    volume("volumes", workers, sizes.root, &format!("filesystem: xfs, path: {POOL_ROOT}"))
}

/// Which nodes have a volume: the role, if all of its nodes have disks; else those that do, by name. `None` if none does.
fn on(nodes: &[Node], with_disks: &[&Node], role: &str, is: &dyn Fn(Part) -> bool) -> Option<String> {
    let some: Vec<String> = with_disks.iter().filter(|node| is(node.part)).map(|node| word(node.names.name.as_str())).collect();
    let whole = some.len() == nodes.iter().filter(|node| is(node.part)).count();
    match (some.is_empty(), whole) {
        (true, _) => None,
        (false, true) => Some(role.to_owned()),
        (false, false) => Some(some.join(", ")),
    }
}

/// The disks of a machine that are in no group, each with why.
fn left_alone(node: &Node, with_disks: &[&Node]) -> Vec<String> {
    let used = with_disks.iter().any(|other| std::ptr::eq(other.seen, node.seen));
    let why = |disk: &Disk| match (&disk.holds, &disk.stable) {
        (Some(holds), _) => Some(holds.clone()),
        (None, None) => Some("blank, and without a name that stays (/dev/disk/by-id)".to_owned()),
        (None, Some(_)) => (!used).then(|| "blank".to_owned()),
    };
    let line = |disk: &Disk| {
        let size = disk.size.map_or_else(String::new, |size| format!(", {}", about(size)));
        let stable = disk.stable.as_ref().map_or_else(String::new, |name| format!(", {name}"));
        Some(comment(&format!("{}: {}{size}{stable}: {}", node.names.name, disk.kernel, why(disk)?)))
    };
    node.seen.found.disks.iter().filter_map(line).collect()
}

/// Pools, the users' namespace, and ranges of addresses where the usual ones are taken.
fn cluster_sections(text: &mut String, root: Option<u64>, all: &[&Seen]) {
    if let Some(root) = root {
        text.push_str("pools: # persistent volumes, made ahead on each node with the volume `volumes`\n");
        for (name, count, size) in sizes::pools(root) {
            let _ = writeln!(text, "  {name}: {{count: {count}, size: {size}}}");
        }
    }
    text.push_str("namespace: {name: apps, users: [{name: apps-user}]}\n");
    let addresses: Vec<Ipv4Addr> = all.iter().filter_map(|seen| seen.address.parse().ok()).collect();
    let usual = Network::default();
    let pick = |usual: Subnet, others: [(Ipv4Addr, u8); 3]| {
        let free = |range: &Subnet| !addresses.iter().any(|address| range.contains(*address));
        std::iter::once(usual).chain(others.map(|(base, bits)| Subnet::around(base, bits))).find(free).filter(|range| *range != usual)
    };
    let ip = Ipv4Addr::new;
    let pods = pick(usual.pods, [(ip(172, 24, 0, 0), 16), (ip(10, 32, 0, 0), 16), (ip(192, 168, 0, 0), 16)]);
    let services = pick(usual.services, [(ip(172, 25, 0, 0), 16), (ip(10, 33, 0, 0), 16), (ip(172, 31, 0, 0), 16)]);
    let ranges: Vec<String> = pods
        .map(|range| format!("podSubnet: {range}"))
        .into_iter()
        .chain(services.map(|range| format!("serviceSubnet: {range}")))
        .collect();
    if !ranges.is_empty() {
        let _ = writeln!(text, "network: {{{}}} # the usual ranges hold addresses of these machines", ranges.join(", "));
    }
}

/// A value as YAML reads it: in quotes if it has any other than the most usual signs, or looks like something else than text.
fn word(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c)) && !text.starts_with(['-', '.']);
    let is_other = ["true", "false", "null", "yes", "no", "on", "off", ""].contains(&text.to_ascii_lowercase().as_str());
    if plain && !is_other && text.parse::<f64>().is_err() { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// A text for a comment.
fn comment(text: &str) -> String {
    visible(text).chars().take(COMMENT).collect()
}

/// A file to be filled in: `check` names each place that stands for something of the operator's.
pub fn example(name: &Name) -> String {
    let mut text = format!(
        "# Fill in what says CHANGE-ME; `kubestead check` names each place. Or let `kubestead init ADDRESS...` look at your machines.\n# Every field: docs/cluster-file.md\n\
         apiVersion: kubestead/v1\nkind: Cluster\nname: {name}\n"
    );
    software(&mut text, &Software::Official);
    text.push_str(include_str!("example.yaml"));
    text
}

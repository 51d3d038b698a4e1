//! What each machine tells of itself: clocks, connections that the kernel follows, room on disks, and how soon a disk has what etcd writes.

use std::collections::BTreeMap;

use kubestead_core::fact::Gap;
use kubestead_core::name::Name;
use kubestead_core::probe::Section;
use kubestead_core::procedure::Procedure;

use super::finding::Finding;
use super::kind::Kind;
use crate::fleet::Probed;

/// How far clocks may be apart, in seconds: etcd warns from one second on.
const APART: i64 = 2;
/// Of a hundred: from where on a table or a file system is told, and from where on it is too full.
const FULL: (u64, u64) = (80, 95);
/// Where a cluster and its pods write, as far as they are there. Each may be a file system of its own.
const FOLDERS: [&str; 9] = [
    "/",
    "/var",
    "/var/log",
    "/var/lib",
    "/var/lib/etcd",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/lib/kubestead/volumes",
    "/etc/kubernetes",
];
/// Where etcd writes.
const ETCD: &str = "/var/lib/etcd";
/// How many pieces are written there.
const WRITES: u64 = 100;
/// For the 99th of a hundred writes, in µs: what etcd's authors ask for, and where leaders begin to change (`heartbeat-interval` times five).
const SLOW: (u64, u64) = (10_000, 500_000);

/// The sections of a machine; those for a node alone on a node alone.
pub(super) fn sections(is_node: bool, wanted: &dyn Fn(Kind) -> bool) -> Vec<Section> {
    let mut found = Vec::new();
    if wanted(Kind::Clock) {
        found.push(Section::script("doctor/time", include_str!("scripts/time.sh")));
    }
    if wanted(Kind::Conntrack) && is_node {
        found.push(Section::script("doctor/conntrack", include_str!("scripts/conntrack.sh")));
    }
    if wanted(Kind::Disk) {
        found.push(Section::script("doctor/disk", include_str!("scripts/disk.sh")).list("folders", FOLDERS));
    }
    found
}

/// What a machine told.
pub(super) fn judge(name: &Name, probed: &Probed, is_node: bool, wanted: &dyn Fn(Kind) -> bool) -> Vec<Finding> {
    let text = |section: &str| probed.answers.text(section);
    let mut found = Vec::new();
    if wanted(Kind::Conntrack) && is_node {
        found.push(conntrack(name, text("doctor/conntrack")));
    }
    if wanted(Kind::Disk) {
        found.extend(disks(name, text("doctor/disk")));
    }
    found
}

/// A clock minus ours, in seconds: at least and at most. Both were read to whole seconds, the machine's some time between two readings of ours.
fn bounds(time: i64, (before, after): (i64, i64)) -> (i64, i64) {
    (time.saturating_sub(after).saturating_sub(1), time.saturating_sub(before).saturating_add(1))
}

/// The clocks of all machines, held against ours and against each other.
pub(super) fn clocks(probed: &BTreeMap<Name, Result<Probed, Gap>>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut known: Vec<(&Name, (i64, i64))> = Vec::new();
    for (name, probed) in probed.iter().filter_map(|(name, probed)| Some((name, probed.as_ref().ok()?))) {
        let place = name.as_str();
        let text = probed.answers.text("doctor/time").unwrap_or_default();
        let mut lines = text.lines();
        let Some(time) = lines.next().and_then(|line| line.trim().parse::<i64>().ok()) else {
            found.push(Finding::not_looked(Kind::Clock, place, "it told no time"));
            continue;
        };
        let (least, most) = bounds(time, probed.asked);
        known.push((name, (least, most)));
        let sync = "set up time synchronisation there: timedatectl set-ntp true, and timedatectl timesync-status tells its server";
        let kept = lines.next().unwrap_or_default().trim();
        let off = if least > 0 { least } else { most.min(0) };
        if off.unsigned_abs() >= APART.unsigned_abs() {
            let way = if off > 0 { "ahead of" } else { "behind" };
            found.push(Finding::bad(Kind::Clock, place, format!("its clock is at least {} s {way} ours", off.unsigned_abs()), sync));
        } else if kept == "no" {
            found.push(Finding::warn(Kind::Clock, place, "its clock is right now, and nothing keeps it: NTPSynchronized is no", sync));
        } else {
            let kept = if kept == "yes" { ", and it is kept by NTP" } else { "; whether something keeps it is not known" };
            found.push(Finding::good(
                Kind::Clock,
                place,
                format!("its clock is within {} s of ours{kept}", least.unsigned_abs().max(most.unsigned_abs())),
            ));
        }
    }
    let first = known.iter().min_by_key(|(_, (_, most))| *most);
    let last = known.iter().max_by_key(|(_, (least, _))| *least);
    if let (Some((behind, (_, most))), Some((ahead, (least, _)))) = (first, last) {
        let apart = least.saturating_sub(*most);
        if apart >= APART {
            found.push(Finding::bad(
                Kind::Clock,
                "cluster",
                format!("the clock of {ahead} is at least {apart} s ahead of that of {behind}"),
                "set up time synchronisation on both, from the same servers: timedatectl timesync-status",
            ));
        }
    }
    found
}

fn conntrack(name: &Name, answer: Result<&str, Gap>) -> Finding {
    let place = name.as_str();
    let text = match answer {
        Ok(text) => text,
        Err(gap) => return Finding::not_looked(Kind::Conntrack, place, gap.to_string()),
    };
    let numbers: Option<Vec<u64>> = text.split_whitespace().map(|word| word.parse().ok()).collect();
    let &[count, most] = numbers.as_deref().unwrap_or_default() else {
        return Finding::not_looked(Kind::Conntrack, place, "its kernel follows no connections (nf_conntrack is not loaded)");
    };
    let told = format!("{count} of {most} connections are followed");
    let next = "conntrack -L tells whose they are; sysctl net.netfilter.nf_conntrack_max makes room, in a file of /etc/sysctl.d for good";
    match count.saturating_mul(100).checked_div(most) {
        None => Finding::not_looked(Kind::Conntrack, place, told),
        Some(full) if full >= FULL.1 => Finding::bad(Kind::Conntrack, place, told, next),
        Some(full) if full >= FULL.0 => Finding::warn(Kind::Conntrack, place, told, next),
        Some(_) => Finding::good(Kind::Conntrack, place, told),
    }
}

/// A file system of df's table.
struct Room<'a> {
    target: &'a str,
    size: u64,
    available: u64,
    inodes: u64,
    free: u64,
}

fn room(line: &str) -> Option<Room<'_>> {
    let (mut numbers, mut rest) = ([0_u64; 4], line.trim_start());
    for number in &mut numbers {
        let (word, after) = rest.split_once(' ')?;
        // `-` where inodes are not counted, and less than nothing where what root keeps for itself is used.
        *number = if word.starts_with('-') { 0 } else { word.parse().ok()? };
        rest = after.trim_start();
    }
    let [size, available, inodes, free] = numbers;
    (!rest.is_empty()).then_some(Room { target: rest, size, available, inodes, free })
}

/// How full something is, of a hundred.
fn full(size: u64, free: u64) -> u64 {
    let used = u128::from(size.saturating_sub(free)) * 100;
    u64::try_from(used.checked_div(u128::from(size)).unwrap_or_default()).unwrap_or(100)
}

fn disks(name: &Name, answer: Result<&str, Gap>) -> Vec<Finding> {
    let place = name.as_str();
    let text = match answer {
        Ok(text) => text,
        Err(gap) => return vec![Finding::not_looked(Kind::Disk, place, gap.to_string())],
    };
    let mut rooms: Vec<Room<'_>> = Vec::new();
    for line in text.lines().skip(1) {
        match room(line) {
            Some(room) if rooms.iter().all(|known| known.target != room.target) => rooms.push(room),
            Some(_) => {}
            None => return vec![Finding::not_looked(Kind::Disk, place, format!("what df says was not understood: {line:?}"))],
        }
    }
    if rooms.is_empty() {
        return vec![Finding::not_looked(Kind::Disk, place, "df tells no file system")];
    }
    let mut found = Vec::new();
    let mut fullest = (0, "/");
    for Room { target, size, available, inodes, free } in rooms {
        let (bytes, files) = (full(size, available), full(inodes, free));
        fullest = fullest.max((bytes.max(files), target));
        for (full, told, next) in [
            (
                bytes,
                format!("{target} is {bytes} % full, {} MiB are free", available >> 20),
                format!("make the volume larger in the cluster file and type kubestead up, or make room: du -xh -d 1 {target}"),
            ),
            (
                files,
                format!("{files} % of the inodes of {target} are used, {free} are free"),
                format!("find what made so many files: du --inodes -x -d 1 {target}"),
            ),
        ] {
            if full >= FULL.1 {
                found.push(Finding::bad(Kind::Disk, place, told, next));
            } else if full >= FULL.0 {
                found.push(Finding::warn(Kind::Disk, place, told, next));
            }
        }
    }
    if found.is_empty() {
        found.push(Finding::good(Kind::Disk, place, format!("the fullest file system, {}, is {} % full", fullest.1, fullest.0)));
    }
    found
}

/// Writes small pieces to the disk below etcd, in a file of its own that is gone afterwards.
pub(super) fn fsync() -> Procedure {
    Procedure::script(include_str!("scripts/fsync.sh")).var("folder", ETCD).var("writes", WRITES.to_string()).beside().limit(60)
}

/// How soon they were on it. On machines of a rehearsal nothing is too slow.
pub(super) fn of_fsync(name: &Name, is_lab: bool, said: &str) -> Finding {
    let place = name.as_str();
    let times: Option<Vec<u64>> = said.lines().map(|line| line.trim().parse().ok()).collect();
    let Some(mut times) = times.filter(|times| !times.is_empty()) else {
        return Finding::not_looked(Kind::Fsync, place, "it was not told how long writes took");
    };
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1)).copied().unwrap_or_default();
    let ms = |micros: u64| format!("{}.{} ms", micros / 1000, micros % 1000 / 100);
    let told = format!("{} writes below {ETCD}: half within {}, 99 of 100 within {}", times.len(), ms(at(50)), ms(at(99)));
    let next = "give etcd a disk of its own, an SSD with power-loss protection; see with iostat -x what else writes to it";
    match at(99) {
        late if late > SLOW.1 && !is_lab => Finding::bad(Kind::Fsync, place, told, next),
        late if late > SLOW.0 => Finding::warn(Kind::Fsync, place, format!("{told}; etcd asks for 10 ms"), next),
        _ => Finding::good(Kind::Fsync, place, told),
    }
}

#[cfg(test)]
mod tests;

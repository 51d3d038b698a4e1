//! How large volumes are on disks of some size: values alone.

use kubestead_core::size::Bytes;
use kubestead_storage::extents::capacity;
use kubestead_storage::spec::EXTENT;

use super::Disk;

const GI: u64 = 1 << 30;
const MI: u64 = 1 << 20;

/// The volume with the cluster's keys.
pub(super) const KUBERNETES: Bytes = Bytes(256 * MI);
/// The least that each volume is made of.
const LEAST: Sizes = Sizes { etcd: GI, containerd: 3 * GI, kubelet: GI, root: GI };

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) etcd: u64,
    pub(super) containerd: u64,
    pub(super) kubelet: u64,
    /// Of the volume with the pools.
    pub(super) root: u64,
}

/// What a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) control_plane: bool,
    pub(super) worker: bool,
}

/// What the blank disks of a machine give a volume group, in bytes; one extent is left for LVM's own.
pub(super) fn room<'a>(disks: impl Iterator<Item = &'a Disk>) -> u64 {
    let sum: u64 = disks.filter_map(|disk| disk.size).map(|size| capacity(size, EXTENT.0)).fold(0, u64::saturating_add);
    sum.saturating_sub(EXTENT.0)
}

/// What volumes take of a machine, in bytes.
fn taken(sizes: &Sizes, part: Part) -> u64 {
    let own = if part.control_plane { sizes.etcd + KUBERNETES.0 } else { 0 };
    own + sizes.containerd + sizes.kubelet + if part.worker { sizes.root } else { 0 }
}

/// The least that a machine's disks must give.
pub(super) fn least(part: Part) -> u64 {
    taken(&LEAST, part)
}

/// Sizes that fit each of some machines, of which each has its least. What is left over by the largest volume, a twentieth and more, is for them to grow into.
pub(super) fn fit(machines: &[(Part, u64)]) -> Sizes {
    let smallest =
        |wanted: &dyn Fn(Part) -> bool| machines.iter().filter(|(part, _)| wanted(*part)).map(|(_, room)| *room).min().unwrap_or_default();
    let of = |room: u64, share: u64, least: u64, most: u64| (room / share / GI * GI).clamp(least, most);
    let (all, control) = (smallest(&|_| true), smallest(&|part| part.control_plane));
    let mut sizes = Sizes {
        etcd: of(control, 8, LEAST.etcd, 8 * GI),
        containerd: of(all, 4, LEAST.containerd, 100 * GI),
        kubelet: of(all, 10, LEAST.kubelet, 20 * GI),
        root: 0,
    };
    let left = machines.iter().filter(|(part, _)| part.worker).map(|(part, room)| (room - room / 20).saturating_sub(taken(&sizes, *part)));
    sizes.root = (left.min().unwrap_or_default() / GI * GI).max(LEAST.root);
    sizes
}

/// Pools on a volume of that size: name, how many, how large each.
pub(super) fn pools(root: u64) -> Vec<(&'static str, u64, Bytes)> {
    let small = match root / GI {
        0..20 => 100 * MI,
        20..200 => GI,
        _ => 2 * GI,
    };
    // A twentieth is the filesystem's own.
    let room = root / 20 * 19;
    let all = [("pool-s", (room * 2 / 5 / small).min(20), small), ("pool-m", (room / 2 / (10 * small)).min(10), 10 * small)];
    all.into_iter().filter(|(_, count, _)| *count > 0).map(|(name, count, size)| (name, count, Bytes(size))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: Part = Part { control_plane: true, worker: true };
    const CONTROL: Part = Part { control_plane: true, worker: false };
    const WORKER: Part = Part { control_plane: false, worker: true };

    #[test]
    fn sizes_of_usual_disks_are_those_that_people_would_write() {
        let whole = |size: u64| room(std::iter::once(&Disk { kernel: "sda".into(), stable: None, size: Some(size), holds: None }));
        let sizes = fit(&[(CONTROL, whole(100 * GI)), (WORKER, whole(500 * GI)), (WORKER, whole(1000 * GI))]);
        assert_eq!(sizes, Sizes { etcd: 8 * GI, containerd: 24 * GI, kubelet: 9 * GI, root: 441 * GI });
        assert_eq!(fit(&[(BOTH, whole(8 * GI))]), Sizes { etcd: GI, containerd: 3 * GI, kubelet: GI, root: 2 * GI });
        assert_eq!(pools(441 * GI), [("pool-s", 20, Bytes(2 * GI)), ("pool-m", 10, Bytes(20 * GI))]);
        assert_eq!(pools(GI), [("pool-s", 3, Bytes(100 * MI))]);
    }

    proptest! {
        #[test]
        fn volumes_fit_every_machine_that_has_its_least(machines in prop::collection::vec((0..3_usize, 0_u64..40_000), 1..9)) {
            let machines: Vec<(Part, u64)> = machines.into_iter().map(|(kind, more)| {
                let part = [BOTH, CONTROL, WORKER][kind];
                (part, least(part) + more * 256 * MI)
            }).collect();
            let sizes = fit(&machines);
            for (part, room) in &machines {
                prop_assert!(taken(&sizes, *part) <= *room, "{part:?} {room} {sizes:?}");
            }
            let pooled: u64 = pools(sizes.root).iter().map(|(_, count, size)| count * size.0).sum();
            prop_assert!(pooled <= sizes.root / 20 * 19 && !pools(sizes.root).is_empty());
        }
    }
}

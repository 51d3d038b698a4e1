//! Whole extents, in which LVM gives away the bytes of a group.

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;

use crate::facts::StorageFacts;
use crate::spec::EXTENT;

/// How many bytes of a device a volume group can give away: whole extents after the first MiB, which LVM keeps for itself.
pub fn capacity(size: u64, extent: u64) -> u64 {
    size.saturating_sub(1 << 20) / extent.max(1) * extent.max(1)
}

/// The size of an extent in a group: that of the groups that we make when there is none yet.
pub(crate) fn extent(facts: &StorageFacts, group: &Name) -> u64 {
    facts.groups.get(group).and_then(Fact::known).map_or(EXTENT.0, |known| known.extent)
}

/// Up to whole extents.
pub(crate) fn round_up(size: u64, extent: u64) -> u64 {
    let extent = extent.max(1);
    size.div_ceil(extent).saturating_mul(extent)
}

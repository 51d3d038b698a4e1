//! Disks, LVM, LUKS, filesystems, mounts and persistent volumes of one host.
//!
//! A volume is one LV, LUKS2, filesystem and mount. Nothing is formatted that is not proven blank or tagged by us as new; what
//! cannot be seen is never taken for absent. Commands go through [`kubestead_core::host::Host`]; there is no runtime here.

pub mod action;
pub mod apply;
pub mod check;
pub mod error;
pub mod extents;
pub mod facts;
pub mod fixed;
pub mod ids;
pub mod key;
mod luks2;
#[cfg(feature = "luks-native")]
pub mod luks_native;
pub mod marks;
pub mod model;
pub mod observe;
pub mod plan;
pub mod pv;
mod report;
#[cfg(test)]
mod sandbox;
pub mod spec;
mod superblock;
pub mod unit;
pub mod ways;

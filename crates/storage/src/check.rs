//! Invariants over a spec: what the loader of a cluster file also says with line and column, for users of this crate alone.

use crate::spec::HostStorage;

/// What is wrong with a spec, each a sentence.
pub fn check(spec: &HostStorage) -> Vec<String> {
    let mut found = Vec::new();
    for (group, devices) in &spec.groups {
        for device in devices.iter().filter(|d| !d.starts_with("/dev/disk/by-")) {
            found.push(format!("group {group}: {device} is a kernel name, which changes from boot to boot: name it under /dev/disk/by-id"));
        }
    }
    for (index, volume) in spec.volumes.iter().enumerate() {
        if !spec.groups.contains_key(&volume.group) {
            found.push(format!("volume {}: group {} has no devices on {}", volume.name, volume.group, spec.node));
        }
        for other in &spec.volumes[..index] {
            if other.path == volume.path || other.name == volume.name {
                found.push(format!("volumes {} and {} share a name or the path {}", other.name, volume.name, volume.path));
            }
        }
    }
    if let Some(root) = &spec.pool_root
        && !spec.volumes.iter().any(|v| v.path == root.path)
    {
        found.push(format!("{} is no volume's path: persistent volumes must not fill the root file system", root.path));
    }
    if !spec.volumes.is_empty() && spec.servers.is_empty() {
        found.push(format!("{} has volumes and no key server", spec.node));
    }
    found
}

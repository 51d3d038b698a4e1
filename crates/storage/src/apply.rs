//! One action: guard, act, verify. Every guard looks again at the last moment, under a lock on the device where it is formatted.

use kubestead_core::claim::Adoption;
use kubestead_core::command::Stdin;
use kubestead_core::host::Host;
use kubestead_core::key::{KeyRef, KeySource};
use kubestead_core::name::Name;
use kubestead_core::outcome::Done;
use kubestead_core::procedure::{Failed, Procedure};
use kubestead_core::put::{Owned, with_manifest};
use kubestead_core::reload::written;

use crate::action::Action;
use crate::error::Error;
use crate::key::{self, COPY};
use crate::marks::{FORMATTING, MKFS, NEW, TOKEN, VOLUME, physical_uuid, plain};
use crate::spec::{EXTENT, Filesystem, Volume};
use crate::unit::{self, FETCH};
use crate::ways::Way;

/// Carries an action out on its host.
pub async fn apply(action: &Action, host: &dyn Host, keys: &dyn KeySource) -> Result<Done, Error> {
    let what = describe(action, host.name());
    let mut procedure = procedure(action);
    if let Some(volume) = by_recovery_key(action) {
        let reference = KeyRef::recovery(host.name(), volume.name.as_str());
        let recovery = keys.open(&reference).await.and_then(|recovery| key::whole(&reference, recovery));
        let recovery = recovery.map_err(|source| Error::Key { what: what.clone(), source })?;
        procedure = procedure.stdin(Stdin::Secret(recovery));
    }
    procedure.run(host).await.map_err(Failed::at(what))
}

/// The volume whose recovery key an action needs. That of a volume which a machine opens by itself stays in the escrow, but for its making.
fn by_recovery_key(action: &Action) -> Option<&Volume> {
    match action {
        Action::Format { volume, .. } | Action::AddWay { volume } | Action::RemoveWay { volume } | Action::Unlock { volume } => {
            Some(volume)
        }
        Action::Mkfs { volume } | Action::Grow { volume } => volume.by_hand().then_some(volume),
        Action::Group { .. }
        | Action::Extend { .. }
        | Action::Create { .. }
        | Action::Share { .. }
        | Action::Adoption(_)
        | Action::Files { .. }
        | Action::Boot { .. }
        | Action::Mount { .. }
        | Action::Resume
        | Action::Directories { .. }
        | Action::Wipe { .. } => None,
    }
}

/// How long, in seconds, a device may be busy with its own boot: a filesystem that was not unmounted is checked first.
const BOOTS: u32 = 300;

fn describe(action: &Action, host: &str) -> String {
    let (deed, object) = match action {
        Action::Group { group, .. } => ("make volume group", group.to_string()),
        Action::Extend { group, .. } => ("extend volume group", group.to_string()),
        Action::Create { volume, .. } => ("make LV", volume.device()),
        Action::Share { volume } => ("make the key share of", volume.name.to_string()),
        Action::Format { volume, .. } => ("encrypt", volume.device()),
        Action::AddWay { volume } => ("add the machine's key to", volume.device()),
        Action::RemoveWay { volume } => ("remove the machine's key from", volume.device()),
        Action::Mkfs { volume } => ("make the filesystem of", volume.device()),
        Action::Adoption(Adoption::Adopt { path, .. }) => ("adopt", path.clone()),
        Action::Adoption(Adoption::Record { .. }) => ("write down", "files that are as they shall be".to_owned()),
        Action::Files { files } => ("write", files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>().join(", ")),
        Action::Boot { volumes, .. } => ("have mounted at boot", volumes.iter().map(|v| v.path.as_str()).collect::<Vec<_>>().join(", ")),
        Action::Mount { volume } => ("mount", volume.path.clone()),
        Action::Unlock { volume } => ("unlock", volume.device()),
        Action::Resume => ("start", "what waited for volumes".to_owned()),
        Action::Grow { volume } => ("grow", volume.device()),
        Action::Directories { root } => ("make folders in", root.path.clone()),
        Action::Wipe { volume } => ("wipe", volume.device()),
    };
    format!("{host}: {deed} {object}")
}

/// The commands of an action; that of one which needs the recovery key refuses without it on its standard input.
pub fn procedure(action: &Action) -> Procedure {
    match action {
        Action::Group { group, devices, lost } => make_group(group, devices, lost),
        Action::Extend { group, members, devices } => extend(group, members, devices),
        Action::Create { volume, replaces, lost } => create(volume, *replaces, *lost),
        Action::Adoption(adoption) => adoption.procedure(),
        Action::Share { volume } => share(volume),
        Action::Mkfs { volume } => mkfs(volume),
        Action::Mount { volume } => mount(volume, if volume.fetched() { "boot" } else { "open" }),
        Action::Unlock { volume } => mount(volume, Way::Recovery.as_str()),
        Action::Resume => Procedure::script(include_str!("scripts/resume.sh")),
        Action::Grow { volume } => grow(volume),
        Action::Wipe { volume } => wipe(volume),
        Action::Directories { root } => {
            Procedure::script(include_str!("scripts/directories.sh")).var("root", &root.path).list("directories", &root.directories)
        }
        Action::Files { files } => written(files, include_str!("scripts/load-units.sh")),
        Action::Boot { files, volumes, gone } => boot(files, volumes, gone),
        Action::AddWay { volume } => change_way(volume, include_str!("scripts/add-way.sh")),
        Action::RemoveWay { volume } => change_way(volume, include_str!("scripts/remove-way.sh")),
        Action::Format { volume, lost, .. } => format(volume, *lost),
    }
}

/// Functions that stand ahead of the scripts which say so.
const BLANK: &str = include_str!("scripts/blank.sh");
const FORGET: &str = include_str!("scripts/forget.sh");
const MAPPING: &str = include_str!("scripts/mapping.sh");
const KEYS: &str = include_str!("scripts/keys.sh");
/// Ahead of whatever edits crypttab and fstab.
const REGULAR_TABS: &str = include_str!("scripts/regular-tabs.sh");

/// A script with functions ahead of its guard.
fn with(functions: &[&str], script: &str) -> Procedure {
    Procedure::script(script).after(&functions.concat())
}

/// The names by which most scripts know a volume.
fn of_volume(procedure: Procedure, volume: &Volume) -> Procedure {
    let names = [("group", volume.group.as_str()), ("name", volume.name.as_str())];
    let procedure = names.into_iter().fold(procedure, |procedure, (name, value)| procedure.var(name, value));
    procedure.var("device", volume.device()).var("mapper", volume.mapper())
}

/// What `keys.sh` needs, with which it stands ahead.
fn with_key(procedure: Procedure, volume: &Volume) -> Procedure {
    let first = volume.ways().and_then(|ways| ways.iter().next());
    procedure.after(KEYS).var("way", first.map_or("none", Way::as_str)).var("length", key::LENGTH.to_string()).var("fetch", FETCH)
}

/// The lists of `forget.sh`.
fn forgetting(procedure: Procedure, lost: &[&Volume]) -> Procedure {
    let procedure = if lost.is_empty() { procedure } else { procedure.after(REGULAR_TABS) };
    procedure
        .list("mappers", lost.iter().map(|v| v.mapping()))
        .list("paths", lost.iter().map(|v| &v.path))
        .list("unlocks", lost.iter().map(|v| unit::cryptsetup_unit(v)))
}

fn yes(answer: bool) -> &'static str {
    if answer { "yes" } else { "" }
}

fn make_group(group: &Name, devices: &[String], lost: &[Volume]) -> Procedure {
    let procedure =
        with(&[BLANK, FORGET], include_str!("scripts/group.sh")).var("group", group.as_str()).var("extent", EXTENT.0.to_string());
    let procedure = procedure.list("devices", devices).list("uuids", devices.iter().map(|d| physical_uuid(group, d)));
    forgetting(procedure, &lost.iter().collect::<Vec<_>>())
}

fn extend(group: &Name, members: &[String], devices: &[String]) -> Procedure {
    with(&[BLANK], include_str!("scripts/extend.sh"))
        .var("group", group.as_str())
        .list("olds", members)
        .list("devices", devices)
        .list("uuids", devices.iter().map(|d| physical_uuid(group, d)))
}

fn create(volume: &Volume, replaces: bool, lost: bool) -> Procedure {
    let procedure = of_volume(with(&[MAPPING, FORGET], include_str!("scripts/create.sh")), volume)
        .var("bytes", volume.size.0.to_string())
        .var("replaces", yes(replaces))
        .var("new", NEW)
        .var("volume", VOLUME)
        .var("formatting", FORMATTING)
        .var("mkfs", MKFS)
        .var("plain", tag(volume))
        .var("token", TOKEN);
    forgetting(procedure, lost.then_some(volume).as_slice())
}

fn share(volume: &Volume) -> Procedure {
    Procedure::script(include_str!("scripts/share.sh")).var("share", format!("/etc/kubestead/share.d/{}", volume.name))
}

fn format(volume: &Volume, lost: bool) -> Procedure {
    let first = volume.ways().and_then(|ways| ways.iter().next()).unwrap_or(Way::Recovery);
    let procedure = with_key(of_volume(with(&[MAPPING, FORGET], include_str!("scripts/format.sh")), volume), volume)
        .var("lost", yes(lost))
        .var("slot", first.slot().to_string())
        .var("provider", first.provider())
        .var("new", NEW)
        .var("volume", VOLUME)
        .var("formatting", FORMATTING)
        .var("token", TOKEN)
        .list("flags", flags(volume));
    forgetting(procedure, lost.then_some(volume).as_slice())
}

/// The tag of a volume without encryption; nothing for another one.
fn tag(volume: &Volume) -> String {
    if volume.is_encrypted() { String::new() } else { plain(&volume.name) }
}

/// Options of `cryptsetup open`.
fn flags(volume: &Volume) -> &'static [&'static str] {
    if volume.discard { &["--allow-discards", "--persistent"] } else { &[] }
}

/// The way that comes and goes beside the recovery key, which stays.
fn change_way(volume: &Volume, script: &str) -> Procedure {
    const WAYS: &str = include_str!("scripts/ways.sh");
    let functions = [KEYS, COPY, WAYS].concat();
    of_volume(Procedure::script(script).after(&functions), volume)
        .var("way", Way::Recovery.as_str())
        .var("length", key::LENGTH.to_string())
        .var("fetch", FETCH)
        .var("token", TOKEN)
        .var("slot", Way::Ssh.slot().to_string())
        .var("provider", Way::Ssh.provider())
}

fn mkfs(volume: &Volume) -> Procedure {
    let inodes = volume.inodes.map(|inodes| inodes.to_string());
    let mut make = match volume.filesystem {
        Filesystem::Ext4 => vec!["mkfs.ext4", "-q", "-F", "-m", "0"],
        Filesystem::Xfs => vec!["mkfs.xfs", "-q", "-f"],
    };
    if let (Filesystem::Ext4, Some(inodes)) = (volume.filesystem, &inodes) {
        make.extend(["-N", inodes.as_str()]);
    }
    with_key(of_volume(with(&[MAPPING], include_str!("scripts/mkfs.sh")), volume), volume)
        .var("mapper", volume.mapping())
        .var("plain", tag(volume))
        .var("kind", volume.filesystem.as_str())
        .var("new", NEW)
        .var("formatting", FORMATTING)
        .var("mkfs", MKFS)
        .list("flags", flags(volume))
        .list("make", make)
}

/// What opens and mounts volumes at boot: units, and their lines in crypttab and fstab.
fn boot(files: &[Owned], volumes: &[Volume], gone: &[String]) -> Procedure {
    written(files, include_str!("scripts/tabs.sh"))
        .after(REGULAR_TABS)
        .list("gone", gone)
        .list("names", volumes.iter().map(|v| v.name.as_str()))
        .list("mappers", volumes.iter().map(Volume::mapper))
        .list("mounts", volumes.iter().map(Volume::source))
        .list("crypttab", volumes.iter().filter_map(unit::crypttab))
        .list("fstab", volumes.iter().map(unit::fstab))
}

/// `way`: how it is opened, as the script calls it.
fn mount(volume: &Volume, way: &str) -> Procedure {
    with_key(of_volume(with(&[MAPPING], include_str!("scripts/mount.sh")), volume), volume)
        .var("way", way)
        .var("mapper", volume.mapping())
        .list("flags", flags(volume))
        .var("path", &volume.path)
        .var("kind", volume.filesystem.as_str())
        .var("unlock", unit::cryptsetup_unit(volume))
        .var("boots", BOOTS.to_string())
}

fn grow(volume: &Volume) -> Procedure {
    let grow = match volume.filesystem {
        Filesystem::Ext4 => ["resize2fs".to_owned(), volume.source()],
        Filesystem::Xfs => ["xfs_growfs".to_owned(), volume.path.clone()],
    };
    with_key(of_volume(with(&[MAPPING], include_str!("scripts/grow.sh")), volume), volume)
        .var("mapper", volume.mapping())
        .var("sealed", yes(volume.is_encrypted()))
        .var("path", &volume.path)
        .var("kind", volume.filesystem.as_str())
        .var("bytes", volume.size.0.to_string())
        .list("grow", grow)
}

fn wipe(volume: &Volume) -> Procedure {
    if !volume.is_encrypted() {
        let plain = Procedure::script(include_str!("scripts/wipe-plain.sh")).after(MAPPING).after(REGULAR_TABS);
        return of_volume(plain, volume)
            .var("mapper", volume.mapping())
            .var("path", &volume.path)
            .var("volume", VOLUME)
            .var("plain", tag(volume));
    }
    of_volume(with_manifest(include_str!("scripts/wipe.sh")).after(COPY).after(MAPPING).after(REGULAR_TABS), volume)
        .var("path", &volume.path)
        .var("token", TOKEN)
        .var("volume", VOLUME)
        .var("unlock", unit::cryptsetup_unit(volume))
        .list("files", unit::fetched_units(volume).iter().map(|f| &f.path))
}

#[cfg(test)]
mod plain;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod ways;

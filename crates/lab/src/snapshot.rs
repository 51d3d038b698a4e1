//! The disks of a lab that is down, kept under a name, and put back: to rehearse a step and go back, or for a state that takes long to reach.
//!
//! A snapshot holds all that makes the lab the same one again: the disks, the host keys, the key that logs in, and the machines' description.
//! It lies outside the lab's own folder, so that `lab down --wipe` leaves it. Files are copied without their holes, and not at all where the
//! file system shares blocks (`cp --reflink=auto`).
//!
//! - **save** writes into `NAME.part`, which takes its name when all of it is on the disk: a snapshot is whole or it is not there.
//! - **restore** copies beside the lab's machines first. From the first change of the lab's own files to the last one a mark stands in the
//!   lab's folder, and a lab with the mark does not start: a restore that was cut off is begun again, never run.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::error::Error;
use crate::files::{Files, INTERNET};
use crate::internet;
use crate::lab::Lab;
use crate::process::run;
use crate::recipe::{RECIPES, Recipe};
use crate::spec::{Backend, LabSpec, Machine};

/// The layout of a snapshot's folder that this version writes and reads.
const VERSION: u32 = 1;
/// What describes a snapshot, in its folder.
const ABOUT: &str = "snapshot.json";
/// The folder of what is not whole yet.
const PART: &str = "part";
/// The mark of a restore that has begun and not ended: it holds the snapshot's name.
const RESTORING: &str = "restoring";
/// The lab's own files beside its machines; `known_hosts` and `ssh_config` are written anew by every start.
const OWN: [&str; 3] = ["lab.json", "id", "id.pub"];

/// The name of a snapshot: lower-case letters, digits, `.` and `-`, 63 at most; a letter or a digit first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotName(String);

impl FromStr for SnapshotName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = text.starts_with(plain) && text.len() <= 63 && text.chars().all(|c| plain(c) || c == '-' || c == '.');
        // What is being written ends so.
        if good && !text.ends_with(&format!(".{PART}")) {
            return Ok(Self(text.to_owned()));
        }
        let rule = "use lower-case letters, digits, `.` and `-`, at most 63, and a letter or a digit first; `.part` is no end";
        Err(Error::Refused(format!("{text:?} is no name of a snapshot: {rule}")))
    }
}

impl TryFrom<String> for SnapshotName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<SnapshotName> for String {
    fn from(name: SnapshotName) -> Self {
        name.0
    }
}

impl std::fmt::Display for SnapshotName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// What a snapshot was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    version: u32,
    /// Seconds since 1970.
    pub saved: u64,
    /// What the machines ran on.
    pub backend: Backend,
    /// The recipes' outputs that the disks fit, by their folders' names: the root file system, and the kernel.
    pub parts: Vec<String>,
    /// Every file with its size in bytes, by its path in the lab's folder.
    files: Vec<(PathBuf, u64)>,
    /// Bytes on the disk, without holes, when it was made.
    pub bytes: u64,
}

/// What every layout of a description tells.
#[derive(Deserialize)]
struct Layout {
    version: u32,
}

/// The files of a machine that are kept.
fn of_machine(machine: &Machine) -> Vec<PathBuf> {
    let folder = Path::new("machines").join(&machine.name);
    let fixed = [disk::ROOT, "root.img", "config.img", "ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"].map(str::to_owned);
    let spare = machine.disks.iter().map(|disk| disk::spare(&disk.serial));
    fixed.into_iter().chain(spare).map(|file| folder.join(file)).collect()
}

/// Refuses what would write outside the folder: a snapshot is a folder that anybody may have put there.
fn inside(path: &Path) -> bool {
    !path.as_os_str().is_empty() && path.components().all(|part| matches!(part, std::path::Component::Normal(_)))
}

impl Snapshot {
    fn read(folder: &Path, name: &SnapshotName) -> Result<Self, Error> {
        let path = folder.join(ABOUT);
        let broken = |detail: String| Error::Format { path: path.clone(), detail };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(_) if !folder.exists() => {
                let hint = "`kubestead lab snapshots` lists what is there";
                return Err(Error::Refused(format!("there is no snapshot {name}: {hint}")));
            }
            Err(error) => return Err(broken(error.to_string())),
        };
        let Layout { version } = serde_json::from_str(&text).map_err(|e| broken(e.to_string()))?;
        if version != VERSION {
            return Err(broken(format!("it has the layout {version}, and this version of kubestead reads {VERSION}")));
        }
        let found: Self = serde_json::from_str(&text).map_err(|e| broken(e.to_string()))?;
        for (file, size) in &found.files {
            let there = if inside(file) { std::fs::symlink_metadata(folder.join(file)).ok() } else { None };
            match there {
                Some(there) if there.is_file() && there.len() == *size => {}
                Some(there) if there.is_file() => {
                    return Err(broken(format!("{} has {} bytes, and {size} were saved", file.display(), there.len())));
                }
                _ => return Err(broken(format!("{} is not a file in the snapshot", file.display()))),
            }
        }
        Ok(found)
    }

    /// Whether the machines' parts are those of now.
    fn fits(&self, name: &SnapshotName) -> Result<(), Error> {
        let now: Vec<String> = RECIPES.iter().map(Recipe::folder).collect();
        let Some(other) = self.parts.iter().find(|part| !now.contains(part)) else { return Ok(()) };
        Err(Error::Refused(format!(
            "the snapshot {name} was made from {other}, which this version of kubestead does not make: restore it with the version that saved it"
        )))
    }
}

/// A snapshot in a list: what it is, or why it cannot be used.
pub type Listed = (String, Result<Snapshot, Error>);

impl Lab {
    /// Keeps the disks of a lab that is down under a name that is free.
    ///
    /// # Errors
    /// A lab that runs or was never made, a name that is taken, a disk that is full: nothing is left of the snapshot then.
    pub async fn save(&self, name: &SnapshotName) -> Result<Snapshot, Error> {
        let files = self.files();
        let spec = files.spec().map_err(|_| Error::NotRunning(self.name().to_owned()))?;
        let turn = files.turn().await?;
        let alive = self.down_only(files)?;
        no_restore(files)?;
        let (all, base) = (&self.snapshots, files.dir());
        let (folder, part) = (all.join(&name.0), all.join(format!("{name}.{PART}")));
        if folder.exists() {
            return Err(Error::Refused(format!(
                "there is a snapshot {name}: remove it with `kubestead lab snapshots --remove {name}`, or take another name"
            )));
        }
        let kept = OWN.map(PathBuf::from).into_iter().chain(spec.machines.iter().flat_map(of_machine)).chain(internet::own(files)?);
        let kept = kept.collect::<Vec<_>>();
        let saved = async {
            fresh(&part)?;
            copy(base, &part, &kept).await?;
            let size = |file: &PathBuf| Ok((file.clone(), part.join(file).metadata()?.len()));
            let sizes = kept.iter().map(size).collect::<Result<_, std::io::Error>>().map_err(Error::file("cannot look at", &part))?;
            let saved = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            let snapshot = Snapshot {
                version: VERSION,
                saved,
                backend: spec.runs_on(),
                parts: made_from(base, &spec)?,
                files: sizes,
                bytes: blocks(&part, &kept),
            };
            Files::new(&part).put_json(ABOUT, &snapshot)?;
            sync(&part).await?;
            std::fs::rename(&part, &folder).map_err(Error::file("cannot rename", &part))?;
            sync(all).await?;
            Ok(snapshot)
        };
        let saved = saved.await;
        if saved.is_err() {
            let _ = std::fs::remove_dir_all(&part);
        }
        drop((alive, turn));
        saved
    }

    /// Puts a snapshot's disks in the place of the lab's. The lab is down, and stays so. `replace` allows that disks which the lab has are lost.
    ///
    /// # Errors
    /// A lab that runs, disks that would be lost, a snapshot that is not whole or was made from other parts: nothing is changed then.
    pub async fn restore(&self, name: &SnapshotName, replace: bool) -> Result<(), Error> {
        let files = self.files();
        let snapshot = Snapshot::read(&self.snapshots.join(&name.0), name)?;
        snapshot.fits(name)?;
        let base = files.dir();
        std::fs::create_dir_all(base).map_err(Error::file("cannot make", base))?;
        let turn = files.turn().await?;
        let alive = self.down_only(files)?;
        let (machines, part, mark) = (base.join("machines"), base.join("machines.part"), base.join(RESTORING));
        if machines.exists() && !replace && !mark.exists() {
            let hint = "keep them with `kubestead lab save NAME`, or say --replace";
            return Err(Error::Refused(format!("the lab {} has disks, and they would be lost: {hint}", self.name())));
        }
        let from = self.snapshots.join(&name.0);
        let staged = async {
            fresh(&part)?;
            let kept: Vec<PathBuf> = snapshot.files.iter().map(|(file, _)| file.clone()).collect();
            copy(&from, &part, &kept).await?;
            sync(&part).await
        };
        if let Err(error) = staged.await {
            let _ = std::fs::remove_dir_all(&part);
            return Err(error);
        }
        files.put(RESTORING, &name.0)?;
        sync(base).await?;
        if machines.exists() {
            std::fs::remove_dir_all(&machines).map_err(Error::file("cannot remove", &machines))?;
        }
        for file in ["machines"].into_iter().chain(OWN) {
            let path = part.join(file);
            std::fs::rename(&path, base.join(file)).map_err(Error::file("cannot rename", &path))?;
        }
        let (own, before) = (part.join(INTERNET), files.own_internet());
        if own.exists() {
            if before.exists() {
                std::fs::remove_dir_all(&before).map_err(Error::file("cannot remove", &before))?;
            }
            std::fs::rename(&own, &before).map_err(Error::file("cannot rename", &own))?;
        }
        sync(base).await?;
        for left in [&part, &mark] {
            if left.is_dir() { std::fs::remove_dir_all(left) } else { std::fs::remove_file(left) }
                .map_err(Error::file("cannot remove", left))?;
        }
        drop((alive, turn));
        Ok(())
    }

    /// The snapshots of this lab, by name, those that cannot be used with the reason.
    pub fn snapshots(&self) -> Result<Vec<Listed>, Error> {
        let folder = &self.snapshots;
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::file("cannot list", folder)(error)),
        };
        let mut names: Vec<String> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        let look = |name: String| {
            let found = match name.parse::<SnapshotName>() {
                Ok(parsed) => Snapshot::read(&folder.join(&name), &parsed).and_then(|found| found.fits(&parsed).map(|()| found)),
                Err(_) => Err(Error::Refused("it was not written to its end; the next `save` of this name begins anew".to_owned())),
            };
            (name, found)
        };
        Ok(names.into_iter().map(look).collect())
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn remove_snapshot(&self, name: &SnapshotName) -> Result<(), Error> {
        let folder = self.snapshots.join(&name.0);
        if !folder.exists() {
            return Err(Error::Refused(format!("there is no snapshot {name}: `kubestead lab snapshots` lists what is there")));
        }
        // Without its description it is no snapshot any more, whatever ends this.
        let about = folder.join(ABOUT);
        if about.exists() {
            std::fs::remove_file(&about).map_err(Error::file("cannot remove", about))?;
        }
        std::fs::remove_dir_all(&folder).map_err(Error::file("cannot remove", folder))
    }

    /// The lock that every process of the lab holds: with it here, none runs.
    fn down_only(&self, files: &Files) -> Result<std::fs::File, Error> {
        let held = files.alive()?;
        held.ok_or_else(|| Error::Refused(format!("the lab {} runs: stop it first with `kubestead lab down`; its disks stay", self.name())))
    }
}

/// Refuses a lab whose disks a restore was replacing when it was cut off.
pub(crate) fn no_restore(files: &Files) -> Result<(), Error> {
    let path = files.dir().join(RESTORING);
    let Ok(name) = std::fs::read_to_string(path) else { return Ok(()) };
    Err(Error::Refused(format!(
        "a restore of the snapshot {name:?} was cut off: run `kubestead lab restore {name}` again, or `kubestead lab down --wipe`"
    )))
}

/// The parts that the lab's disks were made from: its root file system as it was copied, and the kernel that it last ran on.
fn made_from(base: &Path, spec: &LabSpec) -> Result<Vec<String>, Error> {
    let kernel = Files::new(base).kernel()?;
    let mut roots = spec.machines.iter().map(|machine| disk::made_from(base, &machine.name)).collect::<Result<Vec<_>, _>>()?;
    roots.sort();
    roots.dedup();
    Ok(roots.into_iter().chain(kernel.file_name().map(|name| name.to_string_lossy().into_owned())).collect())
}

/// An empty folder.
fn fresh(folder: &Path) -> Result<(), Error> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(Error::file("cannot remove", folder))?;
    }
    std::fs::create_dir_all(folder).map_err(Error::file("cannot make", folder))
}

/// Copies files to the same places below another folder, with their modes and without their holes.
async fn copy(from: &Path, to: &Path, files: &[PathBuf]) -> Result<(), Error> {
    for file in files {
        let (from, to) = (from.join(file), to.join(file));
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(Error::file("cannot make", parent))?;
        }
        run("cp", &["--preserve=mode", "--sparse=auto", "--reflink=auto", "-T", "--", &from.to_string_lossy(), &to.to_string_lossy()])
            .await?;
    }
    Ok(())
}

/// What files take on the disk.
fn blocks(base: &Path, files: &[PathBuf]) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    files.iter().filter_map(|file| base.join(file).metadata().ok()).map(|found| found.blocks() * 512).sum()
}

/// Waits until all of the file system that holds it is on the disk.
async fn sync(path: &Path) -> Result<(), Error> {
    run("sync", &["--file-system", "--", &path.to_string_lossy()]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Release;

    /// A folder with a lab of one machine, as `lab up` and `lab down` leave it.
    struct Place(PathBuf, Lab);

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    impl Place {
        fn new() -> Self {
            static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
            let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let dir = std::env::temp_dir().join(format!("kubestead-snapshot-{}-{number}", std::process::id()));
            let lab = Lab::in_folders("lab", &dir.join("lab"), dir.join("snapshots"));
            let place = Self(dir, lab);
            let machine = LabSpec::default().machines[1].clone();
            let spec = LabSpec { backend: Some(Backend::Uml), internet: false, machines: vec![machine] };
            std::fs::create_dir_all(place.path("lab/machines/kube1")).unwrap();
            std::fs::create_dir_all(place.path("lab/internet/pkgs.k8s.io")).unwrap();
            place.1.files().put_spec(&spec).unwrap();
            let part = |name: &str| crate::recipe::recipe(name).unwrap().folder();
            let (root, kernel) = (part(Release::Bookworm.root()), part(Backend::Uml.kernel()));
            place.1.files().put_parts(&Path::new("/c").join(kernel), Path::new("/p")).unwrap();
            for (name, text) in [("root", root.as_str()), ("root.img", "system"), ("config.img", "keys"), ("disk-kube1-data.img", "data")] {
                place.write(&format!("lab/machines/kube1/{name}"), text);
            }
            for name in [
                "id",
                "id.pub",
                "internet/server.key",
                "internet/pkgs.k8s.io/InRelease",
                "machines/kube1/ssh_host_ed25519_key",
                "machines/kube1/ssh_host_ed25519_key.pub",
            ] {
                place.write(&format!("lab/{name}"), name);
            }
            // A sparse disk of 8 GiB.
            std::fs::File::options().write(true).open(place.path(DISK)).unwrap().set_len(8 << 30).unwrap();
            place
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.path(name), text).unwrap();
        }

        fn data(&self) -> String {
            use std::io::Read as _;
            let mut start = [0_u8; 4];
            std::fs::File::open(self.path(DISK)).unwrap().read_exact(&mut start).unwrap();
            String::from_utf8_lossy(&start).into_owned()
        }

        /// All names, sizes and modes below the folder.
        fn tree(&self) -> String {
            let words = "-not -type d -not -name turn -not -name alive -printf %P\t%s\t%m\n";
            let folder = self.0.to_string_lossy();
            run_now("find", &[&*folder].into_iter().chain(words.split(' ')).collect::<Vec<_>>())
        }

        async fn save(&self, name: &str) -> Result<Snapshot, String> {
            self.1.save(&name.parse().unwrap()).await.map_err(|e| format!("{e:?} {e}"))
        }

        async fn restore(&self, name: &str, replace: bool) -> Result<(), String> {
            self.1.restore(&name.parse().unwrap(), replace).await.map_err(|e| e.to_string())
        }
    }

    const DISK: &str = "lab/machines/kube1/disk-kube1-data.img";

    fn run_now(program: &str, arguments: &[&str]) -> String {
        let output = std::process::Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut lines: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines.join("\n")
    }

    fn overwrite(place: &Place, text: &str) {
        use std::io::Write as _;
        std::fs::File::options().write(true).open(place.path(DISK)).unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[tokio::test]
    async fn a_lab_comes_back_as_it_was_saved_after_a_change_and_after_a_wipe() {
        let place = Place::new();
        let before = place.tree();
        let saved = place.save("before-upgrade").await.unwrap();
        assert!(saved.bytes < 1 << 20, "holes are not copied: {}", saved.bytes);
        overwrite(&place, "lost");
        assert!(place.restore("before-upgrade", false).await.unwrap_err().contains("say --replace"));
        assert_eq!(place.data(), "lost", "nothing was touched");
        place.restore("before-upgrade", true).await.unwrap();
        assert_eq!(place.data(), "data");
        std::fs::remove_dir_all(place.path("lab")).unwrap();
        place.restore("before-upgrade", false).await.unwrap();
        let kept =
            |tree: &str| tree.lines().filter(|l| l.starts_with("lab/") && !l.contains(".json\t")).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(kept(&place.tree()), kept(&before));
        assert_eq!(place.1.files().spec().unwrap().machines.len(), 1);
        // The snapshot is not used up.
        overwrite(&place, "lost");
        place.restore("before-upgrade", true).await.unwrap();
        assert_eq!(place.data(), "data");
        place.1.remove_snapshot(&"before-upgrade".parse().unwrap()).unwrap();
        assert!(place.1.snapshots().unwrap().is_empty());
        assert!(place.restore("before-upgrade", true).await.unwrap_err().contains("there is no snapshot before-upgrade"));
    }

    #[tokio::test]
    async fn what_cannot_be_saved_leaves_nothing() {
        let place = Place::new();
        let before = place.tree();
        let alive = place.1.files().alive().unwrap().unwrap();
        assert!(place.save("one").await.unwrap_err().contains("the lab lab runs"));
        assert_eq!(place.tree(), before);
        drop(alive);
        // It ends in the middle, after files of some size.
        std::fs::rename(place.path(DISK), place.path("away")).unwrap();
        assert!(place.save("one").await.is_err());
        assert!(place.1.snapshots().unwrap().is_empty());
        std::fs::rename(place.path("away"), place.path(DISK)).unwrap();
        place.save("one").await.unwrap();
        assert!(place.save("one").await.unwrap_err().contains("there is a snapshot one"));
        std::fs::write(place.path("lab/restoring"), "one").unwrap();
        assert!(place.save("two").await.unwrap_err().contains("was cut off"));
        for name in ["", "Upper", "-x", "../x", "a/b", "a b", "x.part", &"a".repeat(64)] {
            assert!(name.parse::<SnapshotName>().is_err(), "{name:?}");
        }
    }

    #[tokio::test]
    async fn a_snapshot_that_is_not_whole_or_of_other_parts_changes_nothing() {
        let place = Place::new();
        place.save("one").await.unwrap();
        let about = "snapshots/one/snapshot.json";
        let good = std::fs::read_to_string(place.path(about)).unwrap();
        let root = crate::recipe::recipe(Release::Bookworm.root()).unwrap().folder();
        let spoilt: [(&str, &str, &str); 6] = [
            (&root, "root-0123456789abcdef", "was made from root-0123456789abcdef"),
            ("\"version\": 1", "\"version\": 2", "the layout 2"),
            ("machines/kube1/config.img", "../../etc/passwd", "is not a file in the snapshot"),
            ("machines/kube1/config.img", "/etc/passwd", "is not a file in the snapshot"),
            ("\"files\"", "\"fils\"", "unknown field"),
            ("}", "", "not understood"),
        ];
        for (from, to, why) in spoilt {
            assert!(good.contains(from), "{from}");
            place.write(about, &good.replace(from, to));
            let before = place.tree();
            let said = place.restore("one", true).await.unwrap_err();
            assert!(said.contains(why), "{said}");
            assert_eq!(place.tree(), before);
            assert!(place.1.snapshots().unwrap()[0].1.is_err());
        }
        place.write(about, &good);
        place.write("snapshots/one/machines/kube1/root.img", "sys");
        assert!(place.restore("one", true).await.unwrap_err().contains("has 3 bytes, and 6 were saved"));
        std::fs::remove_file(place.path("snapshots/one/machines/kube1/root.img")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", place.path("snapshots/one/machines/kube1/root.img")).unwrap();
        assert!(place.restore("one", true).await.unwrap_err().contains("is not a file in the snapshot"));
        let alive = place.1.files().alive().unwrap().unwrap();
        std::fs::remove_file(place.path("snapshots/one/machines/kube1/root.img")).unwrap();
        place.write("snapshots/one/machines/kube1/root.img", "system");
        assert!(place.restore("one", true).await.unwrap_err().contains("the lab lab runs"));
        drop(alive);
        std::fs::create_dir(place.path("snapshots/two.part")).unwrap();
        let all = place.1.snapshots().unwrap();
        assert!(all[0].1.is_ok() && all[1].0 == "two.part" && all[1].1.is_err());
    }

    /// The mark stands from before the first change to after the last one: wherever it is cut, the lab does not start, and the same restore ends it.
    #[tokio::test]
    async fn a_restore_that_was_cut_off_is_begun_again_and_never_run() {
        for cut in ["nothing", "machines", "machines and id"] {
            let place = Place::new();
            place.save("one").await.unwrap();
            place.write("lab/restoring", "one");
            if cut != "nothing" {
                std::fs::remove_dir_all(place.path("lab/machines")).unwrap();
            }
            if cut == "machines and id" {
                std::fs::remove_file(place.path("lab/id")).unwrap();
            }
            assert!(no_restore(place.1.files()).unwrap_err().to_string().contains("lab restore one"), "{cut}");
            place.restore("one", false).await.unwrap();
            no_restore(place.1.files()).unwrap();
            assert_eq!(place.data(), "data");
            assert!(place.path("lab/id").exists() && !place.path("lab/machines.part").exists());
        }
    }
}

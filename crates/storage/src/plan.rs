//! From spec and facts to steps: pure, total, deterministic.

mod groups;
mod unlock;
mod volumes;
mod wipe;

use std::collections::BTreeSet;

use kubestead_core::claim::{Claim, Claims};
use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, Risk, Step, StepId, Target};
use kubestead_core::put::{Found, Owned};

pub use unlock::unlock;
pub use wipe::wipe;

pub use crate::action::Action;
use crate::facts::{StorageFacts, VolumeFacts};
use crate::spec::{HostStorage, PoolRoot, Volume};
use crate::unit;

/// The steps of one host, and what is held.
pub fn plan(spec: &HostStorage, facts: &StorageFacts) -> Part<Action> {
    if spec.volumes.is_empty() && spec.groups.is_empty() {
        return Part::default();
    }
    let claims = match claims(spec, facts) {
        Ok(claims) => claims,
        Err(held) => return Part { steps: Vec::new(), held },
    };
    let mut planner = Planner {
        spec,
        facts,
        claims,
        part: Part::default(),
        target: Target::Host(spec.node.to_string()),
        groups: BTreeSet::new(),
        whole: Vec::new(),
        moved: false,
    };
    planner.groups();
    planner.room();
    let mut volumes: Vec<&Volume> = spec.volumes.iter().collect();
    volumes.sort_by_key(|v| v.path.len()); // a mount below another comes after it
    if spec.fetches() {
        let files = unit::fetching(spec).into_iter().chain(unit::limits()).collect();
        planner.files("keys", "fetch", "the script that fetches keys at boot", files, BTreeSet::new());
    } else if !spec.volumes.is_empty() {
        planner.files("shutdown", "limit", "a machine whose volumes are closed reboots all the same", unit::limits(), BTreeSet::new());
    }
    for volume in &volumes {
        if let Some(facts) = facts.volumes.get(&volume.name) {
            planner.volume(volume, facts);
        }
    }
    let all = planner.whole.len() == spec.volumes.len();
    let (mounts, anew) = planner.boot();
    // A volume that is mounted elsewhere than the file says is waited for there, and one that is held may never be mounted.
    if all && !planner.moved {
        let why = "the kubelet and containerd wait for the volumes";
        planner.files("services", "require-mounts", why, unit::require_mounts(spec), mounts.clone());
    }
    planner.directories(mounts, &anew);
    let mut part = planner.claims.into_part("storage", Action::Adoption);
    part.extend(planner.part);
    part
}

/// What was seen of the host's files; the error is what is held, as without them nothing can be opened at boot.
fn claims<'a>(spec: &'a HostStorage, facts: &'a StorageFacts) -> Result<Claims<'a>, Vec<Held>> {
    let unseen = |reason: String| vec![Held::on(&spec.node, "files", reason, "fix this, then plan again")];
    match &facts.files {
        Fact::Known(files) => {
            let own = unit::own_files(spec);
            Claims::new(spec.node.as_str(), files, own.iter().map(|f| f.path.as_str()).chain(unit::TABS))
        }
        Fact::Unknown(gap) => Err(unseen(gap.to_string())),
        Fact::Absent => Err(unseen("what is where its files belong was not looked at".to_owned())),
    }
}

struct Planner<'a> {
    spec: &'a HostStorage,
    facts: &'a StorageFacts,
    claims: Claims<'a>,
    part: Part<Action>,
    target: Target,
    /// Groups that exist or will.
    groups: BTreeSet<Name>,
    /// Volumes that can be mounted, in the order of their paths.
    whole: Vec<Whole<'a>>,
    /// Whether a volume is mounted elsewhere than the file says.
    moved: bool,
}

/// A volume that is there or is made by this plan.
struct Whole<'a> {
    volume: &'a Volume,
    facts: &'a VolumeFacts,
    /// Whether it was finished, is gone, and is made anew only with consent: nothing else waits for it.
    lost: bool,
}

impl Planner<'_> {
    fn id(&self, object: &str, deed: &str) -> StepId {
        StepId::new(&self.target.to_string(), object, deed)
    }

    fn held(&mut self, object: &str, reason: impl Into<String>, hint: impl Into<String>) {
        self.part.held.push(Held::on(&self.spec.node, object, reason, hint));
    }

    fn step(&mut self, object: &str, deed: &str, action: Action, why: String, after: BTreeSet<StepId>) -> StepId {
        self.part.push(Step::new(self.target.clone(), object, deed, action, why).after(after))
    }

    /// A step that makes anew what was finished and is gone: held as long as nobody consents to it.
    fn anew(&mut self, object: &str, deed: &str, action: Action, lost: &str, after: BTreeSet<StepId>) -> StepId {
        let why = format!("make {object} anew: what {lost} held is lost");
        self.part.push(Step::new(self.target.clone(), object, deed, action, why).after(after).risk(Risk::Destroys))
    }

    /// The hint for what was finished and is gone, with the step that makes it anew.
    fn consent(&self, object: &str, deed: &str, makes: &str) -> String {
        format!(
            "was this disk replaced? --yes {} {makes} is gone; if it was only unplugged, put it back and plan again",
            self.id(object, deed)
        )
    }

    /// What the boot needs, of all volumes at once as systemd reads it as a whole; and the mounts, first of those that are there or new,
    /// then of those that are made anew only with consent: these have steps of their own, so that the others do not wait for them.
    fn boot(&mut self) -> (BTreeSet<StepId>, BTreeSet<StepId>) {
        let whole = std::mem::take(&mut self.whole);
        let (lost, sound): (Vec<&Whole>, Vec<&Whole>) = whole.iter().partition(|w| w.lost);
        self.boot_of("volumes", &sound);
        for one in lost {
            self.boot_of(one.volume.name.as_str(), &[one]);
        }
        let (mut mounts, mut anew) = (BTreeSet::new(), BTreeSet::new());
        // The last mount of this plan, and what waits for a consent: a mount waits for all sound ones before it by waiting for the last of them.
        let (mut last, mut consents): (Option<StepId>, Vec<(&Volume, StepId)>) = (None, Vec::new());
        for Whole { volume, facts, lost } in &whole {
            let name = volume.name.as_str();
            let mount = self.id(name, "mount");
            if facts.mounted.is_none() {
                let boot = if *lost { name } else { "volumes" };
                let mut after = BTreeSet::from([self.id(name, "mkfs"), self.id(boot, "boot")]);
                if volume.fetched() {
                    after.insert(self.id("keys", "fetch"));
                    after.extend(self.spec.after_keys.iter().cloned());
                }
                let above = consents.iter().filter(|(other, _)| below(&volume.path, &other.path)).map(|(_, id)| id);
                after.extend(last.iter().chain(above).cloned());
                let fresh = *lost || facts.logical.known().is_none_or(|logical| logical.new);
                let open = if volume.is_encrypted() { "open and mount" } else { "mount" };
                let why = format!("{open} at {}{}", volume.path, if fresh { "" } else { "; what is on it shows then" });
                self.step(name, "mount", Action::Mount { volume: (*volume).clone() }, why, after);
                if *lost {
                    consents.push((volume, mount.clone()));
                } else {
                    last = Some(mount.clone());
                }
            }
            if *lost { &mut anew } else { &mut mounts }.insert(mount);
        }
        (mounts, anew)
    }

    fn boot_of(&mut self, object: &str, whole: &[&Whole]) {
        let units = whole.iter().flat_map(|w| unit::units(w.volume)).collect();
        let Claim { changed: files, after } = self.claim(units);
        let lacks = |w: &Whole| {
            let (crypttab, fstab) = (unit::crypttab(w.volume), unit::fstab(w.volume));
            w.lost || w.facts.crypttab != crypttab || w.facts.fstab.as_deref() != Some(&fstab)
        };
        let volumes: Vec<Volume> = whole.iter().filter(|w| lacks(w)).map(|w| w.volume.clone()).collect();
        // When all volumes are known to be well: what is left over hurts nobody.
        let gone = if object == "volumes" && whole.len() == self.spec.volumes.len() { self.left_over() } else { Vec::new() };
        if !files.is_empty() || !volumes.is_empty() || !gone.is_empty() {
            // A machine tries at its boot what its lines say: a key that is fetched has a slot before.
            let made = whole.iter().flat_map(|w| ["mkfs", "add-way"].map(|deed| self.id(w.volume.name.as_str(), deed)));
            let after = made.chain(after).collect();
            let why = "what opens and mounts them at boot: units, lines in crypttab and fstab".to_owned();
            self.step(object, "boot", Action::Boot { files, volumes, gone }, why, after);
        }
    }

    /// Files of ours that are there and that no volume needs any more.
    fn left_over(&self) -> Vec<String> {
        let Fact::Known(files) = &self.facts.files else { return Vec::new() };
        let is_there = |path: &String| matches!(files.found.get(path), Some(Found::File { .. })) && files.written.contains_key(path);
        unit::left_paths(self.spec).into_iter().filter(is_there).collect()
    }

    fn files(&mut self, object: &str, deed: &str, why: &str, files: Vec<Owned>, mut after: BTreeSet<StepId>) {
        let Claim { changed: files, after: adopted } = self.claim(files);
        if !files.is_empty() {
            after.extend(adopted);
            self.step(object, deed, Action::Files { files }, why.to_owned(), after);
        }
    }

    /// Those that are not there as they shall be: all of them, when systemd has perhaps not read them yet.
    fn claim(&mut self, files: Vec<Owned>) -> Claim {
        let claim = self.claims.claim(&files);
        if self.claims.pending() { Claim { changed: files, ..claim } } else { claim }
    }

    fn directories(&mut self, mut mounts: BTreeSet<StepId>, anew: &BTreeSet<StepId>) {
        let Some(root) = &self.spec.pool_root else { return };
        // What carries them must be mounted, or be mounted by this plan.
        let Some(carrier) = self.spec.volumes.iter().find(|v| v.path == root.path) else { return };
        let mount = self.id(carrier.name.as_str(), "mount");
        if anew.contains(&mount) {
            mounts.insert(mount);
        } else if !mounts.contains(&mount) {
            return;
        }
        for path in root.directories.iter().filter(|path| self.facts.barred.contains(path)) {
            self.held("pools", format!("{path} is there and is no folder"), "move it away: no folder can be made in its place");
        }
        let there: BTreeSet<&String> = self.facts.directories.iter().collect();
        let wanted: Vec<String> = root.directories.iter().filter(|path| !self.facts.barred.contains(path)).cloned().collect();
        if wanted.iter().any(|path| !there.contains(path)) {
            let why = format!("{} folders for persistent volumes", wanted.len());
            let root = PoolRoot { directories: wanted, ..root.clone() };
            self.step("pools", "directories", Action::Directories { root }, why, mounts);
        }
    }
}

/// Whether a path is below another.
fn below(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'))
}

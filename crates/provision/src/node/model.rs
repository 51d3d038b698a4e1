//! What each action does to the facts: for tests, and to see ahead.

use super::action::Action;
use super::apt::{NAMES, Package};
use super::observe::NodeFacts;

/// The facts after an action that succeeded. What is where files belong is one for all domains, and not changed here; neither are versions,
/// which programs tell of themselves.
pub fn model(action: &Action, facts: &mut NodeFacts) {
    match action {
        Action::Kernel { .. } => facts.kernel = true,
        Action::SwapOff { .. } => facts.swap.clear(),
        Action::Install { files, .. } => {
            for file in files {
                let Some(target) = file.target() else { continue };
                facts.strange.remove(&target);
                facts.installed.insert(target, file.sha256.clone());
                if let Some(version) = facts.versions.get_mut(&file.name) {
                    version.replaced |= version.running.is_some();
                }
            }
        }
        Action::Packages { version, .. } => {
            if let Some(apt) = &mut facts.apt {
                let package = || Package { version: format!("{version}-1.1"), whole: true, held: true };
                apt.packages.extend(NAMES.map(|name| (name.to_owned(), package())));
            }
        }
        Action::Containerd { package, .. } => {
            if let (Some(package), Some(apt)) = (package, &mut facts.apt) {
                apt.packages.insert(package.name.clone(), Package { version: package.version.clone(), whole: true, held: true });
            }
            facts.containerd = true;
            facts.versions.values_mut().for_each(|version| version.replaced = false);
        }
        Action::Images { files, .. } => facts.images.extend(files.iter().filter_map(|file| file.image.clone())),
        Action::Kubelet { .. } => facts.kubelet_enabled = true,
        Action::Adoption(_) | Action::Source { .. } => {}
    }
}

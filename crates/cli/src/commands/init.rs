//! `kubestead init`.

use std::path::{Path, PathBuf};

use kubestead_core::name::Name;
use kubestead_secrets::Escrow;

use crate::exit::{Exit, Failure, fail};
use crate::print;

/// The operator's age identity: `KUBESTEAD_AGE_KEY_FILE`, else where sops looks for it.
pub(crate) fn identity() -> PathBuf {
    std::env::var_os("KUBESTEAD_AGE_KEY_FILE").or_else(|| std::env::var_os("SOPS_AGE_KEY_FILE")).map_or_else(
        || {
            let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
            std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from).join("sops/age/keys.txt")
        },
        PathBuf::from,
    )
}

pub(crate) fn run(name: &str, dir: &Path) -> Result<Exit, Failure> {
    let name = Name::new(name).map_err(|e| fail(Exit::Usage, e.to_string()))?;
    std::fs::create_dir_all(dir)?;
    let file = dir.join("cluster.yaml");
    if file.exists() {
        print::note(&format!("{} is there and stays as it is", file.display()));
    } else {
        std::fs::write(&file, template(&name))?;
        print::data(&format!("wrote {}", file.display()));
    }
    let (escrow, identity) = (dir.join("secrets/escrow"), identity());
    if escrow.join("recipients").exists() {
        print::note(&format!("{} is there and stays as it is", escrow.display()));
    } else {
        Escrow::init(&escrow, &identity)?;
        print::data(&format!("wrote {}: recovery keys are encrypted to {}", escrow.join("recipients").display(), identity.display()));
        print::note(&format!("keep a copy of {} off this computer: it opens the recovery keys", identity.display()));
    }
    print::note(&format!("next: edit {0}, then kubestead plan -f {0}", file.display()));
    Ok(Exit::Done)
}

fn template(name: &Name) -> String {
    format!(
        "apiVersion: kubestead/v1\nkind: Cluster\nname: {name}\nssh: {{user: root}}\nnodes:\n  - {{name: cp1, address: 192.0.2.11, roles: [control-plane]}}\n  \
         - {{name: kube1, address: 192.0.2.21}}\ndisks:\n  vg01:\n    devices:\n      kube1: [/dev/disk/by-id/CHANGE-ME]\nvolumes:\n  \
         volkube: {{on: [kube1], group: vg01, size: 100GiB, path: /var/lib/kubestead/volumes}}\nkeys:\n  servers: [{{host: masterlock, address: 192.0.2.5}}]\n  recovery: age\n\
         pools:\n  pool-s: {{count: 30, size: 500Mi}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_a_valid_file() {
        let text = template(&Name::new("home").unwrap());
        let found = kubestead_provision::file::load("cluster.yaml", &text, Path::new("/"));
        assert!(found.is_ok(), "{found:?}");
    }
}

//! One action: guard, act, verify.

use std::path::Path;

use kubestead_core::command::{Stdin, quote};
use kubestead_core::host::Host;
use kubestead_core::outcome::Done;
use kubestead_core::procedure::{Procedure, ProcedureError};
use kubestead_storage::apply::write_files;

use super::plan::Action;
use super::spec::SYSCTL_FILE;
use super::{INSTALLED, apt};
use crate::bundle::BundleFile;

/// Carries an action out on its host. An error's cause names the object.
pub async fn apply(action: &Action, host: &dyn Host) -> Result<Done, ProcedureError> {
    match action {
        Action::Kernel { files } => {
            // Built into the kernel they are no modules; whether they are there shows in what follows.
            let load = format!(
                "modprobe -qa overlay br_netfilter 2>/dev/null || true
\
                 grep -qw overlay /proc/filesystems || {{ echo 'the kernel has no overlay filesystem' >&2; exit 1; }}
sysctl -q -p {SYSCTL_FILE}"
            );
            write_files(files, &load, host).await
        }
        Action::SwapOff => swap_off().run(host).await,
        Action::Install { bundle, files } => each(files, host, |file| install(bundle, file)).await,
        // The list itself is read when packages are installed: what a cut leaves unread is read then.
        Action::Source { files } => write_files(files, "", host).await,
        Action::Packages { version, address } => apt::install(version, address).run(host).await,
        Action::Containerd { files } => {
            let load = "systemctl -q enable --no-reload containerd\nsystemctl daemon-reload\nsystemctl restart containerd";
            write_files(files, load, host).await
        }
        Action::Images { bundle, files } => each(files, host, |file| import(bundle, file)).await,
        Action::Kubelet { files } => {
            write_files(files, "systemctl -q enable --no-reload kubelet kubestead-pods\nsystemctl daemon-reload", host).await
        }
    }
}

async fn each(files: &[BundleFile], host: &dyn Host, procedure: impl Fn(&BundleFile) -> Procedure) -> Result<Done, ProcedureError> {
    let mut done = Done::Already;
    for file in files {
        if procedure(file).run(host).await? == Done::Changed {
            done = Done::Changed;
        }
    }
    Ok(done)
}

/// The lines of fstab stay there as comments.
fn swap_off() -> Procedure {
    Procedure::new(
        "",
        "t=$(mktemp /etc/fstab.XXXXXX); awk '$1 !~ /^#/ && $3 == \"swap\" { print \"# kubestead: no swap: \" $0; next } { print }' /etc/fstab > \"$t\"\n\
         chmod --reference=/etc/fstab \"$t\"; sync \"$t\"; mv -fT \"$t\" /etc/fstab; sync /etc\n\
         systemctl daemon-reload\nswapoff -a",
        "[ -z \"$(tail -n +2 /proc/swaps)\" ] || unverified \"still in use: $(tail -n +2 /proc/swaps)\"",
    )
}

/// A program comes whole or not at all; a running one keeps its old file until it is started again.
fn install(bundle: &Path, file: &BundleFile) -> Procedure {
    let (target, sum) = (file.target().unwrap_or_default(), &file.sha256);
    let record = format!(
        "mkdir -p \"$(dirname {INSTALLED})\"; touch {INSTALLED}; r=$(mktemp {INSTALLED}.XXXXXX)\n\
         awk -v own=\"$p\" '$4 != own' {INSTALLED} > \"$r\"; echo \"{sum} $(stat -c '%s %Y' \"$p\") $p\" >> \"$r\"; sync \"$r\"; mv -fT \"$r\" {INSTALLED}"
    );
    Procedure::new(
        format!("p={}\nif [ -f \"$p\" ] && [ \"$(sha256sum < \"$p\")\" = '{sum}  -' ]; then\n{record}\nalready\nfi", quote(&target)),
        format!(
            "d=$(dirname \"$p\"); mkdir -p \"$d\"; t=$(mktemp \"$d/.kubestead.XXXXXX\"); trap 'rm -f \"$t\"' EXIT\ncat > \"$t\"\n\
             [ \"$(sha256sum < \"$t\")\" = '{sum}  -' ] || refuse \"{} is not the file of bundle.json\"\n\
             chmod 0755 \"$t\"; sync \"$t\"; mv -fT \"$t\" \"$p\"; sync \"$d\"",
            file.path
        ),
        format!("[ -x \"$p\" ] || unverified \"$p is not there\"\n{record}"),
    )
    .stdin(Stdin::File(bundle.join(&file.path)))
}

fn import(bundle: &Path, file: &BundleFile) -> Procedure {
    let reference = quote(file.image.as_deref().unwrap_or_default());
    Procedure::new(
        format!(
            "ctr='ctr -n k8s.io images'; i={reference}\nfound() {{ all=$($ctr ls -q); grep -qxF \"$i\" <<< \"$all\"; }}\nif found; then already; fi"
        ),
        format!(
            "s=$(mktemp); trap 'rm -f \"$s\"' EXIT\n\
             tee >(sha256sum > \"$s\") | $ctr import --local --sync-fs --label io.cri-containerd.pinned=pinned - > /dev/null\n\
             while [ ! -s \"$s\" ]; do sleep 0.1; done\n\
             if [ \"$(cat \"$s\")\" != '{}  -' ]; then $ctr rm \"$i\" > /dev/null 2>&1 || true; refuse '{} is not the file of bundle.json'; fi",
            file.sha256, file.path
        ),
        "found || unverified \"$i is not among the images\"",
    )
    .stdin(Stdin::File(bundle.join(&file.path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Kind;

    #[test]
    fn every_script_is_one_that_bash_can_read_and_files_are_streamed() {
        let file = |kind, name: &str| BundleFile {
            path: format!("x/{name}"),
            kind,
            name: name.into(),
            version: "1".into(),
            sha256: "ab".into(),
            size: 1,
            roles: vec![],
            image: Some("r/x:1".into()),
        };
        let dir = Path::new("/b");
        for procedure in [swap_off(), install(dir, &file(Kind::Binary, "kubelet")), import(dir, &file(Kind::Image, "x"))] {
            let command = procedure.command();
            let status = std::process::Command::new("bash").args(["-n", "-c", &command.argv[2]]).status().unwrap();
            assert!(status.success(), "{}", command.argv[2]);
        }
        assert!(matches!(install(dir, &file(Kind::Cni, "bridge")).stdin, Stdin::File(p) if p == Path::new("/b/x/bridge")));
    }
}

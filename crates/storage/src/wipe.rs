//! The end of one volume, asked for by its name: its key slots are erased and its LV is removed. Only of a volume that is proven ours,
//! twice: by the tag that its LV got when it was made, and by the token in its header that names it.

use std::collections::BTreeSet;

use kubestead_core::fact::Fact;
use kubestead_core::plan::{Held, Part, Risk, Step, StepId, Target};
use kubestead_core::procedure::Procedure;

use crate::key::copy_header;
use crate::observe::{Header, StorageFacts, TOKEN, VOLUME};
use crate::plan::Action;
use crate::spec::{HostStorage, Volume};
use crate::unit;

/// The step that ends a volume, after others; nothing when there is no such LV.
pub fn plan(spec: &HostStorage, facts: &StorageFacts, volume: &Volume, after: BTreeSet<StepId>) -> Part<Action> {
    let mut part = Part::default();
    let mut held = |reason: String| {
        let hint = "nothing is wiped that is not proven ours; look at it, and wipe it by hand";
        part.held.push(Held::new(format!("{}/{}", spec.node, volume.name), reason, hint));
    };
    let Some(found) = facts.volumes.get(&volume.name) else {
        held("it was not looked at".to_owned());
        return part;
    };
    match (&found.logical, &found.header) {
        (Fact::Absent, _) => return part,
        (Fact::Unknown(gap), _) | (_, Fact::Unknown(gap)) => held(gap.to_string()),
        (_, Fact::Known(Header::Ours(_))) => {}
        (_, Fact::Known(Header::Foreign(what) | Header::Tokenless(what) | Header::Damaged(what))) => {
            held(format!("{} holds {what}", volume.device()));
        }
        (_, Fact::Known(Header::Blank) | Fact::Absent) => held(format!("{} holds no header of ours", volume.device())),
    }
    if !facts.groups.get(&volume.group).and_then(Fact::known).is_some_and(|g| g.ours) {
        held(format!("{} is not just on the devices that the file names", volume.group));
    }
    if let Some(source) = found.mounted.as_ref().filter(|m| **m != format!("/dev/mapper/{}", volume.mapper())) {
        held(format!("{source} is mounted at {}", volume.path));
    }
    if part.held.is_empty() {
        let why = format!("erase the keys of {} and remove it: what {} holds is lost", volume.device(), volume.path);
        let target = Target::Host(spec.node.to_string());
        part.push(
            Step::new(target, volume.name.as_str(), "wipe", Action::Wipe { volume: volume.clone() }, why).after(after).risk(Risk::Destroys),
        );
    }
    part
}

/// Every stage leaves the volume such that the next run finds it ours and goes on: the header's token outlives its key slots, and the
/// LV goes last.
pub(crate) fn procedure(volume: &Volume) -> Procedure {
    let (group, name, mapper, path) = (&volume.group, &volume.name, volume.mapper(), &volume.path);
    let files = unit::units(volume).iter().map(|f| kubestead_core::command::quote(&f.path)).collect::<Vec<_>>().join(" ");
    let folder = kubestead_core::command::quote(&format!("/etc/systemd/system/{}.d", unit::cryptsetup_unit(volume)));
    let unlock = kubestead_core::command::quote(&unit::cryptsetup_unit(volume));
    let drop = |file: &str, ours: &str| {
        format!(
            "if [ -f {file} ]; then t=$(mktemp {file}.XXXXXX); awk '!({ours})' {file} > \"$t\"; chmod --reference={file} \"$t\"; chown --reference={file} \"$t\"; sync \"$t\"; mv -fT \"$t\" {file}; fi"
        )
    };
    Procedure::new(
        format!(
            "lvs {group}/{name} > /dev/null 2>&1 || already\n\
             tags=,$(lvs --noheadings -o lv_tags {group}/{name} | tr -d ' '),\n\
             case $tags in *,{VOLUME},*) ;; *) refuse '{group}/{name} has no tag that says that kubestead made it; if it did: lvchange --addtag {VOLUME} {group}/{name}' ;; esac\n\
             dump() {{ ({}\ncryptsetup luksDump --dump-json-metadata \"$t/header\" | tr -d ' \\n\\t'); }}\n\
             header=$(dump) || refuse 'its header does not load'\n\
             case $header in *'\"type\":\"{TOKEN}\"'*) ;; *) refuse 'its header has no token of ours' ;; esac\n\
             case $header in *'\"volume\":\"{name}\"'*) ;; *) refuse 'the token in its header names another volume' ;; esac\n\
             others=$(findmnt -rn -S /dev/mapper/{mapper} -o TARGET | grep -vxF {path} || true)\n\
             [ -z \"$others\" ] || refuse \"it is mounted elsewhere too: $others\"",
            copy_header(volume)
        ),
        format!(
            "stop() {{ printf '%s\\n' \"$*\" >&2; exit 1; }}\n\
             case {path}/ in /var/lib/containerd/*) systemctl stop kubelet containerd 2>/dev/null || true ;; /var/lib/kubelet/*) systemctl stop kubelet 2>/dev/null || true ;; esac\n\
             if findmnt -M {path} > /dev/null; then umount {path} || refuse '{path} is in use'; fi\n\
             systemctl stop {unlock} kubestead-key-{name}.socket 2>/dev/null || true\n\
             if [ -b /dev/mapper/{mapper} ]; then cryptsetup close {mapper} || stop '{mapper} is in use'; fi\n\
             ! findmnt -rn -S /dev/mapper/{mapper} > /dev/null || stop '{mapper} is mounted'\n\
             d=/dev/{group}/{name}; r=$(readlink -f \"$d\")\n\
             h=/sys/class/block/${{r##*/}}/holders; [ -d \"$h\" ] && [ -z \"$(ls \"$h\")\" ] || stop \"$d is in use\"\n\
             exec {{lock}}<\"$r\"; flock -n \"$lock\" || stop \"$d is locked by another program\"\n\
             {}\n{}\nrm -f {files}; [ ! -d {folder} ] || rmdir --ignore-fail-on-non-empty {folder}; systemctl daemon-reload\n\
             f=/etc/kubestead/share.d/{name}; if [ -f \"$f\" ]; then shred -n 1 -u \"$f\"; sync /etc/kubestead/share.d; fi\n\
             cryptsetup erase -q \"$d\"; sync\n\
             case $(dump) in *'\"keyslots\":{{}}'*) ;; *) stop 'a key slot is still there' ;; esac\n\
             exec {{lock}}<&-\nlvremove -q -y {group}/{name}",
            drop("/etc/crypttab", &format!("$1 == \"{mapper}\" && index($0, \"/run/kubestead/\")")),
            drop("/etc/fstab", &format!("$1 == \"/dev/mapper/{mapper}\"")),
        ),
        format!("! lvs {group}/{name} > /dev/null 2>&1 || unverified 'the LV is still there'"),
    )
}

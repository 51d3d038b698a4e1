//! One action: guard, act, verify. Every guard looks again at the last moment, under a lock on the device where it is formatted.

use kubestead_core::command::{Stdin, quote};
use kubestead_core::host::Host;
use kubestead_core::key::{KeyRef, KeySource};
use kubestead_core::name::Name;
use kubestead_core::outcome::Done;
use kubestead_core::procedure::{Procedure, ProcedureError};
use kubestead_core::put::{Owned, put_texts};
use kubestead_core::secret::Secret;

use crate::error::Error;
use crate::observe::{FORMATTING, MKFS, NEW, PENDING, TOKEN, VOLUME};
use crate::plan::{Action, physical_uuid};
use crate::spec::{Filesystem, Volume};
use crate::unit::{self, FETCH};

/// Carries an action out on its host.
pub async fn apply(action: &Action, host: &dyn Host, keys: &dyn KeySource) -> Result<Done, Error> {
    let what = describe(action, host.name());
    let failed = |source| Error::Procedure { what: what.clone(), source };
    match action {
        Action::Files { files } => write_files(files, "systemctl daemon-reload", host).await.map_err(failed),
        Action::Boot { files, volumes } => write_files(files, &tabs(volumes), host).await.map_err(failed),
        Action::Format { node, volume } => {
            let key = KeyRef::recovery(node.as_str(), volume.name.as_str());
            let recovery = keys.open(&key).await.map_err(|source| Error::Key { what: what.clone(), source })?;
            format(volume, recovery).run(host).await.map_err(failed)
        }
        other => procedure(other).run(host).await.map_err(failed),
    }
}

/// How long, in seconds, a device may be busy with its own boot: a filesystem that was not unmounted is checked first.
const BOOTS: u32 = 300;

/// Writes files and has them loaded; a cut between the two is seen by the next observation.
pub async fn write_files(files: &[Owned], load: &str, host: &dyn Host) -> Result<Done, ProcedureError> {
    written(files, load).run(host).await
}

/// Such a command, for a caller that adds to it. A mark stands from before the first file until all are loaded.
pub fn written(files: &[Owned], load: &str) -> Procedure {
    let mut procedure = put_texts(files);
    procedure.act = format!("mkdir -p /etc/kubestead; touch {PENDING}; sync {PENDING}\n{}\n{load}\nrm {PENDING}", procedure.act);
    procedure
}

fn describe(action: &Action, host: &str) -> String {
    let (deed, object) = match action {
        Action::Group { group, .. } => ("make volume group", group.to_string()),
        Action::Create { volume } => ("make LV", volume.device()),
        Action::Share { volume } => ("make the key share of", volume.name.to_string()),
        Action::Format { volume, .. } => ("encrypt", volume.device()),
        Action::Mkfs { volume } => ("make the filesystem of", volume.device()),
        Action::Files { files } => ("write", files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>().join(", ")),
        Action::Boot { volumes, .. } => ("have mounted at boot", volumes.iter().map(|v| v.path.as_str()).collect::<Vec<_>>().join(", ")),
        Action::Mount { volume } => ("mount", volume.path.clone()),
        Action::Grow { volume } => ("grow", volume.device()),
        Action::Directories { root } => ("make folders in", root.path.clone()),
        Action::Wipe { volume } => ("wipe", volume.device()),
    };
    format!("{host}: {deed} {object}")
}

/// The commands of an action that needs no secret and writes no files; the empty procedure for the others.
pub fn procedure(action: &Action) -> Procedure {
    match action {
        Action::Group { group, devices } => make_group(group, devices),
        Action::Create { volume } => create(volume),
        Action::Share { volume } => share(volume),
        Action::Mkfs { volume } => mkfs(volume),
        Action::Mount { volume } => mount(volume),
        Action::Grow { volume } => grow(volume),
        Action::Wipe { volume } => crate::wipe::procedure(volume),
        Action::Directories { root } => {
            let list = root.directories.iter().map(|d| quote(d)).collect::<Vec<_>>().join(" ");
            Procedure::new(
                format!("findmnt -M {0} >/dev/null || refuse '{0} is not mounted'", root.path),
                format!("mkdir -p -m 0755 {list}"),
                format!("for d in {list}; do [ -d \"$d\" ] || unverified \"$d is missing\"; done"),
            )
        }
        Action::Files { .. } | Action::Boot { .. } | Action::Format { .. } => Procedure::new("", "", ""),
    }
}

fn make_group(group: &Name, devices: &[String]) -> Procedure {
    let list = devices.iter().map(|d| quote(d)).collect::<Vec<_>>().join(" ");
    let uuids: String = devices.iter().map(|d| format!("{}) u={};; ", quote(d), physical_uuid(group, d))).collect();
    Procedure::new(
        format!(
            "vgs {group} >/dev/null 2>&1 && already\n\
             uuid() {{ case $1 in {uuids}esac; }}\n\
             begun() {{ uuid \"$1\"; [ \"$(pvs --noheadings --separator , -o vg_name,pv_uuid \"$(readlink -f \"$1\")\" 2>/dev/null | tr -d ' ')\" = \",$u\" ]; }}\n\
             for d in {list}; do\n\
             [ -b \"$d\" ] || refuse \"$d is no block device\"\n\
             r=$(readlink -f \"$d\"); b=${{r##*/}}\n\
             exec {{lock}}<\"$r\"; flock -n \"$lock\" || refuse \"$d is locked by another program\"\n\
             [ -z \"$(ls \"/sys/class/block/$b/holders\")\" ] || refuse \"$d is held by $(ls \"/sys/class/block/$b/holders\")\"\n\
             [ -z \"$(ls -d \"/sys/class/block/$b/$b\"* 2>/dev/null)\" ] || refuse \"$d has partitions\"\n\
             ! findmnt -rn -S \"$r\" >/dev/null || refuse \"$d is mounted\"\n\
             if begun \"$d\"; then continue; fi\n\
             s=$(wipefs -n --json \"$r\" | tr -d ' \\n'); [ \"$s\" = '{{\"signatures\":[]}}' ] || [ -z \"$s\" ] || refuse \"$d is not blank: $s\"\n\
             for skip in 0 $(($(blockdev --getsize64 \"$r\") / 1048576 - 1)); do\n\
             [ \"$(dd if=\"$r\" bs=1M skip=$skip count=1 status=none | tr -d '\\0' | head -c 1 | wc -c)\" = 0 ] || refuse \"$d is not blank: MiB $skip is not all zero\"\n\
             done\ndone"
        ),
        format!(
            "for d in {list}; do if ! begun \"$d\"; then pvcreate -q -y --uuid \"$u\" --norestorefile \"$d\"; fi; done\nvgcreate -q {group} {list}"
        ),
        format!("vgs {group} >/dev/null || unverified 'the group is not there'"),
    )
}

fn create(volume: &Volume) -> Procedure {
    let (group, name, size) = (&volume.group, &volume.name, volume.size.0);
    Procedure::new(
        format!(
            "if lvs {group}/{name} >/dev/null 2>&1; then lvs --noheadings -o lv_tags {group}/{name} | grep -q {NEW} && already; refuse '{group}/{name} is there and not tagged as new'; fi"
        ),
        // -Wy clears what earlier owners of these extents left; the extents were free, so they belong to nobody.
        format!("lvcreate -q -y -Wy -n {name} -L {size}B --addtag {NEW} --addtag {VOLUME} {group}"),
        format!("udevadm settle; [ -b /dev/{group}/{name} ] || unverified 'the device did not appear'"),
    )
}

fn share(volume: &Volume) -> Procedure {
    let file = format!("/etc/kubestead/share.d/{}", volume.name);
    Procedure::new(
        format!(
            "f={file}\nif [ -e \"$f\" ]; then [ \"$(stat -c %s \"$f\")\" = 64 ] && already; refuse \"$f is there and is not 64 bytes\"; fi"
        ),
        "umask 077; mkdir -p /etc/kubestead/share.d; chmod 700 /etc/kubestead/share.d\n\
         head -c 64 /dev/urandom > \"$f.part\"; chmod 400 \"$f.part\"; sync \"$f.part\"; mv -nT \"$f.part\" \"$f\"; sync /etc/kubestead/share.d",
        "[ \"$(stat -c '%s %a' \"$f\")\" = '64 400' ] || unverified \"$f is not whole\"",
    )
}

/// The recovery key comes on standard input, as one line of text; the machine's key never leaves the node. Both go to cryptsetup
/// through pipes. Machine keys are random, so their KDF is made cheap; the recovery slot has the memory of the second choice of RFC 9106, 4,
/// and one pass more: fixed, so that no benchmark runs and any machine can open it. A second tag is there while the
/// header is made: a run that is cut off in between is known by it, and makes the whole header again.
fn format(volume: &Volume, recovery: Secret) -> Procedure {
    let (device, group, name, mapper) = (volume.device(), &volume.group, &volume.name, volume.mapper());
    let test = "cryptsetup open --test-passphrase";
    Procedure::new(
        format!(
            "d={device}\nIFS= read -r recovery || true\n[ \"${{#recovery}}\" -ge 32 ] || refuse 'the recovery key is too short'\n\
             [ -b \"$d\" ] || refuse \"$d is not there\"\n\
             tags=,$(lvs --noheadings -o lv_tags {group}/{name} | tr -d ' '),\n\
             case $tags in *,{NEW},*) ;; *) refuse \"$d is not tagged as new\" ;; esac\n\
             key=$({FETCH} {name} | base64 -w 0); machine() {{ printf %s \"$key\" | base64 -d; }}\n\
             whole() {{\n\
             j=$(cryptsetup luksDump --dump-json-metadata \"$d\" 2>/dev/null | tr -d ' \\n\\t') || return 1\n\
             case $j in *'\"type\":\"{TOKEN}\"'*) ;; *) return 1 ;; esac\n\
             case $j in *'\"priority\":0'*) ;; *) return 1 ;; esac\n\
             {test} --key-file <({FETCH} {name}) \"$d\" 2>/dev/null && printf %s \"$recovery\" | {test} --key-slot 7 --key-file - \"$d\" 2>/dev/null\n\
             }}\n\
             finish() {{ case $tags in *,{FORMATTING},*) lvchange -q --deltag {FORMATTING} {group}/{name} ;; esac; }}\n\
             held=$(wipefs -n -O TYPE --noheadings \"$d\" | sort -u | tr -d ' \\n')\n\
             case $held in\n'') ;;\n\
             crypto_LUKS) if whole; then finish; already; fi\n\
             case $tags in *,{FORMATTING},*) ;; *) refuse \"$d holds a LUKS header that is not ours\" ;; esac ;;\n\
             *) refuse \"$d holds $held\" ;;\nesac\n\
             [ ! -e /dev/mapper/{mapper} ] || refuse '{mapper} is open'\n\
             exec {{lock}}<\"$(readlink -f \"$d\")\"; flock -n \"$lock\" || refuse \"$d is locked by another program\"\n\
             [ -z \"$(ls \"/sys/class/block/$(basename \"$(readlink -f \"$d\")\")/holders\")\" ] || refuse \"$d is in use\""
        ),
        format!(
            "lvchange -q --addtag {FORMATTING} {group}/{name}; tags=${{tags}}{FORMATTING},\n\
             machine | cryptsetup luksFormat -q --type luks2 --key-slot 0 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file - \"$d\"\n\
             cryptsetup luksAddKey -q --key-file <(machine) --key-slot 7 --pbkdf argon2id --pbkdf-memory 65536 --pbkdf-parallel 1 --pbkdf-force-iterations 4 \"$d\" <(printf %s \"$recovery\")\n\
             cryptsetup config --priority ignore --key-slot 7 \"$d\"\n\
             printf '{{\"type\":\"{TOKEN}\",\"keyslots\":[\"0\"],\"volume\":\"{name}\",\"provider\":\"ssh-split\"}}' | cryptsetup token import --json-file - \"$d\""
        ),
        "whole || unverified 'the machine key or the recovery key does not open it'\nfinish",
    )
    .stdin(Stdin::Secret(recovery))
}

fn open(volume: &Volume) -> String {
    let (device, mapper, name) = (volume.device(), volume.mapper(), &volume.name);
    let discard = if volume.discard { " --allow-discards --persistent" } else { "" };
    format!("[ -b /dev/mapper/{mapper} ] || cryptsetup open{discard} --key-file <({FETCH} {name}) {device} {mapper}")
}

fn mkfs(volume: &Volume) -> Procedure {
    let (group, name, mapper) = (&volume.group, &volume.name, volume.mapper());
    let make = match (volume.filesystem, volume.inodes) {
        (Filesystem::Ext4, None) => "mkfs.ext4 -q -F -m 0".to_owned(),
        (Filesystem::Ext4, Some(inodes)) => format!("mkfs.ext4 -q -F -m 0 -N {inodes}"),
        (Filesystem::Xfs, _) => "mkfs.xfs -q -f".to_owned(),
    };
    let kind = volume.filesystem.as_str();
    Procedure::new(
        // The tag proves that this LV never held data: it is dropped before the first mount. What is inside when nobody has begun to
        // make a filesystem is somebody's, whatever the tag says.
        format!(
            "tags=,$(lvs --noheadings -o lv_tags {group}/{name} | tr -d ' '),\ncase $tags in *,{NEW},*) ;; *) already ;; esac\n\
             case $tags in *,{FORMATTING},*) refuse 'its header is not finished' ;; esac\n\
             ! findmnt -rn -S /dev/mapper/{mapper} >/dev/null || refuse '{mapper} is mounted'\n{}\n\
             held=$(wipefs -n -O TYPE --noheadings /dev/mapper/{mapper} | tr '\\n' ' ')\n\
             case $held,$tags in ,*|*,{MKFS},*) ;; *) refuse \"{group}/{name} is tagged as new and holds $held\" ;; esac",
            open(volume)
        ),
        format!("lvchange -q --addtag {MKFS} {group}/{name}\n{make} /dev/mapper/{mapper}\nsync"),
        format!(
            "[ \"$(blkid -p -o value -s TYPE /dev/mapper/{mapper})\" = {kind} ] || unverified 'no {kind} is found'\nlvchange -q --deltag {NEW} --deltag {MKFS} {group}/{name}"
        ),
    )
}

/// Replaces the volumes' own lines, or adds them; everybody else's lines stay as they are. Then systemd reads all of it.
fn tabs(volumes: &[Volume]) -> String {
    let edit = |file: &str, keys: &[String], lines: &[String]| {
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        format!(
            "touch {file}; t=$(mktemp {file}.XXXXXX); awk -v keys=' {} ' '!NF || !index(keys, \" \" $1 \" \")' {file} > \"$t\"; printf %s {} >> \"$t\"\n\
             chmod --reference={file} \"$t\"; chown --reference={file} \"$t\"; sync \"$t\"; mv -fT \"$t\" {file}; sync /etc\n",
            keys.join(" "),
            quote(&lines)
        )
    };
    let of = |text: &dyn Fn(&Volume) -> String| volumes.iter().map(text).collect::<Vec<_>>();
    let mut script = String::new();
    if !volumes.is_empty() {
        script += &edit("/etc/crypttab", &of(&Volume::mapper), &of(&unit::crypttab));
        script += &edit("/etc/fstab", &of(&|v| format!("/dev/mapper/{}", v.mapper())), &of(&unit::fstab));
    }
    for (file, text) in [("/etc/crypttab", &unit::crypttab as &dyn Fn(&Volume) -> String), ("/etc/fstab", &unit::fstab)] {
        script.extend(
            volumes.iter().map(|v| format!("grep -qxF {} {file} || unverified '{file} lacks the line of {}'\n", quote(&text(v)), v.name)),
        );
    }
    script + "systemctl -q enable --no-reload remote-cryptsetup.target\nsystemctl daemon-reload"
}

/// The bare mount point can hold nothing: mode 0000 and immutable, so that what runs without the volume fails instead of filling `/`.
/// A machine that is just booting mounts it by itself at any instant. The guard therefore judges one look at what is mounted, and asks
/// again before it calls files the bare mount point's; and the bare mount point is closed in a view of its own, where nothing is mounted
/// on it: else the volume's own folder might be the one that is closed. While the boot checks the filesystem or mounts it, the device is
/// busy: that ends with its being mounted.
fn mount(volume: &Volume) -> Procedure {
    let (path, mapper, unit) = (&volume.path, volume.mapper(), unit::cryptsetup_unit(volume));
    Procedure::new(
        format!(
            "mounted() {{ [ \"$(findmnt -rn -M {path} -o SOURCE)\" = /dev/mapper/{mapper} ]; }}\ns=$(findmnt -rn -M {path} -o SOURCE || true)\n\
             case $s in '') ;; /dev/mapper/{mapper}) already ;; *) refuse \"$s is mounted at {path}\" ;; esac\n\
             [ ! -d {path} ] || [ -z \"$(ls -A {path})\" ] || mounted || refuse '{path} holds files'"
        ),
        format!(
            "mkdir -p {path}\n\
             unshare --mount bash -ec 'findmnt -M {path} > /dev/null && umount -l {path}; chattr -i {path}; chmod 0000 {path}; chattr +i {path}'\n\
             systemctl start kubestead-key-{}.socket {}\n[ -b /dev/mapper/{mapper} ] || refuse 'it did not open'\nend=$((SECONDS + {BOOTS})) why=''\n\
             until mounted || why=$(mount {path} 2>&1); do\n\
             case $why in *busy*) [ $SECONDS -lt $end ] || {{ echo \"$why\" >&2; exit 1; }}; sleep 0.2 ;; *) echo \"$why\" >&2; exit 1 ;; esac\ndone\n\
             [ ! -d {path}/lost+found ] || rmdir --ignore-fail-on-non-empty {path}/lost+found",
            volume.name,
            quote(&unit)
        ),
        format!("mounted || unverified '{path} is not mounted'"),
    )
}

/// Not `lvextend -r`: fsadm resizes the mapping without a key and then asks for one. The three stages are each without effect when
/// they are done, so that a run which was cut off between them is finished by the same commands.
fn grow(volume: &Volume) -> Procedure {
    let (group, name, mapper, size, path) = (&volume.group, &volume.name, volume.mapper(), volume.size.0, &volume.path);
    let grow_fs = match volume.filesystem {
        Filesystem::Ext4 => format!("resize2fs /dev/mapper/{mapper}"),
        Filesystem::Xfs => format!("xfs_growfs {path}"),
    };
    Procedure::new(
        format!(
            "now() {{ lvs --noheadings --units b --nosuffix -o lv_size {group}/{name} | tr -d ' '; }}\n\
             [ \"$(findmnt -rn -M {path} -o SOURCE)\" = /dev/mapper/{mapper} ] || refuse '{path} is not mounted'"
        ),
        format!(
            "if [ \"$(now)\" -lt {size} ]; then lvextend -q -L {size}B {group}/{name}; fi\ncryptsetup resize --key-file <({FETCH} {name}) {mapper}\n{grow_fs}"
        ),
        format!(
            "[ \"$(now)\" -ge {size} ] || unverified 'it has the old size'\n\
             [ $(($(blockdev --getsize64 /dev/mapper/{mapper}) + 33554432)) -ge \"$(now)\" ] || unverified 'the mapping has the old size'"
        ),
    )
}

#[cfg(test)]
mod tests {
    use kubestead_core::size::Bytes;

    use super::*;

    fn volume() -> Volume {
        let name = |n: &str| Name::new(n).unwrap();
        Volume {
            name: name("data"),
            group: name("vg01"),
            size: Bytes(1 << 30),
            filesystem: Filesystem::Ext4,
            inodes: Some(1000),
            path: "/data".into(),
            discard: false,
        }
    }

    #[test]
    fn a_recovery_key_is_on_standard_input_and_nowhere_else() {
        let command = format(&volume(), Secret::new(b"hunter2hunter2hunter2hunter2hunter2".to_vec())).command();
        assert!(!command.render().contains("hunter2"));
        assert!(command.stdin.bytes().starts_with(b"hunter2"));
    }

    #[test]
    fn every_script_is_one_that_bash_can_read() {
        let volume = volume();
        let actions = [
            Action::Group { group: volume.group.clone(), devices: vec!["/dev/disk/by-id/x y".into()] },
            Action::Create { volume: volume.clone() },
            Action::Share { volume: volume.clone() },
            Action::Mkfs { volume: volume.clone() },
            Action::Mount { volume: volume.clone() },
            Action::Grow { volume: volume.clone() },
            Action::Wipe { volume: volume.clone() },
        ];
        let mut commands: Vec<_> = actions.iter().map(|a| procedure(a).command()).collect();
        commands.push(format(&volume, Secret::new(vec![b'x'; 40])).command());
        commands.push(written(&unit::units(&volume), &tabs(std::slice::from_ref(&volume))).command());
        commands.push(written(&[], &tabs(&[])).command());
        for command in commands {
            let status = std::process::Command::new("bash").arg("-n").arg("-c").arg(&*command.script()).status().unwrap();
            assert!(status.success(), "{}", command.script());
        }
    }

    /// The real script on files of a folder, without systemd.
    #[test]
    fn what_the_boot_needs_is_written_whole_and_lines_of_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_str().unwrap();
        for folder in ["etc", "run"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let read = |path: &str| std::fs::read_to_string(dir.path().join(path)).unwrap();
        let volume = volume();
        std::fs::write(
            dir.path().join("etc/fstab"),
            "# theirs\n\n/dev/vda / ext4 defaults 0 1\n/dev/mapper/luks-data /old ext4 nofail 0 2\n",
        )
        .unwrap();
        let command = written(&unit::units(&volume), &tabs(std::slice::from_ref(&volume))).command();
        let script = command
            .script()
            .replace("/etc/", &format!("{root}/etc/"))
            .replace("sync /etc\n", "")
            .replace("/run/kubestead.act", &format!("{root}/run/act"));
        let script = script.lines().filter(|line| !line.starts_with("systemctl ")).collect::<Vec<_>>().join("\n");
        let run = |stdin: &[u8]| {
            let mut child = std::process::Command::new("bash").args(["-c", &script]).stdin(std::process::Stdio::piped()).spawn().unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin).unwrap();
            child.wait().unwrap().code()
        };
        for _ in 0..2 {
            assert_eq!(run(command.stdin.bytes()), Some(0));
            for unit in unit::units(&volume) {
                assert_eq!(read(&unit.path[1..]), unit.text);
            }
            assert_eq!(read("etc/crypttab"), format!("{}\n", unit::crypttab(&volume)));
            assert_eq!(read("etc/fstab"), format!("# theirs\n\n/dev/vda / ext4 defaults 0 1\n{}\n", unit::fstab(&volume)));
            assert!(!dir.path().join("etc/kubestead/reload-pending").exists());
        }
        let before = read("etc/fstab");
        assert_ne!(run(&command.stdin.bytes()[..40]), Some(0), "a cut is noticed");
        assert!(dir.path().join("etc/kubestead/reload-pending").exists() && read("etc/fstab") == before, "and seen by the next look");
        assert_eq!(read(&unit::units(&volume)[0].path[1..]), unit::units(&volume)[0].text, "what stood there stays");
    }

    /// The real guard, with what findmnt(8) says each time (a descriptor's place is shared with the subshells that ask): the machine's
    /// own boot may mount the volume between any two looks.
    #[test]
    fn a_volume_that_its_boot_mounts_meanwhile_is_not_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut volume = volume();
        volume.path = dir.path().to_str().unwrap().to_owned();
        let guard = mount(&volume).guard;
        let run = |answers: &[&str]| {
            std::fs::write(dir.path().join("answers"), answers.join("\n") + "\n").unwrap();
            let script = format!(
                "set -eu; exec 3< {}/answers; findmnt() {{ read -r a <&3; echo \"$a\"; [ -n \"$a\" ]; }}\n\
                 already() {{ exit 91; }}; refuse() {{ exit 90; }}\n{}\n",
                volume.path, guard
            );
            std::process::Command::new("bash").args(["-c", &script]).status().unwrap().code()
        };
        let ours = "/dev/mapper/luks-data";
        assert_eq!(run(&[ours]), Some(91), "mounted before");
        assert_eq!(run(&["", ours]), Some(0), "mounted since: its files are no reason");
        assert_eq!(run(&["", ""]), Some(90), "files on the bare mount point");
        assert_eq!(run(&["/dev/sdb1"]), Some(90), "another device");
    }

    #[test]
    fn a_wipe_looks_at_tag_and_token_before_it_does_anything_and_removes_the_lv_last() {
        let wipe = procedure(&Action::Wipe { volume: volume() });
        for proof in [VOLUME, "\"volume\":\"data\"", "lv_tags"] {
            assert!(wipe.guard.contains(proof), "{proof}");
        }
        for deed in ["erase", "lvremove", "umount", "close"] {
            assert!(!wipe.guard.contains(deed), "{deed}");
        }
        assert!(wipe.act.lines().last().unwrap().starts_with("lvremove"));
        assert!(!wipe.act.contains("-l ") && !wipe.act.contains("--lazy"), "no force");
    }

    #[test]
    fn only_a_tagged_volume_is_formatted() {
        for text in [format(&volume(), Secret::new(vec![])).guard, mkfs(&volume()).guard] {
            assert!(text.contains("kubestead:new"));
        }
        assert!(!mkfs(&volume()).act.contains("luksFormat"));
    }
}

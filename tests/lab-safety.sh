#!/bin/bash
# The proof that a host that lies, hangs or was changed costs nothing but itself, on real machines without Kubernetes: a host with one session a connection,
# one that hangs in the kernel, one that streams without end, one whose words are escapes, a file that was edited into what cannot be, a path that
# is a link, files of ours that somebody edited, and a data disk that was swapped.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH). Makes a lab of its own and removes it at the end; KEEP=1 keeps it.
. "$(dirname "$0")/lab-lib.sh" "safety"

echo "== a file that locks the operator out is refused"
"$kubestead" init --dir "$work" > /dev/null 2>&1
cluster_file() {
  sed "s#^ssh: .*#ssh: {config: $work/ssh}#; /^kubernetes:/d; /^namespace:/d; $1" "$top/examples/three-nodes/cluster.yaml" > "$KUBESTEAD_FILE"
}
cluster_file 's#{host: masterlock,#{host: masterlock, user: root,#'
expect "root as the account of a key server" fails_saying "root would be kept to fetching keys" "$kubestead" check

echo "== one session a connection"
expect "lab up" "$kubestead" lab up
ln -sf "$KUBESTEAD_LAB_DIR/lab/ssh_config" "$work/ssh"
cluster_file ''
on kube1 "echo MaxSessions 1 > /etc/ssh/sshd_config.d/05-sessions.conf; systemctl reload ssh"
expect "up with a host that allows one session" "$kubestead" up
expect "the plan is empty" status 0 plan

echo "== a host that hangs in the kernel"
# What is in memory would be read all the same.
on kube2 "sync; dmsetup suspend luks-volkube; dmsetup suspend vg01-volkube; echo 3 > /proc/sys/vm/drop_caches"
begin=$SECONDS
expect "it is named with what is waited for, and only it" says "kube2: no answer for 60 s at: storage/" plan
expect "that cost one limit" [ $((SECONDS - begin)) -lt 100 ]
expect "the others were seen" bash -c "! grep -q 'kube1: no answer' $work/plan"
on kube2 "dmsetup resume vg01-volkube; dmsetup resume luks-volkube"
expect "the plan is empty again" eventually 60 status 0 plan

echo "== a host that streams without end"
# From its login's start file, for a while: what cleans up comes in by the same way.
until=$(($(date +%s) + 40))
on kube2 "touch /root/.bashrc; cp /root/.bashrc /root/bashrc; { echo '[ \$(date +%s) -ge $until ] || exec timeout 20 yes'; cat /root/bashrc; } > /root/.bashrc"
bounded() {
  python3 -c "
import resource, subprocess, sys
subprocess.run([sys.argv[1], 'plan'], stdout=open(sys.argv[2], 'w'), stderr=subprocess.STDOUT)
used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
print(used, 'MB')
assert used < 100" "$kubestead" "$work/plan"
  cat "$work/plan"
}
expect "its answer is cut at a limit, in bounded memory" says "bytes of answer" bounded
expect "the others were seen" bash -c "! grep -q 'kube1: more than' $work/plan"
expect "it is reached again" eventually 90 on kube2 "cp /root/bashrc /root/.bashrc"

echo "== a host whose words are escapes"
on kube2 "cp /usr/lib/os-release /root/os-release; printf 'ID=\"deb\\033[2K\\033[1Aian\\033]0;x\\a\"\n' >> /usr/lib/os-release"
expect "they are spelled out" says '\u{1b}' plan
expect "and do not reach the terminal" bash -c "! grep -q \$'\\033' $work/plan"
on kube2 "cp /root/os-release /usr/lib/os-release"
expect "the plan is empty again" status 0 plan

echo "== what cannot change"
on kube1 "sha256sum /etc/fstab /etc/crypttab" > "$work/tabs"
kind=$(on kube1 "findmnt -no FSTYPE /var/lib/kubestead/volumes")
other=ext4; [ "$kind" = xfs ] || other=xfs
cluster_file "s#^\( *volkube: {\)\(.*\)#\1filesystem: $other, \2#; s#filesystem: $other, \(.*\), filesystem: [a-z0-9]*#filesystem: $other, \1#"
expect "another filesystem is held" says "$kind" plan
expect "and up ends so" status 4 "$kubestead" up
expect "fstab and crypttab are as they were" [ "$(on kube1 "sha256sum /etc/fstab /etc/crypttab")" = "$(cat "$work/tabs")" ]
cluster_file ''
on kube1 "mkdir -p /srv; ln -s /var /srv/link"
sed -i 's#^volumes:#volumes:\n  extra: {on: [kube1], group: vg01, size: 64MiB, path: /srv/link/extra}#' "$KUBESTEAD_FILE"
expect "a path through a link is held with where it leads" says "/var/extra" plan
expect "and no LV is made" bash -c "r=0; '$kubestead' up > $work/out 2>&1 || r=\$?; [ \$r = 4 ]"
expect "no LV is there" on kube1 "! lvs vg01/extra 2> /dev/null"
cluster_file ''
expect "the plan is empty again" status 0 plan

echo "== a file of ours that somebody edited, or put a link in its place"
unit=/etc/systemd/system/reboot.target.d/10-kubestead.conf
rules=/etc/ssh/sshd_config.d/50-kubestead.conf
on kube1 "echo '# mine' >> $unit"
on masterlock "echo '# mine' >> $rules"
expect "the unit asks by its path" says "kube1$unit/adopt" plan
expect "and so does sshd's drop-in of the key server" says "masterlock$rules/adopt" plan
expect "up without consent ends so" status 4 "$kubestead" up
expect "the unit is as it was" on kube1 "grep -q mine $unit && [ ! -e $unit.before-kubestead ]"
expect "and so is the drop-in" on masterlock "grep -q mine $rules && [ ! -e $rules.before-kubestead ]"
expect "with consent both are ours again" "$kubestead" up --yes "kube1$unit/adopt" --yes "masterlock$rules/adopt"
expect "a copy of the unit stays" on kube1 "grep -q mine $unit.before-kubestead && ! grep -q mine $unit && sha256sum --status -c /etc/kubestead/files"
expect "and one of the drop-in" on masterlock "grep -q mine $rules.before-kubestead && ! grep -q mine $rules && sha256sum --status -c /etc/kubestead/files"
expect "the plan is empty" status 0 plan
on kube1 "ln -sf /dev/null $unit"
expect "a link is held by the plan" says "$unit is a link" plan
expect "and nothing writes through it" status 4 "$kubestead" up
on kube1 "rm $unit"
expect "one that is missing is written" "$kubestead" up
expect "the plan is empty again" status 0 plan

echo "== a data disk that was swapped for a blank one"
"$kubestead" lab kill kube2
disk=$KUBESTEAD_LAB_DIR/lab/machines/kube2/disk-kube2-data.img
size=$(stat -c %s "$disk")
mv "$disk" "$disk.away"
truncate -s "$size" "$disk"
"$kubestead" lab start kube2
expect "it is held, and the way is named" says "--yes kube2/vg01/group makes" plan
expect "up makes nothing" status 4 "$kubestead" up
expect "nothing was made" on kube2 "! vgs vg01 2> /dev/null"
"$kubestead" lab kill kube2
mv "$disk.away" "$disk"
"$kubestead" lab start kube2
mounted() { on kube2 "findmnt -M /var/lib/kubestead/volumes -o SOURCE | grep -q /dev/mapper/luks-"; }
expect "the right disk is put back: all is as it was" eventually 120 mounted
expect "the plan is empty again" eventually 60 status 0 plan
"$kubestead" lab kill kube2
rm "$disk"
truncate -s "$size" "$disk"
"$kubestead" lab start kube2
expect "with consent the volumes are made anew" "$kubestead" up --yes kube2/vg01/group
expect "they are mounted" mounted
expect "the plan is empty" status 0 plan

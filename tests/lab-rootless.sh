#!/bin/bash
# The proof that a lab needs no root, and that nothing is left of it, whatever ends it: an ordinary user's machines in a user namespace.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH) and the lab's parts in the cache. Run as root, so that a user of its own can be
# made: whatever that user has running is what was left. The user and the lab are removed at the end.
[ "$(id -u)" = 0 ] || { echo "SKIP  a lab of a user made for it: only root can make one; the other tests of the lab run without root here"; exit 0; }
. "$(dirname "$0")/lab-lib.sh" "lab, without root"
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
user=kubestead$$
clean_up() {
  as "$work/kubestead" lab down --wipe > /dev/null 2>&1 || true
  left | awk '{print $1}' | xargs -r kill -9 2>/dev/null || true
  userdel "$user" 2>/dev/null || true
}

# An ordinary user without a range of other user numbers. What it needs lies in its folder: root's home stays closed.
useradd --no-create-home --home-dir "$work/home" --shell /bin/bash -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 "$user" 2>/dev/null
uid=$(id -u "$user") gid=$(id -g "$user")
mkdir -p "$work"/{home,tmp,cache/lab/artifacts}
cp "$kubestead" "$work/kubestead"; chmod 755 "$work/kubestead"
for part in "$cache"/lab/artifacts/*/; do
  case $part in *.part/) continue ;; esac
  cp -al "$part" "$work/cache/lab/artifacts/" 2>/dev/null || cp -a --sparse=always "$part" "$work/cache/lab/artifacts/"
done
chmod 755 "$work"; chmod 1777 "$work/tmp" # the numbers that the user is given unpack a root file system there
chown "$user:" "$work" "$work"/{home,tmp,cache,cache/lab,cache/lab/artifacts}
settings=(HOME="$work/home" USER="$user" TMPDIR="$work/tmp" PATH="$PATH" KUBESTEAD_CACHE="$work/cache" KUBESTEAD_LAB_DIR="$work/labs"
  KUBESTEAD_AGE_KEY_FILE="$work/age.txt" XDG_STATE_HOME="$work/state" KUBESTEAD_FILE="$work/cluster.yaml")
# With exec=exec the process that is begun in the background becomes the command itself.
as() { ${exec:-} setpriv --reuid "$user" --regid "$gid" --clear-groups --no-new-privs -- env -i "${settings[@]}" "$@"; }
as_with_helpers() { ${exec:-} setpriv --reuid "$user" --regid "$gid" --clear-groups -- env -i "${settings[@]}" "$@"; } # newuidmap is setuid
lab() { as "$work/kubestead" lab "$@"; }
# left: the processes of the user and of the numbers that were given to it.
# One that has ended and waits for its parent to look holds nothing.
left() { ps -eo pid=,uid=,stat=,args= | awk -v uid="$uid" -v first="${first:-0}" '$3 !~ /^Z/ && ($2 == uid || (first && $2 >= first && $2 < first + 65536))'; }
nothing_left() { [ -z "$(left)" ] && ! grep -qF "$work" /proc/self/mountinfo || { left; return 1; }; }

echo "== one clear error"
missing() { as_with_helpers env PATH=/nowhere KUBESTEAD_CACHE="$work/empty" "$work/kubestead" lab up; }
all_at_once() { ! missing 2> "$work/said" && cat "$work/said" && for text in openssh-client mmdebstrap golang "/etc/subuid has no line for $user" "/etc/subgid"; do grep -qF -- "$text" "$work/said" || { echo "$text is not named"; return 1; }; done; }
expect "all that is missing is named at once" all_at_once
# What the error says.
advised() { sed -n 's/.*as root, \(usermod --add-sub.*\)/\1/p' "$work/said" > "$work/advice" && [ "$(wc -l < "$work/advice")" = 2 ] && bash -e "$work/advice"; }
expect "what it says gives the user a range of numbers" advised
first=$(sed -n "s/^$user:\([0-9]*\):.*/\1/p" /etc/subuid)
no_range() { missing 2>&1 | grep -F "has no line"; }
expect "which is no longer missed" status 1 no_range
if ! as unshare -Urn true 2> "$work/said"; then
  expect "what to allow is named" fails_saying "run this as root" lab up
  echo "SKIP  the lab as an ordinary user: $(cat "$work/said"); root's own lab is what the other tests prove"
  exit 0
fi

echo "== machines of an ordinary user"
mkdir -p "$work/labs/lab"
cat > "$work/labs/lab/lab.json" <<'JSON'
{"internet": true, "machines": [
  {"name": "kube1", "address": "10.77.0.21", "memory": 768, "disks": [{"serial": "kube1-data", "size": 1024}]},
  {"name": "masterlock", "address": "10.77.0.5", "memory": 320, "disks": []}
]}
JSON
chown -R "$user:" "$work/labs"
supervisor() { sed -n 's/.*"pid": \([0-9]*\).*/\1/p' "$work/labs/lab/supervisor.json"; }
on() { machine=$1; shift; as ssh -F "$work/labs/lab/ssh_config" -o BatchMode=yes -o ConnectTimeout=10 "$machine" "$@"; }
expect "lab up" lab up
in_its_own() { for kind in user net; do [ "$(readlink "/proc/$(supervisor)/ns/$kind")" != "$(readlink "/proc/self/ns/$kind")" ] || return 1; done; }
expect "they are in a user namespace and a network namespace of their own" in_its_own
expect "and all of it is the user's" [ "$(left | wc -l)" -ge 3 ]
expect "the lab's internet answers its machines, by an authority that they trust" on kube1 "curl -fsS https://registry.k8s.io/v2/ && curl -fsS https://dl.k8s.io/release/stable.txt"
expect "its key is the user's alone" [ "$(stat -c '%U %a' "$work/labs/lab/internet/server.key")" = "$user 600" ]
sed "s#WORK#$work#" > "$work/cluster.yaml" <<'YAML'
apiVersion: kubestead/v1
kind: Cluster
name: disks
ssh: {config: WORK/labs/lab/ssh_config}
nodes: [{name: kube1, address: 10.77.0.21, roles: [control-plane]}]
disks: {vg01: {devices: {kube1: [/dev/disk/by-id/ubd-kube1-data]}}}
volumes: {volkube: {on: [all], group: vg01, size: 512MiB, path: /var/lib/kubestead/volumes}}
keys: {servers: [{host: masterlock, address: 10.77.0.5}], recovery: age}
YAML
# Programs read the clock without the kernel; perl asks the kernel, before and after.
same_time() {
  on kube1 perl - <<'PL'
sub kernel { my $time = "\0" x 16; syscall(228, 0, $time); my ($s, $ns) = unpack("qq", $time); $s * 1000000000 + $ns }
for (1 .. 20) { my $before = kernel(); my $read = 0 + `date +%s%N`; my $after = kernel(); die "$before $read $after\n" if $read < $before || $read > $after }
PL
}
expect "a program's clock is the kernel's" same_time
expect "when it was set, too" on kube1 "date -s '+1 hour' > /dev/null"
expect "it is still" same_time
expect "and set back" on kube1 "date -s '-1 hour' > /dev/null"
expect "init" as "$work/kubestead" init --dir "$work"
expect "up makes an encrypted volume" as "$work/kubestead" up
file=/var/lib/kubestead/volumes/file
kept() { on kube1 "findmnt -no SOURCE -M ${file%/*} | grep -q /dev/mapper/luks- && grep -q canary $file"; }
expect "a file on it" on kube1 "echo canary > $file; sync"
expect "reboot" lab reboot kube1
expect "the volume comes back, and the file is there" eventually 60 kept
expect "the plan is empty" status 0 as "$work/kubestead" plan
expect "lab down" lab down
expect "it leaves no process and no mount" nothing_left
expect "and keeps the disks" test -s "$work/labs/lab/machines/kube1/disk-kube1-data.img"
begin=$SECONDS
expect "lab up again" lab up
echo "      after $((SECONDS - begin)) s"
expect "the file is there" eventually 60 kept

echo "== a snapshot"
expect "a lab that runs is not saved" fails_saying "stop it first" lab save whole
expect "lab down" lab down
# As a disk that is full.
mkdir -p "$work/labs/.snapshots/lab"; chown -R "$user:" "$work/labs/.snapshots"
mount -t tmpfs -o size=4m,mode=0777 tmpfs "$work/labs/.snapshots/lab"
expect "a disk that is full is told" fails_saying "No space left" lab save whole
expect "and nothing is left of the snapshot" [ -z "$(ls "$work/labs/.snapshots/lab")" ]
umount "$work/labs/.snapshots/lab"
begin=$SECONDS
expect "lab save" lab save whole
echo "      after $((SECONDS - begin)) s"
expect "it is listed" says "uml" lab snapshots
expect "lab down --wipe" lab down --wipe
begin=$SECONDS
expect "lab restore" lab restore whole
echo "      after $((SECONDS - begin)) s"
expect "disks are not replaced without a word" fails_saying "--replace" lab restore whole
expect "lab up" lab up
expect "the volume is unlocked, and the file is there" eventually 60 kept
expect "the plan is empty" status 0 as "$work/kubestead" plan

echo "== what ends a lab ends all of it"
kill -9 "$(supervisor)"
expect "kill -9 of the supervisor: nothing is left" eventually 10 nothing_left
expect "the machines are said to be off" status 1 lab status
# begun: `lab up` in the background, as it is when its first machine boots.
begun() {
  exec="exec" lab up > "$work/up" 2>&1 & up=$!
  eventually 60 pgrep -u "$uid" -f '[u]mid=kube1' > /dev/null || { cat "$work/up"; return 1; }
}
killed() { begun && kill "-$1" "$up" && { wait "$up" || true; cat "$work/up"; }; }
expect "kill -9 of lab up while machines boot" killed KILL
expect "nothing is left" eventually 10 nothing_left
expect "Ctrl-C while machines boot" killed INT
expect "it says so" grep -q "no machine was left running" "$work/up"
expect "nothing is left when it has ended" nothing_left
expect "lab up after all of this" lab up
expect "the file is there" eventually 60 kept
exec="exec" lab up > "$work/up" 2>&1 & up=$!; sleep 0.3; kill -INT "$up" 2>/dev/null || true; wait "$up" || true
expect "Ctrl-C of a second lab up leaves the machines running" status 0 lab status
expect "lab down --wipe" lab down --wipe
expect "it leaves no process and no mount" nothing_left
expect "and no disk" test ! -e "$work/labs/lab"

echo "== what ends a build ends all of it"
# The root file system is missing: mmdebstrap runs in a user namespace with the user's range of numbers.
mv "$work"/cache/lab/artifacts/root-* "$work/tmp/"
building() {
  exec="exec" as_with_helpers "$work/kubestead" lab build > "$work/up" 2>&1 & up=$!
  eventually 120 pgrep -u "$uid" -f mmdebstrap > /dev/null || { cat "$work/up"; return 1; }
  sleep 3
  kill "-$1" "$up"; wait "$up" || true
}
expect "kill -9 of lab build" building KILL
expect "nothing is left" eventually 10 nothing_left
expect "Ctrl-C of lab build" building INT
expect "nothing is left" eventually 10 nothing_left

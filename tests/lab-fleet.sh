#!/bin/bash
# The proof of what a fleet meets, on real machines without Kubernetes: a key server whose disk hangs, a disk behind device-mapper as multipath has it,
# Debian 13 beside Debian 12, as a node and as a key server, and 24 hosts behind one jump host.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH). Makes a lab of its own and removes it at the end; KEEP=1 keeps it.
. "$(dirname "$0")/lab-lib.sh" "lab, fleet"

echo "== from nothing: masterlock and kube1 are Debian 12, spare and kube2 are Debian 13"
mkdir -p "$KUBESTEAD_LAB_DIR/lab"
cat > "$KUBESTEAD_LAB_DIR/lab/lab.json" <<'JSON'
{"machines": [
  {"name": "kube1", "address": "10.77.0.21", "memory": 640, "disks": [{"serial": "kube1-data", "size": 512}]},
  {"name": "kube2", "address": "10.77.0.22", "memory": 640, "debian": "trixie", "disks": [{"serial": "kube2-data", "size": 512}]},
  {"name": "masterlock", "address": "10.77.0.5", "memory": 320, "disks": [{"serial": "shares", "size": 512}]},
  {"name": "spare", "address": "10.77.0.6", "memory": 320, "debian": "trixie", "disks": []}
]}
JSON
expect "lab up" "$kubestead" lab up
ln -sf "$KUBESTEAD_LAB_DIR/lab/ssh_config" "$work/ssh"
"$kubestead" init --dir "$work" > /dev/null 2>&1
for machine in kube1:12 kube2:13 masterlock:12 spare:13; do
  expect "${machine%:*} is Debian ${machine#*:}" on "${machine%:*}" ". /etc/os-release && [ \$ID-\$VERSION_ID = debian-${machine#*:} ]"
done

# A path of multipath is a disk, and its map carries the UUID `mpath-` and the WWID; here multipathd is a unit that makes the map at boot.
link=/dev/disk/by-id/dm-uuid-mpath-lab-kube1
on kube1 "bash -es" <<'SH'
cat > /usr/local/sbin/lab-map <<'MAP'
#!/bin/sh
disk=/dev/disk/by-id/ubd-kube1-data
exec dmsetup create mpatha --uuid mpath-lab-kube1 --table "0 $(blockdev --getsz $disk) linear $disk 0"
MAP
chmod 755 /usr/local/sbin/lab-map
cat > /etc/systemd/system/lab-map.service <<'UNIT'
[Unit]
DefaultDependencies=no
After=systemd-udev-settle.service
Wants=systemd-udev-settle.service
Before=local-fs-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-map
[Install]
WantedBy=sysinit.target
UNIT
# What multipath-tools' own rules say of a path: it is nobody else's.
echo 'KERNEL=="ubd*", ATTR{serial}=="kube1-data", ENV{DM_MULTIPATH_DEVICE_PATH}="1", ENV{ID_FS_TYPE}="mpath_member"' > /etc/udev/rules.d/61-lab-map.rules
udevadm control --reload
# LVM knows a path by itself where it is a SCSI or NVMe disk, which the lab's are not: its configuration says it.
echo 'devices { global_filter = [ "r|^/dev/ubd|" ] }' > /etc/lvm/lvmlocal.conf
systemctl enable -q --now lab-map.service
udevadm settle
SH
expect "the map has the link of multipath" on kube1 "[ \$(readlink -f $link) = \$(readlink -f /dev/mapper/mpatha) ]"
# The folder of shares on a device of its own.
on masterlock "bash -es" <<'SH'
disk=/dev/disk/by-id/ubd-shares
dmsetup create shares --table "0 $(blockdev --getsz $disk) linear $disk 0"
mkfs.xfs -q /dev/mapper/shares
mkdir -p /var/lib/kubestead-keys
mount /dev/mapper/shares /var/lib/kubestead-keys
SH
cat > "$KUBESTEAD_FILE" <<YAML
apiVersion: kubestead/v1
kind: Cluster
name: home
ssh: {config: $work/ssh}
nodes:
  - {name: kube1, address: 10.77.0.21, roles: [control-plane]}
  - {name: kube2, address: 10.77.0.22}
disks:
  vg01: {devices: {kube1: [$link], kube2: [/dev/disk/by-id/ubd-kube2-data]}}
volumes:
  data: {on: [all], group: vg01, size: 128MiB, path: /data}
keys:
  servers:
    - {host: masterlock, address: 10.77.0.5}
    - {host: spare, address: 10.77.0.6}
YAML
# systemd's part that opens volumes is a package of its own in Debian 13, and nothing that is there asks for it.
on kube2 "mv /usr/lib/systemd/systemd-cryptsetup /root/"
expect "what Debian 13 lacks is named with its package" says "apt-get install systemd-cryptsetup" status 4 plan
on kube2 "mv /root/systemd-cryptsetup /usr/lib/systemd/"
expect "up" "$kubestead" up
expect "the plan is empty" status 0 plan
expect "up changes nothing" says "Nothing to do" "$kubestead" up
expect "the physical volume is the map, not the disk below it" on kube1 "[ \$(pvs --noheadings -o pv_name -S vg_name=vg01) = /dev/mapper/mpatha ]"
for n in kube1 kube2; do on "$n" "echo canary > /data/file; sync"; done

# Twelve more addresses on each node, until its next boot.
addresses() {
  for n in kube1 kube2; do
    on "$n" "device=\$(ip -o route get 10.77.0.1 | sed -n 's/.* dev \([^ ]*\).*/\1/p'); for i in \$(seq 1 12); do ip addr add 10.77.0.\$((${n#kube}00 + i))/24 dev \$device; done"
  done
}

echo "== what the key servers give, on Debian 12 and 13"
expect "sshd of Debian 13 punishes sources" on spare "sshd -T | grep -q '^persourcepenalties .*authfail'"
addresses
doctor() { "$kubestead" key doctor --output json > "$work/doctor" || return 1; }
for turn in 1 2; do expect "doctor, for the ${turn}. time: all is as it must be" doctor; done
expect "it tried both servers from both nodes, and nothing was left out" python3 -c "
import collections, json
checks = json.load(open('$work/doctor'))
count = collections.Counter((c['host'], c['server']) for c in checks)
assert all(count[n, s] > 20 for n in ('kube1', 'kube2') for s in ('masterlock', 'spare')), count
assert {c['verdict'] for c in checks} == {'good'}, [c for c in checks if c['verdict'] != 'good']"
expect "no node was punished" on spare "journalctl --sync; ! journalctl -u ssh -o cat | grep -iE 'penalt'"
expect "the plan is empty at once" status 0 plan

echo "== the disk of the first key server hangs"
hang() { on masterlock "sync; dmsetup suspend shares; echo 3 > /proc/sys/vm/drop_caches"; }
fetched() { on "$1" "[ \$(/usr/local/lib/kubestead/fetch data | wc -c) = 128 ]"; }
hang
begin=$SECONDS
expect "a node fetches its key from the second" fetched kube1
took=$((SECONDS - begin))
between() { [ "$1" -ge "$2" ] && [ "$1" -lt "$3" ]; }
expect "after the limit of the first, $took s" between "$took" 29 45
both() { "$kubestead" lab reboot kube1 & "$kubestead" lab reboot kube2 && wait $!; }
expect "both nodes reboot" both
for n in kube1 kube2; do
  expect "the volume of $n comes back" eventually 60 on "$n" "findmnt -M /data -o SOURCE | grep -q /dev/mapper/luks- && grep -q canary /data/file"
  expect "it was told why it took so long" on "$n" "journalctl -b -o cat | grep -qF 'fetch: 10.77.0.5: status 124: no answer within 30 seconds'"
done
begin=$SECONDS
"$kubestead" status > "$work/status" 2>&1 & looks=$!
expect "the plan names the server and what is waited for" says "masterlock: no answer for 60 s at: keyserver/" status 5 plan
wait "$looks" || true
expect "that cost one limit" [ $((SECONDS - begin)) -lt 100 ]
expect "and no node" bash -c "! grep -E 'kube[12]: no answer' $work/plan $work/status"
expect "status names it too" says "masterlock: no answer for 60 s at: keyserver/" cat "$work/status"
on masterlock "dmsetup resume shares"
expect "the plan is empty again" eventually 60 status 0 plan

echo "== 24 hosts behind a jump host"
# The jump host has sshd's own MaxStartups: from ten logins under way on it drops some.
expect "the jump host's sshd is as it is shipped" on masterlock "sshd -T | grep -qx 'maxstartups 10:30:100'"
addresses
numbers="$(seq 101 112) $(seq 201 212)"
{
  echo "Include $work/ssh"
  for i in $numbers; do
    printf 'Host 10.77.0.%s\n  User root\n  HostKeyAlias kube%s\n  ProxyJump masterlock\n  IdentityFile %s/id\n  IdentitiesOnly yes\n  UserKnownHostsFile %s/known_hosts\n' \
      "$i" "$((i / 100))" "$KUBESTEAD_LAB_DIR/lab" "$KUBESTEAD_LAB_DIR/lab"
  done
} > "$work/jump"
{
  printf 'apiVersion: kubestead/v1\nkind: Cluster\nname: home\nssh: {config: %s}\nnodes:\n' "$work/jump"
  for i in $numbers; do printf '  - {name: h%s, address: 10.77.0.%s, roles: [%s]}\n' "$i" "$i" "$([ "$i" = 101 ] && echo control-plane || echo worker)"; done
  printf 'disks:\n  vg02:\n    devices:\n'
  for i in $numbers; do printf '      h%s: [/dev/disk/by-id/of-h%s]\n' "$i" "$i"; done
  printf 'volumes:\n  more: {on: [all], group: vg02, size: 128MiB, path: /more}\nkeys:\n  servers: [{host: spare, address: 10.77.0.6}]\n'
} > "$work/jump.yaml"
# A host that was seen lacks its disk; why one was not is told.
seen() { "$kubestead" plan --trust-ssh-config -f "$work/jump.yaml" > "$work/plan" 2>&1 || true; grep -E 'error|held' "$work/plan" | grep -v 'is not there$'; [ "$(grep -o '/dev/disk/by-id/of-h[0-9]* ' "$work/plan" | sort -u | wc -l)" = 24 ]; }
dropped() { xargs -n 1 -P 24 sh -c 'ssh -F "$0" -o BatchMode=yes "10.77.0.$1" true || true' "$work/jump" <<< "$numbers" 2>&1 | grep 'onnection closed'; }
expect "plain ssh to all at once loses some" eventually 60 dropped
for turn in 1 2 3; do expect "plan sees all of them, for the ${turn}. time" seen; done
expect "down leaves no process" bash -c "'$kubestead' lab down && ! pgrep -f '[u]mid=.* ubd0=$work'"

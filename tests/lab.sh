#!/bin/bash
# The proof on real machines: own kernels, real dm-crypt, real sshd, real reboots. Nothing here is simulated.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH). Makes a lab of its own and removes it at the end; KEEP=1 keeps it.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
kubestead=${KUBESTEAD:-kubestead}
work=$(mktemp -d)
export KUBESTEAD_LAB_DIR=$work/labs KUBESTEAD_AGE_KEY_FILE=$work/age.txt XDG_STATE_HOME=$work/state KUBESTEAD_FILE=$work/cluster.yaml
passed=0 failed=0
finish() {
  status=$?
  if [ "${KEEP:-}" = 1 ]; then echo "kept: KUBESTEAD_LAB_DIR=$KUBESTEAD_LAB_DIR in $work"
  else "$kubestead" lab down --wipe >/dev/null 2>&1 || true; rm -rf "$work"; fi
  echo "lab: $passed passed, $failed failed"
  [ "$status" = 0 ] && [ "$failed" = 0 ]
}
trap finish EXIT

# expect WHAT COMMAND...: the command must succeed.
expect() {
  what=$1; shift
  if "$@" > "$work/out" 2>&1; then passed=$((passed + 1)); echo "ok    $what"
  else failed=$((failed + 1)); echo "FAIL  $what"; sed 's/^/      /' "$work/out" | tail -n 40; fi
}
# status N COMMAND...: the command must end with that status.
status() { want=$1; shift; got=0; "$@" || got=$?; [ "$got" = "$want" ] || { echo "status $got, and $want was expected"; return 1; }; }
on() { machine=$1; shift; ssh -F "$work/ssh" -o BatchMode=yes -o ConnectTimeout=10 "$machine" "$@"; }
# eventually SECONDS COMMAND...: asks again until it succeeds.
eventually() { end=$((SECONDS + $1)); shift; until "$@"; do [ "$SECONDS" -lt "$end" ] || return 1; sleep 1; done; }
says() { text=$1; shift; "$@" 2>&1 | tee "$work/said" >&2 || true; grep -qF -- "$text" "$work/said"; }
fails_saying() { text=$1; shift; ! "$@" > "$work/said" 2>&1 && { cat "$work/said"; grep -qF -- "$text" "$work/said"; }; }

echo "== from nothing"
expect "lab up" "$kubestead" lab up
ln -sf "$KUBESTEAD_LAB_DIR/lab/ssh_config" "$work/ssh"
"$kubestead" init "$work" >/dev/null 2>&1
sed "s#^ssh: .*#ssh: {config: $work/ssh}#" "$top/examples/three-nodes/cluster.yaml" > "$KUBESTEAD_FILE"
expect "a second lab up changes nothing" "$kubestead" lab up
expect "plan says what it will do" status 3 "$kubestead" plan
expect "the machines are untouched by plan" on kube1 "! vgs vg01 2>/dev/null"

echo "== kill -9 of up at five places"
for seconds in 1 3 6 12 20; do
  "$kubestead" up > "$work/killed" 2>&1 & pid=$!
  sleep "$seconds"
  kill -9 "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
done
expect "the next up finishes" "$kubestead" up
mounted() { for pair in cp1:/var/lib/etcd cp1:/var/lib/kubelet kube1:/var/lib/containerd kube1:/var/lib/kubestead/volumes kube2:/var/lib/kubestead/volumes; do on "${pair%%:*}" "findmnt -M ${pair#*:} -o SOURCE | grep -q /dev/mapper/luks-" || { echo "$pair is not mounted"; return 1; }; done; }
expect "all volumes are mounted from dm-crypt" mounted
expect "the plan is empty" status 0 "$kubestead" plan
expect "up changes nothing" says "Nothing to do" "$kubestead" up
expect "volume list shows them" says "open and mounted" "$kubestead" volume list
expect "each volume was formatted once" on kube1 "for v in kubelet containerd volkube; do [ \$(cryptsetup luksDump --dump-json-metadata /dev/vg01/\$v | grep -c kubestead) -ge 1 ] || exit 1; done"

echo "== what the disk shows"
canary="canary-$RANDOM-$RANDOM"
on kube1 "echo $canary-file > /var/lib/kubestead/volumes/pool-s-0001/file; sync; echo $canary-bare > /root/bare; sync"
disk=$KUBESTEAD_LAB_DIR/lab/machines/kube1
# The images are sparse: without their zeros they are small.
holds() { [ "$(tr -d '\0' < "$2" | grep -caF -- "$1")" -gt 0 ]; }
lacks() { ! holds "$@"; }
expect "the search can find a canary in the clear" holds "$canary-bare" "$disk/root.img"
expect "the encrypted disk does not hold the canary" lacks "$canary-file" "$disk/disk-kube1-data.img"
expect "the recovery key opens the volume with plain cryptsetup" bash -c "cd '$top' && '$kubestead' volume recovery kube1 volkube | ssh -F '$work/ssh' kube1 cryptsetup open --test-passphrase --key-slot 7 --key-file - /dev/vg01/volkube"

echo "== reboot, with nobody's hands"
for machine in cp1 kube1 kube2; do expect "reboot $machine" "$kubestead" lab reboot "$machine"; done
expect "all volumes come back" eventually 60 mounted
expect "the file is still there" on kube1 "grep -q $canary-file /var/lib/kubestead/volumes/pool-s-0001/file"
expect "the plan is empty after reboots" eventually 60 status 0 "$kubestead" plan

echo "== power cut"
"$kubestead" lab kill kube2
expect "a machine that is off is said" status 5 "$kubestead" plan
expect "power back" "$kubestead" lab start kube2
expect "its volumes come back" eventually 60 on kube2 "findmnt -M /var/lib/kubestead/volumes"

echo "== key server away"
"$kubestead" lab kill masterlock
expect "reboot without a key server: ssh answers" "$kubestead" lab reboot kube1
expect "nothing is mounted" on kube1 "! findmnt -M /var/lib/kubelet"
expect "the bare mount point takes no file" on kube1 "! touch /var/lib/kubelet/x 2>/dev/null"
expect "a service that needs the mount does not start" on kube1 "printf '[Unit]\nRequiresMountsFor=/var/lib/kubelet\n[Service]\nExecStart=/bin/sleep 1000\n' > /run/systemd/system/probe.service; systemctl daemon-reload; systemctl start --no-block probe; ! systemctl is-active -q probe"
expect "status says why" says "waiting for its key" "$kubestead" status
expect "key server back" "$kubestead" lab start masterlock
expect "the node heals by itself" eventually 90 on kube1 "findmnt -M /var/lib/kubelet && findmnt -M /var/lib/kubestead/volumes"
expect "and the service starts" eventually 30 on kube1 "systemctl start probe && systemctl is-active -q probe"

echo "== the key server gives a node its own keys and nothing else"
fetch="ssh -F /etc/kubestead/ssh_config masterlock@10.77.0.5"
expect "its own key has 64 bytes" on kube1 "[ \$($fetch get volkube < /dev/null | wc -c) = 64 ]"
for bad in "id" "get ../kube2/volkube" "get *" "get volkube; id" ""; do
  expect "refused: '$bad'" on kube1 "r=0; $fetch '$bad' < /dev/null > /dev/null 2>&1 || r=\$?; [ \$r = 64 ]"
done
expect "no key of another name" on kube1 "r=0; $fetch get etcd < /dev/null > /dev/null 2>&1 || r=\$?; [ \$r = 66 ]"
expect "no sftp" on kube1 "! sftp -F /etc/kubestead/ssh_config -b /dev/null masterlock@10.77.0.5 > /dev/null 2>&1"
expect "no forwarding" on kube1 "! timeout 5 ssh -F /etc/kubestead/ssh_config -o ExitOnForwardFailure=yes -W 127.0.0.1:22 masterlock@10.77.0.5 < /dev/null > /dev/null 2>&1"
expect "the server's share alone opens nothing" on kube1 "! $fetch get volkube < /dev/null | cryptsetup open --test-passphrase --key-file - /dev/vg01/volkube 2>/dev/null"

echo "== what is not ours stays as it is"
on kube2 "systemctl stop var-lib-kubestead-volumes.mount; systemctl stop 'systemd-cryptsetup@luks\x2dvolkube.service'; dd if=/dev/vg01/volkube of=/run/header bs=1M count=1 status=none; printf X | dd of=/dev/vg01/volkube bs=1 seek=4200 conv=notrunc status=none; sync"
expect "a header with a flipped byte is held and named" says "first copy" status 4 "$kubestead" plan
flipped=$(on kube2 "sha256sum /dev/vg01/volkube")
expect "up leaves it alone" status 4 "$kubestead" up
expect "not a byte of it was changed" [ "$flipped" = "$(on kube2 "sha256sum /dev/vg01/volkube")" ]
on kube2 "dd if=/run/header of=/dev/vg01/volkube bs=1M conv=notrunc status=none; sync"
expect "with its header back it opens again" "$kubestead" up
"$kubestead" lab down --wipe
"$kubestead" lab up > /dev/null 2>&1
rm -rf "$work/secrets"; "$kubestead" init "$work" > /dev/null 2>&1
on kube1 "mkfs.ext4 -q -F /dev/disk/by-id/ubd-kube1-data; sync"
image() { on kube1 sync; sha256sum < "$disk/disk-kube1-data.img"; }
foreign=$(image)
expect "a disk with a filesystem is held and named" says "ext4" status 4 "$kubestead" plan
"$kubestead" up > /dev/null 2>&1 || true
expect "not a byte of it was changed" [ "$foreign" = "$(image)" ]
expect "the other machines were made" eventually 1 on kube2 "findmnt -M /var/lib/kubestead/volumes"

echo "== who is who"
sed -i "s/^\(kube2,10.77.0.22\) .*/\1 $(ssh-keygen -q -t ed25519 -N '' -f "$work/other" && cut -d' ' -f1,2 "$work/other.pub" | sed 's#/#\\/#g')/" "$KUBESTEAD_LAB_DIR/lab/known_hosts"
expect "a wrong host key stops everything on that host" says "host key" status 5 "$kubestead" plan
expect "down leaves no process" bash -c "'$kubestead' lab down && ! pgrep -f '[u]mid=.* ubd0=$work'"

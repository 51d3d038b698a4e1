#!/bin/bash
# The proof of one machine alone, on a real one: volumes that no key server unlocks, and what waits for them after a boot. Without Kubernetes.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH).
. "$(dirname "$0")/lab-lib.sh" "lab, one machine alone"

# file UNLOCK [MORE]: the cluster file; MORE is a line below `keys`.
file() {
  cat > "$KUBESTEAD_FILE" <<YAML
apiVersion: kubestead/v1
kind: Cluster
name: home
ssh: {config: $work/ssh}
nodes: [{name: solo, address: 10.77.0.21, roles: [control-plane, worker]}]
disks: {vg01: {devices: {solo: [/dev/disk/by-id/ubd-solo-data]}}}
volumes:
  data: {on: [all], group: vg01, size: 400MiB, filesystem: xfs, path: /data}
  inner: {on: [all], group: vg01, size: 200MiB, path: /data/inner}
keys:
  unlock: [$1]
  ${2:-recovery: age}
YAML
}
open() { on solo "findmnt -M /data && findmnt -M /data/inner && grep -q canary /data/file && grep -q canary /data/inner/file"; }
slots() { on solo "cryptsetup luksDump --dump-json-metadata /dev/vg01/$1 | python3 -c 'import json, sys; print(*sorted(json.load(sys.stdin)[\"keyslots\"]))'"; }

echo "== from nothing"
mkdir -p "$KUBESTEAD_LAB_DIR/lab"
cat > "$KUBESTEAD_LAB_DIR/lab/lab.json" <<'JSON'
{"machines": [
  {"name": "solo", "address": "10.77.0.21", "memory": 640, "disks": [{"serial": "solo-data", "size": 1024}]},
  {"name": "masterlock", "address": "10.77.0.5", "memory": 320, "disks": []}
]}
JSON
expect "lab up" "$kubestead" lab up
"$kubestead" lab kill masterlock
ln -sf "$KUBESTEAD_LAB_DIR/lab/ssh_config" "$work/ssh"
"$kubestead" init --dir "$work" > /dev/null 2>&1
file ssh
expect "without a key server the next step is told" says 'keys: {unlock: [recovery]}' status 2 "$kubestead" check
file recovery
expect "up" "$kubestead" up
expect "the plan is empty" status 0 plan
on solo "echo canary | tee /data/file > /data/inner/file; sync
  printf '[Unit]\nRequiresMountsFor=/data/inner\n[Service]\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n' > /etc/systemd/system/waits.service
  systemctl daemon-reload; systemctl -q enable --now waits"
expect "each volume has the recovery slot alone" [ "$(slots data) $(slots inner)" = "7 7" ]
expect "nothing on it is about key servers" on solo "! [ -e /usr/local/lib/kubestead/fetch ] && ! [ -e /etc/kubestead/id_ed25519 ] && ! grep -s luks-data /etc/crypttab && ! ls /etc/systemd/system/kubestead-key-* 2> /dev/null"
expect "a second unlock has nothing to do" says "nothing to do" status 0 "$kubestead" volume unlock solo

echo "== after a boot"
expect "reboot" "$kubestead" lab reboot solo
expect "sshd is up, and the volumes are closed" on solo "! [ -e /dev/mapper/luks-data ] && ! findmnt -M /data"
expect "an ordinary login is not held back" on solo "! [ -e /run/nologin ]"
expect "nothing asks on the console" on solo "! ls /run/systemd/ask-password/ask.* 2> /dev/null"
expect "what needs them waits, and has not failed" on solo "[ \$(systemctl is-active waits) = inactive ] && systemctl list-jobs | grep -q waits.service && ! systemctl is-failed -q waits"
expect "nothing can be written below the mount point" on solo "! touch /data/lost 2> /dev/null"
expect "the plan says what to type" says "kubestead volume unlock solo" status 4 plan
expect "status too" says "locked: kubestead volume unlock solo" status 4 "$kubestead" status
expect "up does not open them" status 4 "$kubestead" up
expect "they are still closed" on solo "! [ -e /dev/mapper/luks-data ]"
mv "$work/age.txt" "$work/aside"
expect "without the age key nothing is opened" fails_saying "age" "$kubestead" volume unlock solo
mv "$work/aside" "$work/age.txt"
expect "another node is none of the file" status 2 "$kubestead" volume unlock other
expect "unlock" says "open and mounted" "$kubestead" volume unlock solo
expect "all is there" open
expect "what waited runs, with no hands" eventually 30 on solo "systemctl -q is-active waits && [ -z \"\$(systemctl list-jobs --no-legend)\" ]"
expect "the plan is empty" status 0 plan
expect "a second time there is nothing to do" says "nothing to do" status 0 "$kubestead" volume unlock solo
expect "the keys are in no log of the machine" on solo "! journalctl --no-pager | grep -E '([a-z0-9]{4}-){12}'"
grown() { sed -i 's/size: 400MiB/size: 440MiB/; s/size: 200MiB/size: 240MiB/' "$KUBESTEAD_FILE"; }
grown
expect "mounted volumes grow with the recovery key, xfs and ext4, and nothing is left to do" "$kubestead" up
expect "they are that large" on solo 'test "$(df --output=size -BM /data | tr -dc 0-9)" -gt 390 && test "$(df --output=size -BM /data/inner | tr -dc 0-9)" -gt 190'
expect "the next plan is empty" "$kubestead" plan

echo "== power cut, and one of two by hand"
"$kubestead" lab kill solo; "$kubestead" lab start solo
expect "closed again" on solo "! [ -e /dev/mapper/luks-data ]"
recovery=$("$kubestead" volume recovery solo data)
printf %s "$recovery" | on solo "cryptsetup open --key-slot 7 --key-file - /dev/vg01/data luks-data"
expect "what is opened by hand mounts itself" eventually 30 on solo "findmnt -M /data"
expect "unlock opens the other" says "open and mounted" "$kubestead" volume unlock solo
expect "all is there" open
expect "the plan is empty" status 0 plan
echo "== another way: a key server"
"$kubestead" lab start masterlock
with="servers: [{host: masterlock, address: 10.77.0.5}]"
file "ssh, recovery" "$with"; grown
expect "the plan adds a key" says "+ solo/data/add-way" status 3 plan
expect "up" "$kubestead" up
expect "the plan is empty" status 0 plan
expect "each volume has both slots" [ "$(slots data) $(slots inner)" = "0 7 0 7" ]
expect "the recovery keys still open them" "$kubestead" recovery kit --shares 2 --threshold 2 --out "$work/kit"
expect "on the machine too" says "opens slot 7 of /dev/vg01/data" "$kubestead" recovery verify "$work"/kit/*.txt --nodes
expect "all is as it must be" status 0 "$kubestead" key doctor
expect "reboot" "$kubestead" lab reboot solo
expect "it comes back with no hands" eventually 60 open
expect "the plan is empty" status 0 plan
"$kubestead" lab kill masterlock
expect "reboot without the key server" "$kubestead" lab reboot solo
expect "the volumes are closed" on solo "! [ -e /dev/mapper/luks-data ]"
expect "the recovery keys open them all the same" says "open and mounted" "$kubestead" volume unlock solo
expect "all is there" open
expect "what waited runs" eventually 30 on solo "systemctl -q is-active waits"
"$kubestead" lab start masterlock
expect "nothing fails when the key server comes back" on solo "sleep 15; { systemctl list-jobs --no-legend; systemctl list-units --failed --no-legend; } | tee /dev/stderr | wc -l | grep -qx 0"
expect "the plan is empty" status 0 plan

echo "== and back"
file recovery; grown
expect "the plan removes the key" says "solo/data/remove-way" status 3 plan
expect "up" "$kubestead" up
expect "each volume has the recovery slot alone" [ "$(slots data) $(slots inner)" = "7 7" ]
expect "no unit and no line of it is left" on solo "! grep luks-data /etc/crypttab && ! ls /etc/systemd/system/kubestead-key-* /usr/local/lib/kubestead/fetch 2> /dev/null"
expect "the plan is empty" status 0 plan
expect "all is there" open
expect "reboot" "$kubestead" lab reboot solo
expect "the volumes are closed" on solo "! [ -e /dev/mapper/luks-data ]"
expect "unlock" says "open and mounted" "$kubestead" volume unlock solo
expect "all is there" open
expect "the plan is empty" status 0 plan
expect "down leaves no process" bash -c "'$kubestead' lab down && ! pgrep -f '[u]mid=.* ubd0=$work'"

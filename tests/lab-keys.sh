#!/bin/bash
# The proof of what is about key servers, on real machines without Kubernetes: what refuses the nodes' account, a node that leaves the file, their copies, two of
# them, and the wiping of one volume. Makes a lab of its own and removes it at the end (KEEP=1 keeps it).
# Needs: a built `kubestead` (KUBESTEAD, else from PATH).
. "$(dirname "$0")/lab-lib.sh" "lab, keys"

keys_alone() {
  echo "== what refuses the nodes' account, and a key that a power cut tore"
  on masterlock "echo 'AllowUsers root' > /etc/ssh/sshd_config.d/10-own.conf; systemctl reload ssh"
  expect "the plan holds and names it" says "sshd lets in root only (AllowUsers): add masterlock" status 4 plan
  expect "doctor tells the one cause" says "it lets the node in (sshd lets in root only (AllowUsers): add masterlock" "$kubestead" key doctor
  on masterlock "rm /etc/ssh/sshd_config.d/10-own.conf; systemctl reload ssh; usermod -L masterlock"
  on kube1 ": > /etc/kubestead/id_ed25519.pub"
  expect "a locked account and a torn public key are mended" "$kubestead" up
  expect "all is as it must be" status 0 "$kubestead" key doctor
  expect "the plan is empty" status 0 plan

  echo "== a node leaves the file"
  "$kubestead" key export masterlock --to "$work/before.age" > /dev/null
  file kube1 masterlock
  expect "the plan says so" says "~ masterlock/kube2/revoke" status 3 plan
  expect "up shuts it out" "$kubestead" up
  expect "the plan is empty" status 0 plan
  expect "it gets nothing" on kube2 "! ssh -F /etc/kubestead/ssh_config masterlock@10.77.0.5 get data < /dev/null > /dev/null 2>&1"
  expect "its shares stay" on masterlock "[ -s /var/lib/kubestead-keys/kube2/data ]"
  on masterlock "cp -rp /var/lib/kubestead-keys/kube2 /root/kube2"
  expect "a share is wiped by its name" "$kubestead" key revoke kube2 --wipe data
  expect "that one alone" on masterlock "! [ -e /var/lib/kubestead-keys/kube2/data ] && [ -s /var/lib/kubestead-keys/kube2/keep ]"
  expect "an older export does not bring it back" says "left out: the share of kube2/data" "$kubestead" key restore "$work/before.age" masterlock
  on masterlock "cp -p /root/kube2/data /var/lib/kubestead-keys/kube2/data"
  file "kube1 kube2" masterlock
  expect "back in the file it asks" status 4 "$kubestead" up
  expect "and is let in by consent" "$kubestead" up --yes masterlock/kube2/enrol

  echo "== export, and restore on another host"
  expect "export" says "4 shares and" "$kubestead" key export masterlock --to "$work/server.age"
  share=$(on masterlock "base64 -w0 /var/lib/kubestead-keys/kube1/data")
  expect "the share is not in it in the clear" bash -c "! grep -qF '${share:0:40}' $work/server.age && [ \$(stat -c %a $work/server.age) = 600 ]"
  expect "it is not replaced" status 2 "$kubestead" key export masterlock --to "$work/server.age"
  "$kubestead" lab kill masterlock
  file "kube1 kube2" spare
  expect "a new server without the shares is held, and no share is made anew" says "has no share of its key, and a new one would not open it" status 4 plan
  expect "up does not either" status 4 "$kubestead" up
  expect "restore" says "4 shares of masterlock: put back" "$kubestead" key restore "$work/server.age" spare
  expect "again it changes nothing" says "there already" "$kubestead" key restore "$work/server.age" spare
  expect "up" "$kubestead" up
  expect "the plan is empty" status 0 plan
  expect "reboot, with the new server alone" "$kubestead" lab reboot kube1
  expect "the volumes come back" eventually 60 on kube1 "findmnt -M /data && findmnt -M /keep && grep -q canary /data/file"
  on spare "cp -p /var/lib/kubestead-keys/kube1/data /root/data; chmod u+w /var/lib/kubestead-keys/kube1/data; head -c 64 /dev/zero > /var/lib/kubestead-keys/kube1/data"
  expect "a share that is there is never replaced" fails_saying "holds another share" "$kubestead" key restore "$work/server.age" spare
  on spare "cp -p /root/data /var/lib/kubestead-keys/kube1/data"
  sed 's/name: home/name: work/' "$KUBESTEAD_FILE" > "$work/other.yaml"
  expect "an export of another cluster is not taken" status 2 "$kubestead" key restore "$work/server.age" spare -f "$work/other.yaml"

  echo "== two key servers"
  "$kubestead" lab start masterlock
  on masterlock "rm -r /var/lib/kubestead-keys/kube2"
  file "kube1 kube2" "masterlock spare"
  expect "up gives both the same shares" "$kubestead" up
  sums() { on "$1" "cd /var/lib/kubestead-keys && sha256sum */*"; }
  expect "they are" bash -c "[ \"$(sums masterlock)\" = \"$(sums spare)\" ]"
  expect "the plan is empty" status 0 plan
  "$kubestead" lab kill spare
  expect "reboot without the one" "$kubestead" lab reboot kube2
  expect "its volumes come back from the other" eventually 60 on kube2 "findmnt -M /data && findmnt -M /keep"
  expect "a revocation that does not reach all servers says so" status 5 "$kubestead" key revoke kube2
  "$kubestead" lab start spare; "$kubestead" lab kill masterlock
  expect "it is run again" status 5 "$kubestead" key revoke kube2
  "$kubestead" lab start masterlock
  expect "and is whole then" "$kubestead" key revoke kube2
  expect "let in again" "$kubestead" up --yes masterlock/kube2/enrol --yes spare/kube2/enrol
  on spare "cp -p /var/lib/kubestead-keys/kube1/data /root/data; chmod u+w /var/lib/kubestead-keys/kube1/data; head -c 64 /dev/zero > /var/lib/kubestead-keys/kube1/data"
  expect "two that differ are held" says "masterlock and spare have different shares" status 4 plan
  expect "doctor tells which one opens nothing" says "WRONG     kube1 at spare: the two shares together open data" "$kubestead" key doctor
  on spare "cp -p /root/data /var/lib/kubestead-keys/kube1/data"

  echo "== one volume is wiped by its name"
  expect "reset shows it and touches nothing" says "! kube2/data/wipe" status 3 "$kubestead" reset --wipe kube2/data
  expect "a name that is none" status 2 "$kubestead" reset --yes-reset home --wipe kube2/other
  expect "without a name nothing is wiped" says "Nothing to do" "$kubestead" reset --yes-reset home
  on kube2 "lvchange -q --deltag kubestead:volume vg01/data"
  expect "a volume without our tag is not" fails_saying "no tag that says that kubestead made it" "$kubestead" reset --yes-reset home --wipe kube2/data
  on kube2 "lvchange -q --addtag kubestead:volume vg01/data; cd /data; exec sleep 1000 < /dev/null > /dev/null 2>&1 &"
  expect "a volume in use is not" fails_saying "/data is in use" "$kubestead" reset --yes-reset home --wipe kube2/data
  expect "it is as it was" on kube2 "grep -q canary /data/file"
  on kube2 "pkill -x sleep; true"
  expect "the named one goes" "$kubestead" reset --yes-reset home --wipe kube2/data
  expect "with its LV, its share and its units" on kube2 "! lvs vg01/data 2>/dev/null && ! [ -e /etc/kubestead/share.d/data ] && ! grep -q luks-data /etc/crypttab /etc/fstab && ! ls /etc/systemd/system/*data* 2>/dev/null"
  expect "the others stay" on kube2 "grep -q canary /keep/file"
  expect "a second time there is nothing to do" says "Nothing to do" "$kubestead" reset --yes-reset home --wipe kube2/data
  expect "up makes it anew" "$kubestead" up
  expect "it is empty" on kube2 "findmnt -M /data && ! [ -e /data/file ]"
  on kube2 "cryptsetup luksKillSlot -q /dev/vg01/data 7 --key-file <(/usr/local/lib/kubestead/fetch data)"
  "$kubestead" recovery kit --shares 2 --threshold 2 --out "$work/kit" > /dev/null 2>&1
  expect "verify tells a volume whose recovery slot is gone" says "WRONG  recovery.kube2.data" status 1 "$kubestead" recovery verify "$work"/kit/*.txt --nodes
}

# file NODES SERVERS: the cluster file of the lab of this file.
file() {
  {
    printf 'apiVersion: kubestead/v1\nkind: Cluster\nname: home\nssh: {config: %s}\nnodes:\n' "$work/ssh"
    for n in $1; do printf '  - {name: %s, address: %s, roles: [%s]}\n' "$n" "10.77.0.2${n#kube}" "$([ "$n" = kube1 ] && echo control-plane || echo worker)"; done
    printf 'disks:\n  vg01:\n    devices:\n'
    for n in $1; do printf '      %s: [/dev/disk/by-id/ubd-%s-data]\n' "$n" "$n"; done
    printf 'volumes:\n  data: {on: [all], group: vg01, size: 200MiB, path: /data}\n  keep: {on: [all], group: vg01, size: 200MiB, path: /keep}\nkeys:\n  servers:\n'
    for s in $2; do printf '    - {host: %s, address: %s}\n' "$s" "10.77.0.$([ "$s" = masterlock ] && echo 5 || echo 6)"; done
  } > "$KUBESTEAD_FILE"
}

echo "== from nothing"
mkdir -p "$KUBESTEAD_LAB_DIR/lab"
cat > "$KUBESTEAD_LAB_DIR/lab/lab.json" <<'JSON'
{"machines": [
  {"name": "kube1", "address": "10.77.0.21", "memory": 640, "disks": [{"serial": "kube1-data", "size": 1024}]},
  {"name": "kube2", "address": "10.77.0.22", "memory": 640, "disks": [{"serial": "kube2-data", "size": 1024}]},
  {"name": "masterlock", "address": "10.77.0.5", "memory": 320, "disks": []},
  {"name": "spare", "address": "10.77.0.6", "memory": 320, "disks": []}
]}
JSON
expect "lab up" "$kubestead" lab up
ln -sf "$KUBESTEAD_LAB_DIR/lab/ssh_config" "$work/ssh"
"$kubestead" init --dir "$work" >/dev/null 2>&1
file "kube1 kube2" masterlock
expect "up" "$kubestead" up
for n in kube1 kube2; do on "$n" "echo canary | tee /data/file > /keep/file; sync"; done
expect "the plan is empty" status 0 plan
keys_alone
expect "down leaves no process" bash -c "'$kubestead' lab down && ! pgrep -f '[u]mid=.* ubd0=$work'"

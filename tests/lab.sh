#!/bin/bash
# The proof on real machines: own kernels, real dm-crypt, real sshd, real reboots. Nothing here is simulated.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH). Makes a lab of its own and removes it at the end; KEEP=1 keeps it.
. "$(dirname "$0")/lab-lib.sh" "lab"

kubectl() { on cp1 kubectl --kubeconfig /etc/kubernetes/admin.conf "$@"; }
# ready NODE...: the API calls each of them Ready.
ready() { local node; for node in "$@"; do [ "$(kubectl get node "$node" -o "'jsonpath={.status.conditions[?(@.type==\"Ready\")].status}'")" = True ] || { echo "$node is not Ready"; return 1; }; done; }
# Without Kubernetes: for what is about disks alone.
disks_only() { sed -i '/^kubernetes:/d; /^namespace:/d' "$KUBESTEAD_FILE"; }

# The UUID that kubestead gives a physical volume, made here a second time: physical_uuid GROUP DEVICE.
physical_uuid() {
  letters=abcdefghijklmnopqrstuvwxyz0123456789 text=
  for byte in $(printf 'kubestead %s %s' "$1" "$2" | sha256sum | cut -d' ' -f1 | sed 's/../& /g'); do text=$text${letters:$((16#$byte % 36)):1}; done
  echo "${text:0:6}-${text:6:4}-${text:10:4}-${text:14:4}-${text:18:4}-${text:22:4}-${text:26:6}"
}

echo "== from nothing"
bundle=$("$kubestead" lab build 2>/dev/null)
expect "lab up" "$kubestead" lab up
# Every command line of this computer and of two machines from here on, each once.
sample='while sleep 1; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\0" "\n"; done | awk "!seen[\$0]++ { print; fflush() }"'
setsid bash -c "$sample" > "$work/cmdlines" & sampler=$!
clean_up() { kill -- "-$sampler" 2>/dev/null || true; "$kubestead" lab down --wipe > /dev/null 2>&1 || true; }
ln -sf "$KUBESTEAD_LAB_DIR/lab/ssh_config" "$work/ssh"
"$kubestead" init --dir "$work" >/dev/null 2>&1
cluster_file() { sed "s#^ssh: .*#ssh: {config: $work/ssh}#; s#bundle: bundle,#bundle: $bundle,#" "$top/examples/three-nodes/cluster.yaml" > "$KUBESTEAD_FILE"; }
cluster_file
for machine in cp1 kube1; do on "$machine" "setsid bash -c '$sample' > /run/cmdlines 2>/dev/null < /dev/null &"; done
expect "a second lab up changes nothing" "$kubestead" lab up
expect "plan says what it will do" status 3 plan
expect "the machines are untouched by plan" on kube1 "! vgs vg01 2>/dev/null"

echo "== kill -9 of up at five places, and the power of a node cut in the middle of a step"
expect "killed while a volume group is made" kill_at kube1/vg01/group
expect "killed in a format" killed_in kube1/kubelet/format 2
expect "killed in an installation" killed_in kube2/software/install 5
expect "killed in kubeadm init" killed_in cp1/kubeadm/init 6
expect "killed in kubeadm join" killed_in kube1/kubeadm/join 2
cut_power() { kill_at cluster/nodes/ready 2; "$kubestead" lab kill kube2 && "$kubestead" lab start kube2; }
expect "the power of a node is cut" cut_power
expect "the next up finishes" "$kubestead" up
mounted() { for pair in cp1:/var/lib/etcd cp1:/etc/kubernetes cp1:/var/lib/kubelet kube1:/var/lib/containerd kube1:/var/lib/kubestead/volumes kube2:/var/lib/kubestead/volumes; do on "${pair%%:*}" "findmnt -M ${pair#*:} -o SOURCE | grep -q /dev/mapper/luks-" || { echo "$pair is not mounted"; return 1; }; done; }
expect "all volumes are mounted from dm-crypt" mounted
expect "the plan is empty" status 0 plan
# sshd tells of each command at the level VERBOSE; asking for the number is one more.
machines="cp1 kube1 kube2 masterlock"
for machine in $machines; do on "$machine" "echo LogLevel VERBOSE > /etc/ssh/sshd_config.d/10-verbose.conf; systemctl reload ssh"; done
commands() { for machine in $machines; do on "$machine" "journalctl --sync; journalctl -u ssh -o cat | grep -c 'Starting session: command'"; done; }
one_command_each() { commands > "$work/before"; "$kubestead" plan && commands | paste - "$work/before" | while read -r after before; do echo "$((after - before - 1))"; done | tee /dev/stderr | sort -u | grep -qx 1; }
expect "an empty plan is one command on each machine" one_command_each
expect "up changes nothing" says "Nothing to do" "$kubestead" up
# From Python: the same values.
python() { PYTHONPATH=$work/python python3 -c "import kubestead; $1"; }
mkdir -p "$work/python"; cp "${PYTHON_MODULE:-$CARGO_TARGET_DIR/debug/libkubestead_py.so}" "$work/python/kubestead.so"
expect "the plan is empty, from Python" python "p = kubestead.plan('$KUBESTEAD_FILE', trust_ssh_config=True); assert p['steps'] == p['held'] == [], p"
expect "up changes nothing, from Python" python "r = kubestead.up('$KUBESTEAD_FILE', trust_ssh_config=True, identity='$KUBESTEAD_AGE_KEY_FILE'); assert r['settled'], r"
expect "volume list shows them" says "open and mounted" "$kubestead" volume list
expect "no header was made twice: each has two key slots and one token" on kube1 "for v in kubelet containerd volkube; do [ \$(cryptsetup luksDump --dump-json-metadata /dev/vg01/\$v | grep -c '\"type\":\"kubestead\"\|\"type\": *\"kubestead\"') = 1 ] || exit 1; done"

echo "== the cluster"
expect "all nodes are Ready" ready cp1 kube1 kube2
expect "readyz" [ "$(kubectl get --raw /readyz)" = ok ]
kubectl apply -f - < "$top/examples/three-nodes/pod.yaml" > "$work/out" 2>&1 || cat "$work/out"
running() { [ "$(kubectl -n apps get pod writer -o jsonpath={.status.phase})" = Running ]; }
expect "a pod with a claim from pool-s runs" eventually 120 running
node=$(kubectl -n apps get pod writer -o jsonpath={.spec.nodeName})
file=/var/lib/kubestead/volumes/$(kubectl get pv "$(kubectl -n apps get pvc data -o jsonpath={.spec.volumeName})" -o jsonpath={.spec.local.path} | sed 's#.*/##')/file
expect "it wrote its file to the encrypted volume" eventually 30 on "$node" "grep -q canary-in-a-pod $file"
kubectl -n apps create secret generic probe --from-literal=word=canary-in-etcd > /dev/null
etcd="etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/server.crt --key /etc/kubernetes/pki/etcd/server.key"
expect "etcd holds the Secret as ciphertext" on cp1 "$etcd get /registry/secrets/apps/probe > /run/probe && grep -qa k8s:enc:secretbox:v1:key1 /run/probe && ! grep -qa canary-in-etcd /run/probe"
expect "and the API gives it back" [ "$(kubectl -n apps get secret probe -o jsonpath={.data.word} | base64 -d)" = canary-in-etcd ]
may() { [ "$(kubectl auth can-i --as=system:serviceaccount:apps:apps-user "$@" 2>/dev/null)" = "$may" ]; }
may=yes; for right in "create deployments -n apps" "get secrets -n apps" "list nodes" "list pv"; do expect "the user may $right" may $right; done
may=no; for right in "get secrets -n kube-system" "create clusterroles" "delete nodes" "create deployments -n default"; do expect "the user may not $right" may $right; done
export KUBECONFIG=$work/kubeconfig
printf 'apiVersion: v1\nkind: Config\nusers:\n- name: foreign\n  user: {token: t}\n' > "$KUBECONFIG"
expect "kubeconfig" "$kubestead" kubeconfig --merge
expect "it is its owner's alone, and foreign entries stay" bash -c '[ "$(stat -c %a "$KUBECONFIG")" = 600 ] && grep -q foreign "$KUBECONFIG" && grep -q "current-context: .*apps-user@home" "$KUBECONFIG"'
expect "a user's token is a token" says '"kind": "ExecCredential"' "$kubestead" credential apps-user
unset KUBECONFIG
expect "a pod that asks for the host is refused: Pod Security" fails_saying "violates PodSecurity" on cp1 "kubectl --kubeconfig /etc/kubernetes/admin.conf -n default run bad --image=localhost/kubestead/toolbox:1 --overrides='{\"spec\":{\"hostNetwork\":true}}'"

echo "== an object of somebody else, and a control plane whose kubeconfig runs a program"
kubectl -n apps delete limitrange defaults > /dev/null
printf 'apiVersion: v1\nkind: LimitRange\nmetadata: {name: defaults, namespace: apps}\nspec: {limits: [{type: Container, default: {memory: 77Mi}}]}\n' |
  kubectl apply -f - > /dev/null
expect "the plan asks for it by name" says "needs your consent: --yes cluster/" plan
adopt=$(grep -o 'cluster/[^ ]*/adopt' "$work/plan" | head -n 1)
foreign() { [ "$(kubectl -n apps get limitrange defaults -o jsonpath={.spec.limits[0].default.memory})" = 77Mi ]; }
expect "without consent up ends so" status 4 "$kubestead" up
expect "and it is as it was" foreign
on cp1 "cp -p /etc/kubernetes/admin.conf /root/admin.conf; sed -i 's#^\( *\)client-key-data: .*#&\n\1exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: [$work/canary-exec], interactiveMode: Never}#' /etc/kubernetes/admin.conf"
expect "a kubeconfig that runs a program is refused by the field's name" says "exec" bash -c "! '$kubestead' up --yes $adopt"
expect "nothing was run" [ ! -e "$work/canary-exec" ]
expect "and the object is as it was" foreign
on cp1 "cat /root/admin.conf > /etc/kubernetes/admin.conf; rm /root/admin.conf"
expect "with consent it is taken over" "$kubestead" up --yes "$adopt"
not_foreign() { ! foreign; }
expect "it says what the file asks for" not_foreign
expect "and a copy of it is kept" bash -c "ssh -F $work/ssh cp1 kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-system get configmap -o yaml | grep -q 77Mi"
expect "the plan is empty" status 0 plan

. "$top/tests/lab-secrets.sh"

echo "== what no command line showed"
# Of a secret value, a recovery key, the key of encryption at rest and the identity that opens all: as they are, and in base64.
needles() {
  printf '%s\n' "$value" "$(printf %s "$value" | base64 -w 0)" "$("$kubestead" volume recovery kube1 volkube)" "$(grep -m 1 AGE-SECRET-KEY "$KUBESTEAD_AGE_KEY_FILE")" \
    "$(on cp1 "grep -o 'secret: *[A-Za-z0-9+/=]*' /etc/kubernetes/enc/enc.yaml" | head -n 1 | sed 's/secret: *//')"
}
needles > "$work/needles"
expect "there are five to look for" [ "$(sort -u "$work/needles" | grep -c '.\{20\}')" = 5 ]
for machine in cp1 kube1; do on "$machine" "cat /run/cmdlines" > "$work/cmdlines.$machine"; done
expect "command lines were seen" grep -qx kubeadm "$work/cmdlines.kube1"
expect "a word of one is found" grep -qaF -e volkube "$work/cmdlines.kube1"
expect "none shows a secret, nor a token" bash -c "! grep -aF -f $work/needles $work/cmdlines* && ! grep -aE '^[a-z0-9]{6}\.[a-z0-9]{16}\$' $work/cmdlines*"

echo "== what the disk shows"
canary="canary-$RANDOM-$RANDOM"
on kube1 "echo $canary-file > /var/lib/kubestead/volumes/pool-s-0001/canary; sync; echo $canary-bare > /root/bare; sync"
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
expect "all nodes are Ready" eventually 240 ready cp1 kube1 kube2
expect "the pod's file is still there" on "$node" "grep -q canary-in-a-pod $file"
expect "the pod runs again" eventually 120 running
expect "the file is still there" on kube1 "grep -q $canary-file /var/lib/kubestead/volumes/pool-s-0001/canary"
expect "the plan is empty after reboots" eventually 180 status 0 plan

echo "== power cut"
"$kubestead" lab kill kube2
expect "a machine that is off is said" status 5 plan
# All machines mount their volumes, and the API server reads who may what, while `up` looks.
for machine in cp1 kube1 masterlock; do "$kubestead" lab kill "$machine"; done
cut=$(date +%s)
# pods_since TIME: every container of the cluster's own pods began after it, and every such pod is ready.
pods_since() {
  for namespace in kube-system kube-flannel; do kubectl -n "$namespace" get pods -o json; done | python3 -c '
import datetime, json, sys
text, at, found = sys.stdin.read(), 0, []
while at < len(text.rstrip()):
    part, at = json.JSONDecoder().raw_decode(text, at)
    found += part["items"]
    while at < len(text) and text[at].isspace(): at += 1
assert len(found) >= 12, len(found)
for pod in found:
    began = [s["state"]["running"]["startedAt"] for s in pod["status"]["containerStatuses"]]
    old = [t for t in began if datetime.datetime.fromisoformat(t.replace("Z", "+00:00")).timestamp() < int(sys.argv[1])]
    ready = [c["status"] for c in pod["status"]["conditions"] if c["type"] == "Ready"] == ["True"]
    assert ready and not old, (pod["metadata"]["name"], began, ready)
' "$1"
}
expect "the power of all is cut, and comes back at once" "$kubestead" lab up
expect "up meanwhile ends, and what it says is so" "$kubestead" up
expect "the plan is empty at once" status 0 "$kubestead" plan
expect "all volumes are back" mounted
expect "all nodes are Ready" ready cp1 kube1 kube2
expect "their pods run since then, and are ready" pods_since "$cut"

echo "== key server away"
"$kubestead" lab kill masterlock
expect "reboot without a key server: ssh answers" "$kubestead" lab reboot kube1
expect "nothing is mounted" on kube1 "! findmnt -M /var/lib/kubelet"
expect "the bare mount point takes no file" on kube1 "! touch /var/lib/kubelet/x 2>/dev/null"
expect "a service that needs the mount does not start" on kube1 "printf '[Unit]\nRequiresMountsFor=/var/lib/kubelet\n[Service]\nExecStart=/bin/sleep 1000\n' > /run/systemd/system/probe.service; systemctl daemon-reload; systemctl start --no-block probe; ! systemctl is-active -q probe"
expect "the kubelet does not start on the bare mount point" on kube1 "! systemctl is-active -q kubelet"
expect "status says why" says "waiting for its key" "$kubestead" status
expect "key server back" "$kubestead" lab start masterlock
expect "the node heals by itself" eventually 90 on kube1 "findmnt -M /var/lib/kubelet && findmnt -M /var/lib/kubestead/volumes"
expect "and is Ready" eventually 240 ready kube1
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

echo "== what no disk holds after all of this"
# Only what was written is read of the sparse images.
in_images() {
  python3 - "$@" <<'PY'
import os, sys
needles = [line.encode() for line in open(sys.argv[1]).read().split("\n") if line]
found = False
for path in sys.argv[2:]:
    with open(path, "rb") as image:
        at, end, tail = 0, os.fstat(image.fileno()).st_size, b""
        while at < end:
            try:
                at = os.lseek(image.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            hole = os.lseek(image.fileno(), at, os.SEEK_HOLE)
            tail = b""
            while at < hole:
                block = os.pread(image.fileno(), min(1 << 24, hole - at), at)
                for needle in needles:
                    if needle in tail + block:
                        print(f"{path}: needle {needles.index(needle)} before {at + len(block)}")
                        found = True
                tail, at = block[-200:], at + len(block)
sys.exit(0 if found else 1)
PY
}
for machine in $machines; do on "$machine" "sync; ! ls /var/lib/systemd/coredump/* /core* 2>/dev/null && [ -z \"\$(tail -n +2 /proc/swaps)\" ]" || { echo "$machine has a core dump or swap"; failed=$((failed + 1)); }; done
printf '%s\n' "$canary-bare" > "$work/bare"
expect "the search can find what lies in the clear" in_images "$work/bare" "$KUBESTEAD_LAB_DIR"/lab/machines/*/*.img
expect "no secret is on the raw image of any disk" status 1 in_images "$work/needles" "$KUBESTEAD_LAB_DIR"/lab/machines/*/*.img

. "$top/tests/lab-keys.sh"
keys_of_a_cluster kube1 kube2 volkube

echo "== reset"
expect "reset without the name touches nothing" status 3 "$kubestead" reset
expect "reset with another name touches nothing" status 2 "$kubestead" reset --yes-reset other
on "$node" "mkdir -p /root/bound /run/kept /var/lib/kubelet/bound /var/lib/kubelet/kept; echo canary > /root/bound/file; mount -t tmpfs kept /run/kept; echo canary > /run/kept/file; mount --bind /root/bound /var/lib/kubelet/bound; mount --bind /run/kept /var/lib/kubelet/kept"
expect "the cluster goes" "$kubestead" reset --yes-reset home
expect "a file on a bind mount below kubelet's folder survives" on "$node" "grep -q canary /root/bound/file"
expect "a file on a tmpfs mount below kubelet's folder survives" on "$node" "grep -q canary /run/kept/file"
expect "the pod's file survives" on "$node" "ls -l $file; findmnt -no SOURCE,OPTIONS -T $file; grep canary-in-a-pod $file"
expect "the volumes are still mounted" mounted
expect "nothing of the cluster is left" on cp1 "! [ -e /etc/kubernetes/admin.conf ] && ! [ -e /etc/kubernetes/manifests/etcd.yaml ] && [ -z \"\$(ls /var/lib/etcd)\" ]"
expect "a second reset has nothing to do" says "Nothing to do" "$kubestead" reset --yes-reset home
expect "up makes it anew" "$kubestead" up
expect "the Secrets are there again" exact
expect "the tokens of the joins are gone" [ -z "$(on cp1 kubeadm token list -o json 2>/dev/null)" ]
expect "all nodes are Ready" ready cp1 kube1 kube2
expect "the file is still there" on "$node" "grep -q canary-in-a-pod $file"

echo "== what is not ours stays as it is"
disks_only
on kube2 "systemctl stop kubelet containerd; umount /var/lib/kubestead/volumes; systemctl stop 'systemd-cryptsetup@luks\x2dvolkube.service'; dd if=/dev/vg01/volkube of=/run/header bs=1M count=1 status=none; printf X | dd of=/dev/vg01/volkube bs=1 seek=4200 conv=notrunc status=none; sync"
expect "a header with a flipped byte is held and named" says "first copy" status 4 plan
flipped=$(on kube2 "sha256sum /dev/vg01/volkube")
expect "up leaves it alone" status 4 "$kubestead" up
expect "not a byte of it was changed" [ "$flipped" = "$(on kube2 "sha256sum /dev/vg01/volkube")" ]
on kube2 "dd if=/run/header of=/dev/vg01/volkube bs=1M conv=notrunc status=none; sync"
expect "with its header back it opens again" "$kubestead" up
"$kubestead" lab down --wipe
"$kubestead" lab up > /dev/null 2>&1
rm -rf "$work/secrets"; "$kubestead" init --dir "$work" > /dev/null 2>&1
# As a run leaves it that is cut off between pvcreate and vgcreate; and on cp1 the same by somebody else.
on kube2 "pvcreate -q -y --uuid $(physical_uuid vg01 /dev/disk/by-id/ubd-kube2-data) --norestorefile /dev/disk/by-id/ubd-kube2-data"
on cp1 "pvcreate -q -y /dev/disk/by-id/ubd-cp1-data"
on kube1 "mkfs.ext4 -q -F /dev/disk/by-id/ubd-kube1-data; sync"
image() { on kube1 sync; sha256sum < "$disk/disk-kube1-data.img"; }
foreign=$(image)
expect "a disk with a filesystem is held and named" says "ext4" status 4 plan
expect "somebody else's physical volume is held and named" says "cp1/vg01: /dev/disk/by-id/ubd-cp1-data holds a physical volume" plan
"$kubestead" up > /dev/null 2>&1 || true
expect "not a byte of it was changed" [ "$foreign" = "$(image)" ]
expect "the machine that was cut off was finished" eventually 1 on kube2 "findmnt -M /var/lib/kubestead/volumes"

echo "== machines that are not as they should be: said, and not touched"
cluster_file
"$kubestead" plan --output json > "$work/before" 2>/dev/null || true
on kube2 "date -s '+1 hour' > /dev/null"
expect "a clock that is off" says "ahead of ours" status 4 plan
on kube2 "date -s '-1 hour' > /dev/null"
on kube2 "sed 's/VERSION_ID=.*/VERSION_ID=\"9\"/' /etc/os-release > /run/os; mount --bind /run/os /etc/os-release"
expect "an operating system that is not supported" says "debian 9 is not supported" plan
on kube2 "umount /etc/os-release; fallocate -l \$(( \$(df --output=avail -B1 / | tail -n 1) - 50000000 )) /root/full"
expect "a full disk" says "bytes are free on its root file system" plan
on kube2 "rm /root/full; hostname other"
expect "a hostname that is another" says "its hostname is other" plan
on kube2 "hostname kube2; mkdir -p /etc/kubernetes; touch /etc/kubernetes/kubelet.conf"
expect "a node of a cluster that kubestead did not make" says "that kubestead did not make" plan
on kube2 "echo work > /etc/kubestead/cluster"
expect "a node of another cluster" says "it belongs to the cluster work" plan
on kube2 "rm -r /etc/kubernetes /etc/kubestead/cluster"
sed "s/ssh: {config/ssh: {user: ops, config/" "$KUBESTEAD_FILE" > "$work/ops.yaml"
expect "another login than root, with sudo" status 4 plan -f "$work/ops.yaml"
on kube2 "mv /etc/sudoers.d/ops /root/ops"
expect "sudo that asks for a password" says "sudo refused: sudo: a password is required" plan -f "$work/ops.yaml"
on kube2 "mv /root/ops /etc/sudoers.d/ops; mv /root/.ssh/authorized_keys /root/.ssh/away"
expect "a key that is refused" says "login refused" status 5 plan
"$kubestead" lab kill kube2; "$kubestead" lab start kube2

echo "== who is who"
sed -i "s/^\(kube2,10.77.0.22\) .*/\1 $(ssh-keygen -q -t ed25519 -N '' -f "$work/other" && cut -d' ' -f1,2 "$work/other.pub" | sed 's#/#\\/#g')/" "$KUBESTEAD_LAB_DIR/lab/known_hosts"
expect "a wrong host key stops everything on that host" says "host key" status 5 plan
expect "down leaves no process" bash -c "'$kubestead' lab down && ! pgrep -f '[u]mid=.* ubd0=$work'"

#!/bin/bash
# The proof of encryption at rest for life, on a lab of two machines: the key is replaced while Secrets are written and read all the time, `up`
# is killed in every stage, and a cluster whose values are not encrypted is taken in, by a KMS plugin that the API server must mount first.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH), and the plugin (KMS_PLUGIN, else it is built). Makes a lab of its own and removes it at the end; KEEP=1 keeps it.
. "$(dirname "$0")/lab-lib.sh" "lab, encryption"

plugin=${KMS_PLUGIN:-$(bash "$top/scripts/kms-plugin.sh")}

echo "== from nothing"
bundle=$("$kubestead" lab build 2>/dev/null)
mkdir -p "$KUBESTEAD_LAB_DIR/lab"
cat > "$KUBESTEAD_LAB_DIR/lab/lab.json" <<'JSON'
{"machines": [
  {"name": "cp1", "address": "10.77.0.11", "memory": 2560, "disks": [{"serial": "cp1-data", "size": 5120}]},
  {"name": "masterlock", "address": "10.77.0.5", "memory": 320, "disks": []}
]}
JSON
expect "lab up" "$kubestead" lab up
ln -sf "$KUBESTEAD_LAB_DIR/lab/ssh_config" "$work/ssh"
"$kubestead" init --dir "$work" >/dev/null 2>&1
cat > "$KUBESTEAD_FILE" <<YAML
apiVersion: kubestead/v1
kind: Cluster
name: home
kubernetes: {version: 1.37.1, bundle: $bundle, lab: true, encryption: {provider: secretbox, key: key1, resources: [secrets]}}
ssh: {config: $work/ssh}
nodes:
  - {name: cp1, address: 10.77.0.11, roles: [control-plane, worker]}
disks:
  vg01: {devices: {cp1: [/dev/disk/by-id/ubd-cp1-data]}}
volumes:
  etcd: {on: [cp1], group: vg01, size: 1GiB, path: /var/lib/etcd}
  kubernetes: {on: [cp1], group: vg01, size: 128MiB, path: /etc/kubernetes}
keys:
  servers: [{host: masterlock, address: 10.77.0.5}]
YAML
expect "the cluster is made" "$kubestead" up
expect "the plan is empty" status 0 plan
expect "status tells the key and its fingerprint, and not the key" says "secrets written with secretbox key1 (" "$kubestead" status
kube="kubectl --kubeconfig /etc/kubernetes/admin.conf"
etcd="etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/server.crt --key /etc/kubernetes/pki/etcd/server.key"
canary="canary-$RANDOM-$RANDOM"
# still N: N Secrets that nobody touches again, all with the canary.
still() { on cp1 "for i in \$(seq 1 $1); do printf -- '---\napiVersion: v1\nkind: Secret\nmetadata: {name: still-%s, namespace: default}\nstringData: {word: $canary}\n' \$i; done | $kube apply -f - > /dev/null"; }
expect "six hundred Secrets that nobody touches again" still 600
expect "one of them may not be changed" on cp1 "$kube -n default patch secret still-7 -p '{\"immutable\": true}'"

# Writes and reads all the time, on the machine, through the API server: every Secret that was written is written down, and every read must
# find the last word. A read by name is answered from etcd, not from the server's memory.
cat > "$work/traffic" <<'SH'
cd /run/traffic
kubectl --kubeconfig /etc/kubernetes/admin.conf proxy --port=8001 > /dev/null 2>> errors & proxy=$!
api=http://127.0.0.1:8001/api/v1/namespaces/default/secrets run=$1 i=0
until curl -sf http://127.0.0.1:8001/readyz > /dev/null; do sleep 0.2; done
# What etcd says of a machine that is busy is no answer: it is asked again. An object that the first try made all the same is made.
ask() {
  local try out
  for try in 1 2 3 4 5; do
    out=$(curl -sS --fail-with-body -m 60 "$@" 2>&1) && { printf '%s\n' "$out"; return 0; }
    case $try-$out in
      [2-5]-*'"reason": "AlreadyExists"'*) return 0 ;;
      *'etcdserver: '*|*'allotted timeout'*) sleep 1 ;;
      *) break ;;
    esac
  done
  printf '%s\n' "$out" >> errors; return 1
}
while [ ! -e stop ]; do
  i=$((i + 1))
  ask -H 'Content-Type: application/json' -d "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"moving-$run-$i\"}, \"stringData\": {\"word\": \"word-$i\"}}" $api > /dev/null && echo "moving-$run-$i word-$i" >> written
  ask -X PATCH -H 'Content-Type: application/merge-patch+json' -d "{\"stringData\": {\"word\": \"word-$i\"}}" $api/moving-$run-1 > /dev/null
  for one in "moving-$run-1 word-$i" "moving-$run-$i word-$i" "still-$((i % 600 + 1)) @CANARY@"; do
    found=$(ask "$api/${one% *}" | sed -n 's/^ *"word": "\([^"]*\)".*/\1/p' | base64 -d)
    if [ "$found" = "${one#* }" ]; then echo >> reads; else echo "${one% *}: '$found' is not '${one#* }'" >> errors; fi
  done
  [ $((i % 10)) != 0 ] || ask "$api?limit=500" > /dev/null
  sleep 0.3
done
kill "$proxy"
SH
sed -i "s/@CANARY@/$canary/" "$work/traffic"
run=0
begin_traffic() {
  run=$((run + 1))
  on cp1 "rm -rf /run/traffic; mkdir /run/traffic; cd /run/traffic; touch errors reads written; cat > script; systemd-run -q --unit traffic-$run bash /run/traffic/script $run" < "$work/traffic"
}
end_traffic() {
  # On a busy computer it takes its time: there must be something to judge by.
  eventually 180 on cp1 "[ \$(wc -l < /run/traffic/written) -gt 20 ]" || true
  on cp1 "touch /run/traffic/stop; while systemctl is-active -q traffic-$run; do sleep 0.5; done; cat /run/traffic/written" > "$work/written"
  echo "      $(wc -l < "$work/written") Secrets written, $(on cp1 "wc -l < /run/traffic/reads") reads"
}
no_errors() { [ "$(wc -l < "$work/written")" -gt 20 ] && on cp1 "! [ -s /run/traffic/errors ] || { head -n 20 /run/traffic/errors; false; }"; }
none_lost() {
  on cp1 "$kube -n default get secrets -o json" > "$work/all" && python3 - "$work/all" "$work/written" "$canary" "$run" <<'PY'
import base64, json, sys
found = {o["metadata"]["name"]: base64.b64decode(o["data"].get("word", "")).decode() for o in json.load(open(sys.argv[1]))["items"] if "data" in o}
wanted = dict(line.split() for line in open(sys.argv[2]))
wanted.pop(f"moving-{sys.argv[4]}-1", None)
wanted.update({f"still-{i}": sys.argv[3] for i in range(1, 601)})
bad = [name for name, word in wanted.items() if found.get(name) != word]
sys.exit(f"lost or changed: {bad}" if bad else 0)
PY
}
# every KIND PREFIX: every value of a kind begins so; counted here, in another way than kubestead counts.
every() {
  on cp1 "$etcd get /registry/$1/ --prefix -w json" > "$work/etcd" && python3 - "$work/etcd" "$2" <<'PY'
import base64, json, sys
all = json.load(open(sys.argv[1]))["kvs"]
bad = [base64.b64decode(kv["key"]).decode() for kv in all if not base64.b64decode(kv["value"]).startswith(sys.argv[2].encode())]
print(len(all), "values")
sys.exit(f"begin otherwise: {bad[:10]}" if bad or not all else 0)
PY
}
lacks() { on cp1 "! grep -qaF -- '$1' /var/lib/etcd/member/snap/db"; }
holds() { on cp1 "grep -qaF -- '$1' /var/lib/etcd/member/snap/db"; }
ready() { for _ in $(seq 240); do [ "$(on cp1 "$kube get --raw /readyz" 2>/dev/null)" = ok ] && return 0; sleep 1; done; return 1; }

echo "== the key is replaced: secretbox key1 to key2, and up is killed in every stage"
old=$(on cp1 "sed -n 's/.*secret: \([^}]*\)}.*/\1/p' /etc/kubernetes/enc/enc.yaml")
sed -i 's/key: key1/key: key2/' "$KUBESTEAD_FILE"
expect "the plan shows all stages" eventually 60 says "cp1/encryption/drop" status 3 plan
cat "$work/said"
expect "and no key" bash -c "! grep -qF '$old' '$work/said'"
expect "the search can find the old key's values in etcd's file" holds "k8s:enc:secretbox:v1:key1:"
begin_traffic
expect "killed in the copy of etcd" kill_at cp1/encryption/snapshot 0.3
expect "killed while the new key is added" kill_at cp1/encryption/add 1
expect "killed while it is promoted" kill_at cp1/encryption/promote 1
expect "status tells how it stands" says "; reads secretbox key" "$kubestead" status
expect "killed while objects are written anew" kill_at cluster/encryption/rewrite 1
expect "killed while values are counted" kill_at cp1/encryption/check 1
expect "killed in the second copy" kill_at cp1/encryption/keep 0.2
expect "killed in the compaction" kill_at cp1/encryption/compact 0.1
expect "killed in the defragmentation" kill_at cp1/encryption/defragment 0.1
expect "killed while the old key is dropped" kill_at cp1/encryption/drop 1
expect "the next up finishes" "$kubestead" up
end_traffic
expect "no write and no read failed at any moment" no_errors
expect "no Secret is lost" none_lost
expect "every Secret in etcd carries the new key" every secrets k8s:enc:secretbox:v1:key2:
expect "the plan is empty" status 0 plan
expect "up changes nothing" says "Nothing to do" "$kubestead" up
expect "the old key is gone from the machine" on cp1 "! grep -rqF '$old' /etc/kubernetes /etc/kubestead /run/kubestead* && [ \$(grep -c secret: /etc/kubernetes/enc/enc.yaml) = 1 ] && [ \"\$(ls -A /etc/kubernetes/enc)\" = enc.yaml ]"
expect "and is in the escrow, for old copies" test -s "$work/secrets/escrow/encryption.key1.age"
expect "both copies of etcd are whole and closed" on cp1 "cd /var/lib/etcd/kubestead && for f in before-key2.db with-key2.db; do [ \$(stat -c %a \$f) = 600 ] && etcdutl snapshot status \$f > /dev/null || exit 1; done"
expect "no old revision is left" on cp1 "! $etcd get /registry/secrets/default/still-1 --rev=2 2>/dev/null"
expect "no value with the old key is left in etcd's file" lacks "k8s:enc:secretbox:v1:key1:"

echo "== a key that is not the escrow's, or is not in it"
expect "somebody adds a key by hand" on cp1 "cp -p /etc/kubernetes/enc/enc.yaml /root/enc.yaml && printf '  - secretbox: {keys: [{name: key9, secret: %s}]}\n' \$(head -c 32 /dev/urandom | base64) >> /etc/kubernetes/enc/enc.yaml"
expect "it is held: the escrow does not have it" says "secretbox key9 of cp1 is not in the escrow" status 4 plan
on cp1 "mv /root/enc.yaml /etc/kubernetes/enc/enc.yaml"
mv "$work/secrets/escrow/encryption.key2.age" "$work/away"
expect "a key that the escrow lost is asked for" says "restore encryption.key2.age" status 4 "$kubestead" up
mv "$work/away" "$work/secrets/escrow/encryption.key2.age"
cp "$work/secrets/escrow/encryption.key2.age" "$work/away"; cp "$work/secrets/escrow/encryption.key1.age" "$work/secrets/escrow/encryption.key2.age"
sed -i 's/key: key2/key: key3/' "$KUBESTEAD_FILE"
expect "another key under its name stops before anything is written" says "is another key" "$kubestead" up
expect "the file is as it was" on cp1 "grep -q 'name: key2' /etc/kubernetes/enc/enc.yaml && ! grep -q key3 /etc/kubernetes/enc/enc.yaml"
mv "$work/away" "$work/secrets/escrow/encryption.key2.age"
sed -i 's/key: key3/key: key2/' "$KUBESTEAD_FILE"
expect "the plan is empty again" status 0 plan

echo "== values that are not encrypted are taken in, and configmaps with them, under a KMS plugin"
on cp1 "sed -i 's/^  providers:/  providers:\n  - identity: {}/' /etc/kubernetes/enc/enc.yaml; for i in \$(seq 90); do sleep 1; $kube -n default create secret generic plain-\$i --from-literal=word=$canary-plain > /dev/null; $etcd get /registry/secrets/default/plain-\$i --print-value-only | grep -qa '$canary-plain' && break; done"
expect "Secrets are written in the clear" on cp1 "$etcd get /registry/secrets/default/ --prefix --print-value-only | grep -qa $canary-plain"
sed -i 's#provider: secretbox, key: key2, resources: \[secrets\]#provider: kms, kms: {name: vault, endpoint: "unix:///run/kms/plugin.sock"}, resources: [secrets, configmaps]#' "$KUBESTEAD_FILE"
expect "a plugin that does not answer is told, and nothing is begun" eventually 60 says "no KMS plugin answers at /run/kms/plugin.sock" status 4 plan
# The operator's part: a service whose folder outlives it, started before the kubelet.
install_plugin() {
  on cp1 "cat > /usr/local/bin/kms-plugin && chmod 755 /usr/local/bin/kms-plugin" < "$plugin" &&
    on cp1 "umask 077; head -c 32 /dev/urandom > /etc/kms-plugin.key; cat > /etc/systemd/system/kms-plugin.service; systemctl enable -q --now kms-plugin && sync" <<'UNIT'
[Unit]
Before=kubelet.service
[Service]
ExecStart=/usr/local/bin/kms-plugin -socket /run/kms/plugin.sock -key /etc/kms-plugin.key
RuntimeDirectory=kms
RuntimeDirectoryPreserve=yes
Restart=always
[Install]
WantedBy=multi-user.target
UNIT
}
expect "the operator installs the plugin" install_plugin
expect "the plan names both kinds, and the restart" eventually 60 says "write every object of configmaps, secrets anew" status 3 plan
expect "which is a step of its own" grep -q "^ *~.*cp1/encryption/mount" "$work/said"
manifest=/etc/kubernetes/manifests/kube-apiserver.yaml
expect "killed while the API server restarts" kill_at cp1/encryption/mount 4
mounted() { on cp1 "grep -q ' /run/kms ' /proc/\$(pgrep -x kube-apiserver)/mountinfo && [ ! -e /run/kubestead-mount ]"; }
expect "what was begun goes on: it runs with the plugin's folder" eventually 300 mounted
expect "the API server comes back" ready
expect "the startup probe is as long as at the beginning, and kubeadm knows the mount for its next manifest" on cp1 "grep -A9 startupProbe: $manifest | grep -q 'failureThreshold: 60' && $kube -n kube-system get configmap kubeadm-config -o yaml | grep -q 'mountPath: /run/kms'"
expect "nothing is left of it" on cp1 "! ls -A /run/kubestead-mount /etc/kubernetes/tmp 2> /dev/null | grep . && [ \"\$(cd /etc/kubernetes/manifests && ls -A | tr '\n' ' ')\" = 'etcd.yaml kube-apiserver.yaml kube-controller-manager.yaml kube-scheduler.yaml ' ]"
begin_traffic
expect "killed while it is promoted" kill_at cp1/encryption/promote 3
end_traffic
expect "no write and no read failed at any moment" no_errors
cut_power() { kill_at cluster/encryption/rewrite 1; "$kubestead" lab kill cp1 && "$kubestead" lab start cp1; }
expect "the power is cut while objects are written anew" cut_power
expect "the API server comes back" ready
begin_traffic
expect "the next up finishes" "$kubestead" up
end_traffic
expect "no write and no read failed at any moment" no_errors
expect "no Secret is lost" none_lost
expect "every Secret in etcd is encrypted" every secrets k8s:enc:kms:v2:vault:
expect "and every ConfigMap" every configmaps k8s:enc:kms:v2:vault-configmaps:
expect "nothing in the clear is left in etcd's file" lacks "$canary-plain"
expect "the plan is empty" status 0 plan

echo "== reboot"
expect "reboot" "$kubestead" lab reboot cp1
expect "the API server comes back, and its plugin before it" ready
expect "and reads what was there" on cp1 "[ \"\$($kube -n default get secret still-600 -o jsonpath={.data.word} | base64 -d)\" = $canary ]"
expect "the plan is empty" eventually 180 status 0 plan
expect "the plugin stops" on cp1 "systemctl stop kms-plugin"
expect "status tells it, and the next step" says "no KMS plugin answers at /run/kms/plugin.sock (start the plugin on that machine" status 4 "$kubestead" status
start_plugin() { on cp1 "systemctl start kms-plugin" && ready; }
expect "it starts again, and the API server is ready again" start_plugin
expect "and reads what was there" on cp1 "[ \"\$($kube -n default get secret still-1 -o jsonpath={.data.word} | base64 -d)\" = $canary ]"
expect "the plan is empty again" eventually 180 status 0 plan
expect "down leaves no process" bash -c "'$kubestead' lab down && ! pgrep -f '[u]mid=.* ubd0=$work'"

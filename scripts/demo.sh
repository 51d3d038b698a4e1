#!/bin/bash
# demo.sh KUBESTEAD DIR: the lab's machines, and examples/three-nodes on them.
set -euo pipefail
kubestead=$1 dir=$2
top=$(cd "$(dirname "$0")/.." && pwd)
bundle=$("$kubestead" lab build)
config=$("$kubestead" lab up)
mkdir -p "$dir"
export KUBESTEAD_AGE_KEY_FILE=$dir/age.txt
[ -f "$dir/cluster.yaml" ] ||
  sed "s#^ssh: .*#ssh: {config: $config}#; s#bundle: bundle,#bundle: $bundle,#" "$top/examples/three-nodes/cluster.yaml" > "$dir/cluster.yaml"
"$kubestead" init --dir "$dir"
"$kubestead" up --auto-approve -f "$dir/cluster.yaml"
kubectl() { "$kubestead" lab ssh cp1 -- kubectl --kubeconfig /etc/kubernetes/admin.conf "$@"; }
echo; kubectl get nodes
kubectl apply -f - < "$top/examples/three-nodes/pod.yaml"
kubectl -n apps wait --for=condition=Ready pod/writer --timeout=300s
kubectl -n apps exec writer -- cat /data/file
node=$(kubectl -n apps get pod writer -o jsonpath='{.spec.nodeName}')
"$kubestead" lab ssh "$node" -- lsblk -o NAME,TYPE,SIZE,MOUNTPOINTS "/dev/disk/by-id/ubd-$node-data"
cat <<TXT

A cluster of three machines with their own kernels runs on this computer; the pod's file lies on a LUKS2 volume that a fourth machine
opens at boot. Go on:
  export KUBESTEAD_FILE=$dir/cluster.yaml KUBESTEAD_AGE_KEY_FILE=$dir/age.txt
  $kubestead plan                 # nothing to do
  $kubestead lab reboot kube1     # it comes back with nobody's hands
  $kubestead lab kill masterlock  # no key server: reboot a node now, and see what status says
  $kubestead status
  $kubestead lab ssh cp1          # kubectl --kubeconfig /etc/kubernetes/admin.conf get pods -A
  make demo-down                  # stop the machines and remove their disks
TXT

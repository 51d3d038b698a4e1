#!/bin/bash
# demo.sh KUBESTEAD DIR: the lab's machines, and examples/three-nodes on them.
set -euo pipefail
kubestead=$1 dir=$2
top=$(cd "$(dirname "$0")/.." && pwd)
config=$("$kubestead" lab up)
mkdir -p "$dir"
export KUBESTEAD_AGE_KEY_FILE=$dir/age.txt
[ -f "$dir/cluster.yaml" ] || sed "s#^ssh: .*#ssh: {config: $config}#" "$top/examples/three-nodes/cluster.yaml" > "$dir/cluster.yaml"
"$kubestead" init "$dir"
"$kubestead" up -f "$dir/cluster.yaml"
"$kubestead" volume list -f "$dir/cluster.yaml"
"$kubestead" lab ssh kube1 -- 'f=/var/lib/kubestead/volumes/pool-s-0001/hello; [ -f $f ] || echo "written $(date -u)" > $f; cat $f; lsblk -o NAME,TYPE,SIZE,MOUNTPOINTS /dev/ubdc'
cat <<TXT

Three machines with their own kernels run on this computer; their volumes are LUKS2, opened by keys from the fourth. Go on:
  export KUBESTEAD_FILE=$dir/cluster.yaml KUBESTEAD_AGE_KEY_FILE=$dir/age.txt
  $kubestead plan                 # nothing to do
  $kubestead lab reboot kube1     # the volumes come back with nobody's hands
  $kubestead lab kill masterlock  # no key server: reboot a node now, and see what status says
  $kubestead status
  $kubestead lab ssh kube1
  make demo-down                  # stop the machines and remove their disks
TXT

# shellcheck shell=bash
# A lab of a bench's own, which goes with it: the machines of examples/three-nodes, and their cluster file. `kubestead` is the program.
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
export KUBESTEAD_LAB_DIR=$work/labs KUBESTEAD_AGE_KEY_FILE=$work/age.txt XDG_STATE_HOME=$work/state KUBESTEAD_FILE=$work/cluster.yaml
trap '"$kubestead" lab down --wipe > /dev/null 2>&1 || true; rm -rf "$work"' EXIT
bundle=$("$kubestead" lab build 2> /dev/null)
fresh() { "$kubestead" lab down --wipe > /dev/null 2>&1 || true; config=$("$kubestead" lab up 2> /dev/null); }
fresh
sed "s#^ssh: .*#ssh: {config: $config}#; s#bundle: bundle,#bundle: $bundle,#" "$top/examples/three-nodes/cluster.yaml" > "$KUBESTEAD_FILE"
"$kubestead" init --dir "$work" > /dev/null 2>&1

#!/bin/bash
# up.sh KUBESTEAD: `up` from nothing against benches/by-hand.sh, the same cluster typed into a script, on the same machines made anew for each; its
# memory; and then a plan of the finished cluster (plan.sh).
set -euo pipefail
kubestead=$1
top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
export KUBESTEAD_LAB_DIR=$work/labs KUBESTEAD_AGE_KEY_FILE=$work/age.txt XDG_STATE_HOME=$work/state KUBESTEAD_FILE=$work/cluster.yaml
trap '"$kubestead" lab down --wipe > /dev/null 2>&1 || true; rm -rf "$work"' EXIT
bundle=$("$kubestead" lab build 2> /dev/null)
fresh() { "$kubestead" lab down --wipe > /dev/null 2>&1 || true; config=$("$kubestead" lab up 2> /dev/null); }
fresh
sed "s#^ssh: .*#ssh: {config: $config}#; s#bundle: bundle,#bundle: $bundle,#" "$top/examples/three-nodes/cluster.yaml" > "$KUBESTEAD_FILE"
"$kubestead" init --dir "$work" > /dev/null 2>&1
"$kubestead" plan --output json > "$work/plan.json" || [ $? = 3 ]
begin=$(date +%s)
bash "$top/benches/by-hand.sh" "$config" "$bundle" "$work/plan.json" > "$work/by-hand.log" 2>&1 || { tail -n 20 "$work/by-hand.log"; exit 1; }
hand=$(($(date +%s) - begin))
fresh
begin=$(date +%s)
python3 - "$kubestead" up > "$work/up.log" 2>&1 <<'PY' || { tail -n 20 "$work/up.log"; exit 1; }
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL)
print("memory", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(status)
PY
up=$(($(date +%s) - begin))
echo "up from nothing $up s; by hand $hand s; ratio $(awk "BEGIN{printf \"%.2f\", $up/$hand}") (limit 1.0)"
echo "up $(sed -n 's/^memory //p' "$work/up.log") MB of memory at most (limit 60)"
bash "$top/benches/plan.sh" "$kubestead"

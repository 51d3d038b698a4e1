#!/bin/bash
# up.sh KUBESTEAD: `up` from nothing against benches/by-hand.sh, the same cluster typed into a script, on the same machines made anew for each; its
# memory; then a plan of the finished cluster (plan.sh), and the minute after a power cut (boot.sh). PAIRS: how often both are made, 2 if it is not set.
# A computer's disk and neighbours drift by more than the two differ, so each pair has the other order than the one before, and their sums are compared.
set -euo pipefail
kubestead=$1
. "$(dirname "$0")/own-lab.sh"
"$kubestead" plan --output json > "$work/plan.json" || [ $? = 3 ]
by_hand() { bash "$top/benches/by-hand.sh" "$config" "$bundle" "$work/plan.json" > "$work/log" 2>&1; }
by_kubestead() {
  python3 - "$kubestead" up > "$work/log" 2>&1 <<'PY'
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL)
print("memory", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(status)
PY
}
seconds() { begin=$(date +%s%N); "$1" || { tail -n 20 "$work/log"; exit 1; }; took=$((($(date +%s%N) - begin) / 100000000)); }
ours=0 theirs=0 pairs=${PAIRS:-2}
for pair in $(seq "$pairs"); do
  order=(by_hand by_kubestead)
  # The last one is ours, which plan.sh and boot.sh look at.
  [ $(((pairs - pair) % 2)) = 0 ] || order=(by_kubestead by_hand)
  for what in "${order[@]}"; do
    fresh; seconds "$what"
    case $what in by_hand) theirs=$((theirs + took));; *) ours=$((ours + took));; esac
    echo "$what $took" | awk '{printf "%s %.1f s\n", $1, $2/10}'
  done
done
echo "$ours $theirs $pairs" | awk '{printf "up from nothing %.1f s; by hand %.1f s; ratio %.2f (limit 1.0)\n", $1/$3/10, $2/$3/10, $1/$2}'
echo "up $(sed -n 's/^memory //p' "$work/log") MB of memory at most (limit 60)"
bash "$top/benches/plan.sh" "$kubestead"
bash "$top/benches/boot.sh" "$kubestead"

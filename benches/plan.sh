#!/bin/bash
# plan.sh KUBESTEAD: a plan that finds nothing to do, against a floor measured in the same run: one fresh ssh to each of the same machines
# at the same time that runs the plain commands whose answers the plan needs. On the demo's machines (`make demo`), or those of KUBESTEAD_FILE.
set -euo pipefail
kubestead=$1
demo=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}/demo
export KUBESTEAD_FILE=${KUBESTEAD_FILE:-$demo/cluster.yaml}
config=$("$kubestead" lab up 2>/dev/null)
floor() {
  for host in cp1 kube1 kube2; do ssh -F "$config" "$host" bash -s < "$(dirname "$0")/floor.sh" > /dev/null 2>&1 & done
  ssh -F "$config" masterlock bash -s < "$(dirname "$0")/floor-server.sh" > /dev/null 2>&1 &
  wait
}
login() { for host in cp1 kube1 kube2 masterlock; do ssh -F "$config" "$host" true & done; wait; }
plan() { "$kubestead" plan > /dev/null 2>&1; }
# By turns, so that what else the computer does meets all of them.
took() { begin=$(date +%s%N); "$1"; echo $((($(date +%s%N) - begin) / 1000000)) >> "$times/$1"; }
times=$(mktemp -d); trap 'rm -rf "$times"' EXIT
floor; plan
for _ in 1 2 3 4 5 6 7; do for what in floor login plan; do took "$what"; done; done
median() { sort -n "$times/$1" | sed -n 4p; }
f=$(median floor) l=$(median login) p=$(median plan)
echo "plan $p ms; floor $f ms, ratio $(awk "BEGIN{printf \"%.2f\", $p/$f}") (limit 1.1); ssh true $l ms, ratio $(awk "BEGIN{printf \"%.2f\", $p/$l}")"

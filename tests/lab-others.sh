#!/bin/bash
# The proofs beside tests/lab.sh, in two rows that run side by side; each proof makes what it needs. All are run, whatever became of others.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH).
set -euo pipefail
cd "$(dirname "$0")/.."
export KUBESTEAD=${KUBESTEAD:-kubestead}
proof() { printf '\n== %s (%(%H:%M:%S)T)\n' "$1" -1; shift; "$@" || bad=1; }
machines() {
  bad=0
  proof "keys" bash tests/lab-keys.sh
  proof "without root, and what ends it" bash tests/lab-rootless.sh
  proof "the parts for QEMU" "$KUBESTEAD" lab build --backend qemu-tcg
  proof "QEMU" bash tests/lab-qemu.sh
  proof "Kubernetes from packages" bash tests/lab-packages.sh
  return "$bad"
}
servers() {
  bad=0
  proof "Secrets on an API server without machines" bash tests/api.sh
  proof "the key of encryption at rest is replaced on three API servers" bash tests/servers.sh cargo test --locked --offline -p kubestead-provision --test encryption_servers -- --nocapture
  proof "encryption at rest" bash tests/lab-encryption.sh
  return "$bad"
}
log=$(mktemp); trap 'rm -f "$log"' EXIT
servers > "$log" 2>&1 & second=$!
result=0
machines || result=1
wait "$second" || result=1
cat "$log"
exit "$result"

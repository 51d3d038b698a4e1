#!/bin/bash
# The proofs beside tests/lab.sh, one after another; each makes what it needs. All are run, whatever became of others.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH).
set -euo pipefail
cd "$(dirname "$0")/.."
export KUBESTEAD=${KUBESTEAD:-kubestead}
bad=0
proof() { printf '\n== %s (%(%H:%M:%S)T)\n' "$1" -1; shift; "$@" || bad=1; }
proof "encryption at rest" bash tests/lab-encryption.sh
proof "Kubernetes from packages" bash tests/lab-packages.sh
proof "keys" bash tests/lab-keys.sh alone # the other part is in tests/lab.sh
proof "without root, and what ends it" bash tests/lab-rootless.sh
proof "the parts for QEMU" "$KUBESTEAD" lab build --backend qemu-tcg
proof "QEMU" bash tests/lab-qemu.sh
proof "Secrets on an API server without machines" bash tests/api.sh
exit "$bad"

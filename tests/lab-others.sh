#!/bin/bash
# lab-others.sh NAME...: proofs on the lab, one after another; each makes what it needs. All are run, whatever became of others. One in which the lab's own
# kernel panicked (its status is 75) is made once more, and says so. A line for each is appended to the file PROOFS, if that is set: how it ended,
# its seconds, its name.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH).
set -euo pipefail
cd "$(dirname "$0")/.."
export KUBESTEAD=${KUBESTEAD:-kubestead}
bad=0
proof() {
  local what=$1 status=0 begin=$SECONDS ended=ok
  shift
  printf '\n== %s (%(%H:%M:%S)T)\n' "$what" -1
  "$@" || status=$?
  if [ "$status" = 75 ]; then
    status=0 ended='ok (once more)'
    printf '\n== once more: %s (%(%H:%M:%S)T)\n' "$what" -1
    "$@" || status=$?
  fi
  [ "$status" = 0 ] || bad=1 ended=FAILED
  [ -z "${PROOFS-}" ] || printf '%-14s %5d s  %s\n' "$ended" "$((SECONDS - begin))" "$what" >> "$PROOFS"
}
for name in "$@"; do
  case $name in
    cluster) proof "a cluster" bash tests/lab.sh ;;
    encryption) proof "encryption at rest" bash tests/lab-encryption.sh ;;
    packages) proof "Kubernetes from packages" bash tests/lab-packages.sh ;;
    official) proof "official software" bash tests/lab-official.sh ;;
    safety) proof "hosts that lie, hang or were changed" bash tests/lab-safety.sh ;;
    fleet)
      proof "the parts for Debian 13" "$KUBESTEAD" lab build --debian trixie
      proof "a fleet: hanging key server, multipath, Debian 13, a jump host" bash tests/lab-fleet.sh
      ;;
    keys) proof "keys" bash tests/lab-keys.sh alone ;; # the other part is in tests/lab.sh
    alone) proof "one machine alone" bash tests/lab-alone.sh ;;
    rootless) proof "without root, and what ends it" bash tests/lab-rootless.sh ;;
    qemu)
      proof "the parts for QEMU" "$KUBESTEAD" lab build --backend qemu-tcg
      proof "QEMU" bash tests/lab-qemu.sh
      ;;
    api) proof "Secrets on an API server without machines" bash tests/api.sh ;;
    servers)
      proof "the key of encryption at rest is replaced on three API servers" \
        bash tests/servers.sh cargo test --locked --offline -p kubestead-provision --test encryption_servers -- --nocapture
      ;;
    *) echo "no proof is called $name"; exit 2 ;;
  esac
done
exit "$bad"

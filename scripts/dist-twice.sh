#!/bin/bash
# Whether what is shipped can be made again: twice from one commit, from folders of their own and with nothing of each other's. Fails with what differs.
# Needs what dist.sh needs, and half an hour on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
for n in 1 2; do
  git clone --quiet . "$work/sources-$n"
  CARGO_TARGET_DIR=$work/target-$n bash "$work/sources-$n/scripts/dist.sh" "$work/out-$n" > /dev/null
  rm -rf "$work/target-$n"
done
diff -r "$work/out-1" "$work/out-2"
echo "both times the same:"; cat "$work/out-1/SHA256SUMS"

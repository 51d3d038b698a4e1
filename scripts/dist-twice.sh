#!/bin/bash
# Whether what is shipped can be made again: twice from one commit, from folders of their own and with nothing of each other's but the tools and the sources
# of crates. Fails with what differs, and leaves both for a look. Needs what dist.sh needs, and 40 minutes on two cores for each of TARGETS.
set -euo pipefail
cd "$(dirname "$0")/.."
commit=$(git rev-parse HEAD)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
for n in 1 2; do
  git clone --quiet --no-checkout . "$work/sources-$n"
  git -C "$work/sources-$n" checkout --quiet --detach "$commit"
  # zig and cargo-zigbuild keep what they compiled in the cache of the user.
  CARGO_TARGET_DIR=$work/target-$n XDG_CACHE_HOME=$work/cache-$n bash "$work/sources-$n/scripts/dist.sh" "$work/out-$n" > /dev/null
  rm -rf "$work/target-$n" "$work/cache-$n"
done
if ! diff -r "$work/out-1" "$work/out-2"; then
  trap - EXIT
  echo "they differ: look at $work/out-1 and $work/out-2" >&2
  exit 1
fi
echo "both times the same:"; cat "$work/out-1/SHA256SUMS"

#!/bin/bash
# Everything that gates a change: format, lints, tests, docs, and the lab's real machines.
set -euo pipefail
cd "$(dirname "$0")/.."
export KUBESTEAD_CACHE=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$KUBESTEAD_CACHE/target}
step() { echo; echo "== $* ($(date -u +%H:%M:%S))"; }

step "tools"
bash scripts/tools.sh
step "build"
cargo build --locked -p kubestead-cli
mkdir -p "$KUBESTEAD_CACHE/bin"
# A copy: cargo may replace its own while the lab's supervisor runs.
kubestead=$(mktemp "$KUBESTEAD_CACHE/bin/kubestead.XXXXXX")
cp "$CARGO_TARGET_DIR/debug/kubestead" "$kubestead"; chmod 755 "$kubestead"
step "the lab's parts are built in the background; what is in the cache is not built again"
log=$(mktemp)
# A session of its own, so that what it started ends with it.
setsid "$kubestead" lab build > "$log" 2>&1 & builder=$!
finish() { [ -z "$builder" ] || kill -- "-$builder" 2>/dev/null || true; rm -f "$kubestead" "$log"; }
trap finish EXIT

step "format"
cargo fmt --check
step "lints"
cargo clippy --locked --workspace --all-targets -- -D warnings
step "tests"
cargo test --locked --workspace
step "the Python module"
cargo build --locked -p kubestead-py
bash tests/python.sh
step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --workspace --quiet

step "waiting for the lab's parts"
shown=0
while kill -0 "$builder" 2>/dev/null; do
  lines=$(wc -l < "$log")
  [ "$lines" = "$shown" ] || { tail -n +$((shown + 1)) "$log"; shown=$lines; }
  sleep 2
done
wait "$builder" || { cat "$log"; echo "the lab could not be built"; exit 1; }
builder=
tail -n +$((shown + 1)) "$log"
step "Secrets on an API server without machines"
bash tests/api.sh
step "the lab"
KUBESTEAD=$kubestead bash tests/lab.sh
step "the lab: Kubernetes from packages"
KUBESTEAD=$kubestead bash tests/lab-packages.sh

#!/bin/bash
# The gate, and then what does not fit in it: the proofs that take long, and the searches that it makes for a minute each, for longer and where nobody
# has looked yet. PROVE_SECONDS: how long each of them takes (600 when it is not set). All are made, whatever became of others; a failure names its seed.
set -euo pipefail
cd "$(dirname "$0")/.."
export KUBESTEAD_CACHE=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$KUBESTEAD_CACHE/target}
bash tests/gate.sh
SOPS=$(bash scripts/sops.sh) AGE=$(bash scripts/age.sh) GO_REGEXP=$(bash scripts/go-regexp.sh); export SOPS AGE GO_REGEXP
KMS_PLUGIN=$(bash scripts/kms-plugin.sh); export KMS_PLUGIN
now=$(date +%s) seconds=${PROVE_SECONDS:-600} bad=0
mkdir -p "$KUBESTEAD_CACHE/bin"
kubestead=$(mktemp "$KUBESTEAD_CACHE/bin/kubestead.XXXXXX")
trap 'rm -f "$kubestead"' EXIT
cp "$CARGO_TARGET_DIR/debug/kubestead" "$kubestead"; chmod 755 "$kubestead"
KUBESTEAD=$kubestead bash tests/lab-others.sh qemu servers fleet official || bad=1
export FUZZ_SEED=$now FUZZ_SECONDS=$seconds CORPUS_SEED=${now}000 CORPUS_SECONDS=$seconds
search() { printf '\n== %s, for %s s (%(%H:%M:%S)T)\n' "$1" "$seconds" -1; shift; cargo test --locked "$@" -- --nocapture || bad=1; }
search "damaged documents, FUZZ_SEED=$FUZZ_SEED" -p kubestead-secrets --test sops_fuzz
search "hostile answers of machines, FUZZ_SEED=$FUZZ_SEED" -p kubestead-provision --test answers_fuzz
search "YAML of all shapes through the real sops, both ways, CORPUS_SEED=$CORPUS_SEED" -p kubestead-secrets --test sops_corpus shapes
exit "$bad"

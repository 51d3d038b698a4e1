#!/bin/bash
# The gate, then every other proof, and then the searches that it makes for a minute each, for longer and where nobody has looked yet. PROVE_SECONDS: how
# long each of them takes (600 when it is not set). All are made, whatever became of others; a failure names its seed.
# With ONLY=PATTERN: the proofs that the pattern means, and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
export KUBESTEAD_CACHE=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$KUBESTEAD_CACHE/target}
export KUBESTEAD_LAB_BACKEND=uml
proof=$CARGO_TARGET_DIR/debug/kubestead-proof
if [ -n "${ONLY:-}" ]; then
  cargo build --locked -p kubestead-proof
  "$proof" --list --only "$ONLY" # a pattern that means nothing ends here
  bash scripts/tools.sh
  cargo build --locked -p kubestead-cli -p kubestead-py
  # Proofs compile tests where there is no network.
  cargo fetch --quiet --locked --target "$(rustc -vV | sed -n 's/^host: //p')"
else
  bash tests/gate.sh
fi
SOPS=$(bash scripts/sops.sh) AGE=$(bash scripts/age.sh) GO_REGEXP=$(bash scripts/go-regexp.sh); export SOPS AGE GO_REGEXP
KMS_PLUGIN=$(bash scripts/kms-plugin.sh) HELM=$(bash scripts/helm.sh) KUSTOMIZE=$(bash scripts/kustomize.sh) REGISTRY=$(bash scripts/registry.sh)
export KMS_PLUGIN HELM KUSTOMIZE REGISTRY
now=$(date +%s) seconds=${PROVE_SECONDS:-600} bad=0
mkdir -p "$KUBESTEAD_CACHE/bin"
kubestead=$(mktemp "$KUBESTEAD_CACHE/bin/kubestead.XXXXXX")
logs=$(mktemp -d)
trap 'rm -rf "$kubestead" "$logs"' EXIT
# A copy: cargo may replace its own while the lab's supervisor runs.
cp "$CARGO_TARGET_DIR/debug/kubestead" "$kubestead"; chmod 755 "$kubestead"
export KUBESTEAD=$kubestead
if [ -n "${ONLY:-}" ]; then
  "$kubestead" lab build > /dev/null
  "$proof" --only "$ONLY" || bad=1
  exit "$bad"
fi
"$proof" --long || bad=1
export FUZZ_SEED=$now FUZZ_SECONDS=$seconds CORPUS_SEED=${now}000 CORPUS_SECONDS=$seconds
searches=()
# search WHAT ARGUMENT...: side by side with the others, as none waits for anything but the processor.
search() {
  local what=$1; shift
  printf '\n== %s, for %s s (%(%H:%M:%S)T)\n' "$what" "$seconds" -1
  cargo test --quiet --locked --no-run "$@"
  cargo test --locked "$@" -- --nocapture > "$logs/${#searches[@]}" 2>&1 & searches+=("$!")
}
search "damaged documents, FUZZ_SEED=$FUZZ_SEED" -p kubestead-secrets --test sops_fuzz
search "hostile answers of machines, FUZZ_SEED=$FUZZ_SEED" -p kubestead-provision --test answers_fuzz
search "YAML of all shapes through the real sops, both ways, CORPUS_SEED=$CORPUS_SEED" -p kubestead-secrets --test sops_corpus shapes
for number in "${!searches[@]}"; do
  wait "${searches[number]}" || bad=1
  cat "$logs/$number"
done
exit "$bad"

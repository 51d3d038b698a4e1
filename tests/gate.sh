#!/bin/bash
# Everything that gates a change: format, lints, tests, docs, and the lab's real machines.
set -euo pipefail
cd "$(dirname "$0")/.."
export KUBESTEAD_CACHE=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$KUBESTEAD_CACHE/target}
# A checkout of its own has nothing to go on from, and compiles faster without what it would note for the next time.
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL=0
# The proofs are made on the same backend everywhere, whatever a computer has.
export KUBESTEAD_LAB_BACKEND=uml
step() { echo; echo "== $* ($(date -u +%H:%M:%S))"; }

step "tools"
bash scripts/tools.sh libcryptsetup-dev libclang-dev pkg-config openssh-server shellcheck # headers for the feature luks-native; sshd and shellcheck for tests
step "build"
# Always of the whole workspace: what is chosen decides the features of what all share, and others are compiled again. These two tests bring both programs.
cargo test --quiet --locked --workspace --no-run --test plans --test harness
mkdir -p "$KUBESTEAD_CACHE/bin"
# A copy: cargo may replace its own while the lab's supervisor runs.
kubestead=$(mktemp "$KUBESTEAD_CACHE/bin/kubestead.XXXXXX")
cp "$CARGO_TARGET_DIR/debug/kubestead" "$kubestead"; chmod 755 "$kubestead"
export KUBESTEAD=$kubestead
step "the lab's parts are built in the background; what is in the cache is not built again"
log=$(mktemp)
# A session of its own, so that what it started ends with it.
setsid "$kubestead" lab build > "$log" 2>&1 & builder=$!
# The real sops, age, helm, kustomize and registry, a KMS plugin and Go's regular expressions, to test against; built once.
go_log=$(mktemp)
setsid bash -c 'set -e; bash scripts/sops.sh; bash scripts/age.sh; bash scripts/kms-plugin.sh; bash scripts/go-regexp.sh; bash scripts/helm.sh; bash scripts/kustomize.sh; bash scripts/registry.sh' > "$go_log" 2>&1 & go_builder=$!
logs=$(mktemp -d) searches=()
finish() {
  for pid in $builder $go_builder "${searches[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
  rm -rf "$kubestead" "$log" "$go_log" "$logs"
}
trap finish EXIT

step "format"
cargo fmt --check
step "lints"
cargo clippy --locked --workspace --all-targets -- -D warnings
step "the real sops, age, helm, kustomize and registry, a KMS plugin, and Go's regular expressions"
wait "$go_builder" || { go_builder=; cat "$go_log"; echo "sops, age, helm, kustomize, the registry, the KMS plugin or Go's regular expressions could not be built"; exit 1; }
go_builder=
SOPS=$(bash scripts/sops.sh) AGE=$(bash scripts/age.sh) KMS_PLUGIN=$(bash scripts/kms-plugin.sh)
GO_REGEXP=$(bash scripts/go-regexp.sh); export SOPS AGE KMS_PLUGIN GO_REGEXP
HELM=$(bash scripts/helm.sh) KUSTOMIZE=$(bash scripts/kustomize.sh) REGISTRY=$(bash scripts/registry.sh); export HELM KUSTOMIZE REGISTRY
"$SOPS" --version --disable-version-check
"$AGE" --version
step "tests"
cargo test --locked --workspace
step "ssh keys that open secrets"
cargo test --locked --workspace --features kubestead-secrets/ssh --test sops_commands --test sops_interop ssh
step "headers by libcryptsetup and by the program cryptsetup"
cargo clippy --locked -p kubestead-storage --features luks-native --all-targets -- -D warnings
cargo test --locked --workspace --features kubestead-storage/luks-native --test luks_native
# Searches of a minute each, side by side with the steps that follow.
names=() # of the searches; their processes are in "searches"
search() {
  local what=$1; shift
  cargo test --quiet --locked --workspace --no-run "$@"
  setsid cargo test --locked --workspace "$@" -- --nocapture > "$logs/${#names[@]}" 2>&1 & searches+=("$!")
  names+=("$what")
}
FUZZ_SECONDS=60 search "damaged documents" --test sops_fuzz
FUZZ_SECONDS=60 search "hostile answers of machines" --test answers_fuzz
CORPUS_SECONDS=60 search "YAML of all shapes through the real sops, both ways" --test sops_corpus shapes
step "the Python module"
cargo build --locked --workspace --lib
bash tests/python.sh
step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --workspace --quiet

step "the library crates can be packed"
cargo package --quiet --locked --allow-dirty --no-verify -p kubestead-core -p kubestead-storage -p kubestead-secrets -p kubestead-backend -p kubestead-provision -p kubestead-lab

step "licences, bans and sources of what the crates use (deny.toml)"
# tool NAME VERSION: where it is; built once.
tool() {
  local root=$KUBESTEAD_CACHE/$1-$2
  [ -x "$root/bin/$1" ] || cargo install --quiet --locked --version "$2" --root "$root" --target-dir "$CARGO_TARGET_DIR" "$1" >&2
  echo "$root/bin/$1"
}
deny=$(tool cargo-deny 0.20.2)
"$deny" --log-level error check bans licenses sources
step "dependencies that nothing uses"
machete=$(tool cargo-machete 0.9.2)
"$machete" --skip-target-dir crates examples

for number in "${!names[@]}"; do
  step "${names[number]}, for a minute"
  wait "${searches[number]}" || { cat "$logs/$number"; exit 1; }
  cat "$logs/$number"
done
searches=()

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
# Each of them waits for boots most of the time; three at once are too many for two cores.
step "the proofs that gate a change, two side by side"
"$CARGO_TARGET_DIR/debug/kubestead-proof" --core --again 1
echo "the searches for longer are left to make prove too"

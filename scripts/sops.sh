#!/bin/bash
# sops.sh: the real sops for tests and benchmarks, built once from its source by Go and kept in the cache. Prints its path.
set -euo pipefail
version=v3.13.3
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
program=$cache/sops-$version/sops
if [ ! -x "$program" ]; then
  mkdir -p "$cache/sops-$version"
  part=$(mktemp -d "$cache/sops-$version/part.XXXXXX"); trap 'rm -rf "$part"' EXIT
  GOBIN=$part go install "github.com/getsops/sops/v3/cmd/sops@$version" >&2
  mv "$part/sops" "$program"
fi
echo "$program"

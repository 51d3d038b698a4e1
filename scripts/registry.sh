#!/bin/bash
# registry.sh: the real registry of the CNCF (distribution) for tests, built once from its source by Go and kept in the cache. Prints its path.
set -euo pipefail
version=v3.1.2
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
program=$cache/registry-$version/registry
if [ ! -x "$program" ]; then
  mkdir -p "$cache/registry-$version"
  part=$(mktemp -d "$cache/registry-$version/part.XXXXXX"); trap 'rm -rf "$part"' EXIT
  GOBIN=$part go install "github.com/distribution/distribution/v3/cmd/registry@$version" >&2
  mv "$part/registry" "$program"
fi
echo "$program"

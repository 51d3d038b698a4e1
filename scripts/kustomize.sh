#!/bin/bash
# kustomize.sh: the real kustomize for tests, built once from its source by Go and kept in the cache. Prints its path.
set -euo pipefail
version=v5.8.2
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
program=$cache/kustomize-$version/kustomize
if [ ! -x "$program" ]; then
  mkdir -p "$cache/kustomize-$version"
  part=$(mktemp -d "$cache/kustomize-$version/part.XXXXXX"); trap 'rm -rf "$part"' EXIT
  GOBIN=$part go install "sigs.k8s.io/kustomize/kustomize/v5@$version" >&2
  mv "$part/kustomize" "$program"
fi
echo "$program"

#!/bin/bash
# helm.sh: the real helm for tests, built once from its source by Go and kept in the cache. Prints its path.
set -euo pipefail
version=v4.3.1
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
program=$cache/helm-$version/helm
if [ ! -x "$program" ]; then
  mkdir -p "$cache/helm-$version"
  part=$(mktemp -d "$cache/helm-$version/part.XXXXXX"); trap 'rm -rf "$part"' EXIT
  GOBIN=$part go install "helm.sh/helm/v4/cmd/helm@$version" >&2
  mv "$part/helm" "$program"
fi
echo "$program"

#!/bin/bash
# age.sh: the real age for tests, built once from its source by Go and kept in the cache, beside age-keygen. Prints its path.
set -euo pipefail
version=v1.3.1
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
folder=$cache/age-$version
if [ ! -x "$folder/age" ]; then
  mkdir -p "$folder"
  part=$(mktemp -d "$folder/part.XXXXXX"); trap 'rm -rf "$part"' EXIT
  GOBIN=$part go install "filippo.io/age/cmd/age@$version" "filippo.io/age/cmd/age-keygen@$version" >&2
  mv "$part/age-keygen" "$part/age" "$folder/" # age last: it tells that all is there
fi
echo "$folder/age"

#!/bin/bash
# go-program.sh NAME VERSION PACKAGE: a real program for tests, built once from its source by Go and kept in the cache. Prints its path.
set -euo pipefail
name=$1 version=$2 package=$3
folder=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}/$name-$version
if [ ! -x "$folder/$name" ]; then
  mkdir -p "$folder"
  part=$(mktemp -d "$folder/part.XXXXXX"); trap 'rm -rf "$part"' EXIT
  GOBIN=$part go install "$package@$version" >&2
  mv "$part/$name" "$folder/$name"
fi
echo "$folder/$name"

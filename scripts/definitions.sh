#!/bin/bash
# definitions.sh MODULE@VERSION PATH: the manifests of a folder or a file of a Go module as one file, as its project releases them; kept in the cache. Prints its path.
set -euo pipefail
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
file=$cache/definitions-$(printf '%s' "$1/$2" | tr -c 'a-z0-9.\n-' -).yaml
if [ ! -f "$file" ]; then
  mkdir -p "$cache"
  part=$(mktemp "$file.XXXXXX"); trap 'rm -f "$part"' EXIT
  from=$(cd /; GOFLAGS=-mod=mod go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')/$2
  files=("$from")
  [ -f "$from" ] || files=("$from"/*.yaml)
  for one in "${files[@]}"; do echo ---; cat "$one"; done > "$part"
  mv "$part" "$file"
fi
echo "$file"

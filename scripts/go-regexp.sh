#!/bin/bash
# go-regexp.sh: Go's own package regexp for tests, built once by Go and kept in the cache. Prints the program's path.
set -euo pipefail
source=$(cd "$(dirname "$0")/../crates/secrets/tests/go-regexp" && pwd)
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
digest=$(cat "$source/go.mod" "$source/main.go" | sha256sum)
program=$cache/go-regexp-${digest:0:16}/go-regexp
if [ ! -x "$program" ]; then
  folder=$(dirname "$program")
  mkdir -p "$folder"
  part=$(mktemp "$folder/part.XXXXXX"); trap 'rm -f "$part"' EXIT
  (cd "$source" && CGO_ENABLED=0 go build -o "$part" .) >&2
  chmod 755 "$part"
  mv "$part" "$program"
fi
echo "$program"

#!/bin/bash
# traefik.sh: Traefik for tests, built from its modules by Go once for each state of tests/traefik and kept in the cache. Prints the folder with `traefik` and
# `image.tar`, an archive of an image that is called as the official one.
# The link takes 3.2 GB of memory.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../tests/traefik"
image=docker.io/library/traefik:$(sed -n 's|^require github.com/traefik/traefik/v3 ||p' go.mod)
lego=$(sed -n 's|^// lego \(v[0-9.]*\)$|\1|p' go.mod)
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
made=$cache/traefik-$({ find . -type f -print0 | sort -z | xargs -0 cat; cat "$here/traefik.sh" "$here/image.sh"; } | sha256sum | cut -c 1-16)
if [ ! -d "$made" ]; then
  mkdir -p "$cache"
  work=$(mktemp -d "$made.XXXXXX"); trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
  mkdir "$work/source" "$work/part" "$work/tree"
  cp -r . "$work/source"
  export CGO_ENABLED=0 GOFLAGS="-buildvcs=false -mod=mod"
  module() { go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'; }
  # lego without its providers; what stands in for the ones of DNS is there already.
  tar -C "$(module "github.com/go-acme/lego/v5@$lego")" --exclude=./providers --exclude=./cmd --exclude=./e2e --exclude=./main.go -cf - . |
    tar -C "$work/source/lego" --no-same-permissions -xf -
  ( cd "$work/source"; go build -p 2 -trimpath -ldflags "-s -w" -o "$work/part/traefik" github.com/traefik/traefik/v3/cmd/traefik ) >&2
  cp "$work/part/traefik" "$work/tree/traefik"
  bash "$here/image.sh" "$work/part/image.tar" "$image" /traefik "$work/tree"
  mv "$work/part" "$made"
fi
echo "$made"

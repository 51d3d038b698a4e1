#!/bin/bash
# cert-manager.sh: cert-manager and an ACME authority for tests, built from their modules by Go once for each state of tests/cert-manager and kept in the cache. Prints
# the folder with `image.tar`, an archive of images that are called as the official ones of cert-manager, of one program with a main of our own, and `pebble.tar`, one
# of Pebble.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../tests/cert-manager"
version=$(sed -n 's|^require github.com/cert-manager/cert-manager ||p' go.mod) pebble=v2.10.3
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
made=$cache/cert-manager-$({ find . -type f -print0 | sort -z | xargs -0 cat; cat "$here/cert-manager.sh" "$here/image.sh"; } | sha256sum | cut -c 1-16)
if [ ! -d "$made" ]; then
  mkdir -p "$cache"
  work=$(mktemp -d "$made.XXXXXX"); trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
  mkdir "$work/source" "$work/part" "$work/tree" "$work/pebble"
  cp -r . "$work/source"
  export CGO_ENABLED=0 GOFLAGS="-buildvcs=false -mod=mod"
  (cd "$work/source"; go build -p 2 -trimpath -ldflags "-s -w -X github.com/cert-manager/cert-manager/pkg/util.AppVersion=$version" -o "$work/tree/controller" .) >&2
  (cd /; GOBIN=$work/pebble go install -p 2 -trimpath -ldflags "-s -w" "github.com/letsencrypt/pebble/v2/cmd/pebble@$pebble") >&2
  images=()
  for name in webhook cainjector acmesolver; do
    ln -s controller "$work/tree/$name"
    images+=("quay.io/jetstack/cert-manager-$name:$version" "/$name")
  done
  # As the official ones: pods that answer an authority are refused to run as root, and say no user themselves.
  IMAGE_USER=1000 bash "$here/image.sh" "$work/part/image.tar" "quay.io/jetstack/cert-manager-controller:$version" /controller "$work/tree" "${images[@]}"
  bash "$here/image.sh" "$work/part/pebble.tar" "ghcr.io/letsencrypt/pebble:${pebble#v}" /pebble "$work/pebble"
  mv "$work/part" "$made"
fi
echo "$made"

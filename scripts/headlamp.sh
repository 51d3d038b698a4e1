#!/bin/bash
# headlamp.sh: an archive of an image of the stand-in for Headlamp in tests/headlamp, which is called as the official image, built by Go once for each state of its
# source and kept in the cache. Prints its path.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../tests/headlamp"
image=$(sed -n 's/.*IMAGE: &str = "\(.*\)";/\1/p' "$here/../crates/provision/src/service/built/dashboard/mod.rs")
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
archive=$cache/headlamp-$({ cat main.go go.mod "$here/headlamp.sh" "$here/image.sh"; echo "$image"; } | sha256sum | cut -c 1-16).tar
if [ ! -f "$archive" ]; then
  mkdir -p "$cache"
  work=$(mktemp -d "$archive.XXXXXX"); trap 'rm -rf "$work"' EXIT
  mkdir "$work/tree"
  CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags "-s -w" -o "$work/tree/headlamp" . >&2
  bash "$here/image.sh" "$work/image.tar" "$image" /headlamp "$work/tree"
  mv "$work/image.tar" "$archive"
fi
echo "$archive"

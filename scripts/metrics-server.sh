#!/bin/bash
# metrics-server.sh: an archive of an image that is called as the official one of metrics-server, built from its module by Go once and kept in the cache. Prints its path.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=v0.9.0
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
archive=$cache/metrics-server-$(cat "$here/metrics-server.sh" "$here/image.sh" | sha256sum | cut -c 1-16).tar
if [ ! -f "$archive" ]; then
  mkdir -p "$cache"
  work=$(mktemp -d "$archive.XXXXXX"); trap 'rm -rf "$work"' EXIT
  mkdir "$work/tree"
  CGO_ENABLED=0 GOBIN=$work/tree go install -p 2 -trimpath -ldflags "-s -w" "sigs.k8s.io/metrics-server/cmd/metrics-server@$version" >&2
  bash "$here/image.sh" "$work/image.tar" "registry.k8s.io/metrics-server/metrics-server:$version" /metrics-server "$work/tree"
  mv "$work/image.tar" "$archive"
fi
echo "$archive"

#!/bin/bash
# metallb.sh: MetalLB for tests, its two programs built from their modules by Go once for each state of tests/metallb and kept in the cache. Prints an archive of
# images that are called as the official ones.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../tests/metallb"
version=$(sed -n 's|^require go.universe.tf/metallb ||p' go.mod)
types=$(sed -n 's|^// frr-k8s \(v[0-9.]*\)$|\1|p' go.mod)
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
archive=$cache/metallb-$({ find . -type f -print0 | sort -z | xargs -0 cat; cat "$here/metallb.sh" "$here/image.sh"; } | sha256sum | cut -c 1-16).tar
if [ ! -f "$archive" ]; then
  mkdir -p "$cache"
  work=$(mktemp -d "$archive.XXXXXX"); trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
  mkdir "$work/source" "$work/tree"
  cp -r . "$work/source"
  export CGO_ENABLED=0 GOFLAGS="-buildvcs=false -mod=mod"
  # Of frr-k8s its types alone, with the field that MetalLB writes for BGP.
  from=$(cd /; go mod download -json "github.com/metallb/frr-k8s@$types" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  tar -C "$from" -cf - go.mod go.sum api/v1beta1 | tar -C "$work/source/frr-k8s" --no-same-permissions -xf -
  chmod -R u+w "$work/source/frr-k8s"
  sed -i 's/^type Advertise struct {$/&\n\tPrefixesWithAsPathPrepend []AsPathPrependPrefixes `json:"withAsPathPrepend,omitempty"`/' \
    "$work/source/frr-k8s/api/v1beta1/frrconfiguration_types.go"
  (cd "$work/source"; go build -p 2 -trimpath -ldflags "-s -w" -o "$work/tree/" go.universe.tf/metallb/controller go.universe.tf/metallb/speaker) >&2
  bash "$here/image.sh" "$work/image.tar" "quay.io/metallb/controller:$version" /controller "$work/tree" "quay.io/metallb/speaker:$version" /speaker
  mv "$work/image.tar" "$archive"
fi
echo "$archive"

#!/bin/bash
# containerd.sh OUT: containerd, ctr and the runc shim.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); . "$here/go.sh"
out=$(realpath -m "${1:?output directory}"); mkdir -p "$out"
version=2.3.0
for c in containerd ctr containerd-shim-runc-v2; do
  go_install "github.com/containerd/containerd/v2/cmd/$c@v$version" "-X github.com/containerd/containerd/v2/version.Version=v$version"
done
echo "$version" > "$out/VERSION"

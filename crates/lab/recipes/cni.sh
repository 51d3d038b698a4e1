#!/bin/bash
# cni.sh OUT: the CNI reference plugins that flannel's configuration calls.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); . "$here/go.sh"
out=$(realpath -m "${1:?output directory}"); mkdir -p "$out"
version=1.9.1; module=github.com/containernetworking/plugins
for p in main/bridge main/loopback main/ptp ipam/host-local meta/portmap meta/firewall meta/bandwidth meta/tuning; do
  go_install "$module/plugins/$p@v$version" "-X $module/pkg/utils/buildversion.BuildVersion=v$version"
done
echo "$version" > "$out/VERSION"

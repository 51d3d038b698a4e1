#!/bin/bash
# flannel.sh OUT: flanneld (its udp backend imports C, so it needs gcc) and install-conf.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); . "$here/go.sh"
out=$(realpath -m "${1:?output directory}"); mkdir -p "$out"
version=0.28.7; module=github.com/flannel-io/flannel
CGO_ENABLED=1 go_install "$module@v$version" "-X $module/pkg/version.Version=v$version -extldflags -static"
mv "$out/flannel" "$out/flanneld"
go_install "$module/cmd/install_conf@v$version"
mv "$out/install_conf" "$out/install-conf"
echo "$version" > "$out/VERSION"

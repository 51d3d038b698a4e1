#!/bin/bash
# etcd.sh OUT: etcd, etcdctl, etcdutl.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); . "$here/go.sh"
out=$(realpath -m "${1:?output directory}"); work=$out/.work; mkdir -p "$work"
version=3.7.0
go_wrapped server "go.etcd.io/etcd/server/v3@v$version" "" go.etcd.io/etcd/server/v3
mv "$out/server" "$out/etcd" # the module's main package is called "server"
go_wrapped etcdctl "go.etcd.io/etcd/etcdctl/v3@v$version" "" go.etcd.io/etcd/etcdctl/v3
go_wrapped etcdutl "go.etcd.io/etcd/etcdutl/v3@v$version" "" go.etcd.io/etcd/etcdutl/v3
echo "$version" > "$out/VERSION"
chmod -R u+w "$work"; rm -rf "$work"

#!/bin/bash
# image.sh ARCHIVE NAME PROGRAM TREE: an archive of an image with one layer, the tree, whose entry point is the program in it. The same tree gives the same bytes.
set -euo pipefail
archive=$1 name=$2 program=$3 tree=$4
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
plain=(tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=gnu)
mkdir -p "$tree/etc" "$tree/tmp"; chmod 1777 "$tree/tmp"
printf 'root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534::/:/sbin/nologin\n' > "$tree/etc/passwd"
printf 'root:x:0:\nnobody:x:65534:\n' > "$tree/etc/group"
printf 'hosts: files dns\n' > "$tree/etc/nsswitch.conf"
"${plain[@]}" -cf "$work/layer.tar" -C "$tree" .
layer=$(sha256sum < "$work/layer.tar" | cut -d ' ' -f 1)
cat > "$work/config.json" <<JSON
{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]}, "config": {"Entrypoint": ["$program"]}}
JSON
printf '[{"Config": "config.json", "RepoTags": ["%s"], "Layers": ["layer.tar"]}]' "$name" > "$work/manifest.json"
"${plain[@]}" -cf "$archive" -C "$work" manifest.json config.json layer.tar

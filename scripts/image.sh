#!/bin/bash
# image.sh ARCHIVE NAME PROGRAM TREE [NAME PROGRAM]...: an archive of an image with one layer, the tree, whose entry point is the program in it; and of more images with
# the same layer. The same tree gives the same bytes. They run as IMAGE_USER, a number, if it is set.
set -euo pipefail
archive=$1 tree=$4
set -- "$2" "$3" "${@:5}"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
plain=(tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=gnu)
mkdir -p "$tree/etc" "$tree/tmp"; chmod 1777 "$tree/tmp"
printf 'root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534::/:/sbin/nologin\n' > "$tree/etc/passwd"
printf 'root:x:0:\nnobody:x:65534:\n' > "$tree/etc/group"
printf 'hosts: files dns\n' > "$tree/etc/nsswitch.conf"
"${plain[@]}" -cf "$work/layer.tar" -C "$tree" .
layer=$(sha256sum < "$work/layer.tar" | cut -d ' ' -f 1)
images=()
while [ $# -gt 0 ]; do
  config=config-${#images[@]}.json
  cat > "$work/$config" <<JSON
{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]}, "config": {"Entrypoint": ["$2"], "User": "${IMAGE_USER:-}"}}
JSON
  images+=("$(printf '{"Config": "%s", "RepoTags": ["%s"], "Layers": ["layer.tar"]}' "$config" "$1")")
  shift 2
done
(IFS=,; echo "[${images[*]}]") > "$work/manifest.json"
(cd "$work"; "${plain[@]}" -cf - manifest.json config-*.json layer.tar) > "$archive"

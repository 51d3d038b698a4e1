#!/bin/bash
# image.sh OUT: Debian's unison and OpenSSH, as examples/sync/Containerfile has them, made without a container runtime: the tree of its files in OUT/tree, and
# an archive of the image, localhost/kubestead/sync:1, as OUT/image.tar.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../../../lab/recipes/apt.sh"
out=${1:?the folder}; work=$out/.work; mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
mode=unshare; [ "$(id -u)" = 0 ] && mode=root
packages=unison,openssh-server,openssh-client,bash,dash,coreutils,findutils,util-linux,grep,sed
mmdebstrap --quiet --mode=$mode --variant=extract --include=$packages bookworm "$work/all.tar" "$(debian_mirror)"
tree=$out/tree; mkdir -p "$tree"
tar -C "$tree" --no-same-owner --exclude='./dev/*' --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
  --exclude='./var/*' --exclude='./etc/ssh/*' -xf "$work/all.tar"
[ -e "$tree/bin/sh" ] || ln -s dash "$tree/bin/sh"
# The packages' own set-up, which makes this link, is not run.
[ -e "$tree/usr/bin/unison" ] || ln -s unison-2.52 "$tree/usr/bin/unison"
mkdir -p "$tree/tmp" "$tree/proc" "$tree/dev" "$tree/sys" "$tree/data" "$tree/sync" "$tree/key" "$tree/hooks"; chmod 1777 "$tree/tmp"
printf 'root:x:0:0:root:/:/bin/sh\n' > "$tree/etc/passwd"
printf 'root:x:0:\n' > "$tree/etc/group"

image=$work/image; mkdir "$image"
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$image/layer.tar" -C "$tree" .
layer=$(sha256sum < "$image/layer.tar" | cut -d' ' -f1)
cat > "$image/config.json" <<JSON
{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]},
 "config": {"Env": ["PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}}
JSON
printf '[{"Config": "config.json", "RepoTags": ["localhost/kubestead/sync:1"], "Layers": ["layer.tar"]}]' > "$image/manifest.json"
tar -cf "$out/image.tar" -C "$image" .

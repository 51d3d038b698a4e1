#!/bin/bash
# image.sh OUT: an archive of an image that is called as the one of examples/mariadb, docker.io/library/mariadb:11.8: Debian's MariaDB, and stand-ins for
# the two scripts of that image that the example relies on.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../../../lab/recipes/apt.sh"
out=${1:?the archive}; work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mode=unshare; [ "$(id -u)" = 0 ] && mode=root
packages=mariadb-server-core,mariadb-client-core,bash,dash,coreutils,sed,grep,hostname,findutils
mmdebstrap --quiet --mode=$mode --variant=extract --include=$packages bookworm "$work/all.tar" "$(debian_mirror)"
tree=$work/tree; mkdir -p "$tree"
tar -C "$tree" --exclude='./dev/*' --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
  --exclude='./var/*' -xf "$work/all.tar"
rm "$work/all.tar"
[ -e "$tree/bin/sh" ] || ln -s dash "$tree/bin/sh"
mkdir -p "$tree/etc/mysql/conf.d" "$tree/tmp" "$tree/usr/local/bin"; chmod 1777 "$tree/tmp"
rm -f "$tree/etc/mysql/my.cnf"
cp "$here/my.cnf" "$tree/etc/mysql/my.cnf"
printf 'root:x:0:0:root:/:/bin/sh\nmysql:x:999:999::/:/bin/sh\n' > "$tree/etc/passwd"
printf 'root:x:0:\nmysql:x:999:\n' > "$tree/etc/group"
for script in docker-entrypoint.sh healthcheck.sh load.sh; do install -m 755 "$here/$script" "$tree/usr/local/bin/$script"; done

image=$work/image; mkdir "$image"
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$image/layer.tar" -C "$tree" .
layer=$(sha256sum < "$image/layer.tar" | cut -d' ' -f1)
cat > "$image/config.json" <<JSON
{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]},
 "config": {"Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["mariadbd"], "Env": ["PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}}
JSON
printf '[{"Config": "config.json", "RepoTags": ["docker.io/library/mariadb:11.8"], "Layers": ["layer.tar"]}]' > "$image/manifest.json"
tar -cf "$out" -C "$image" .

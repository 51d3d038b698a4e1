#!/bin/bash
# conformance-images.sh ARCHIVE PROGRAMS SOURCE NAME...: an archive of the images that Kubernetes' tests ask for by these names, made without a container runtime. PROGRAMS is a folder with
# agnhost and nnp, SOURCE has Kubernetes' test/images. agnhost, nonewprivs and nautilus are Kubernetes' own programs and files; what the images have beside
# them, and all of busybox, nginx, nonroot and glibc-dns-testing, is Debian's. Needs mmdebstrap.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../crates/lab/recipes/apt.sh"
archive=$1 programs=$2 source=$3; shift 3
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
image=$work/image; mkdir "$image"
plain=(tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=gnu)
declare -A sums

# layer NAME: of the tree of this name.
layer() {
  chmod -R u+rwX "$work/$1"
  "${plain[@]}" -cf "$image/$1.tar" -C "$work/$1" .
  sums[$1]=$(sha256sum < "$image/$1.tar" | cut -d ' ' -f 1)
}
# named NAME: the image's whole name, with its version; fails if nothing asks for it.
names=("$@")
named() { printf '%s\n' "${names[@]}" | grep "/$1:"; }
images=()
# image NAME CONFIG LAYER...: CONFIG is JSON, what an image says of how it is run; each version that is asked for.
image() {
  local name=$1 config=$2 diffs="" files="" one ref
  shift 2
  for one; do diffs+="${diffs:+, }\"sha256:${sums[$one]}\"" files+="${files:+, }\"$one.tar\""; done
  for ref in $(named "$name"); do
    printf '{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [%s]}, "config": %s}\n' "$diffs" "$config" > "$image/${#images[@]}.json"
    images+=("{\"Config\": \"${#images[@]}.json\", \"RepoTags\": [\"$ref\"], \"Layers\": [$files]}")
  done
}

mode=unshare; [ "$(id -u)" = 0 ] && mode=root
packages=bash,bash-static,bind9-dnsutils,busybox-static,coreutils,curl,dash,findutils,grep,hostname,iproute2,iputils-ping,libc-bin,mount,netcat-openbsd,nginx-light,procps,sed,socat,util-linux
mmdebstrap --quiet --mode=$mode --variant=extract --include=$packages bookworm "$work/all.tar" "$(debian_mirror)"
mkdir "$work/tools"
tar -C "$work/tools" --exclude='./dev/*' --exclude='./usr/share/*' --exclude='*perl*' --exclude='./usr/lib/x86_64-linux-gnu/gconv' --exclude='./var/*' -xf "$work/all.tar"
rm "$work/all.tar"
# users TREE: of the images, and of one test: somebody who is in a group by the image alone.
users() {
  mkdir -p "$1/etc" "$1/tmp" "$1/root"; chmod 1777 "$1/tmp"
  printf '%s\n' root:x:0:0:root:/root:/bin/sh nobody:x:65534:65534::/:/sbin/nologin user-defined-in-image:x:1000:1000::/tmp:/bin/sh > "$1/etc/passwd"
  printf '%s\n' root:x:0: nobody:x:65534: user-defined-in-image:x:1000: group-defined-in-image:x:50000:user-defined-in-image > "$1/etc/group"
  printf 'hosts: files dns\n' > "$1/etc/nsswitch.conf"
}
mkdir -p "$work/busybox/bin"
mv "$(find "$work/tools" -name busybox -type f)" "$work/busybox/bin/busybox"
cp "$work/busybox/bin/busybox" "$work/tools/bin/busybox"
for applet in $("$work/busybox/bin/busybox" --list); do
  [ "$applet" = busybox ] || ln -s busybox "$work/busybox/bin/$applet"
  # As in Alpine, of which the official image is made: what has no program of its own is busybox'.
  for folder in bin sbin usr/bin usr/sbin; do [ ! -e "$work/tools/$folder/$applet" ] || continue 2; done
  ln -s busybox "$work/tools/bin/$applet"
done
users "$work/busybox"; users "$work/tools"
# busybox' own shell takes variables away whose names it cannot have, such as data-1; that of the official image does not.
mv "$work/tools/bin/bash-static" "$work/busybox/bin/bash-static"
ln -sf bash-static "$work/busybox/bin/sh"
# The packages' own set-up, which makes these links, is not run.
ln -sf dash "$work/tools/bin/sh"
ln -sf nc.openbsd "$work/tools/bin/nc"
mkdir -p "$work/tools/usr/share/nginx" "$work/tools/var/log/nginx" "$work/tools/var/lib/nginx" "$work/tools/run"
echo '<html><head><title>Welcome to nginx!</title></head></html>' > "$work/tools/usr/share/nginx/index.html"
cat > "$work/tools/etc/nginx/nginx.conf" <<'NGINX'
user root;
daemon off;
pid /tmp/nginx.pid;
error_log /dev/stderr;
events {}
http {
  access_log /dev/stdout;
  server { listen 80; root /usr/share/nginx; }
}
NGINX
mkdir -p "$work/agnhost/uploads" "$work/nnp/usr/local/bin" "$work/nautilus"
cp "$programs/agnhost" "$source/agnhost/porter/localhost.crt" "$source/agnhost/porter/localhost.key" "$work/agnhost"
ln -s agnhost "$work/agnhost/agnhost-2"
cp "$programs/nnp" "$work/nnp/usr/local/bin/nnp"; chmod 6755 "$work/nnp/usr/local/bin/nnp"
cp "$source"/nautilus/html/* "$work/nautilus"

for tree in tools busybox agnhost nnp nautilus; do layer "$tree"; done
image agnhost '{"Entrypoint": ["/agnhost"], "Cmd": ["pause"]}' tools agnhost
image busybox '{"Cmd": ["sh"]}' busybox
image nginx '{"Cmd": ["nginx"]}' tools
image nonroot '{"User": "1234"}' tools
image nonewprivs '{"Cmd": ["nnp"]}' tools nnp
image nautilus '{"Entrypoint": ["/agnhost"], "Cmd": ["test-webserver"]}' tools agnhost nautilus
image glibc-dns-testing '{"Cmd": ["bash"]}' tools
(IFS=,; echo "[${images[*]}]") > "$image/manifest.json"
"${plain[@]}" -cf "$archive" -C "$image" .

#!/bin/bash
# images.sh OUT KUBERNETES ETCD COREDNS FLANNEL: image archives with the exact names that kubeadm and the manifests ask for, made
# without a container runtime. Needs: gcc, mmdebstrap.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); . "$here/apt.sh"
out=$(realpath -m "${1:?output directory}"); kubernetes=$2 etcd=$3 coredns=$4 flannel=$5
work=$out/.work; mkdir -p "$work"

# image REF ENTRYPOINT DIR: one layer, no times and no owners, so that the same input gives the same bytes.
image() {
  ref=$1 entrypoint=$2 dir=$3
  tmp=$(mktemp -d "$work/image.XXXXXX")
  mkdir -p "$dir/etc" "$dir/tmp"; chmod 1777 "$dir/tmp"
  printf 'root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534::/:/sbin/nologin\n' > "$dir/etc/passwd"
  printf 'root:x:0:\nnobody:x:65534:\n' > "$dir/etc/group"
  printf 'hosts: files dns\n' > "$dir/etc/nsswitch.conf"
  plain="tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=gnu"
  $plain -cf "$tmp/layer.tar" -C "$dir" .
  layer=$(sha256sum < "$tmp/layer.tar" | cut -d' ' -f1)
  printf '{"architecture":"amd64","os":"linux","config":{"Entrypoint":%s,"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created_by":"kubestead"}]}' \
    "$entrypoint" "$layer" > "$tmp/config.json"
  config=$(sha256sum < "$tmp/config.json" | cut -d' ' -f1)
  mv "$tmp/config.json" "$tmp/$config.json"; mkdir "$tmp/$layer"; mv "$tmp/layer.tar" "$tmp/$layer/layer.tar"
  printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["%s/layer.tar"]}]' "$config" "$ref" "$layer" > "$tmp/manifest.json"
  file=$out/$(printf '%s' "${ref##*/}" | tr ':' '-').tar
  $plain -cf "$file" -C "$tmp" .
  printf '%s %s\n' "$(basename "$file")" "$ref" >> "$out/images.list"
  rm -rf "$tmp"
}
program() { mkdir -p "$work/$1$(dirname "$3")"; cp "$2" "$work/$1$3"; chmod 755 "$work/$1$3"; } # program DIR FILE PATH

version=$(cat "$kubernetes/VERSION")
"$kubernetes/kubeadm" config images list --kubernetes-version "v$version" > "$work/names"
named() { grep "/$1:" "$work/names"; }
: > "$out/images.list"

for c in kube-apiserver kube-controller-manager kube-scheduler; do
  program "$c" "$kubernetes/$c" "/usr/local/bin/$c"; image "$(named "$c")" "[\"$c\"]" "$work/$c"
done
program etcd "$etcd/etcd" /usr/local/bin/etcd
image "$(named etcd)" '["etcd"]' "$work/etcd"
program coredns "$coredns/coredns" /coredns
image "$(named coredns)" '["/coredns"]' "$work/coredns"
gcc -Os -static -s -o "$work/pause.bin" "$here/pause.c"
program pause "$work/pause.bin" /pause
image "$(named pause)" '["/pause"]' "$work/pause"

# What kube-proxy and flannel call, from Debian, unpacked without running anything.
mode=unshare; [ "$(id -u)" = 0 ] && mode=root
mmdebstrap --quiet --mode=$mode --variant=extract --include=nftables,conntrack,iptables,busybox-static bookworm "$work/tools.tar" "$(debian_mirror)"
tools() { mkdir -p "$work/$1"; tar -C "$work/$1" --exclude='./dev/*' --exclude='./usr/share/*' --exclude='./var/*' -xf "$work/tools.tar"; rm -rf "$work/$1/bin/busybox"; iptables "$work/$1"; }
# The package's own set-up, which makes these links, is not run.
iptables() { dir=$(dirname "$(find "$1" -name xtables-nft-multi)"); for c in ip{,6}tables{,-save,-restore}; do ln -sf xtables-nft-multi "$dir/$c"; done; }
tools kube-proxy
program kube-proxy "$kubernetes/kube-proxy" /usr/local/bin/kube-proxy
image "$(named kube-proxy)" '["/usr/local/bin/kube-proxy"]' "$work/kube-proxy"
tools flannel
program flannel "$flannel/flanneld" /opt/bin/flanneld
program flannel "$flannel/install-conf" /opt/bin/install-conf
image "ghcr.io/flannel-io/flannel:v$(cat "$flannel/VERSION")" '["/opt/bin/flanneld"]' "$work/flannel"

mkdir -p "$work/box"; tar -C "$work/box" -xf "$work/tools.tar" ./bin/busybox 2>/dev/null || tar -C "$work/box" -xf "$work/tools.tar" ./usr/bin/busybox
busybox=$(find "$work/box" -name busybox -type f)
shell() { program "$1" "$busybox" /bin/busybox; for a in sh cp cat ls echo sleep sync date hostname dd df mkdir rm nslookup wget id ping env touch; do ln -sf busybox "$work/$1/bin/$a"; done; }
shell flannel-cni
program flannel-cni "$here/flannel-cni" /flannel
image ghcr.io/flannel-io/flannel-cni-plugin:v1.9.1-flannel1 '["/bin/sh"]' "$work/flannel-cni"
shell toolbox
image localhost/kubestead/toolbox:1 '["/bin/sh"]' "$work/toolbox"
rm -rf "$work"

#!/bin/bash
# internet.sh OUT BUNDLE IMAGES PACKAGES: what the lab's own internet serves, a folder for each name of a host: apt repositories, not signed yet, as
# pkgs.k8s.io and download.docker.com lay them out; images as a registry answers for them; release files. Needs: dpkg-dev, apt, go.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); . "$here/apt.sh"
out=$(realpath -m "${1:?output directory}"); bundle=$2 images=$3 packages=$4
work=$out/.work; mkdir -p "$work"
put() { mkdir -p "$(dirname "$2")"; cp -l "$1" "$2" 2> /dev/null || cp "$1" "$2"; } # put FILE TO
sum() { sha256sum < "$1" | cut -d' ' -f1; }

# pkgs.k8s.io: the packages of the lab, whose Release has no signature here.
mkdir -p "$out/pkgs.k8s.io/core:/stable:"
for minor in "$packages/repository/core:/unsigned:"/v*; do
  cp -rl "$minor" "$out/pkgs.k8s.io/core:/stable:/" 2> /dev/null || cp -r "$minor" "$out/pkgs.k8s.io/core:/stable:/"
done

# download.docker.com: containerd.io, as Docker packs it: programs of the bundle with a runc (Debian's), and a configuration without CRI.
apt_root "$work/apt" bookworm
( cd "$work" && apt_in "$work/apt" get -qq download runc && dpkg-deb -x ./runc_*.deb runc )
tree=$work/containerd.io
mkdir -p "$tree"
for name in containerd ctr containerd-shim-runc-v2; do put "$bundle/bin/$name" "$tree/usr/bin/$name"; done
put "$work/runc/usr/sbin/runc" "$tree/usr/bin/runc"
mkdir -p "$tree/DEBIAN" "$tree/etc/containerd" "$tree/usr/lib/systemd/system"
echo 'disabled_plugins = ["cri"]' > "$tree/etc/containerd/config.toml"
echo /etc/containerd/config.toml > "$tree/DEBIAN/conffiles"
cat > "$tree/usr/lib/systemd/system/containerd.service" <<'UNIT'
[Unit]
Description=containerd container runtime
After=network.target local-fs.target
[Service]
ExecStart=/usr/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
[Install]
WantedBy=multi-user.target
UNIT
printf '#!/bin/sh\nset -e\nsystemctl daemon-reload\nsystemctl enable -q containerd\nsystemctl start containerd\n' > "$tree/DEBIAN/postinst"
chmod 755 "$tree/DEBIAN/postinst"
containerd=$("$bundle/bin/containerd" --version | awk '{ sub(/^v/, "", $3); print $3 }')
for release in 12:bookworm 13:trixie; do
  number=${release%:*} name=${release#*:}
  docker=$out/download.docker.com/linux/debian
  printf 'Package: containerd.io\nVersion: %s\nArchitecture: amd64\nMaintainer: The lab <lab@localhost>\nDepends: libseccomp2\nConflicts: containerd, runc\nDescription: as its official package\n' \
    "$containerd-1~debian.$number~$name" > "$tree/DEBIAN/control"
  index=$docker/dists/$name/stable/binary-amd64 pool=dists/$name/pool/stable/amd64
  mkdir -p "$index" "$docker/$pool"
  dpkg-deb --root-owner-group -Znone --build "$tree" "$docker/$pool/containerd.io.deb" > /dev/null
  ( cd "$docker" && dpkg-scanpackages --multiversion "$pool" > "$index/Packages" 2> "$work/scan" ) || { cat "$work/scan" >&2; exit 1; }
  gzip -9kn "$index/Packages"
  cd "$docker/dists/$name"
  { printf 'Origin: Docker\nSuite: %s\nCodename: %s\nComponents: stable\nArchitectures: amd64\nDate: %s\nSHA256:\n' "$name" "$name" "$(date -Ru)"
    for file in stable/binary-amd64/Packages stable/binary-amd64/Packages.gz; do echo " $(sum "$file") $(stat -c %s "$file") $file"; done; } > Release
done

# The registries: a file for each manifest and blob by its digest, and a link for each tag.
while read -r file reference; do
  host=${reference%%/*} name=${reference#*/}
  [ "$host" != localhost ] || continue
  tag=${name##*:} repository=$out/$host/v2/${name%:*}
  mkdir -p "$repository/blobs" "$repository/manifests"
  rm -rf "$work/image"; mkdir "$work/image"
  tar -C "$work/image" -xf "$bundle/images/$file"
  config=$(echo "$work/image"/*.json | tr ' ' '\n' | grep -v '/manifest.json$')
  layers=("$work/image"/*/layer.tar)
  [ -f "$config" ] && [ "${#layers[@]}" = 1 ] || { echo "$file: one layer and one configuration were expected" >&2; exit 1; }
  gzip -n1 "${layers[0]}"
  blob() { digest=$(sum "$1") size=$(stat -c %s "$1"); mv "$1" "$repository/blobs/sha256:$digest"; } # blob FILE
  blob "$config"
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},' \
    "$digest" "$size" > "$work/manifest"
  blob "${layers[0]}.gz"
  printf '"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:%s","size":%s}]}' "$digest" "$size" >> "$work/manifest"
  digest=$(sum "$work/manifest")
  mv "$work/manifest" "$repository/manifests/sha256:$digest"
  ln -sf "sha256:$digest" "$repository/manifests/$tag"
done < "$images/images.list"

# dl.k8s.io: programs with their sums, and which version is the newest.
version=v$(sed -n 's/.*"kubernetes": "\([^"]*\)".*/\1/p' "$bundle/bundle.json")
releases=$out/dl.k8s.io/release
for name in kubeadm kubelet kubectl; do
  put "$bundle/bin/$name" "$releases/$version/bin/linux/amd64/$name"
  sum "$bundle/bin/$name" > "$releases/$version/bin/linux/amd64/$name.sha256"
done
minor=${version#v}; minor=${minor%.*}
for name in stable "stable-$minor"; do printf %s "$version" > "$releases/$name.txt"; done

# github.com: releases as the projects lay them out, of the bundle's programs and Debian's runc, with their files of sums.
of() { sed -n "s/.*\"name\":\"$1\",\"version\":\"\([^\"]*\)\".*/\1/p" "$bundle/bundle.json"; } # of NAME: its version
github=$out/github.com
sums() { ( cd "$(dirname "$1")" && sha256sum "$(basename "$1")" > "$2" ); } # sums FILE NAME
packed() { # packed FOLDER PART TO
  mkdir -p "$(dirname "$3")"
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$1" -I 'gzip -n1' -cf "$3" "$2"
}
containerd=$(of containerd) etcd=$(of etcdctl) cni=$(of bridge)
for name in containerd ctr containerd-shim-runc-v2; do put "$bundle/bin/$name" "$work/containerd/bin/$name"; done
file=$github/containerd/containerd/releases/download/v$containerd/containerd-$containerd-linux-amd64.tar.gz
packed "$work/containerd" bin "$file"; sums "$file" "$(basename "$file").sha256sum"
file=$github/containernetworking/plugins/releases/download/v$cni/cni-plugins-linux-amd64-v$cni.tgz
packed "$bundle/cni" . "$file"; sums "$file" "$(basename "$file").sha256"
for name in etcdctl etcdutl; do put "$bundle/bin/$name" "$work/etcd/etcd-v$etcd-linux-amd64/$name"; done
file=$github/etcd-io/etcd/releases/download/v$etcd/etcd-v$etcd-linux-amd64.tar.gz
packed "$work/etcd" "etcd-v$etcd-linux-amd64" "$file"; sums "$file" SHA256SUMS
runc=$(dpkg-deb -f "$work"/runc_*.deb Version)
file=$github/opencontainers/runc/releases/download/v${runc%%+*}/runc.amd64
put "$work/runc/usr/sbin/runc" "$file"; sums "$file" runc.sha256sum

# raw.githubusercontent.com: which etcd, CoreDNS and pause kubeadm of that version asks for, of its own source.
source=$(cd "$work" && go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
constants=cmd/kubeadm/app/constants/constants.go to=$out/raw.githubusercontent.com/kubernetes/kubernetes/$version
mkdir -p "$to/${constants%/*}"
cp "$source/$constants" "$to/$constants"; chmod 644 "$to/$constants"
cd "$out"; rm -rf "$work"

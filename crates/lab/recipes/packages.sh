#!/bin/bash
# packages.sh OUT KUBERNETES CNI: a signed apt repository as pkgs.k8s.io lays it out: OUT/repository/core:/stable:/v1.N/deb, and beside
# it core:/unsigned:, the same without signatures. Names, versions and dependencies are those of the official packages; cri-tools
# is empty, since nothing here calls crictl. The signing key is made here and forgotten. Needs: dpkg-dev, gnupg.
set -euo pipefail
out=$(realpath -m "${1:?output directory}"); kubernetes=$2 cni=$3
work=$out/.work; mkdir -p "$work"
version=$(cat "$kubernetes/VERSION") cni_version=$(cat "$cni/VERSION")
repository=$out/repository/core:/stable:/v${version%.*}/deb
unsigned=$out/repository/core:/unsigned:/v${version%.*}/deb
mkdir -p "$repository/amd64" "$(dirname "$unsigned")"

# package NAME VERSION [FIELD...]: from the files that lie in $work/NAME.
package() {
  name=$1 revision=$2-1.1; shift 2
  mkdir -p "$work/$name/DEBIAN"
  { printf 'Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: The lab <lab@localhost>\n' "$name" "$revision"
    for field; do echo "$field"; done
    printf 'Description: %s, as its official package\n' "$name"; } > "$work/$name/DEBIAN/control"
  dpkg-deb --root-owner-group -Znone --build "$work/$name" "$repository/amd64/${name}_${revision}_amd64.deb" > /dev/null
}
put() { install -D -m "$1" "${4:-/dev/stdin}" "$work/$2$3"; } # put MODE NAME PATH [FILE]

put 755 kubectl /usr/bin/kubectl "$kubernetes/kubectl"
package kubectl "$version"

put 755 kubeadm /usr/bin/kubeadm "$kubernetes/kubeadm"
put 644 kubeadm /usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf <<'UNIT'
# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
UNIT
package kubeadm "$version"

put 755 kubelet /usr/bin/kubelet "$kubernetes/kubelet"
put 644 kubelet /usr/lib/systemd/system/kubelet.service <<'UNIT'
[Unit]
Description=kubelet: The Kubernetes Node Agent
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
UNIT
echo KUBELET_EXTRA_ARGS= | put 644 kubelet /etc/default/kubelet
for keep in /var/lib/kubelet /etc/kubernetes/manifests; do put 644 kubelet $keep/.kubelet-keep < /dev/null; done
mkdir -p "$work/kubelet/DEBIAN"; echo /etc/default/kubelet > "$work/kubelet/DEBIAN/conffiles"
package kubelet "$version" "Depends: kubernetes-cni (>= 1.2.0), mount, util-linux" "Recommends: iptables (>= 1.8.4)"

for plugin in "$cni"/*; do case $plugin in */VERSION) ;; *) put 755 kubernetes-cni "/opt/cni/bin/${plugin##*/}" "$plugin" ;; esac; done
package kubernetes-cni "$cni_version"
package cri-tools "${version%.*}.0"

cd "$repository"
dpkg-scanpackages --multiversion amd64 > Packages 2> "$work/scan" || { cat "$work/scan" >&2; exit 1; }
gzip -9kn Packages
{ printf 'Origin: lab\nLabel: lab\nArchitectures: amd64\nDate: %s\nSHA256:\n' "$(date -Ru)"
  for file in Packages Packages.gz; do printf ' %s %s %s\n' "$(sha256sum < $file | cut -d' ' -f1)" "$(stat -c %s $file)" $file; done; } > Release
cp -rl "$repository" "$unsigned"
# A short path: gpg's agent listens on a socket in it.
GNUPGHOME=$(mktemp -d); export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
gpg="gpg --batch --quiet"
$gpg --passphrase '' --quick-generate-key 'The lab <lab@localhost>' ed25519 sign never
$gpg --armor --export > Release.key
$gpg --clearsign --output InRelease Release
$gpg --armor --detach-sign --output Release.gpg Release
cd "$out"; rm -rf "$work"

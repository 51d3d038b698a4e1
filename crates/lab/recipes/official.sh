#!/bin/bash
# official.sh NAME OUT: what a recipe makes, from the official release of the same version. Status 69: the places of releases cannot be reached, or have
# nothing for this computer; then it is built. Once the published sums are there, whatever goes wrong is an error: a file with another sum is not a reason
# to build.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=${1:?name of a recipe} out=$(realpath -m "${2:?output directory}"); work=$out/.work; mkdir -p "$work"
unavailable() { rm -rf "$work"; echo "$name: $1; it is built"; exit 69; }
command -v curl > /dev/null || unavailable "curl is missing"
case $(uname -m) in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *) unavailable "no release for $(uname -m)" ;;
esac
version=$(sed -n 's/^version=\([0-9.]*\).*/\1/p' "$here/$name.sh")
get() { curl --fail --silent --show-error --location --proto =https --connect-timeout 5 "$@"; }

# sums ADDRESS: the published sums, each with the name of its file; one alone may stand without a name.
sums() { get --max-time 30 --output "$work/sums" "$1" || unavailable "$1 cannot be had"; }
# file ADDRESS: into $work, when its sum is the published one.
file() {
  local file=${1##*/} sum
  sum=$(awk -v file="$file" '$2 == file || $2 == "*" file || NF == 1 { print $1; exit }' "$work/sums")
  [ "${#sum}" = 64 ] || { echo "$name: no sum of $file is published" >&2; exit 1; }
  get --retry 3 --speed-limit 1024 --speed-time 60 --output "$work/$file" "$1"
  echo "$sum  $work/$file" | sha256sum --check --quiet || { echo "$name: $1 has another sum than the published $sum" >&2; exit 1; }
}
# archive ADDRESS MEMBER...: these members, without their folders.
archive() {
  file "$1"
  local archive=$work/${1##*/} member; shift
  for member; do
    tar -xzOf "$archive" "$member" > "$out/${member##*/}"
    chmod 755 "$out/${member##*/}"
  done
}

releases=https://github.com
case $name in
  kubernetes)
    at=https://dl.k8s.io/release/v$version/bin/linux/$arch
    for program in kubeadm kubelet kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubectl; do
      sums "$at/$program.sha256"; file "$at/$program"
      install -m 755 "$work/$program" "$out/$program"; rm "$work/$program"
    done ;;
  etcd)
    at=$releases/etcd-io/etcd/releases/download/v$version folder=etcd-v$version-linux-$arch
    sums "$at/SHA256SUMS"
    archive "$at/$folder.tar.gz" "$folder/etcd" "$folder/etcdctl" "$folder/etcdutl" ;;
  containerd)
    file=containerd-$version-linux-$arch.tar.gz at=$releases/containerd/containerd/releases/download/v$version
    sums "$at/$file.sha256sum"
    archive "$at/$file" bin/containerd bin/ctr bin/containerd-shim-runc-v2 ;;
  cni)
    file=cni-plugins-linux-$arch-v$version.tgz at=$releases/containernetworking/plugins/releases/download/v$version
    sums "$at/$file.sha256"
    archive "$at/$file" ./bridge ./loopback ./ptp ./host-local ./portmap ./firewall ./bandwidth ./tuning ;;
  coredns)
    file=coredns_${version}_linux_$arch.tgz at=$releases/coredns/coredns/releases/download/v$version
    sums "$at/$file.sha256"
    archive "$at/$file" coredns ;;
  *) echo "$name has no official release that is known here" >&2; exit 1 ;;
esac
echo "$version" > "$out/VERSION"
rm -rf "$work"

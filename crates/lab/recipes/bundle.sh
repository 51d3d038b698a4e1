#!/bin/bash
# bundle.sh OUT KUBERNETES CONTAINERD ETCD CNI IMAGES: one folder with all that a node needs, and bundle.json with the sha256 of each file.
set -euo pipefail
out=$(realpath -m "${1:?output directory}"); kubernetes=$2 containerd=$3 etcd=$4 cni=$5 images=$6
mkdir -p "$out/bin" "$out/cni" "$out/images"
put() { cp -l "$1" "$2" 2>/dev/null || cp "$1" "$2"; }
entries=""
entry() { # entry KIND NAME PATH VERSION ROLES [IMAGE]
  sum=$(sha256sum < "$out/$3" | cut -d' ' -f1); size=$(stat -c %s "$out/$3")
  entries="$entries${entries:+,}
    {\"path\":\"$3\",\"kind\":\"$1\",\"name\":\"$2\",\"version\":\"$4\",\"sha256\":\"$sum\",\"size\":$size,\"roles\":$5${6:+,\"image\":\"$6\"}}"
}
all='["control-plane","worker"]' control='["control-plane"]'
for b in kubeadm kubelet kubectl; do put "$kubernetes/$b" "$out/bin/$b"; entry binary "$b" "bin/$b" "$(cat "$kubernetes/VERSION")" "$all"; done
for b in containerd ctr containerd-shim-runc-v2; do put "$containerd/$b" "$out/bin/$b"; entry binary "$b" "bin/$b" "$(cat "$containerd/VERSION")" "$all"; done
for b in etcdctl etcdutl; do put "$etcd/$b" "$out/bin/$b"; entry binary "$b" "bin/$b" "$(cat "$etcd/VERSION")" "$control"; done
for p in bridge loopback ptp host-local portmap firewall bandwidth tuning; do put "$cni/$p" "$out/cni/$p"; entry cni "$p" "cni/$p" "$(cat "$cni/VERSION")" "$all"; done
while read -r file ref; do
  put "$images/$file" "$out/images/$file"
  case $file in kube-apiserver* | kube-controller* | kube-scheduler* | etcd*) roles=$control ;; *) roles=$all ;; esac
  entry image "${file%.tar}" "images/$file" "${ref##*:}" "$roles" "$ref"
done < "$images/images.list"
printf '{\n  "formatVersion": 1,\n  "kubernetes": "%s",\n  "source": "built",\n  "files": [%s\n  ]\n}\n' "$(cat "$kubernetes/VERSION")" "$entries" > "$out/bundle.json"

#!/bin/bash
# three-servers.sh BUNDLE SERVER FOLDER COMMAND...: three real API servers and the three members of their etcd, each in namespaces of its own on this
# computer, without machines; then the command, with SERVERS naming FOLDER. Run in namespaces of users, mounts, networks and processes. SERVER is
# three-servers-one.sh; BUNDLE is what `kubestead lab build` made.
set -euo pipefail
bundle=$1 server=$2 work=$3; shift 3
export PATH=$bundle/bin:$PATH
mkdir -p "$work/bin" "$work/pki"
for image in etcd kube-apiserver; do # their programs, out of the images
  mkdir "$work/$image"; tar -xf "$bundle"/images/$image-*.tar -C "$work/$image"
  for layer in $(grep -o 'blobs/sha256/[0-9a-f]*\|[^"]*\.tar' "$work/$image/manifest.json"); do tar -xf "$work/$image/$layer" -C "$work/$image" 2> /dev/null || true; done
  found=$(find "$work/$image" -type f -name "$image" | head -n 1); mv "$found" "$work/bin/$image"; rm -r "${work:?}/$image"
done
cat > "$work/kubeadm.yaml" <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 10.9.0.1}
nodeRegistration: {name: cp1}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.37.1
certificatesDir: $work/pki
controlPlaneEndpoint: 10.9.0.1:6443
encryptionAlgorithm: ECDSA-P256
apiServer: {certSANs: [10.9.0.1, 10.9.0.2, 10.9.0.3]}
YAML
ip link set lo up; ip link add servers type bridge; ip addr add 10.9.0.254/24 dev servers; ip link set servers up
kubeadm init phase certs all --config "$work/kubeadm.yaml" > /dev/null
kubeadm init phase kubeconfig super-admin --config "$work/kubeadm.yaml" --kubeconfig-dir "$work" > /dev/null
key=$(head -c 32 /dev/urandom | base64); printf %s "$key" > "$work/key1"
for n in 1 2 3; do
  home=$work/cp$n; mkdir -p "$home/kubernetes/enc" "$home/kubernetes/manifests" "$home/etcd"
  cp -r "$work/pki" "$home/kubernetes/pki"; cp "$work/super-admin.conf" "$home/kubernetes/admin.conf"
  (umask 077; printf 'apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - secretbox: {keys: [{name: key1, secret: %s}]}\n' "$key" > "$home/kubernetes/enc/enc.yaml")
  unshare --mount --net bash "$server" "$n" "$home" "$bundle" "$work/bin" & echo $! > "$home/pid"
  until [ "$(readlink "/proc/$(cat "$home/pid")/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
  ip link add "to-cp$n" type veth peer name eth0 netns "$(cat "$home/pid")"; ip link set "to-cp$n" master servers up
  nsenter -t "$(cat "$home/pid")" -n sh -c "ip addr add 10.9.0.$n/24 dev eth0; ip link set eth0 up"
  touch "$home/wired"
done
for n in 1 2 3; do
  sed "s#https://10.9.0.1:6443#https://10.9.0.$n:6443#" "$work/super-admin.conf" > "$work/cp$n/admin"
  for try in $(seq 240); do
    [ "$(kubectl --kubeconfig "$work/cp$n/admin" get --raw /readyz 2> /dev/null)" = ok ] && break
    [ "$try" != 240 ] || { tail -n 20 "$work/cp$n"/*.log; exit 1; }
    sleep 0.5
  done
done
SERVERS=$work "$@"

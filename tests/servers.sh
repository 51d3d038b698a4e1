#!/bin/bash
# servers.sh COMMAND...: three real API servers and the three members of their etcd, each in namespaces of its own on this computer, without
# machines; then the command, a test program that rotates the key of encryption at rest on them. Needs: the lab's parts (`kubestead lab build`)
# and the KMS plugin (`scripts/kms-plugin.sh`, or KMS_PLUGIN).
set -euo pipefail
if [ "${INSIDE:-}" != 1 ]; then
  export INSIDE=1 BUNDLE=${BUNDLE:-$("${KUBESTEAD:-kubestead}" lab build 2>/dev/null)} KMS_PLUGIN=${KMS_PLUGIN:-$(bash "$(dirname "$0")/../scripts/kms-plugin.sh")}
  exec unshare --map-root-user --mount --net --pid --fork --kill-child --mount-proc bash "$0" "$@"
fi
export PATH=$BUNDLE/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
for image in etcd kube-apiserver; do # their programs, out of the images
  mkdir "$work/$image"; tar -xf "$BUNDLE"/images/$image-*.tar -C "$work/$image"
  for layer in $(grep -o 'blobs/sha256/[0-9a-f]*\|[^"]*\.tar' "$work/$image/manifest.json"); do tar -xf "$work/$image/$layer" -C "$work/$image" 2>/dev/null || true; done
  found=$(find "$work/$image" -type f -name "$image" | head -n 1); mv "$found" "$work/bin/$image"; rm -r "${work:?}/$image"
done
mkdir -p "$work/pki"
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
cluster=cp1=http://10.9.0.1:2380,cp2=http://10.9.0.2:2380,cp3=http://10.9.0.3:2380
for n in 1 2 3; do
  home=$work/cp$n; mkdir -p "$home/kubernetes/enc" "$home/kubernetes/manifests" "$home/etcd"
  cp -r "$work/pki" "$home/kubernetes/pki"; cp "$work/super-admin.conf" "$home/kubernetes/admin.conf"
  (umask 077; printf 'apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - secretbox: {keys: [{name: key1, secret: %s}]}\n' "$key" > "$home/kubernetes/enc/enc.yaml")
  cat > "$home/start" <<SH
mkdir -p /etc/kubernetes /var/lib/etcd; mount --bind $home/kubernetes /etc/kubernetes; mount --bind $home/etcd /var/lib/etcd; mount -t tmpfs run /run; mount --bind $BUNDLE/bin /usr/local/bin
ip link set lo up; pki=/etc/kubernetes/pki
while [ ! -e $home/wired ]; do sleep 0.1; done
$work/bin/etcd --name cp$n --data-dir /var/lib/etcd --listen-client-urls https://127.0.0.1:2379 --advertise-client-urls https://127.0.0.1:2379 \
  --cert-file \$pki/etcd/server.crt --key-file \$pki/etcd/server.key --client-cert-auth --trusted-ca-file \$pki/etcd/ca.crt \
  --listen-peer-urls http://10.9.0.$n:2380 --initial-advertise-peer-urls http://10.9.0.$n:2380 --initial-cluster $cluster > $home/etcd.log 2>&1 &
# The kubelet's part: the API server sees of /run what its manifest mounts, and starts again when that is something else, or when it ended.
folders() { sed -n 's#^ *- mountPath: \(/run/.*\)#\1#p' /etc/kubernetes/manifests/kube-apiserver.yaml 2> /dev/null; }
while :; do
  now=\$(folders)
  unshare --mount bash -c 'for f in \$0; do mkdir -p $home/kept\$f; mount --bind \$f $home/kept\$f; done; mount -t tmpfs run /run; for f in \$0; do mkdir -p \$f; mount --bind $home/kept\$f \$f; done; exec "\$@"' \
    "\$now" $work/bin/kube-apiserver --advertise-address 10.9.0.$n --etcd-servers https://127.0.0.1:2379 --etcd-cafile \$pki/etcd/ca.crt \
  --etcd-certfile \$pki/apiserver-etcd-client.crt --etcd-keyfile \$pki/apiserver-etcd-client.key --client-ca-file \$pki/ca.crt \
  --tls-cert-file \$pki/apiserver.crt --tls-private-key-file \$pki/apiserver.key --authorization-mode RBAC --service-cluster-ip-range 10.96.0.0/16 \
  --service-account-issuer https://kubernetes.default.svc --service-account-key-file \$pki/sa.pub --service-account-signing-key-file \$pki/sa.key \
  --encryption-provider-config /etc/kubernetes/enc/enc.yaml --encryption-provider-config-automatic-reload=true >> $home/apiserver.log 2>&1 &
  while kill -0 \$! 2> /dev/null && [ "\$(folders)" = "\$now" ]; do sleep 0.3; done
  kill \$! 2> /dev/null; wait \$!
done
SH
  unshare --mount --net bash "$home/start" & echo $! > "$home/pid"
  until [ "$(readlink "/proc/$(cat "$home/pid")/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
  ip link add "to-cp$n" type veth peer name eth0 netns "$(cat "$home/pid")"; ip link set "to-cp$n" master servers up
  nsenter -t "$(cat "$home/pid")" -n sh -c "ip addr add 10.9.0.$n/24 dev eth0; ip link set eth0 up"
  touch "$home/wired"
done
for n in 1 2 3; do
  sed "s#https://10.9.0.1:6443#https://10.9.0.$n:6443#" "$work/super-admin.conf" > "$work/cp$n/admin"
  for try in $(seq 240); do
    [ "$(kubectl --kubeconfig "$work/cp$n/admin" get --raw /readyz 2>/dev/null)" = ok ] && break
    [ "$try" != 240 ] || { tail -n 20 "$work/cp$n"/*.log; exit 1; }
    sleep 0.5
  done
done
SERVERS=$work "$@"

#!/bin/bash
# three-servers-one.sh NUMBER HOME BUNDLE PROGRAMS: an API server and its member of etcd, in namespaces of their own, until that ends.
n=$1 home=$2 bundle=$3 programs=$4 pki=/etc/kubernetes/pki
cluster=cp1=http://10.9.0.1:2380,cp2=http://10.9.0.2:2380,cp3=http://10.9.0.3:2380
mkdir -p /etc/kubernetes /var/lib/etcd
mount --bind "$home/kubernetes" /etc/kubernetes
mount --bind "$home/etcd" /var/lib/etcd
mount -t tmpfs run /run
mount --bind "$bundle/bin" /usr/local/bin
ip link set lo up
while [ ! -e "$home/wired" ]; do sleep 0.1; done
"$programs/etcd" --name "cp$n" --data-dir /var/lib/etcd --listen-client-urls https://127.0.0.1:2379 --advertise-client-urls https://127.0.0.1:2379 \
  --cert-file $pki/etcd/server.crt --key-file $pki/etcd/server.key --client-cert-auth --trusted-ca-file $pki/etcd/ca.crt \
  --listen-peer-urls "http://10.9.0.$n:2380" --initial-advertise-peer-urls "http://10.9.0.$n:2380" --initial-cluster "$cluster" > "$home/etcd.log" 2>&1 &
# The kubelet's part: the API server sees of /run what its manifest mounts, and starts again when that is something else, or when it ended.
folders() { sed -n 's#^ *- mountPath: \(/run/.*\)#\1#p' /etc/kubernetes/manifests/kube-apiserver.yaml 2> /dev/null; }
# with_folders FOLDERS PROGRAM ARGUMENT...: in mounts of its own, with these folders of /run alone.
with_folders() {
  local folder
  for folder in $1; do mkdir -p "$home/kept$folder"; mount --bind "$folder" "$home/kept$folder"; done
  mount -t tmpfs run /run
  for folder in $1; do mkdir -p "$folder"; mount --bind "$home/kept$folder" "$folder"; done
  exec "${@:2}"
}
export home; export -f with_folders
while :; do
  now=$(folders)
  unshare --mount bash -c 'with_folders "$@"' with_folders "$now" "$programs/kube-apiserver" --advertise-address "10.9.0.$n" \
    --etcd-servers https://127.0.0.1:2379 --etcd-cafile $pki/etcd/ca.crt \
    --etcd-certfile $pki/apiserver-etcd-client.crt --etcd-keyfile $pki/apiserver-etcd-client.key --client-ca-file $pki/ca.crt \
    --tls-cert-file $pki/apiserver.crt --tls-private-key-file $pki/apiserver.key --authorization-mode RBAC --service-cluster-ip-range 10.96.0.0/16 \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file $pki/sa.pub --service-account-signing-key-file $pki/sa.key \
    --encryption-provider-config /etc/kubernetes/enc/enc.yaml --encryption-provider-config-automatic-reload=true >> "$home/apiserver.log" 2>&1 &
  while kill -0 $! 2> /dev/null && [ "$(folders)" = "$now" ]; do sleep 0.3; done
  kill $! 2> /dev/null; wait $!
done

#!/bin/bash
# api-server.sh FOLDER: a real etcd and a real API server, in the network of whoever runs it, until that ends. FOLDER gets `admin.conf`, `kubectl`, and `ready` when it
# answers. Needs: what `kubestead lab build` made (KUBERNETES and ETCD name its folders), openssl.
set -euo pipefail
trap 'exit 0' TERM # the first process of a namespace hears only what it listens to
artifacts=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}/lab/artifacts
# shellcheck disable=SC2012,SC2086 # names of our own, and a pattern
newest() { ls -td "$artifacts"/$1/ | head -n 1; }
KUBERNETES=${KUBERNETES:-$(newest 'kubernetes-*[0-9a-f]')} ETCD=${ETCD:-$(newest 'etcd-*[0-9a-f]')}
mkdir -p "$1"; cd "$1"
ip link set lo up
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -subj /CN=ca -days 2 2> /dev/null
openssl genrsa -out sa.key 2048 2> /dev/null
printf 'subjectAltName=DNS:kubernetes,IP:127.0.0.1\n' > names
certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2> /dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out "$1.crt" 2> /dev/null
}
certificate server /CN=kubernetes
certificate admin /O=system:masters/CN=admin
data() { base64 -w 0 < "$1"; }
cat > admin.conf <<YAML
apiVersion: v1
kind: Config
current-context: admin
clusters:
- name: api
  cluster:
    server: https://127.0.0.1:6443
    certificate-authority-data: $(data ca.crt)
users:
- name: admin
  user:
    client-certificate-data: $(data admin.crt)
    client-key-data: $(data admin.key)
contexts:
- name: admin
  context: {cluster: api, user: admin}
YAML
ln -s "$KUBERNETES/kubectl" kubectl
"$ETCD/etcd" --data-dir "$PWD/etcd" > etcd.log 2>&1 &
"$KUBERNETES/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --bind-address 127.0.0.1 --tls-cert-file server.crt --tls-private-key-file server.key --client-ca-file ca.crt \
  --service-account-key-file sa.key --service-account-signing-key-file sa.key --service-account-issuer https://kubernetes --authorization-mode RBAC \
  --service-cluster-ip-range 10.96.0.0/16 --advertise-address 127.0.0.1 --endpoint-reconciler-type none --allow-privileged > api.log 2>&1 &
for _ in $(seq 240); do ./kubectl --kubeconfig admin.conf get --raw /readyz > /dev/null 2>&1 && break; sleep 0.5; done
./kubectl --kubeconfig admin.conf create namespace apps > /dev/null
touch ready
wait

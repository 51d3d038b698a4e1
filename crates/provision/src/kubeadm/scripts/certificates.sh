# shellcheck shell=bash
# The certificates of a control plane, which are public, each after its path. A kubeconfig holds its own as base64. The kubelet renews its own.
[ -e /etc/kubernetes/manifests/kube-apiserver.yaml ] || exit 0
shopt -s nullglob
for file in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt; do
  printf '@@ %s\n' "$file"
  show "$file" || true
  echo
done
for file in /etc/kubernetes/*.conf; do
  while read -r key value; do
    if [ "$key" = client-certificate-data: ]; then
      printf '@@ %s\n%s\n' "$file" "$value"
    fi
  done < "$file"
done

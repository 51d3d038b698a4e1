# shellcheck shell=bash disable=SC2154
# kubeadm init, with its configuration on standard input. kubeadm syncs nothing: what it wrote goes to the disk before the mark goes, or a power cut
# leaves empty files that look done. listens.sh and leftovers.sh stand ahead.
# guard
answering
[ -s "$encryption" ] || refuse "$encryption is not there"
ignored=()
if [ -e "$begun" ]; then
  ignored=("--ignore-preflight-errors=$traces")
elif [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]; then
  if grep -qF -- "--encryption-provider-config=$encryption" /etc/kubernetes/manifests/kube-apiserver.yaml; then
    already
  fi
  refuse 'a control plane is there that kubestead did not begin'
else
  left=$(leftovers)
  [ -z "$left" ] || refuse "an earlier cluster left $left"
fi
# act
touch "$begun"
sync "$begun"
# The top of a volume is everybody's to read.
[ ! -d /var/lib/etcd ] || chmod 0700 /var/lib/etcd
rm -rf "$kept"
umask 077
trap 'rm -f "$config"' EXIT
# What kubeadm makes up for a token, without its start: programs of its size take a while on a small machine.
random=$(head -c 512 /dev/urandom | LC_ALL=C tr -dc a-z0-9)
token=${random:0:6}.${random:6:16}
if [ "${#token}" != 23 ]; then
  echo '/dev/urandom gave no 22 letters and digits for a token' >&2
  exit 1
fi
text=$(cat)
printf '%s\n' "${text//@TOKEN@/$token}" > "$config"
kubeadm init --config "$config" "${ignored[@]}" > /dev/null
# verify
# By their addresses, so that nothing else is asked for.
admin() {
  kubectl --kubeconfig /etc/kubernetes/admin.conf "$1" --raw "$2" > /dev/null
}
admin delete "/api/v1/namespaces/kube-system/secrets/bootstrap-token-${token%%.*}" || unverified 'its token is not deleted'
admin get /apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy || unverified 'kube-proxy is not there'
sync -f /etc/kubernetes /var/lib/kubelet
rm "$begun"
sync /etc/kubestead

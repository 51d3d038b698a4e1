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
rm -rf "$kept"
umask 077
trap 'rm -f "$config"' EXIT
token=$(kubeadm token generate)
text=$(cat)
printf '%s\n' "${text//@TOKEN@/$token}" > "$config"
kubeadm init --config "$config" "${ignored[@]}" > /dev/null
kubeadm token delete "${token%%.*}" > /dev/null
# verify
admin() {
  kubectl --kubeconfig /etc/kubernetes/admin.conf "$@"
}
[ "$(admin get --raw /readyz)" = ok ] || unverified 'the API server is not ready'
admin -n kube-system get daemonset kube-proxy > /dev/null || unverified 'kube-proxy is not there'
sync
rm "$begun"
sync /etc/kubestead

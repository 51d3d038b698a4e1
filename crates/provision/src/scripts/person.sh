# shellcheck shell=bash disable=SC2154
# The kubeconfig of "person", an administrator for "validity".
set -euo pipefail
umask 077
config=$(mktemp /run/kubestead.XXXXXX)
trap 'rm -f "$config"' EXIT
kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-system get configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}' > "$config"
kubeadm kubeconfig user --config "$config" --client-name "$person" --org kubeadm:cluster-admins --validity-period "$validity"

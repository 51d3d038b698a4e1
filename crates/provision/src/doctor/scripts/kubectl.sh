# shellcheck shell=bash disable=SC2154
# What kubectl says to "words", as the administrator of this control plane.
[ -s /etc/kubernetes/admin.conf ] || exit 0
timeout 40 kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 20s "${words[@]}" 2>&1 | tail -c "$most"
true

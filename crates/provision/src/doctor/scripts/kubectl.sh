# shellcheck shell=bash disable=SC2154
# What kubectl says to "words", as the administrator of this control plane. What it keeps of the API for the next time is removed.
[ -s /etc/kubernetes/admin.conf ] || exit 0
cache=$(mktemp -d /run/kubestead.XXXXXX) || exit 1
leave() {
  rm -rf -- "$cache"
}
timeout 40 kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir "$cache" --request-timeout 20s "${words[@]}" 2>&1 | tr -d '\0' | tail -c "$most"
true

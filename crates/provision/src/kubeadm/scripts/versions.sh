# shellcheck shell=bash disable=SC2154
# What a member of a cluster runs, or would run after its next start: the API server by its manifest, the kubelet by its program.
manifest=/etc/kubernetes/manifests/kube-apiserver.yaml
if [ -s "$manifest" ]; then
  sed -n 's/^ *image: .*kube-apiserver:\(v[0-9.]*\).*/server \1/p' "$manifest"
fi
if [ -e /etc/kubernetes/kubelet.conf ] || [ -e "$begun" ]; then
  printf 'kubelet %s\n' "$(timeout 20 kubelet --version 2> /dev/null)"
fi
true

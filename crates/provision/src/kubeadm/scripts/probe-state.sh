# shellcheck shell=bash disable=SC2154
# How far kubeadm has come, whether the configuration of encryption at rest "encryption" is there, the state of the kubelet, and what a run left that
# was cut off while it gave the programs of the control plane other arguments: `unproven` if manifests stay in "kept" because what took their place was
# not seen to run, or a certificate was not put beside its key; `unfinished` if anything else stays there. A line each.
if [ -e "$begun" ]; then
  echo begun
elif [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]; then
  echo control-plane
elif [ -e /etc/kubernetes/kubelet.conf ]; then
  echo worker
else
  echo fresh
fi
if [ -s "$encryption" ]; then echo encrypted; else echo plain; fi
systemctl is-active kubelet || true
shopt -s nullglob dotglob
left=("$kept"/*) manifests=("$kept"/*.yaml) pki=/etc/kubernetes/pki
if { [ "${#manifests[@]}" != 0 ] && [ ! -e "$kept/seen" ]; } \
  || { [ -e "$pki/.kubestead.apiserver.crt" ] && [ ! -e "$pki/.kubestead.apiserver.key" ]; }; then
  echo unproven
elif [ "${#left[@]}" != 0 ]; then
  echo unfinished
fi

# shellcheck shell=bash disable=SC2154
# How far kubeadm has come, whether the configuration of encryption at rest "encryption" is there, the state of the kubelet, and whether
# manifests stay in "kept" because what took their place was not seen to run: a line each.
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
for one in "$kept"/*.yaml; do
  if [ -e "$one" ]; then
    echo unproven
    break
  fi
done

# shellcheck shell=bash
# What an earlier cluster left: kubeadm would take its certificate authority and its etcd, and containerd its network. What our network writes is not
# among it, nor is a static pod that somebody lays ready for the new one.
leftovers() {
  local path
  for path in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/*.key /etc/kubernetes/pki/etcd/*.crt /etc/kubernetes/*.conf \
    /etc/kubernetes/manifests/{kube-apiserver,kube-controller-manager,kube-scheduler,etcd}.yaml /var/lib/etcd/member /etc/cni/net.d/*.conf /etc/cni/net.d/*.conflist /etc/cni/net.d/*.json; do
    if [ -e "$path" ] && [ "$path" != /etc/cni/net.d/10-flannel.conflist ]; then
      printf '%s\n' "$path"
    fi
  done
}

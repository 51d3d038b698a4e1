# shellcheck shell=bash disable=SC2154
# Takes a node out of its cluster "name". Everything that is mounted below the folders that kubeadm empties is unmounted first, without force: what
# does not unmount stops the reset before anything is deleted. The node's volumes, software and keys stay. After manifest.sh.
# guard
if [ ! -e "$record" ]; then
  if [ ! -e /etc/kubernetes/kubelet.conf ]; then
    already
  fi
  refuse 'it is a node of a cluster that kubestead did not make'
fi
[ "$(cat "$record")" = "$name" ] || refuse "it belongs to the cluster $(cat "$record")"
below() {
  findmnt -rn -o TARGET | { grep -E '^/(var/lib/kubelet|var/lib/etcd|etc/kubernetes)/' || true; } | sort -r
}
# What is left of the network stays in nobody's way, so that none of it ends the reset.
forget_network() {
  local table
  ip link delete flannel.1
  ip link delete flannel-wg
  ip link delete cni0
  rm -f /run/flannel/subnet.env /run/flannel/10-flannel.conflist /etc/cni/net.d/10-flannel.conflist
  for table in 'ip kube-proxy' 'ip6 kube-proxy' 'ip flannel-ipv4' 'ip6 flannel-ipv6'; do
    # shellcheck disable=SC2086 # a family and a name
    nft delete table $table
  done
}
# act
systemctl stop kubelet
if systemctl is-active -q containerd; then
  /usr/local/lib/kubestead/stop-pods
fi
below | while IFS= read -r place; do
  umount "$(printf %b "$place")" || true
done
left=$(below)
[ -z "$left" ] || refuse "still mounted, and kubeadm would delete what it holds: $left"
kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock > /dev/null
rm -f "$encryption" /etc/kubernetes/enc/unloaded /etc/kubernetes/adm/adm.yaml
(forget_network) > /dev/null 2>&1 || true
for one in /etc/kubernetes/adm/*.yaml; do
  if [ -f "$one" ] && [ ! -L "$one" ] && recorded "$(sum_of "$one")" "$one"; then
    rm "$one"
  fi
done
# Manifests of this cluster are nothing that another one gets back.
rm -rf "$kept"
rm -f "$begun"
rm "$record"
sync "${record%/*}"
mapfile -t served < <(printf '%s\n' "${!known[@]}" | grep '^/etc/kubernetes/adm/')
strike "$record" /etc/kubernetes/adm/adm.yaml "${served[@]}"
# verify
[ ! -e /etc/kubernetes/kubelet.conf ] || unverified 'its credentials are still there'

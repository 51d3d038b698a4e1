# shellcheck shell=bash
# Starts what waited for volumes on a machine of Kubernetes. systemd does so by itself when nothing that waits had failed before; a service that is
# not set up to start at boot is left alone.
# guard
waiting=()
for unit in containerd.service kubelet.service kubestead-pods.service; do
  if systemctl -q is-enabled "$unit" 2> /dev/null && ! systemctl -q is-active "$unit"; then waiting+=("$unit"); fi
done
[ "${#waiting[@]}" != 0 ] || already
# act
systemctl start "${waiting[@]}"
# verify
for unit in "${waiting[@]}"; do
  systemctl -q is-active "$unit" || unverified "$unit does not run: journalctl -u $unit tells why"
done

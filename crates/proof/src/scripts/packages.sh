#!/bin/bash
# Functions of machine.sh for what somebody else put on a node, and for packages of Kubernetes.

# Their own runtime and unit in the places of ours, and a setting of the kernel against ours.
somebody_elses_software() {
  mkdir -p /etc/containerd
  cat > /etc/containerd/config.toml <<'TOML'
version = 3
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata]
  runtime_type = "io.containerd.kata.v2"
TOML
  printf '[Service]\nExecStart=/opt/mine/containerd\n' > /etc/systemd/system/containerd.service
  printf '# Mine.\nnet.ipv4.ip_forward = 0\n' > /etc/sysctl.d/99-mine.conf
}
swap_unit() { printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=%s\nExecStop=%s\n[Install]\nWantedBy=multi-user.target\n' "$2" "$3" > "$1"; }
# Swap from a file in fstab, from a service as zram-tools ships it, and from a unit of their own.
somebody_elses_swap() {
  mkdir -p /srv
  for name in fstab service own; do
    head -c 16M /dev/zero > "/srv/$name.swap"; chmod 600 "/srv/$name.swap"; mkswap -q "/srv/$name.swap"
  done
  echo "/srv/fstab.swap none swap sw 0 0" >> /etc/fstab
  # shellcheck disable=SC2016 # the program's own
  printf '#!/bin/sh\n[ "$1" != start ] || exec swapon /srv/service.swap\nexec swapoff /srv/service.swap\n' > /usr/sbin/zramswap
  chmod 755 /usr/sbin/zramswap
  swap_unit /usr/lib/systemd/system/zramswap.service "/usr/sbin/zramswap start" "/usr/sbin/zramswap stop"
  swap_unit /etc/systemd/system/own-swap.service "/sbin/swapon /srv/own.swap" "/sbin/swapoff /srv/own.swap"
  systemctl daemon-reload
  systemctl enable -q --now own-swap.service zramswap.service
  swapon -a
}
sources_of_swap() { tail -n +2 /proc/swaps | wc -l; }
fstab_without_swap() {
  grep -qx '# kubestead: no swap: /srv/fstab.swap none swap sw 0 0' /etc/fstab && grep -q ^/srv/fstab.swap /etc/fstab.before-kubestead
}
none_of_theirs_in_use() {
  systemctl show -P ExecStart containerd > /run/started
  ! grep -q kata /etc/containerd/config.toml && grep -q /usr/local/bin/containerd /run/started
}
no_swap_and_forwarding() { [ "$(sources_of_swap)" = 0 ] && [ "$(sysctl -n net.ipv4.ip_forward)" = 1 ]; }
until_unpacking() { timeout 180 bash -c 'until pgrep -x dpkg-deb; do sleep 0.1; done'; }
nothing_half_done() { [ -z "$(dpkg --audit)" ] && ! [ -e /var/lib/kubestead/packages-begun ]; }
packages_own_programs_run() {
  [ -z "$(find /usr/local/bin -name 'kube*')" ] && ! [ -e /etc/systemd/system/kubelet.service ] &&
    [ "$(readlink "/proc/$(systemctl show -P MainPID kubelet)/exe")" = /usr/bin/kubelet ]
}
packages_own_plugins() { dpkg -S /opt/cni/bin/bridge && dpkg --verify kubernetes-cni kubelet kubeadm kubectl; }
second_source() { echo "deb [signed-by=/root/key.asc] $1/ /" > /etc/apt/sources.list.d/other.list; }

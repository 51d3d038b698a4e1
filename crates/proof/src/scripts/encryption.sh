#!/bin/bash
# Functions of machine.sh for the key file of the API server, and for a KMS plugin.
# shellcheck disable=SC2154 # kube is machine.sh's
enc=/etc/kubernetes/enc/enc.yaml
apiserver=/etc/kubernetes/manifests/kube-apiserver.yaml

encryption_key() { grep -o 'secret: *[A-Za-z0-9+/=]*' "$enc" | head -n 1 | sed 's/secret: *//'; }
encryption_key_name() { grep -o 'name: *key[0-9]*' "$enc" | head -n 1 | sed 's/name: *//'; }
# Whether the key on standard input lies in a file of Kubernetes or of ours.
holds_key() { grep -rqsF -f - /etc/kubernetes /etc/kubestead /run/kubestead*; }
one_key_alone() { [ "$(grep -c secret: "$enc")" = 1 ] && [ "$(ls -A /etc/kubernetes/enc)" = enc.yaml ]; }
# Somebody's own key, as the last that is read with.
add_a_key() {
  cp -p "$enc" /root/enc.yaml
  printf '  - secretbox: {keys: [{name: %s, secret: %s}]}\n' "$1" "$(head -c 32 /dev/urandom | base64)" >> "$enc"
}
put_the_key_file_back() { mv /root/enc.yaml "$enc"; }
# write_in_the_clear WORD: the API server does so from some moment on; each Secret that is made meanwhile holds the word.
write_in_the_clear() {
  local i
  sed -i 's/^  providers:/  providers:\n  - identity: {}/' "$enc"
  for i in $(seq 90); do
    sleep 1
    "${kube[@]}" -n traffic create secret generic "plain-$i" "--from-literal=word=$1" > /dev/null
    ! etcd_holds "/registry/secrets/traffic/plain-$i" "$1" || return 0
  done
  return 1
}

# The operator's part: the plugin, on standard input, as a service whose folder outlives it, started before the kubelet.
install_plugin() {
  cat > /usr/local/bin/kms-plugin
  chmod 755 /usr/local/bin/kms-plugin
  (umask 077; head -c 32 /dev/urandom > /etc/kms-plugin.key)
  cat > /etc/systemd/system/kms-plugin.service <<'UNIT'
[Unit]
Before=kubelet.service
[Service]
ExecStart=/usr/local/bin/kms-plugin -socket /run/kms/plugin.sock -key /etc/kms-plugin.key
RuntimeDirectory=kms
RuntimeDirectoryPreserve=yes
Restart=always
[Install]
WantedBy=multi-user.target
UNIT
  systemctl enable -q --now kms-plugin
  sync
}
plugin_is_mounted() { grep -q ' /run/kms ' "/proc/$(pgrep -x kube-apiserver)/mountinfo" && ! [ -e /run/kubestead-mount ]; }
kubeadm_knows_the_mount() {
  "${kube[@]}" -n kube-system get configmap kubeadm-config -o yaml > /run/probe
  grep -q 'mountPath: /run/kms' /run/probe
}
starts_as_slowly_as_before() { grep -A 9 startupProbe: "$apiserver" | grep -q 'failureThreshold: 60'; }
nothing_of_the_mount_is_left() {
  local found
  found=$(find /run/kubestead-mount /etc/kubernetes/tmp -mindepth 1 2> /dev/null || true)
  [ -z "$found" ] || return 1
  ls -A /etc/kubernetes/manifests > /run/probe
  [ "$(tr '\n' ' ' < /run/probe)" = 'etcd.yaml kube-apiserver.yaml kube-controller-manager.yaml kube-scheduler.yaml ' ]
}

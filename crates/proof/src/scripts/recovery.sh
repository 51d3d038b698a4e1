#!/bin/bash
# Functions of machine.sh for the pages of recovery, and for the control plane's programs.

# close_volume VOLUME PATH: it is unmounted and locked, as after a boot without its key.
close_volume() { umount "$2"; systemctl stop "systemd-cryptsetup@luks\\x2d$1.service" 2> /dev/null || true; ! [ -e "/dev/mapper/luks-$1" ] || cryptsetup close "luks-$1"; }
# damage_header VOLUME: the first of the two copies of its header.
damage_header() { dd if=/dev/zero of="/dev/vg01/$1" bs=4096 count=1 conv=notrunc status=none; sync; }
# is_open VOLUME
is_open() { [ -e "/dev/mapper/luks-$1" ]; }
# The serial numbers of the certificates in the files, and of what the API server shows.
serials() { for file in /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/pki/etcd/server.crt; do openssl x509 -noout -serial -in "$file"; done; }
shown_serial() { openssl s_client -connect 127.0.0.1:6443 < /dev/null 2> /dev/null | openssl x509 -noout -serial; }
# restart_pods NAME...: static pods, one after the other, by moving their manifests out of their folder and back.
restart_pods() {
  local name
  for name in "$@"; do
    mv "/etc/kubernetes/manifests/$name.yaml" /etc/kubernetes/
    while pidof "$name" > /dev/null; do sleep 0.5; done
    mv "/etc/kubernetes/$name.yaml" /etc/kubernetes/manifests/
    until pidof "$name" > /dev/null; do sleep 0.5; done
  done
}
# process_has PROGRAM ARGUMENT
process_has() { tr '\0' '\n' < "/proc/$(pidof -s "$1")/cmdline" | grep -qxF -- "$2"; }
shows_name() { openssl s_client -connect 127.0.0.1:6443 < /dev/null 2> /dev/null | openssl x509 -noout -ext subjectAltName | grep -qF "DNS:$1"; }
# A run was killed: the manifest that was not seen to run is there, and the one before it is kept.
bad_manifest_is_left() { grep -q no-such-argument /etc/kubernetes/manifests/kube-apiserver.yaml && [ -s /etc/kubestead/manifests/kube-apiserver.yaml ]; }
own_line_in_manifest() { echo '# mine' >> "/etc/kubernetes/manifests/$1.yaml"; }
no_own_line_in_manifest() { sed -i '/^# mine$/d' "/etc/kubernetes/manifests/$1.yaml"; }

#!/bin/bash
# Functions of machine.sh for the CIS benchmark.

# The files of its parts 1.1 and 4.1 that others than root own, or that may be read or written by more than it says: the number there, and the path.
cis_files() {
  local number most paths path mode owner
  shopt -s nullglob globstar
  while read -r number most paths; do
    # shellcheck disable=SC2086 # patterns
    for path in $paths; do
      [ -e "$path" ] || continue
      read -r mode owner < <(stat -L -c '%a %U:%G' "$path")
      ((8#$mode & ~8#$most)) || [ "$owner" != root:root ] || continue
      echo "$number $path"
    done
  done <<'LIST'
1.1.1-1.1.8 600 /etc/kubernetes/manifests/*
1.1.9-1.1.10 600 /etc/cni/net.d/*
1.1.11 700 /var/lib/etcd
1.1.13-1.1.18 600 /etc/kubernetes/*.conf
1.1.19-1.1.20 644 /etc/kubernetes/pki/**/*.crt
1.1.21 600 /etc/kubernetes/pki/**/*.key
4.1.1-4.1.2 600 /etc/systemd/system/kubelet.service /etc/systemd/system/kubelet.service.d/* /usr/lib/systemd/system/kubelet.service /usr/lib/systemd/system/kubelet.service.d/*
4.1.5-4.1.6 600 /etc/kubernetes/kubelet.conf
4.1.9-4.1.10 600 /var/lib/kubelet/config.yaml /etc/kubernetes/kubelet.conf.d/*
LIST
}

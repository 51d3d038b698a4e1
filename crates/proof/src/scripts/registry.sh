#!/bin/bash
# Functions of machine.sh for a registry of one's own, and for a node that pulls from it.

# layout PREFIX: the first image of containerd that is called so, as an OCI layout in base64.
layout() {
  # In a file: who writes into a pipe that nobody reads any more fails.
  ctr -n k8s.io images ls -q > /run/images
  image=$(grep -m 1 "^$1" /run/images)
  ctr -n k8s.io images export --platform linux/amd64 /run/layout.tar "$image" > /dev/null
  base64 -w 0 /run/layout.tar
  rm /run/layout.tar
}
# put_layout: such a text, which comes on standard input.
put_layout() { mkdir -p /run/registry && base64 -d > /run/registry/layout.tar; }
# Starts the registry of registry.py, with what lies in /run/registry.
registry() {
  tar -x -C /run/registry -f /run/registry/layout.tar
  systemd-run -q --unit registry python3 /run/registry/registry.py /run/registry /run/registry/login
  for _ in $(seq 100); do
    curl -s -o /dev/null --cacert /run/registry/ca.crt https://10.77.0.5:5000/v2/ && return 0
    sleep 0.2
  done
  return 1
}
# asked TEXT: whether a line of what the registry was asked has it.
asked() { grep -F -- "$1" /run/registry/asked; }
# Files of the root disk and of the volumes in which the login is that comes on standard input, as it is or as it is sent; not etcd, where values are
# encrypted, nor what is in memory alone.
files_with_login() {
  login=$(cat)
  sync
  printf '%s\n%s\n%s\n' "$login" "${login#*:}" "$(printf %s "$login" | base64 -w 0)" > /dev/shm/login
  find / -xdev -type f -size -50M -print0 2> /dev/null | xargs -0 grep -slFf /dev/shm/login -- /dev/null || true
  for path in /etc/kubernetes /var/lib/kubelet /var/lib/containerd /var/lib/etcd; do
    grep -rslFf /dev/shm/login -- "$path" || true
  done
  rm /dev/shm/login
}

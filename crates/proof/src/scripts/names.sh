#!/bin/bash
# Functions of machine.sh for names: pods that ask for them, and a DNS server outside of the cluster.

# The process of the pod of this node that sleeps so many seconds.
sleeper() { pgrep -o -f "^/bin/busybox sleep $1\$"; }
# resolvers SECONDS: whom that pod asks, in order.
resolvers() { sed -n 's/^nameserver //p' "/proc/$(sleeper "$1")/root/etc/resolv.conf" | xargs; }
# names SECONDS ARGUMENT...: names.pl, which comes on standard input, where that pod is.
names() { nsenter -t "$(sleeper "$1")" -n perl - "${@:2}"; }
# names_from LATER SECONDS ARGUMENT...: the same, so many seconds later.
names_from() { sleep "$1"; names "${@:2}"; }
# begin_names SECONDS SERVER NAME: from here on that pod asks again and again; end_names tells how many answers did not come, and fails if none was asked for.
begin_names() {
  cat > /run/names.pl
  rm -f /run/names-end /run/names-told
  systemd-run -q --unit asks-names bash "$0" asks_names "$@"
}
asks_names() {
  until [ -e /run/names-end ]; do
    names "$1" "$2" "$3" 50 5 < /run/names.pl >> /run/names-told
  done
}
end_names() {
  touch /run/names-end
  while systemctl is-active -q asks-names; do sleep 0.2; done
  awk '{ lost += $1; all += $3 } END { print lost + 0 " of " all; exit !all }' /run/names-told
}
# looked_up SECONDS TIMES NAME: how many of so many look-ups by the C library, with that pod's resolv.conf, in its network, fail or take longer than a second.
looked_up() {
  local pid; pid=$(sleeper "$1")
  nsenter -t "$pid" -n unshare -m bash "$0" looks_up "/proc/$pid/root/etc/resolv.conf" "$2" "$3"
}
looks_up() {
  local bad=0
  mount --bind "$1" /etc/resolv.conf
  for _ in $(seq "$2"); do
    timeout 1 getent ahostsv4 "$3" > /dev/null || bad=$((bad + 1))
  done
  echo "$bad"
}
# A DNS server at an address of this machine; its program comes on standard input.
outside() {
  mkdir -p /run/outside
  cat > /run/outside/outside.pl
  systemd-run -q --unit outside-names perl /run/outside/outside.pl "$1" /run/outside
}
# asked_outside NAME: how often it was asked for a name.
asked_outside() { grep -c -x -F -- "$1" /run/outside/asked || true; }
has_dns_address() { ip -4 -o address show dev kubestead-dns | grep -q ' 169\.254\.20\.10/32 '; }
no_dns_files() { ! ls /etc/systemd/system/kubestead-dns.service /etc/kubernetes/kubelet.conf.d/50-kubestead.conf 2> /dev/null && ! grep -q kubestead-dns /etc/kubestead/*; }
# kill_coredns cluster|cache: the CoreDNS of this node that is the cluster's own, or the cache, which alone is in the network of the machine.
kill_coredns() {
  local pid is
  for pid in $(pgrep -x coredns); do
    is=cluster
    [ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/1/ns/net)" ] || is=cache
    if [ "$is" = "$1" ]; then
      kill -9 "$pid"
      return
    fi
  done
  return 1
}

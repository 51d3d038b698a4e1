#!/bin/bash
# Functions of machine.sh for an address that a load balancer gives, asked from a machine that is none of its nodes.

# who ADDRESS: the node that answers, and the client's address as it sees it.
who() { curl -sS -f -m 2 "http://$1/cgi-bin/who" 2>&1; }
# begin_asking ADDRESS: from here on it is asked again and again; longest_gap tells the most milliseconds between two answers, and fails if there were none.
begin_asking() { rm -f /run/asked*; systemd-run -q --unit asking bash "$0" asking "$1"; }
asking() {
  until [ -e /run/asked-end ]; do
    curl -s -f -m 1 -o /dev/null "http://$1/cgi-bin/who" && date +%s%3N >> /run/asked
    sleep 0.1
  done
}
longest_gap() {
  touch /run/asked-end
  while systemctl is-active -q asking; do sleep 0.2; done
  awk 'NR > 1 && $1 - last > most { most = $1 - last } { last = $1 } END { if (NR < 2) exit 1; print most + 0 }' /run/asked
}

#!/bin/bash
# Functions of machine.sh for a syslog server, and for the lines that reach it.

# put_syslog FILE: a file of the server's, which comes on standard input.
put_syslog() { mkdir -p /run/syslog && cat > "/run/syslog/$1"; }
# The server of syslog.py begins, and ends.
syslog() {
  systemctl reset-failed syslog-server 2> /dev/null || true
  systemd-run -q --unit syslog-server python3 /run/syslog/syslog.py 10.77.0.5 6514 /run/syslog
}
no_syslog() { systemctl stop syslog-server; }
# arrived NODE POD WORD: how many lines of a pod of a node begin with the word, how many of them are different, and how many messages were broken.
arrived() {
  touch /run/syslog/received
  awk -v node="$1" -v pod="$2" -v word="$3" '$3 == node && $4 == pod && index($NF, word) == 1 { all++; if (!seen[$NF]++) different++ }
    END { print all + 0, different + 0 }' /run/syslog/received
  [ ! -e /run/syslog/broken ] || wc -l < /run/syslog/broken
}
# in_file WORD: how many lines with the word the collector has written on this node, and how many of them are different.
in_file() {
  { grep -h -o "\"$1[0-9]*\"" /var/lib/kubestead-logs/logs*.json || true; } | awk '{ all++; if (!seen[$0]++) different++ } END { print all + 0, different + 0 }'
}
waits_for_syslog() { journalctl --sync; grep -h 'connection refused' /var/log/pods/log-collector_*/collector/*.log | tail -n 1 | grep .; }

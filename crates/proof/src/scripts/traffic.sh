#!/bin/bash
# Functions of machine.sh for Secrets of the namespace traffic that are written and read all the time, through the API server, and for values in etcd.
# shellcheck disable=SC2154 # kube and etcd are machine.sh's

# begin_traffic RUN STILL WORD: from here on a unit writes Secrets, each of which it writes down, and reads them and some of the Secrets still-1 to
# still-STILL, which hold WORD: every read must find the last word.
begin_traffic() {
  rm -rf /run/traffic
  mkdir /run/traffic
  touch /run/traffic/{errors,reads,written}
  systemd-run -q --unit "traffic-$1" bash "$0" traffic "$@"
}
# ask ARGUMENT...: curl. What etcd says of a machine that is busy is no answer: it is asked again. An object that the first try made all the same is made.
ask() {
  local try out
  for try in 1 2 3 4 5; do
    out=$(curl -sS --fail-with-body -m 60 "$@" 2>&1) && { printf '%s\n' "$out"; return 0; }
    case $try-$out in
      [2-5]-*'"reason": "AlreadyExists"'*) return 0 ;;
      *'etcdserver: '*|*'allotted timeout'*) sleep 1 ;;
      *) break ;;
    esac
  done
  printf '%s\n' "$out" >> errors
  return 1
}
# finds NAME WORD: a read by name is answered from etcd, not from the server's memory.
finds() {
  local found
  found=$(ask "$api/$1" | sed -n 's/^ *"word": "\([^"]*\)".*/\1/p' | base64 -d) || found="no answer, or $found"
  if [ "$found" = "$2" ]; then echo >> reads; else echo "$1: '$found' is not '$2'" >> errors; fi
}
traffic() {
  local run=$1 still=$2 word=$3 i=0 secret
  api=http://127.0.0.1:8001/api/v1/namespaces/traffic/secrets
  cd /run/traffic || return 1
  "${kube[@]}" proxy --port=8001 > /dev/null 2>> errors &
  until curl -sf http://127.0.0.1:8001/readyz > /dev/null; do sleep 0.2; done
  while ! [ -e stop ]; do
    i=$((i + 1))
    secret='{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "moving-'$run-$i'"}, "stringData": {"word": "word-'$i'"}}'
    if ask -H 'Content-Type: application/json' -d "$secret" "$api" > /dev/null; then echo "moving-$run-$i word-$i" >> written; fi
    ask -X PATCH -H 'Content-Type: application/merge-patch+json' -d '{"stringData": {"word": "word-'$i'"}}' "$api/moving-$run-1" > /dev/null || true
    finds "moving-$run-1" "word-$i"
    finds "moving-$run-$i" "word-$i"
    finds "still-$((i % still + 1))" "$word"
    if [ $((i % 10)) = 0 ]; then ask "$api?limit=500" > /dev/null || true; fi
    sleep 0.3
  done
}
written_more_than() { [ "$(wc -l < /run/traffic/written)" -gt "$1" ]; }
# end_traffic RUN: what it wrote, a line each.
end_traffic() {
  touch /run/traffic/stop
  while systemctl is-active -q "traffic-$1"; do sleep 0.5; done
  cat /run/traffic/written
}
reads() { wc -l < /run/traffic/reads; }
no_traffic_errors() { ! [ -s /run/traffic/errors ] || { head -n 20 /run/traffic/errors; false; }; }

# etcd_values KIND: all of a kind.
etcd_values() { "${etcd[@]}" get "/registry/$1/" --prefix -w json; }
# etcd_holds KEY TEXT: the value holds it as it is.
etcd_holds() { "${etcd[@]}" get "$1" --prefix --print-value-only > /run/probe && grep -qaF -- "$2" /run/probe; }
# etcd_file_holds TEXT: some page of its file does, also one that is free.
etcd_file_holds() { grep -qaF -- "$1" /var/lib/etcd/member/snap/db; }
etcd_revision() { "${etcd[@]}" get "$1" --rev="$2"; }
# copies_are_whole NAME...: each copy of etcd can be read back, and its owner alone may read it.
copies_are_whole() {
  local name
  cd /var/lib/etcd/kubestead || return 1
  for name in "$@"; do
    [ "$(stat -c %a "$name")" = 600 ] && etcdutl snapshot status "$name" > /dev/null || return 1
  done
}

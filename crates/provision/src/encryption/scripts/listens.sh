# shellcheck shell=bash disable=SC2154
# listens SOCKET: whether somebody answers there. A plugin speaks gRPC and nothing else, so any answer to curl will do, but for a connection that
# nobody takes, twice.
listens() {
  local said
  [ -S "$1" ] || return 1
  for _ in 1 2; do
    said=0
    curl -s -o /dev/null -m 3 --unix-socket "$1" http://kms/ || said=$?
    [ "$said" = 7 ] || return 0
  done
  return 1
}
# answering: refuses when no plugin answers at one of `sockets`.
answering() {
  local socket
  for socket in "${sockets[@]}"; do
    listens "$socket" || refuse "no KMS plugin answers at $socket: start it on this machine"
  done
}

#!/bin/bash
# fetch VOLUME        prints the volume's key: the key server's share, then the share of this node; 128 bytes, or nothing at all
# fetch --wait VOLUME the same, and asks again until a server answers (for boot)
# Exit: 64 refused or wrong use, 66 no such key, 75 no server could be reached. Written by kubestead.
set -euo pipefail
umask 077
export LC_ALL=C
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
wait=
if [ "${1:-}" = --wait ]; then
  wait=1
  shift
fi
volume=${1:-}
case $volume in
  '' | *[!a-z0-9-]*)
    echo "fetch: a volume's name is needed" >&2
    exit 64
    ;;
esac
local_share=/etc/kubestead/share.d/$volume
if [ "$(stat -c %s "$local_share" 2> /dev/null || echo 0)" != 64 ]; then
  echo "fetch: $local_share is missing or not whole" >&2
  exit 66
fi
[ -d /run/kubestead ] || mkdir -p /run/kubestead
# At set-up the keys of several volumes are asked for one after the other: they share a connection, which ends 20 seconds after its last use. It is
# known by what it was made with, so that a new key pair or server is proved by a connection of its own. At boot each unit stands alone.
shared=()
if [ -z "$wait" ]; then
  made_with=$({ stat -c '%i %Y %s' /etc/kubestead/{ssh_config,known_hosts,id_ed25519} 2> /dev/null || true; } | sha256sum)
  shared=(-o ControlMaster=auto -o "ControlPath=/run/kubestead/${made_with:0:16}-%C" -o ControlPersist=20)
fi
work=$(mktemp -d /run/kubestead/fetch.XXXXXX)
trap 'rm -rf "$work"' EXIT
share=$work/share error=$work/error

# One server's answer, within 30 seconds and of 65 bytes and 64 KiB of messages at most, whatever it does: the next one is asked then.
get() {
  (
    ulimit -f 64
    exec timeout -k 5 30 ssh -F /etc/kubestead/ssh_config "${shared[@]}" -o ConnectTimeout=5 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 \
      -p "$2" "$1" get "$volume"
  ) < /dev/null 2> "$error" | head -c 65 > "$share"
}

# Asks every server once; the share is complete or "result" is why not. "again" says that one of them may answer a moment later: sshd drops
# logins at random when many come at once (MaxStartups).
ask() {
  result=75
  again=
  while read -r user host port; do
    [ -n "$host" ] || continue
    if get "$user@$host" "$port"; then status=0; else status=${PIPESTATUS[0]}; fi
    if [ "$status" = 0 ] && [ "$(stat -c %s "$share")" = 64 ]; then return 0; fi
    why=$(tail -n 1 "$error" | head -c 500)
    if [ "$status" = 0 ]; then why="the answer is not 64 bytes"; fi
    case $status in
      64 | 66) result=$status ;;
      124 | 137) why="no answer within 30 seconds" ;;
      255)
        case $why in
          *'Permission denied'* | *'Host key verification failed'*) ;;
          *) again=1 ;;
        esac
        ;;
    esac
    echo "fetch: $host: status $status: $why" >&2
  done < /etc/kubestead/servers
  return 1
}

pause=1
waited=0
until ask; do
  if [ -z "$wait" ]; then
    if [ -z "$again" ] || [ "$waited" -ge 60 ] || [ "$SECONDS" -ge 60 ]; then exit "$result"; fi
  fi
  rest=$((pause + RANDOM % 3))
  sleep "$rest"
  waited=$((waited + rest))
  pause=$((pause < 5 ? pause * 2 : 10))
done
cat "$share" "$local_share"

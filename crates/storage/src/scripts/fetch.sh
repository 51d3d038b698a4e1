#!/bin/bash
# fetch VOLUME        prints the volume's key: the key server's share, then the share of this node; 128 bytes, or nothing at all
# fetch --wait VOLUME the same, and asks again until a server answers (for boot)
# Exit: 64 refused or wrong use, 66 no such key, 75 no server could be reached. Written by kubestead.
set -euo pipefail
umask 077
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
wait=
if [ "${1:-}" = --wait ]; then wait=1; shift; fi
volume=${1:-}
case $volume in '' | *[!a-z0-9-]*) echo "fetch: a volume's name is needed" >&2; exit 64 ;; esac
local_share=/etc/kubestead/share.d/$volume
[ "$(stat -c %s "$local_share" 2>/dev/null || echo 0)" = 64 ] || { echo "fetch: $local_share is missing or not whole" >&2; exit 66; }
mkdir -p /run/kubestead
share=$(mktemp /run/kubestead/share.XXXXXX)
trap 'rm -f "$share"' EXIT

# Asks every server once; the share is complete or the answer is why not.
ask() {
  result=75
  while read -r user host port; do
    [ -n "$host" ] || continue
    status=0
    ssh -F /etc/kubestead/ssh_config -o ConnectTimeout=5 -p "$port" "$user@$host" get "$volume" > "$share" 2>/run/kubestead/fetch.error < /dev/null || status=$?
    if [ "$status" = 0 ] && [ "$(stat -c %s "$share")" = 64 ]; then return 0; fi
    echo "fetch: $host: status $status: $(tail -n 1 /run/kubestead/fetch.error)" >&2
    case $status in 64 | 66) result=$status ;; esac
  done < /etc/kubestead/servers
  return "$result"
}

pause=1
while :; do
  status=0; ask || status=$?
  [ "$status" = 0 ] && break
  [ -n "$wait" ] || exit "$status"
  sleep $((pause + RANDOM % 3))
  [ "$pause" -ge 10 ] || pause=$((pause * 2))
done
cat "$share" "$local_share"

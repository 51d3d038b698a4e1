#!/bin/sh
# serve NODE DIRECTORY: what a node's ssh key may do on the key server, and nothing else: "get VOLUME" prints that node's share.
# Exit: 64 refused, 66 no such key. Written by kubestead.
set -eu
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
node=$1 directory=$2
refuse() {
  logger -t kubestead-keys "refused $node from ${SSH_CLIENT%% *}" || true
  exit 64
}
request=${SSH_ORIGINAL_COMMAND:-}
case $request in "get "*) volume=${request#get } ;; *) refuse ;; esac
case $volume in '' | *[!a-z0-9-]*) refuse ;; esac
[ "${#volume}" -le 63 ] || refuse
file=$directory/$node/$volume
if [ -L "$file" ] || [ ! -f "$file" ]; then
  logger -t kubestead-keys "no key $node/$volume for ${SSH_CLIENT%% *}" || true
  exit 66
fi
logger -t kubestead-keys "gave $node/$volume to ${SSH_CLIENT%% *}" || true
exec cat "$file"

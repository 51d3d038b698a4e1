# shellcheck shell=bash disable=SC2154
# A token for a node to join with, which "description" names. One that a run which was cut off has left goes first.
set -euo pipefail
for id in $(kubeadm token list | awk -v description=" $description " 'index($0 " ", description) { print substr($1, 1, 6) }'); do
  kubeadm token delete "$id" > /dev/null
done
kubeadm token create --ttl 15m --description "$description"

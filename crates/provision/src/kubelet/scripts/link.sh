# shellcheck shell=bash disable=SC2154
# The node has "address", at each boot too, on a link of ours. After put.sh and loading.sh.
# guard
while read -r _ device _; do
  if [ "$device" != kubestead-dns ]; then
    refuse "$address is the address of $device already: another cache of names runs here; take it away first"
  fi
done < <(ip -4 -o address show to "$address")
# act
reload
systemctl -q enable --no-reload kubestead-dns.service
systemctl restart kubestead-dns.service
# verify
[ -n "$(ip -4 -o address show dev kubestead-dns to "$address")" ] || unverified "$address is no address of this node: see journalctl -u kubestead-dns"

# shellcheck shell=bash disable=SC2154
# The node does not get the address of the cache of names at a boot any more: "paths" are removed. The link stays until then. After manifest.sh.
# guard
for path in "${paths[@]}"; do
  if [ -L "$path" ] || { [ -e "$path" ] && ! recorded "$(sum_of "$path")" "$path"; }; then
    refuse "$path was changed since kubestead wrote it: remove it by hand, and \`systemctl disable kubestead-dns\`"
  fi
done
# act
systemctl -q disable --now kubestead-dns.service
rm -f "${paths[@]}"
systemctl daemon-reload
strike "${paths[@]}"
# verify
for path in "${paths[@]}"; do
  [ ! -e "$path" ] || unverified "$path is still there"
done

# shellcheck shell=bash disable=SC2154
# The kernel's "settings", paths below /proc/sys, a line each; one more line if it has no overlay.
overlay=0
while read -r kind name; do
  [ "${name:-$kind}" != overlay ] || overlay=1
done < /proc/filesystems
[ "$overlay" = 1 ] || echo 0
for setting in "${settings[@]}"; do
  show "/proc/sys/$setting" || echo absent
done

# shellcheck shell=bash disable=SC2154
# Every whole disk: `disk NAME REMOVABLE READONLY`, a line `link PATH` for each of its names that stay, what "look" (a text with the variable "device") says of it,
# each line after `| `, and `end STATUS`.
shopt -s nullglob
links=(/dev/disk/by-id/* /dev/disk/by-path/*)
real=()
[ "${#links[@]}" = 0 ] || mapfile -t real < <(readlink -m -- "${links[@]}")
# A name with an end of line in it: no name is told rather than a wrong one.
[ "${#links[@]}" = "${#real[@]}" ] || links=()
for disk in /sys/block/*; do
  name=${disk##*/}
  case $name in loop* | ram* | zram* | dm-* | md* | sr* | fd* | nbd* | mtdblock*) continue ;; esac
  read -r sectors < "$disk/size"
  [ "$sectors" != 0 ] || continue
  removable=0 readonly=0
  [ ! -r "$disk/removable" ] || read -r removable < "$disk/removable"
  [ ! -r "$disk/ro" ] || read -r readonly < "$disk/ro"
  echo "disk $name $removable $readonly"
  for at in "${!links[@]}"; do
    # sysfs writes ! for the / in a device's name.
    [ "${real[at]}" != "/dev/${name//!//}" ] || echo "link ${links[at]}"
  done
  status=0
  # shellcheck disable=SC2034 # "look" reads it
  device=/dev/${name//!//}
  told=$(eval "$look") || status=$?
  while IFS= read -r line; do
    printf '| %s\n' "$line"
  done <<< "$told"
  echo "end $status"
done

# shellcheck shell=bash disable=SC2154
# For steps that use "mapper", the opened "device", or the device itself if it is not encrypted.

# Refuses a mapping of our name that is on another device than ours.
own_mapping() {
  local name below own
  [ -e "/dev/mapper/$mapper" ] || return 0
  [ ! "/dev/mapper/$mapper" -ef "$device" ] || return 0
  name=$(basename "$(readlink -f "/dev/mapper/$mapper")")
  below=$(cat "/sys/class/block/$name/slaves/"*/dev 2> /dev/null || true)
  own=$(cat "/sys/class/block/$(basename "$(readlink -f "$device")")/dev")
  [ "$below" = "$own" ] || refuse "$mapper is open on another device ($below) than $device ($own)"
}

# Refuses when anything but our mapping has the device open.
no_other_holder() {
  local holder name
  for holder in "/sys/class/block/$(basename "$(readlink -f "$device")")/holders/"*; do
    [ -e "$holder" ] || continue
    name=$(cat "$holder/dm/name" 2> /dev/null || basename "$holder")
    [ "$name" = "$mapper" ] || refuse "$device is in use by $name"
  done
}

# shellcheck shell=bash disable=SC2154
# For steps that use "mapper", the opened "device", or the device itself if it is not encrypted. What the kernel tells is read without a process each.

# Refuses a mapping of our name that is on another device than ours.
own_mapping() {
  local below='' own slave paths=()
  [ -e "/dev/mapper/$mapper" ] || return 0
  [ ! "/dev/mapper/$mapper" -ef "$device" ] || return 0
  mapfile -t paths < <(readlink -f -- "/dev/mapper/$mapper" "$device")
  for slave in "/sys/class/block/${paths[0]##*/}/slaves/"*/dev; do
    [ -e "$slave" ] || continue
    read -r slave < "$slave"
    below=${below:+$below }$slave
  done
  read -r own < "/sys/class/block/${paths[1]##*/}/dev"
  [ "$below" = "$own" ] || refuse "$mapper is open on another device ($below) than $device ($own)"
}

# Refuses when anything but our mapping has the device open.
no_other_holder() {
  local holder name path
  path=$(readlink -f "$device")
  for holder in "/sys/class/block/${path##*/}/holders/"*; do
    [ -e "$holder" ] || continue
    name=${holder##*/}
    if [ -r "$holder/dm/name" ]; then read -r name < "$holder/dm/name"; fi
    [ "$name" = "$mapper" ] || refuse "$device is in use by $name"
  done
}

# Sets "tags" to those of the LV, each between commas.
read_tags() {
  tags=$(lvs --noheadings -o lv_tags "$group/$name")
  tags=,${tags//[[:space:]]/},
}

# DEVICE: sets "held" to the types of the signatures on it, each once.
read_signatures() {
  local all one
  all=$(wipefs -n -O TYPE --noheadings "$1")
  held=
  while read -r one; do
    case $one," $held " in
      ,* | *" $one "*) ;;
      *) held=${held:+$held }$one ;;
    esac
  done <<< "$all"
}

# shellcheck shell=bash disable=SC2154
# For `group` and `extend`: whether devices are proven blank.

# The number of a device, such as 253:3: one device has several names.
number() {
  cat "/sys/class/block/$(basename "$(readlink -f "$1")")/dev"
}

# The numbers of devices, in order.
numbers() {
  local one
  for one in "$@"; do number "$one"; done | sort
}

# The numbers of a group's physical volumes, in order.
members() {
  pvs --noheadings --separator : -o pv_major,pv_minor -S "vg_name=$1" | tr -d ' ' | sort
}

# Whether a run of ours was cut off after it made a physical volume of this UUID on the device.
begun() {
  [ "$(pvs --noheadings --separator , -o vg_name,pv_uuid "$(readlink -f "$1")" 2> /dev/null | tr -d ' ')" = ",$2" ]
}

# UUIDs of the physical volumes that such a run left.
left=()

# Refuses a device that is not proven blank, unless it is begun with this UUID; it stays locked. An error of reading proves nothing.
blank() {
  local one=$1 uuid=$2 real name found bytes edge offset status lock
  [ -b "$one" ] || refuse "$one is no block device"
  real=$(readlink -f "$one")
  name=${real##*/}
  exec {lock}< "$real"
  flock -n "$lock" || refuse "$one is locked by another program"
  found=$(ls "/sys/class/block/$name/holders")
  [ -z "$found" ] || refuse "$one is held by $found"
  found=$(ls -d "/sys/class/block/$name/$name"* 2> /dev/null || true)
  [ -z "$found" ] || refuse "$one has partitions"
  if findmnt -rn -S "$real" > /dev/null; then refuse "$one is mounted"; fi
  if begun "$one" "$uuid"; then
    left+=("$uuid")
    return 0
  fi
  found=$(wipefs -n --json "$real" | tr -d ' \n') || refuse "$one cannot be read: nothing proves it blank"
  case $found in
    '' | '{"signatures":[]}') ;;
    *) refuse "$one is not blank: $found" ;;
  esac
  bytes=$(blockdev --getsize64 "$real")
  edge=$((bytes < 1048576 ? bytes : 1048576))
  for offset in 0 $((bytes - edge)); do
    status=0
    cmp -s -n "$edge" -i "$offset:0" "$real" /dev/zero || status=$?
    case $status in
      0) ;;
      1) refuse "$one is not proven blank: the $edge bytes from $offset are not all zero" ;;
      *) refuse "$one cannot be read at $offset: nothing proves it blank" ;;
    esac
  done
}

# Makes physical volumes of the "devices" with their "uuids", where a run that was cut off has not. All have passed `blank`.
physical() {
  local index
  for index in "${!devices[@]}"; do
    case " ${left[*]} " in
      *" ${uuids[index]} "*) ;;
      *) pvcreate -q -y --uuid "${uuids[index]}" --norestorefile "${devices[index]}" ;;
    esac
  done
}

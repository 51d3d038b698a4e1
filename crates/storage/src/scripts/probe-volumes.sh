# shellcheck shell=bash disable=SC2154
# Looks at the volumes "names" on "devices", of which "mappers" hold the filesystems (the opened ones, or LVs without encryption), mounted at "paths"; "length" bytes of a filesystem are shown. A line each, and
# after all of them, where some are open, the types of what is in them and how that starts; where some LVs are there, their signatures, the first
# 16 bytes of each as two words, and the two copies of each LUKS2 header as they are, as that one is damaged must show.
# A process costs more than all that bash reads itself, so one answers for all volumes. Where it cannot, each is looked at by itself: of those that
# fail even then, `failed NAME` is told.
shopt -s nullglob dotglob
set -o pipefail
# look NUMBER...: the volumes of these numbers.
look() {
  local number at=0 file top bytes block sectors below slave holder user numbers magic size=0 types word value device=
  local all=() real=() shares=() files=() opened=() present=() sealed=()
  local -A of=() mounted=()
  for number; do
    all+=("${paths[number]}" "/dev/mapper/${mappers[number]}" "${devices[number]}")
    file=/etc/kubestead/share.d/${names[number]}
    [ ! -e "$file" ] || shares+=("$file")
  done
  mapfile -t real < <(readlink -m -- "${all[@]}")
  [ "${#real[@]}" = "${#all[@]}" ] || return 1
  if [ "${#shares[@]}" != 0 ]; then
    while read -r bytes file; do
      of[$file]=$bytes
    done < <(stat -c '%s %n' "${shares[@]}")
  fi
  for number; do
    echo "volume ${names[number]}"
    files=("${paths[number]}"/*)
    top=${paths[number]}
    until [ -e "$top" ] || [ -z "$top" ]; do top=${top%/*}; done
    if [ -n "$top" ] && [ ! -d "$top" ]; then
      echo "folder barred"
    elif [ "${#files[@]}" != 0 ]; then
      echo "folder filled"
    else
      echo "folder free"
    fi
    echo "real ${real[at]}"
    file=/etc/kubestead/share.d/${names[number]}
    if [ ! -e "$file" ] && [ ! -L "$file" ]; then echo "share no"; elif [ "${of[$file]-}" = 64 ]; then echo "share yes"; else echo "share broken"; fi
    if [ -b "/dev/mapper/${mappers[number]}" ]; then
      opened+=("/dev/mapper/${mappers[number]}")
      mounted[/dev/mapper/${mappers[number]}]=${paths[number]}
      block=/sys/class/block/${real[at + 1]##*/}
      read -r sectors < "$block/size"
      echo "open $((sectors * 512)) ${mappers[number]}"
      below=nothing
      for slave in "$block/slaves"/*/dev; do
        read -r numbers < "$slave"
        below="${below#nothing} $numbers"
      done
      echo "below ${below# }"
    fi
    if [ ! -b "${devices[number]}" ]; then
      echo absent
    else
      present+=("${devices[number]}")
      block=/sys/class/block/${real[at + 2]##*/}
      read -r numbers < "$block/dev"
      echo "numbers $numbers"
      for holder in "$block/holders"/*; do
        user=${holder##*/}
        if [ -r "$holder/dm/name" ]; then read -r user < "$holder/dm/name"; fi
        echo "holder $user"
      done
      echo present
    fi
    at=$((at + 3))
  done
  if [ "${#opened[@]}" != 0 ]; then
    # blkid stops at the first one in which it finds nothing. That, and one that cannot be read, is no failure of a volume's own look.
    echo "@@ types"
    types=$(blkid -p -o export -s TYPE "${opened[@]}") || [ "$#" = 1 ] || return 1
    printf '%s\n' "$types"
    # The superblock of a mounted xfs on its device is an older one for a while: the kernel tells the sizes. Of one that is not mounted it tells nothing.
    echo "@@ geometry"
    while IFS='=' read -r word value; do
      case $word,$value in
        DEVNAME,*) device=$value ;;
        TYPE,xfs)
          echo "device $device"
          xfs_growfs -n "${mounted[$device]}" 2> /dev/null || true
          ;;
      esac
    done <<< "$types"
    echo "@@ starts"
    head -qc "$length" "${opened[@]}" | od -An -v -tx1 -w"$length" || [ "$#" = 1 ] || return 1
  fi
  [ "${#present[@]}" != 0 ] || return 0
  echo "@@ signatures"
  wipefs -n --json "${present[@]}" || return 1
  echo "@@ magic"
  mapfile -t all < <(head -qc 16 "${present[@]}" | od -An -v -tx8 --endian=big -w16)
  printf '%s\n' "${all[@]}"
  [ "${#all[@]}" = "${#present[@]}" ] || return 1
  for at in "${!all[@]}"; do
    read -r magic bytes <<< "${all[at]}"
    bytes=$((16#${bytes:-0}))
    if [ "$magic" != 4c554b53babe0002 ] || [ "$bytes" -lt 4096 ] || [ "$bytes" -gt "$most" ]; then continue; fi
    [ "$size" = 0 ] || [ "$size" = "$bytes" ] || return 1
    size=$bytes
    sealed+=("${present[at]}")
  done
  [ "$size" != 0 ] || return 0
  echo "@@ copies"
  head -qc "$((2 * size))" "${sealed[@]}" | base64 -w 0
}
if told=$(look "${!names[@]}"); then
  printf '%s\n@@ end\n' "$told"
else
  for number in "${!names[@]}"; do
    if told=$(look "$number"); then printf '%s\n@@ end\n' "$told"; else echo "failed ${names[number]}"; fi
  done
fi

# shellcheck shell=bash disable=SC2154
# Looks at the volume "name" on "device", opened as "mapper" and mounted at "path"; "length" bytes of its filesystem are shown. A line
# each, then what the LV holds: signatures, and the two copies of a LUKS2 header as they are, as that one is damaged must show.
# A process costs more than all that bash reads itself, and there are many volumes.
shopt -s nullglob dotglob
files=("$path"/*)
if [ "${#files[@]}" -gt 0 ]; then echo "folder filled"; else echo "folder free"; fi
opened=/dev/mapper/$mapper
mapfile -t real < <(readlink -m -- "$path" "$opened" "$device")
echo "real ${real[0]}"
share=/etc/kubestead/share.d/$name
if [ ! -e "$share" ]; then echo "share no"; elif [ "$(stat -c %s "$share")" = 64 ]; then echo "share yes"; else echo "share broken"; fi
if [ -b "$opened" ]; then
  block=/sys/class/block/${real[1]##*/}
  read -r sectors < "$block/size"
  echo "open $((sectors * 512)) $(blkid -p -o value -s TYPE "$opened")"
  echo "start $(od -An -v -tx1 -w"$length" -N"$length" "$opened")"
  below=nothing
  for slave in "$block/slaves"/*/dev; do
    read -r number < "$slave"
    below="${below#nothing} $number"
  done
  echo "below ${below# }"
fi
if [ ! -b "$device" ]; then
  echo absent
  exit 0
fi
block=/sys/class/block/${real[2]##*/}
read -r numbers < "$block/dev"
echo "numbers $numbers"
for holder in "$block/holders"/*; do
  user=${holder##*/}
  if [ -r "$holder/dm/name" ]; then read -r user < "$holder/dm/name"; fi
  echo "holder $user"
done
echo present
wipefs -n --json "$device" || exit 1
echo @@
read -r magic bytes < <(od -An -tx8 --endian=big -N16 "$device")
echo "$magic"
[ "$magic" = 4c554b53babe0002 ] || exit 0
bytes=$((16#$bytes))
if [ "$bytes" -lt 4096 ] || [ "$bytes" -gt 4194304 ]; then exit 0; fi
dd if="$device" bs="$bytes" count=2 iflag=fullblock status=none | base64 -w 0

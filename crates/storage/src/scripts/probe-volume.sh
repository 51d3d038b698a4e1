# shellcheck shell=bash disable=SC2154
# Looks at the volume "name" on "device", opened as "mapper" and mounted at "path"; "length" bytes of its filesystem are shown. A line
# each, then what the LV holds: signatures, and the two copies of a LUKS2 header as they are, as that one is damaged must show.
shopt -s nullglob dotglob
files=("$path"/*)
if [ "${#files[@]}" -gt 0 ]; then echo "folder filled"; else echo "folder free"; fi
echo "real $(readlink -m "$path")"
share=/etc/kubestead/share.d/$name
if [ ! -e "$share" ]; then echo "share no"; elif [ "$(stat -c %s "$share")" = 64 ]; then echo "share yes"; else echo "share broken"; fi
opened=/dev/mapper/$mapper
if [ -b "$opened" ]; then
  echo "open $(blockdev --getsize64 "$opened") $(blkid -p -o value -s TYPE "$opened")"
  echo "start $(od -An -v -tx1 -w"$length" -N"$length" "$opened")"
  below=("/sys/class/block/$(basename "$(readlink -f "$opened")")/slaves"/*/dev)
  if [ "${#below[@]}" -gt 0 ]; then echo "below $(cat "${below[@]}" | tr '\n' ' ')"; else echo "below nothing"; fi
fi
if [ ! -b "$device" ]; then
  echo absent
  exit 0
fi
block=/sys/class/block/$(basename "$(readlink -f "$device")")
echo "numbers $(cat "$block/dev")"
for holder in "$block/holders"/*; do
  echo "holder $(cat "$holder/dm/name" 2> /dev/null || basename "$holder")"
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

# shellcheck shell=bash disable=SC2154
# Makes the filesystem "kind" by the command "make", and drops the tag "new", which proves that this LV never held data: so it is dropped
# before the first mount. What is inside when nobody has begun to make a filesystem is somebody's, whatever the tag says.
# mapping.sh and keys.sh stand ahead.
# guard
tags=,$(lvs --noheadings -o lv_tags "$group/$name" | tr -d ' '),
case $tags in
  *,"$new",*) ;;
  *) already ;;
esac
case $tags in
  *,"$formatting",*) refuse 'its header is not finished' ;;
esac
opened=/dev/mapper/$mapper
own_mapping
if findmnt -rn -S "$opened" > /dev/null; then refuse "$mapper is mounted"; fi
if [ ! -b "$opened" ]; then cryptsetup open "${flags[@]}" --key-file <(volume_key) "$device" "$mapper"; fi
held=$(wipefs -n -O TYPE --noheadings "$opened" | tr '\n' ' ')
case $held,$tags in
  ,* | *,"$mkfs",*) ;;
  *) refuse "$group/$name is tagged as new and holds $held" ;;
esac
# act
lvchange -q --addtag "$mkfs" "$group/$name"
"${make[@]}" "$opened"
sync
# verify
[ "$(blkid -p -o value -s TYPE "$opened")" = "$kind" ] || unverified "no $kind is found"
lvchange -q --deltag "$new" --deltag "$mkfs" "$group/$name"

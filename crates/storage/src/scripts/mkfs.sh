# shellcheck shell=bash disable=SC2154
# Makes the filesystem "kind" by the command "make", and drops the tag "new", which proves that this LV never held data: so it is dropped
# before the first mount. What is inside when nobody has begun to make a filesystem is somebody's, whatever the tag says.
# "plain" is the tag of a volume without encryption, of which "mapper" is the LV itself; nothing for another one. mapping.sh and keys.sh stand ahead.
# guard
read_tags
case $tags in
  *,"$new",*) ;;
  *) already ;;
esac
case $tags,$plain in
  *,kubestead:plain=*,) refuse "$group/$name was made without encryption" ;;
  *, | *,"$plain",*) ;;
  *) refuse "$group/$name was made to be encrypted" ;;
esac
case $tags in
  *,"$formatting",*) refuse 'its header is not finished' ;;
esac
opened=/dev/mapper/$mapper
own_mapping
if findmnt -rn -S "$opened" > /dev/null; then refuse "$mapper is mounted"; fi
if [ ! -b "$opened" ]; then cryptsetup open "${flags[@]}" --key-file <(volume_key) "$device" "$mapper"; fi
read_signatures "$opened"
case $held,$tags in
  ,* | *,"$mkfs",*) ;;
  *) refuse "$group/$name is tagged as new and holds $held" ;;
esac
# act
lvchange -q --addtag "$mkfs" "$group/$name"
"${make[@]}" "$opened"
sync "$opened"
# verify
[ "$(blkid -p -o value -s TYPE "$opened")" = "$kind" ] || unverified "no $kind is found"
lvchange -q --deltag "$new" --deltag "$mkfs" "$group/$name"

# shellcheck shell=bash disable=SC2154
# Makes the LV "name" of "bytes" in "group", tagged as new and as ours. One that is tagged as new and has another size never held data: with
# "replaces" it is removed first. "plain" is the tag of one without encryption, or nothing. mapping.sh and forget.sh stand ahead.
# guard
told=$(lvs --noheadings --separator ' ' --units b --nosuffix -o vg_name,lv_size,lv_tags -S "lv_name=$name")
there='' elsewhere=''
while read -r in number all; do
  case $in,",$all," in
    "$group",*) there=yes size=$number tags=,$all, ;;
    *,*,"$volume",*) elsewhere=$in ;;
  esac
done <<< "$told"
if [ "$there" = yes ]; then
  case $tags in
    *,"$new",*) ;;
    *) refuse "$group/$name is there and not tagged as new" ;;
  esac
  [ "$size" != "$bytes" ] || already
  [ "$replaces" = yes ] || refuse "$group/$name is there with $size bytes"
  own_mapping
  no_other_holder
  if findmnt -rn -S "/dev/mapper/$mapper" > /dev/null; then refuse "$mapper is mounted"; fi
  read_signatures "$device"
  case $held,$tags in
    ,* | crypto_LUKS,*,"$formatting",*) ;;
    crypto_LUKS,*)
      header=$(cryptsetup luksDump --dump-json-metadata "$device" | tr -d ' \n\t') || refuse "the header of $device does not load"
      case $header in
        *"\"type\":\"$token\""*) ;;
        *) refuse "$device is tagged as new and holds a LUKS header that is not ours" ;;
      esac
      ;;
    *)
      # Without encryption its filesystem lies right there.
      for tag in "$mkfs" "$plain"; do
        case $tags in
          *,"$tag",*) ;;
          *) refuse "$device is tagged as new and holds $held" ;;
        esac
      done
      ;;
  esac
  if [ -b "/dev/mapper/$mapper" ]; then
    read_signatures "/dev/mapper/$mapper"
    case $held,$tags in
      ,* | *,"$mkfs",*) ;;
      *) refuse "$device is tagged as new and holds $held" ;;
    esac
  fi
else
  [ -z "$elsewhere" ] || refuse "the volume $name is in the group $elsewhere"
fi
unused
# act
forget
if [ "$there" = yes ]; then
  if [ -b "/dev/mapper/$mapper" ]; then cryptsetup close "$mapper"; fi
  lvremove -q -y "$group/$name"
fi
# -Wy clears what earlier owners of these extents left; the extents were free, so they belong to nobody.
lvcreate -q -y -Wy -n "$name" -L "${bytes}B" --addtag "$new" --addtag "$volume" ${plain:+--addtag "$plain"} "$group"
# verify
[ -b "$device" ] || udevadm settle
[ -b "$device" ] || unverified 'the device did not appear'

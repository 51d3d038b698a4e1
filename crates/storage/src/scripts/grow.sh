# shellcheck shell=bash disable=SC2154
# Grows the LV to "bytes", then the mapping, then the filesystem by the command "grow". Not `lvextend -r`: fsadm resizes the mapping without
# a key and then asks for one. The three stages are each without effect when they are done, so that a run which was cut off between them is
# finished by the same commands. Without "sealed" it is not encrypted, and "mapper" is the LV itself. mapping.sh and keys.sh stand ahead.
# guard
opened=/dev/mapper/$mapper
now() {
  lvs --noheadings --units b --nosuffix -o lv_size "$group/$name" | tr -d ' '
}
[ "$(findmnt -rn -M "$path" -o SOURCE)" = "$opened" ] || refuse "$path is not mounted"
own_mapping
found=$(blkid -p -o value -s TYPE "$opened" || true)
[ "$found" = "$kind" ] || refuse "it holds ${found:-no filesystem}, the file says $kind"
# act
if [ "$(now)" -lt "$bytes" ]; then lvextend -q -L "${bytes}B" "$group/$name"; fi
[ -z "$sealed" ] || cryptsetup resize --key-file <(volume_key) "$mapper"
"${grow[@]}"
# verify
[ "$(now)" -ge "$bytes" ] || unverified 'it has the old size'
[ $(($(blockdev --getsize64 "$opened") + 33554432)) -ge "$(now)" ] || unverified 'the mapping has the old size'

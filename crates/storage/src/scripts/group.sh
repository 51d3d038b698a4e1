# shellcheck shell=bash disable=SC2154
# Makes the volume group "group" of "devices". blank.sh and forget.sh stand ahead.
# guard
uuid=$(vgs --noheadings -o vg_uuid -S "vg_name=$group" 2> /dev/null || true)
if [ -n "$uuid" ]; then
  if [ "$(members "$group")" = "$(numbers "${devices[@]}")" ]; then already; fi
  refuse "a volume group $group is there on other devices: $(pvs --noheadings -o pv_name -S "vg_name=$group" | tr -s ' \n' ' ')"
fi
[ ! -e "/dev/$group" ] || refuse "/dev/$group is there: LVM makes no group of that name"
unused
for index in "${!devices[@]}"; do
  blank "${devices[index]}" "${uuids[index]}"
done
# act
forget
physical
vgcreate -q -s "${extent}b" "$group" "${devices[@]}"
# verify
[ "$(members "$group")" = "$(numbers "${devices[@]}")" ] || unverified 'the group is not there, or on other devices'

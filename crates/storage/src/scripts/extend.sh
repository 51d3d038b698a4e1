# shellcheck shell=bash disable=SC2154
# Adds "devices" to the volume group "group", which has "olds". blank.sh stands ahead.
# guard
have=$(members "$group")
if [ "$have" = "$(numbers "${olds[@]}" "${devices[@]}")" ]; then already; fi
[ "$have" = "$(numbers "${olds[@]}")" ] || refuse "the volume group $group is on other devices than were seen"
missing=$(vgs --noheadings -o vg_missing_pv_count "$group" | tr -d ' ')
[ "$missing" = 0 ] || refuse "$missing devices of $group are missing"
for index in "${!devices[@]}"; do
  blank "${devices[index]}" "${uuids[index]}"
done
# act
physical
vgextend -q "$group" "${devices[@]}"
# verify
[ "$(members "$group")" = "$(numbers "${olds[@]}" "${devices[@]}")" ] || unverified 'the group is on other devices'

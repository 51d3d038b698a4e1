# shellcheck shell=bash
# All groups, volumes and physical volumes. Without the device-mapper lvm says "nothing" with status 0, so that is asked first.
[ -c /dev/mapper/control ] || exit 9
lvm fullreport --reportformat json --units b --nosuffix \
  --configreport vg -o vg_name,vg_uuid,vg_extent_size,vg_free,vg_missing_pv_count,vg_exported \
  --configreport lv -o vg_name,lv_name,lv_size,lv_tags \
  --configreport pv -o pv_name,vg_name,pv_uuid,pv_major,pv_minor,pv_missing \
  --configreport pvseg -o, --configreport seg -o,

# shellcheck shell=bash disable=SC2154
# Writes small pieces to the disk below "folder", one by one as etcd does, and tells how long each took, in µs. dd tells the time of the write alone.
# guard
file=$folder/.kubestead-doctor
[ -d "$folder/member" ] || already
# What a run that was killed left is ours by its name; anything else of that name is not touched.
if [ -e "$file" ] || [ -L "$file" ]; then
  [ -f "$file" ] && [ ! -L "$file" ] && [ "$(stat -c %u:%h "$file")" = 0:1 ] || refuse "$file is there, and is not ours"
fi
[ "$(df --output=avail -B1 -- "$folder" | tail -n 1)" -gt 67108864 ] || refuse "less than 64 MiB are free on the volume of $folder"
# act
rm -f -- "$file"
trap 'rm -f -- "$file"' EXIT
end=$((SECONDS + 10))
for ((n = 0; n < writes && SECONDS < end; n++)); do
  said=$(dd if=/dev/zero "of=$file" bs=2300 count=1 oflag=append,dsync conv=notrunc 2>&1)
  seconds=${said##*copied, }
  awk -v seconds="${seconds%% s,*}" 'BEGIN { printf "%d\n", seconds * 1000000 }'
done
# verify
rm -f -- "$file"
[ ! -e "$file" ] || unverified "$file is still there"

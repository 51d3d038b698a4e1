# shellcheck shell=bash disable=SC2154,SC2174
# Makes the folders "directories" in "root", which is mounted.
# guard
findmnt -M "$root" > /dev/null || refuse "$root is not mounted"
# act
mkdir -p -m 0755 "${directories[@]}"
# verify
for directory in "${directories[@]}"; do
  [ -d "$directory" ] || unverified "$directory is missing"
done

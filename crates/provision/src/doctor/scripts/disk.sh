# shellcheck shell=bash disable=SC2154
# The file systems of those of "folders" that are there.
there=()
for folder in "${folders[@]}"; do
  [ ! -d "$folder" ] || there+=("$folder")
done
timeout 20 df --output=size,avail,itotal,iavail,target -B1 -- "${there[@]}"

# shellcheck shell=bash disable=SC2154
# Takes settings of the kubelet away: "unit", which makes it read the folder of "file", and that file. The file goes when a kubelet that runs has started
# again without it: what is cut off before shows by the file. After manifest.sh and start-again.sh.
# guard
for path in "$unit" "$file"; do
  if [ -L "$path" ] || { [ -e "$path" ] && ! recorded "$(sum_of "$path")" "$path"; }; then
    refuse "$path was changed since kubestead wrote it: remove it by hand, and start the kubelet again"
  fi
done
# act
rm -f "$unit"
systemctl daemon-reload
start_again
rm -f "$file"
sync "${file%/*}"
strike "$unit" "$file"
# verify
for path in "$unit" "$file"; do
  [ ! -e "$path" ] || unverified "$path is still there"
done

# shellcheck shell=bash disable=SC2154
# A unit of ours goes: "unit" ends and begins at no boot any more, and "paths" are removed. What it made stays until the machine boots. After manifest.sh.
# guard
for path in "${paths[@]}"; do
  if [ -L "$path" ] || { [ -e "$path" ] && ! recorded "$(sum_of "$path")" "$path"; }; then
    refuse "$path was changed since kubestead wrote it: remove it by hand, and \`systemctl disable --now $unit\`"
  fi
done
# act
systemctl -q disable --now "$unit"
rm -f "${paths[@]}"
systemctl daemon-reload
strike "${paths[@]}"
# verify
for path in "${paths[@]}"; do
  [ ! -e "$path" ] || unverified "$path is still there"
done

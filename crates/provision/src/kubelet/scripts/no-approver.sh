# shellcheck shell=bash disable=SC2154
# Nobody approves certificates of kubelets any more: its unit ends, and "paths" are removed. After manifest.sh.
# guard
for path in "${paths[@]}"; do
  if [ -L "$path" ] || { [ -e "$path" ] && ! recorded "$(sum_of "$path")" "$path"; }; then
    refuse "$path was changed since kubestead wrote it: remove it by hand, and \`systemctl disable --now kubestead-approver\`"
  fi
done
# act
systemctl -q disable --now kubestead-approver.service
rm -f "${paths[@]}"
systemctl daemon-reload
strike "${paths[@]}"
# verify
for path in "${paths[@]}"; do
  [ ! -e "$path" ] || unverified "$path is still there"
done

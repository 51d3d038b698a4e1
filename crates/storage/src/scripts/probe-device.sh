# shellcheck shell=bash disable=SC2154
# Looks at the whole device "device" just as the guard of a new group does, and prints in a line each: its path, bytes and numbers; what
# uses it; whether its first and last MiB are zero, where it has no signature; then its signatures. "missing" when there is no such device.
if [ ! -b "$device" ]; then
  echo missing
  exit 0
fi
real=$(readlink -f "$device")
name=${real##*/}
block=/sys/class/block/$name
read -r sectors < "$block/size"
read -r numbers < "$block/dev"
bytes=$((sectors * 512))
echo "$real $bytes $numbers"
shopt -s nullglob
users=("$block/holders"/* "$block/$name"*)
users=("${users[@]##*/}")
while IFS= read -r target; do
  users+=("$target")
done < <(findmnt -rn -S "$real" -o TARGET)
echo "${users[*]}"
signatures=$(wipefs -n --json "$real") || exit 1
edge=$((bytes < 1048576 ? bytes : 1048576))
status=0
case $signatures in
  *'"offset"'*) ;;
  *)
    cmp -s -n "$edge" "$real" /dev/zero || status=$?
    [ "$status" != 0 ] || cmp -s -n "$edge" -i "$((bytes - edge)):0" "$real" /dev/zero || status=$?
    ;;
esac
case $status in
  0) echo zero ;;
  1) echo filled ;;
  *) echo unread ;;
esac
printf '%s\n' "$signatures"

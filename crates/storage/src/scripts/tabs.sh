# shellcheck shell=bash disable=SC2154
# Replaces the volumes' own lines in crypttab and fstab, or adds them; everybody else's lines stay as they are. Then systemd reads all of it.
# "mappers" and "mounts" are the first fields of the lines "crypttab" and "fstab", "names" the volumes'.
# edit FILE KEYS: the lines of others, then those on standard input.
edit() {
  local new
  touch "$1"
  new=$(mktemp "$1.XXXXXX")
  awk -v keys=" $2 " '!NF || !index(keys, " " $1 " ")' "$1" > "$new"
  cat >> "$new"
  chmod --reference="$1" "$new"
  chown --reference="$1" "$new"
  sync "$new"
  mv -fT "$new" "$1"
  sync "${1%/*}"
}
# What is unlocked by hand has no line in crypttab.
lines() {
  [ "$#" = 0 ] || printf '%s\n' "$@"
}
if [ "${#names[@]}" != 0 ]; then
  lines "${crypttab[@]}" | edit /etc/crypttab "${mappers[*]}"
  printf '%s\n' "${fstab[@]}" | edit /etc/fstab "${mounts[*]}"
fi
for i in "${!names[@]}"; do
  grep -qxF -- "${fstab[i]}" /etc/fstab || unverified "/etc/fstab lacks the line of ${names[i]}"
done
for line in "${crypttab[@]}"; do
  grep -qxF -- "$line" /etc/crypttab || unverified "/etc/crypttab lacks the line $line"
done
systemctl -q enable --no-reload remote-cryptsetup.target
systemctl daemon-reload

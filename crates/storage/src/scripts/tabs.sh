# shellcheck shell=bash disable=SC2154
# Replaces the volumes' own lines in crypttab and fstab, or adds them; everybody else's lines stay as they are. Then systemd reads all of it.
# "gone" are files of ours that no volume needs any more: they are removed, and a copy stays of one that somebody edited.
# "mappers" and "mounts" are the first fields of the lines "crypttab" and "fstab", "names" the volumes'.
# edit FILE KEYS: the lines of others, then those on standard input.
edit() {
  local new
  [ -e "$1" ] || touch "$1"
  new=$(mktemp "$1.XXXXXX")
  awk -v keys=" $2 " '!NF || !index(keys, " " $1 " ")' "$1" > "$new"
  cat >> "$new"
  cp --attributes-only --preserve=mode,ownership "$1" "$new"
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
# read_lines FILE: sets "there" to its lines.
declare -A there=()
read_lines() {
  local line
  there=()
  while IFS= read -r line || [ -n "$line" ]; do there[" $line"]=yes; done < "$1"
}
if [ "${#names[@]}" != 0 ]; then read_lines /etc/fstab; fi
for i in "${!names[@]}"; do
  [ -n "${there[" ${fstab[i]}"]-}" ] || unverified "/etc/fstab lacks the line of ${names[i]}"
done
for file in "${gone[@]}"; do
  if [ -f "$file" ] && [ ! -L "$file" ]; then
    recorded "$(sum_of "$file")" "$file" || keep_copy "$file"
    rm -f "$file"
    case ${file%/*} in
      *.d) rmdir --ignore-fail-on-non-empty "${file%/*}" ;;
    esac
  fi
done
[ "${#gone[@]}" = 0 ] || strike "${gone[@]}"
if [ "${#crypttab[@]}" != 0 ]; then read_lines /etc/crypttab; fi
for line in "${crypttab[@]}"; do
  [ -n "${there[" $line"]-}" ] || unverified "/etc/crypttab lacks the line $line"
done
systemctl -q enable --no-reload remote-cryptsetup.target
systemctl daemon-reload

# shellcheck shell=bash disable=SC2154
# For steps that make anew what is lost: "mappers" are the names of the opened volumes, "paths" where they were mounted, "unlocks" the
# units that open them; all are empty when nothing was lost.

# Refuses while one of them is open, or anything is mounted in its place.
unused() {
  local index
  for index in "${!mappers[@]}"; do
    [ ! -e "/dev/mapper/${mappers[index]}" ] || refuse "${mappers[index]} is still open"
    if findmnt -M "${paths[index]}" > /dev/null; then refuse "something is mounted at ${paths[index]}"; fi
  done
}

# Ends what waits for them since the boot, and drops the lines by which they were mounted. What is made anew gets its own.
forget() {
  local index file new
  [ "${#mappers[@]}" -gt 0 ] || return 0
  # As long as systemd knows the units: of one whose line is gone it does not cancel the jobs.
  for index in "${!mappers[@]}"; do
    systemctl stop "$(systemd-escape --path --suffix=mount "${paths[index]}")" "${unlocks[index]}" 2> /dev/null || true
  done
  for file in /etc/crypttab /etc/fstab; do
    [ -f "$file" ] || continue
    new=$(mktemp "$file.XXXXXX")
    awk -v "names= ${mappers[*]} " '
      { name = $1; sub("^/dev/mapper/", "", name) }
      !NF || !index(names, " " name " ") || !(name != $1 || index($0, "/run/kubestead/"))
    ' "$file" > "$new"
    chmod --reference="$file" "$new"
    chown --reference="$file" "$new"
    sync "$new"
    mv -fT "$new" "$file"
  done
  sync /etc
  systemctl daemon-reload
}

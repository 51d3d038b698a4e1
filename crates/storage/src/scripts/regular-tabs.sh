# shellcheck shell=bash
# Refuses where crypttab or fstab is no file by itself: it is replaced whole, and a link would become a file. Before whatever edits them.
for file in /etc/crypttab /etc/fstab; do
  if [ -L "$file" ] || { [ -e "$file" ] && [ ! -f "$file" ]; }; then refuse "$file is not a regular file"; fi
done

# shellcheck shell=bash
# crypttab and fstab, each followed by a line of its own. One that is not there is empty; one that cannot be read is not seen.
for file in /etc/crypttab /etc/fstab; do
  if [ -e "$file" ]; then
    cat "$file" || exit 1
    echo
  fi
  echo @@
done

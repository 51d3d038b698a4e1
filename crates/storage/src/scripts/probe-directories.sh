# shellcheck shell=bash disable=SC2154
# The folders in "root", if it is mounted, and what else is in it, after `! `.
if findmnt -M "$root" > /dev/null; then
  find "$root" -mindepth 1 -maxdepth 1 \( -type d -print -o -printf '! %p\n' \) || true
fi

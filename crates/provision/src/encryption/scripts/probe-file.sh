# shellcheck shell=bash disable=SC2154
# Whether the API server has loaded `file`, and the file without its keys. After redacted.sh.
[ -s "$file" ] || exit 0
if [ -e "$unloaded" ]; then echo unloaded; else echo loaded; fi
redacted

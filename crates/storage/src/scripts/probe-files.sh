# shellcheck shell=bash disable=SC2154
# The sums of "files". Files that systemd has perhaps not read yet count as not written: they are not told of while "pending" is there.
[ -e "$pending" ] || sha256sum "${files[@]}" || true

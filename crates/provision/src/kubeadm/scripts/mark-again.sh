# shellcheck shell=bash disable=SC2154
# Writes down in "kept" that the API server must start again, before a file is replaced that it reads.
# guard
# act
mkdir -p "$kept"
: > "$kept/again"
sync "$kept/again" "$kept" "${kept%/*}"
# verify
[ -e "$kept/again" ] || unverified "$kept/again is not there"

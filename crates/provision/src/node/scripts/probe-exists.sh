# shellcheck shell=bash disable=SC2154
# `yes` if "path" is there.
[ ! -e "$path" ] || echo yes

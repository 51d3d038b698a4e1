# shellcheck shell=bash disable=SC2154
# What the file `path` holds; nothing if it cannot be read.
cat "$path" || true

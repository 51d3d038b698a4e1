# shellcheck shell=bash disable=SC2154
# The sums of "files" that are there.
sha256sum "${files[@]}" || true

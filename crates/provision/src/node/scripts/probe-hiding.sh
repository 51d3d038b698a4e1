# shellcheck shell=bash disable=SC2154
# Which of "paths" are there.
ls -d "${paths[@]}" || true

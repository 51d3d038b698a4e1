# shellcheck shell=bash disable=SC2154
# Shares of one node, one after the other: 64 bytes each, or nothing at all.
set -euo pipefail
for volume in "${volumes[@]}"; do
    [ "$(stat -c %s "$directory/$volume")" = 64 ]
done
for volume in "${volumes[@]}"; do
    cat "$directory/$volume"
done

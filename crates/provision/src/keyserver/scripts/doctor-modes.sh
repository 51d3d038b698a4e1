# shellcheck shell=bash disable=SC2154
# Names, modes and owners of "paths", and of the shares' "directory" by itself: it is what must be there.
stat -c '%n %a %U' "${paths[@]}"
stat -c '%n %a %U' "$directory"

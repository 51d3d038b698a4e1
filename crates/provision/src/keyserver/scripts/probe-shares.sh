# shellcheck shell=bash disable=SC2154
# SIZE SHA256 NODE/VOLUME of what lies among the shares; no checksum of what is no share. `other - PATH` is what is no folder where a node's belongs, or
# no regular file where a share belongs; `other - /` says so of the folder of all shares.
if [ -L "$directory" ] || { [ -e "$directory" ] && [ ! -d "$directory" ]; }; then
    echo 'other - /'
    exit 0
fi
cd "$directory" 2> /dev/null || exit 0
find . -mindepth 2 -maxdepth 2 -type f -size 64c -exec sha256sum {} + | sed 's/^\([0-9a-f]*\)  \.\//64 \1 /'
find . -mindepth 1 -maxdepth 2 \( -path './*/*' \( -type f ! -size 64c -printf '%s - %P\n' -o ! -type f -printf 'other - %P\n' -o -true \) \) \
    -o ! -type d -printf 'other - %P\n'
true

# shellcheck shell=bash disable=SC2154
# SIZE SHA256 NODE/VOLUME of what lies among the shares; no checksum of what is no share.
cd "$directory" 2> /dev/null || exit 0
find . -mindepth 2 -maxdepth 2 -type f -size 64c -exec sha256sum {} + | sed 's/^\([0-9a-f]*\)  \.\//64 \1 /'
find . -mindepth 2 -maxdepth 2 ! \( -type f -size 64c \) -printf '%s - %P\n'
true

# shellcheck shell=bash disable=SC2154
# Kind, mode, owner, size and path of all in "directory".
cd "$directory" && find . -mindepth 1 -printf '%y %m %u %s %P\n'

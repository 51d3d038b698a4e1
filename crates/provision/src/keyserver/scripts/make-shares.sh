# shellcheck shell=bash disable=SC2154
# Shares are made on the server.
# guard
[ "${#missing[@]}" != 0 ] || already
# act
umask 077
folder
for volume in "${missing[@]}"; do
    head -c 64 /dev/urandom > "$directory/$volume.part"
    [ "$(stat -c %s "$directory/$volume.part")" = 64 ] || refuse "$directory/$volume could not be written"
done
place
# verify
for volume in "${volumes[@]}"; do
    [ "$(stat -c %s "$directory/$volume")" = 64 ] || unverified "$directory/$volume is not whole"
done

# shellcheck shell=bash disable=SC2154
# Makes the machine's own share of a key, 64 random bytes in "share". One that is there is never replaced.
# guard
if [ -e "$share" ] || [ -L "$share" ]; then
  if [ "$(stat -c %s "$share")" = 64 ]; then already; fi
  refuse "$share is there and is not 64 bytes"
fi
# act
umask 077
folder=${share%/*}
mkdir -p "$folder"
chmod 700 "$folder"
head -c 64 /dev/urandom > "$share.part"
chmod 400 "$share.part"
sync "$share.part"
mv -nT "$share.part" "$share"
sync "$folder"
# verify
[ "$(stat -c '%s %a' "$share")" = '64 400' ] || unverified "$share is not whole"

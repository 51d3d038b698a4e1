# shellcheck shell=bash disable=SC2154
# Deletes one share, and only of a node that is shut out.
# guard
grep -qxF -- "$mark" "$keys" || refuse "$node is not shut out: its share may be needed"
if grep -qF -- "serve $node " "$keys"; then
    refuse "a line still lets $node in"
fi
share=$directory/$node/$volume
for folder in "$directory" "$directory/$node"; do
    [ ! -L "$folder" ] || refuse "$folder is a link"
done
if [ ! -e "$share" ] && [ ! -L "$share" ]; then
    already
fi
if [ ! -f "$share" ] || [ -L "$share" ]; then
    refuse "$share is not a regular file"
fi
# act
shred -n 1 -u "$share"
rmdir --ignore-fail-on-non-empty "$directory/$node"
sync "$directory"
# verify
[ ! -e "$share" ] || unverified "$share is still there"

# shellcheck shell=bash disable=SC2154
# Replaces `file` by standard input: from the sum `before` to the sum `after`. After wait-loaded.sh and listens.sh.
# guard
folder=${file%/*}
umask 077
# What a power cut left of an earlier writing holds keys: it goes first.
rm -f "$folder"/.kubestead.*
new=$(mktemp "$folder/.kubestead.XXXXXX")
trap 'rm -f "$new"' EXIT
cat > "$new"
answering
[ "$(sha256sum < "$new" | cut -d' ' -f1)" = "$after" ] || refuse 'the new file did not arrive whole'
have=$(sha256sum < "$file" | cut -d' ' -f1)
[ "$have" = "$after" ] || [ "$have" = "$before" ] || refuse "$file is not what it was when this was planned: plan again"
# act
if [ "$have" != "$after" ]; then
  touch "$unloaded"
  sync "$unloaded" "$folder"
  sync "$new"
  mv -fT "$new" "$file"
  sync "$folder"
fi
# verify
[ "$(stat -c '%a %U' "$file")" = '600 root' ] || unverified "$file is open to others"
wait_loaded "$after"

# shellcheck shell=bash disable=SC2154
# The configuration of encryption at rest, from standard input. One that is there is never replaced: with another key nothing in etcd could be read
# any more. An empty one is what a power cut left before anything was encrypted with it.
# guard
folder=${file%/*}
sum() {
  sha256sum < "$1" | cut -d' ' -f1
}
if [ -L "$file" ] || { [ -e "$file" ] && [ ! -f "$file" ]; }; then
  refuse "$file is not a regular file"
fi
mkdir -p "$folder"
chmod 0700 "$folder"
umask 077
part=$(mktemp "$folder/.kubestead.XXXXXX")
trap 'rm -f "$part"' EXIT
cat > "$part"
[ "$(sum "$part")" = "$sha256" ] || refuse "what $file shall hold did not arrive whole"
if [ -s "$file" ]; then
  if [ "$(sum "$file")" = "$sha256" ]; then
    already
  fi
  refuse "$file is there with another key"
fi
# act
rm -f "$file"
sync "$part"
mv -nT "$part" "$file"
sync "$folder"
# verify
[ "$(sum "$file")" = "$sha256" ] || unverified "$file does not hold what was written"
[ "$(stat -c %a "$file")" = 600 ] || unverified "$file is open to others"

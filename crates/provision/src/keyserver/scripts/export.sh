# shellcheck shell=bash disable=SC2154
# A whole key server as text: see archive.rs.
set -euo pipefail
printf '%s\nserver %s\ncluster %s\n' "$title" "$server" "$cluster"
sed 's/^/line /' "$keys"
cd "$directory"
count=0
while IFS= read -r share; do
    printf 'share %s %s %s\n' "$share" "$(sha256sum < "$share" | cut -d' ' -f1)" "$(base64 -w0 < "$share")"
    count=$((count + 1))
done < <(find . -mindepth 2 -maxdepth 2 -type f -size 64c ! -name '*.*' -printf '%P\n' | sort)
echo "end $count"

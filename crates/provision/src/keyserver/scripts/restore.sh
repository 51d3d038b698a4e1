# shellcheck shell=bash disable=SC2154
# Shares and lines that come on standard input, as in an export: those that are missing are put in their places.
# guard
declare -A sums values
add=()
missing=()
while IFS= read -r row; do
    case $row in
        'share '*)
            # No here-string: what it holds may touch a disk.
            rest=${row#share }
            path=${rest%% *}
            rest=${rest#* }
            [[ $path =~ ^[a-z0-9-]+/[a-z0-9-]+$ ]] || refuse 'a path is not NODE/VOLUME'
            sums[$path]=${rest%% *}
            values[$path]=${rest#* }
            ;;
        'line '*) add+=("${row#line }") ;;
    esac
done
sum() {
    sha256sum < "$1" | cut -d' ' -f1
}
for path in "${!sums[@]}"; do
    share=$directory/$path
    for folder in "$directory" "${share%/*}"; do
        if [ -L "$folder" ] || { [ -e "$folder" ] && [ ! -d "$folder" ]; }; then
            refuse "$folder is not a folder"
        fi
    done
    if [ -L "$share" ] || { [ -e "$share" ] && [ ! -f "$share" ]; }; then
        refuse "$share is not a regular file"
    fi
    if [ -e "$share" ] || [ -L "$share" ]; then
        [ "$(sum "$share")" = "${sums[$path]}" ] || refuse "$share is there and holds another share"
    else
        missing+=("$path")
    fi
done
new=()
for line in "${add[@]}"; do
    if grep -qxF -- "$line" "$keys"; then
        continue
    fi
    # The server was looked at before; a node that was shut out meanwhile stays out.
    case $line in
        'restrict,'*) ! grep -qxF -- "# ${line##* } revoked" "$keys" || refuse "${line##* } was shut out since this was planned" ;;
    esac
    new+=("$line")
done
if [ "${#missing[@]}" = 0 ] && [ "${#new[@]}" = 0 ]; then
    already
fi
# act
umask 077
group=$(id -g "$user")
for path in "${missing[@]}"; do
    folder=$directory/${path%/*}
    part=$directory/$path.part
    install -d -m 0700 -o "$user" -g "$group" "$folder"
    rm -f "$part"
    printf %s "${values[$path]}" | base64 -d > "$part"
    [ "$(sum "$part")" = "${sums[$path]}" ] || refuse "$path did not arrive whole"
    chmod 0400 "$part"
    chown "$user:$group" "$part"
    sync "$part"
    mv -nT "$part" "$directory/$path"
    sync "$folder"
done
sync "$directory"
if [ "${#new[@]}" != 0 ]; then
    rm -f "${keys%/*}"/.kubestead.??????
    file=$(mktemp "${keys%/*}/.kubestead.XXXXXX")
    cat "$keys" > "$file"
    printf '%s\n' "${new[@]}" >> "$file"
    chmod 0644 "$file"
    sync "$file"
    mv -fT "$file" "$keys"
    sync "${keys%/*}"
fi
# verify
for path in "${!sums[@]}"; do
    [ "$(sum "$directory/$path")" = "${sums[$path]}" ] || unverified "$directory/$path does not hold what was sent"
done

# shellcheck shell=bash disable=SC2154
# Shares of one node: each is whole or not there, and none is ever replaced: to lose one is to lose the volume. What is not 64 bytes is
# none, and goes where the plan says that no volume depends on it.
# guard
for folder in "${directory%/*}" "$directory"; do
    if [ -L "$folder" ] || { [ -e "$folder" ] && [ ! -d "$folder" ]; }; then
        refuse "$folder is not a folder"
    fi
done
missing=()
for volume in "${volumes[@]}"; do
    share=$directory/$volume
    if [ -L "$share" ] || { [ -e "$share" ] && [ ! -f "$share" ]; }; then
        refuse "$share is not a regular file"
    fi
    if [ -e "$share" ]; then
        size=$(stat -c %s "$share")
        if [ "$size" = 64 ]; then
            continue
        fi
        [[ " ${damaged[*]} " == *" $volume:$size "* ]] || refuse "$share has $size bytes, and a share has 64"
    fi
    missing+=("$volume")
done
place() {
    local share
    for volume in "${missing[@]}"; do
        share=$directory/$volume
        chmod 0400 "$share.part"
        chown "$user:$group" "$share.part"
        sync "$share.part"
        if [ -f "$share" ] && [ "$(stat -c %s "$share")" != 64 ]; then
            rm -f "$share"
        fi
        mv -nT "$share.part" "$share"
    done
    sync "$directory"
}
folder() {
    trap 'rm -f "$directory"/*.part' EXIT
    group=$(id -g "$user")
    install -d -m 0700 -o "$user" -g "$group" "$directory"
    sync "${directory%/*}"
    # What is written next is a new file, and not what a link leads to.
    rm -f "$directory"/*.part
}

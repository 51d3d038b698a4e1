# shellcheck shell=bash disable=SC2154
# Shares that another server has come on standard input, one after the other.
# guard
same() {
    [ "$(sha256sum < "$1" | cut -d' ' -f1)" = "$2" ]
}
declare -A sum
for index in "${!volumes[@]}"; do
    sum[${volumes[index]}]=${sums[index]}
    share=$directory/${volumes[index]}
    if [ -e "$share" ] && [ "$(stat -c %s "$share")" = 64 ]; then
        same "$share" "${sums[index]}" || refuse "$share is there and holds another share"
    fi
done
[ "${#missing[@]}" != 0 ] || already
# act
umask 077
folder
for volume in "${volumes[@]}"; do
    head -c 64 > "$directory/$volume.part"
    same "$directory/$volume.part" "${sum[$volume]}" || refuse "$directory/$volume did not arrive whole"
done
place
# verify
for volume in "${volumes[@]}"; do
    same "$directory/$volume" "${sum[$volume]}" || unverified "$directory/$volume does not hold what was sent"
done

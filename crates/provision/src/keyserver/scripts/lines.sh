# shellcheck shell=bash disable=SC2154
# The node's own lines in the file of keys, and the account's connections: what letting in and shutting out have in common.
# guard
[ -f "$keys" ] || refuse "it is no key server of ours: $keys is not there"
[ ! -L "$keys" ] || refuse "$keys is a link, and would become a file"
own_lines() {
    awk -v own="$own" -v old="$old" 'index($0, "restrict,from=") == 1 && ($NF == own || $NF == old)' "$keys"
}
marked() {
    grep -qxF -- "$mark" "$keys"
}
# Puts one line in the place of the node's lines and of its mark; the others stay as they are. This script runs alone on the machine
# (it holds the lock), so that no other writing of the file can come between.
replace_lines() {
    local new
    # Under a name that nobody's copy of the file has, such as `kubestead_keys.backup`.
    rm -f "${keys%/*}"/.kubestead.??????
    new=$(mktemp "${keys%/*}/.kubestead.XXXXXX")
    awk -v own="$own" -v old="$old" -v mark="$mark" \
        '!((index($0, "restrict,from=") == 1 && ($NF == own || $NF == old)) || $0 == mark)' "$keys" > "$new"
    printf '%s\n' "$1" >> "$new"
    chmod 0644 "$new"
    sync "$new"
    mv -fT "$new" "$keys"
    sync "${keys%/*}"
}
# Whose connections may be ended: of the account whose home the shares are, and which shares its number with nobody.
number=
if entry=$(getent passwd "$user"); then
    IFS=: read -r _ _ number _ _ home _ <<< "$entry"
    if [ "${home%/}" != "$directory" ] || [ "$number" = 0 ]; then
        number=
    elif getent passwd | awk -F: -v number="$number" -v user="$user" '$3 == number && $1 != user { found = 1 } END { exit !found }'; then
        number=
    fi
fi
# The processes of the account's connections that come from the addresses. A connection that is open outlives the line that let it in,
# and the processes of sshd do not say whose they are: the address does. Where an address is a pattern, and without ss(8), these are all
# of the account's; nodes ask again.
sessions() {
    local address pid
    if [ -z "$number" ] || [ "${#addresses[@]}" = 0 ]; then
        return 0
    fi
    if [ -z "$everyone" ] && command -v ss > /dev/null; then
        for address in "${addresses[@]}"; do
            ss -Htnp state established \
                | awk -v a="$address" '{ p = $4; sub(/:[0-9]+$/, "", p); gsub(/[][]|::ffff:/, "", p); if (p == a) print }' \
                | { grep -o 'pid=[0-9]*' || true; } | cut -d= -f2
        done
    else
        find /proc -maxdepth 1 -name '[0-9]*' -printf '%f\n' 2> /dev/null || true
    fi | sort -u | while read -r pid; do
        if [ "$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status" 2> /dev/null)" = "$number" ]; then
            echo "$pid"
        fi
    done
}
end_sessions() {
    local rounds=50 pid found
    while [ "$rounds" -gt 0 ]; do
        rounds=$((rounds - 1))
        found=$(sessions)
        [ -n "$found" ] || return 0
        for pid in $found; do
            kill -KILL "$pid" 2> /dev/null || true
        done
        sleep 0.1
    done
}

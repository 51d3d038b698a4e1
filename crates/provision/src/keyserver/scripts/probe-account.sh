# shellcheck shell=bash disable=SC2154
# Who asks, and what there is of the account: a word and a value a line.
printf 'login %s\n' "${SUDO_USER:-$(id -un)}"
if entry=$(getent passwd "$user"); then
    IFS=: read -r _ _ number _ _ home _ <<< "$entry"
    printf 'entry %s %s\n' "$number" "$home"
    getent passwd | awk -F: -v number="$number" -v user="$user" '$3 == number && $1 != user { print "sharer " $1 }'
    case $(getent shadow "$user" | cut -d: -f2 | cut -c1) in
        '!') echo 'password locked' ;;
        '*') echo 'password none' ;;
        *) echo 'password set' ;;
    esac
    for group in $(id -Gn "$user"); do
        printf 'group %s\n' "$group"
    done
elif getent group "$user" > /dev/null; then
    printf 'group %s\n' "$user"
fi
getent passwd | awk -F: -v home="$directory" -v user="$user" '{ sub(/\/+$/, "", $6) } $6 == home && $1 != user { print "other " $1 }'

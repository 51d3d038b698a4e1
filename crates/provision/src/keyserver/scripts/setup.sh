# shellcheck shell=bash disable=SC2154
# The key server: account, folder, forced command, sshd's rules for the account. sshd's new configuration is tried as a whole beside the
# one in use, and must leave the account that this comes by, and root, exactly as they are. After manifest.sh.
# guard
me=${SUDO_USER:-root}
[ "$user" != "$me" ] || refuse "$user is the account that kubestead logs in by"
others=$(getent passwd | awk -F: -v home="$directory" -v user="$user" '{ sub(/\/+$/, "", $6) } $6 == home && $1 != user { print $1 }')
[ -z "$others" ] || refuse "$directory is the home of $others"
if entry=$(getent passwd "$user"); then
    IFS=: read -r _ _ number _ _ home _ <<< "$entry"
    [ "${home%/}" = "$directory" ] || refuse "the account $user is there and was not made by kubestead: its home is $home"
    [ "$number" != 0 ] || refuse "the account $user has the number 0"
    sharers=$(getent passwd | awk -F: -v number="$number" -v user="$user" '$3 == number && $1 != user { print $1 }')
    [ -z "$sharers" ] || refuse "the account $user has the number $number together with $sharers"
else
    ! getent group "$user" > /dev/null || refuse "the group $user is there without an account"
fi
only_ours "$serve" "$serve_sum"
only_ours "$rules" "$rules_sum"
if [ -L "$keys" ] || { [ -e "$keys" ] && [ ! -f "$keys" ]; }; then
    refuse "$keys is not a regular file"
fi
if [ -L "$directory" ] || { [ -e "$directory" ] && [ ! -d "$directory" ]; }; then
    refuse "$directory is not a folder"
fi
here='^[[:space:]]*Include[[:space:]]+"?([^[:space:]"]*/)?sshd_config\.d/\*\.conf'
grep -qiE "$here" "$base/sshd_config" || refuse "$base/sshd_config does not include $base/sshd_config.d/*.conf: add that line at its top"
# Only where a socket starts sshd for each login this is not there: it is in memory, and sshd's own service makes it too.
separation=$(sshd -t 2>&1 | sed -n 's/^Missing privilege separation directory: //p' || true)
[ -z "$separation" ] || mkdir -p "$separation"
sshd -t || refuse 'sshd refuses its configuration as it is: fix that first'
tried=$(mktemp -d /run/kubestead-sshd.XXXXXX)
trap 'rm -rf "$tried"' EXIT
# The whole configuration in a folder of its own, without our rules and with them.
for kind in without with; do
    mkdir -p "$tried/$kind/sshd_config.d"
    for file in "$base"/sshd_config.d/*.conf; do
        if [ -f "$file" ] && [ "$file" != "$rules" ]; then
            cp "$file" "$tried/$kind/sshd_config.d/"
        fi
    done
    sed -E "/^[[:space:]]*[Ii][Nn][Cc][Ll][Uu][Dd][Ee][[:space:]]/ s#([[:space:]\"])($base/)?sshd_config\.d/#\1$tried/$kind/sshd_config.d/#g" \
        "$base/sshd_config" > "$tried/$kind/sshd_config"
done
printf '%s' "$rules_text" > "$tried/with/sshd_config.d/${rules##*/}"
as() {
    sshd -T -f "$1" -C "user=$2,host=$3,addr=$3" 2>&1
}
origin=${SSH_CLIENT:-127.0.0.1}
origin=${origin%% *}
declare -A logins=()
for account in root "$me"; do
    [ -n "${logins[$account]-}" ] || logins[$account]=$(as "$tried/without/sshd_config" "$account" "$origin") || true
done
# What is wrong with a configuration; nothing when it is good.
wrong() {
    local said account line found
    if ! said=$(sshd -t -f "$1" 2>&1); then
        echo "sshd refuses it: $said"
        return
    fi
    for account in "${!logins[@]}"; do
        if [ "$(as "$1" "$account" "$origin")" != "${logins[$account]}" ]; then
            echo "it would change how $account logs in"
            return
        fi
    done
    said=$(as "$1" "$user" "$from") || true
    said=${said,,}
    for line in "${effective[@]}"; do
        if [[ $'\n'$said$'\n' != *$'\n'"${line,,}"$'\n'* ]]; then
            found=$(grep -E "^${line%% *} " <<< "$said" || echo nothing)
            echo "for $user it gives '$found' and not '$line': what stands before it in the configuration?"
            return
        fi
    done
}
password() {
    getent shadow "$user" | cut -d: -f2
}
holds() {
    [ -f "$1" ] && [ "$(stat -c %a "$1")" = "$2" ] && [ "$(cat "$1")" = "${3%$'\n'}" ]
}
finished() {
    holds "$serve" 755 "$serve_text" && holds "$rules" 644 "$rules_text" && [ -f "$keys" ] \
        && [ "$(stat -c '%a %U' "$directory" 2> /dev/null)" = "700 $user" ] && [ "$(password)" = '*' ]
}
if [ -n "$entry" ] && [ ! -e "$pending" ] && finished && [ -z "$(wrong "$base/sshd_config")" ]; then
    recorded "$serve_sum" "$serve" && recorded "$rules_sum" "$rules" || record "$serve_sum" "$serve" "$rules_sum" "$rules"
    already
fi
bad=$(wrong "$tried/with/sshd_config")
[ -z "$bad" ] || refuse "the rules for $user were tried and not put in place: $bad"
# act
mkdir -p "${pending%/*}"
touch "$pending"
sync "$pending"
[ -n "$entry" ] || useradd --system --home-dir "$directory" --no-create-home --shell /bin/sh --comment 'kubestead key server' "$user"
# Not locked, which sshd without PAM takes for a refusal of keys too; no password opens it.
[ "$(password)" = '*' ] || usermod -p '*' "$user"
group=$(id -g "$user")
install -d -m 0700 -o "$user" -g "$group" "$directory"
touch "$keys"
chmod 0644 "$keys"
chown root:root "$keys"
# PATH MODE: puts standard input there.
put() {
    local new
    mkdir -p "${1%/*}"
    rm -f "${1%/*}"/.kubestead.??????
    new=$(mktemp "${1%/*}/.kubestead.XXXXXX")
    cat > "$new"
    chmod "$2" "$new"
    sync "$new"
    mv -fT "$new" "$1"
    sync "${1%/*}"
}
announce "$serve_sum" "$serve" "$rules_sum" "$rules"
put "$serve" 755 < <(printf '%s' "$serve_text")
load() {
    local unit
    for unit in ssh.service sshd.service; do
        if systemctl --quiet is-active "$unit"; then
            systemctl reload "$unit" && systemctl --quiet is-active "$unit"
            return
        fi
    done
}
if [ -e "$rules" ]; then
    cp "$rules" "$tried/before"
fi
put "$rules" 644 < <(printf '%s' "$rules_text")
bad=$(wrong "$base/sshd_config")
if [ -z "$bad" ] && ! load; then
    bad='sshd did not read it'
fi
if [ -n "$bad" ]; then
    if [ -e "$tried/before" ]; then
        put "$rules" 644 < "$tried/before"
    else
        rm -f "$rules"
    fi
    sync "${rules%/*}"
    load || true
    unverified "the rules for $user were taken back: $bad"
fi
record "$serve_sum" "$serve" "$rules_sum" "$rules"
rm "$pending"
# verify
finished || unverified "$directory, the account $user or a file of kubestead's is not as it was written"

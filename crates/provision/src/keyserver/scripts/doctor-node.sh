# shellcheck shell=bash disable=SC2154
# Tries at one key server what it must give this node and what it must refuse: `WHAT STATUS BYTES WORDS` a line. One login carries all
# requests, one after the other, so that sshd's limits of logins (MaxStartups, PerSourcePenalties) are not reached by asking; what
# fails before a login comes last. A share is in memory only, for as long as it is tried.
umask 077
mkdir -p /run/kubestead
t=$(mktemp -d /run/kubestead/doctor.XXXXXX) || exit 70
# At the end of the section.
leave() {
    ssh -S "$t/login" -O exit "$user@$address" > /dev/null 2>&1 < /dev/null
    rm -rf "$t"
}
to=(-F "$config" -o ConnectTimeout=5 -p "$port" "$user@$address")
# tell WHAT STATUS BYTES: with the last that ssh said.
tell() {
    printf '%s %s %s %s\n' "$1" "$2" "$3" "$(tail -n 4 "$t/said" 2> /dev/null | tr -d '\r' | tr '\n' ' ')"
}
# try WHAT ARGUMENTS: of ssh. The content goes to wc and nowhere else.
try() {
    local what=$1 status bytes
    shift
    bytes=$(
        timeout 30 ssh "$@" 2> "$t/said" < /dev/null | wc -c
        exit "${PIPESTATUS[0]}"
    )
    status=$?
    tell "$what" "$status" "$bytes"
}

# A server that is asked by many at once closes connections before the login (MaxStartups): it is asked again, a moment later.
for round in 1 2 3 4; do
    timeout 30 ssh -M -S "$t/login" -o ControlPersist=no -f -N "${to[@]}" > "$t/out" 2> "$t/said" < /dev/null
    status=$?
    case $(tail -n 1 "$t/said") in
        *'onnection closed by'* | *'onnection reset by'*) [ "$status" = 0 ] || sleep $((round + RANDOM % 3)) ;;
        *) break ;;
    esac
done
# The address that this node comes from.
printf 'source %s\n' "$(ip -o route get "$address" 2> /dev/null | sed -n 's/.* src \([^ ]*\).*/\1/p')"
if [ "$status" != 0 ]; then
    # What it says before a login is only in the clear.
    printf 'banner %s\n' "$({ timeout 5 head -n 1 < "/dev/tcp/$address/$port"; } 2> /dev/null | tr -d '\r' | head -c 200)"
    tell login "$status" 0
    exit 0
fi
tell login 0 0

over=(-S "$t/login" -o ControlMaster=no "${to[@]}")
for index in "${!volumes[@]}"; do
    volume=${volumes[index]}
    timeout 30 ssh "${over[@]}" "get $volume" > "$t/share" 2> "$t/said" < /dev/null
    tell "share:$volume" "$?" "$(stat -c %s "$t/share")"
    : > "$t/said"
    # cryptsetup repairs a damaged header when it loads it: it gets a copy.
    if [ -b "${devices[index]}" ] && dd if="${devices[index]}" of="$t/header" bs=1M count=16 status=none 2> "$t/said"; then
        cat "$t/share" "/etc/kubestead/share.d/$volume" 2> "$t/said" | cryptsetup open --test-passphrase --key-file - "$t/header" > /dev/null 2>&1
        tell "both:$volume" "${PIPESTATUS[1]}" 0
        cryptsetup open --test-passphrase --key-file - "$t/header" > /dev/null 2>&1 < "$t/share"
        tell "alone:$volume" "$?" 0
    else
        tell "both:$volume" 4 0
        tell "alone:$volume" 4 0
    fi
    rm -f "$t/header" "$t/share"
done
for index in "${!requests[@]}"; do
    if [ -n "${requests[index]}" ]; then
        try "request:$index" "${over[@]}" "${requests[index]}"
    else
        try "request:$index" "${over[@]}"
    fi
done
try sftp -s "${over[@]}" sftp
ssh -S "$t/login" -O exit "$user@$address" > /dev/null 2>&1 < /dev/null

try terminal -tt "${to[@]}" id
try forward -o LogLevel=INFO -W 127.0.0.1:22 "${to[@]}"
try backward -N -o ExitOnForwardFailure=yes -R 127.0.0.1:0:127.0.0.1:22 "${to[@]}"
export DISPLAY=127.0.0.1:0
try x11 -o LogLevel=INFO -o ForwardX11=yes -o ForwardX11Trusted=yes "${to[@]}" id
# The node's other addresses on the way to the server, if it has any.
read -r device source < <(ip -o route get "$address" 2> /dev/null | sed -n 's/.* dev \([^ ]*\).* src \([^ ]*\).*/\1 \2/p')
other=$(ip -o addr show dev "$device" scope global 2> /dev/null \
    | awk -v own="$source" '{ sub(/\/.*/, "", $4); if ($4 != own && (index($4, ":") > 0) == (index(own, ":") > 0)) { print $4; exit } }')
if [ -n "$other" ]; then
    try elsewhere -b "$other" "${to[@]}" "get ${volumes[0]}"
fi
try pinned -o UserKnownHostsFile=/dev/null "${to[@]}" "get ${volumes[0]}"
ssh-keygen -q -t ed25519 -N '' -f "$t/key"
try stranger -F /dev/null -o StrictHostKeyChecking=yes -o "UserKnownHostsFile=$known_hosts" -o GlobalKnownHostsFile=/dev/null \
    -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o ConnectTimeout=5 -i "$t/key" -p "$port" "$user@$address" "get ${volumes[0]}"

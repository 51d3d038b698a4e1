# shellcheck shell=bash disable=SC2154
# What an apt repository offers, told only while something of it is missing, so that a finished machine asks nobody: lines with tabs between. Nothing
# is believed here: whoever reads this compares the key, and apt verifies what it installs.
#   now SECONDS          the machine's clock
#   here LINE            the keyring that lies there, a line each
#   system ID CODENAME ARCHITECTURE   of a repository with a folder for each
#   candidate VERSION    the distribution's own, of the first package in "others"
#   asked                the repository was asked, and then:
#   key LINE, version NAME VERSION (in order, the newest last), failed CODE URL WORDS
# Needs `uri`, `keyring`, `source`, the lists `names` (what is to come from it, all of them or any one: `any` is yes) and `others` (packages and programs
# that spare it), and `distribution`: yes if it has a folder for each. `proxy`, `proxies` (for https) and `direct` are the proxies.
tell() {
    local IFS=$'\t'
    printf '%s\n' "$*"
}
now=$(date +%s)
tell now "$now"
if [ -s "$keyring" ]; then
    head -c 65536 "$keyring" | awk '{ print "here\t" $0 }'
fi
if [ "$distribution" = yes ]; then
    id=$(sed -n 's/^ID="\{0,1\}\([a-z0-9.-]*\)"\{0,1\}$/\1/p' /etc/os-release)
    codename=$(sed -n 's/^VERSION_CODENAME="\{0,1\}\([a-z0-9.-]*\)"\{0,1\}$/\1/p' /etc/os-release)
    architecture=$(dpkg --print-architecture)
    tell system "$id" "$codename" "$architecture"
fi
wanted() {
    local until='' name count=0 candidate
    if [ -s "$keyring" ]; then
        until=$(sed -n 's/^# The key ends at \([0-9]*\) .*/\1/p' "$source" | head -n 1)
        if [ -n "$until" ] && [ "$now" -ge "$until" ]; then
            return 0
        fi
    fi
    # shellcheck disable=SC2016 # dpkg's own
    count=$(dpkg-query -W -f '${db:Status-Status}\n' "${names[@]}" "${others[@]}" | grep -cx installed)
    if [ "$any" = yes ]; then
        [ "$count" = 0 ] || return 1
        for name in "${others[@]}"; do
            ! hash "$name" || return 1
        done
        candidate=$(apt-cache policy "${others[0]}" | awk '$1 == "Candidate:" { print $2 }')
        case $candidate in
        '' | '(none)') ;;
        *)
            tell candidate "$candidate"
            ! dpkg --compare-versions "$candidate" ge 2.0 || return 1
            ;;
        esac
        return 0
    fi
    [ ! -s "$keyring" ] || [ "$count" -lt "${#names[@]}" ]
}
fetch() {
    curl -fsSL --proto '=http,https' --connect-timeout 10 --max-time 60 --max-filesize 16777216 "$1"
}
versions() {
    fetch "$1" | gzip -dc 2> /dev/null | awk -v list=" ${names[*]} " '
        $1 == "Package:" { name = $2 }
        $1 == "Version:" && index(list, " " name " ") { print "version\t" name "\t" $2 }' | sort -V | uniq
    return "${PIPESTATUS[0]}"
}
setting() {
    apt-config dump --format '%v%n' "$1" | head -n 1
}
offer() {
    local key=$uri/Release.key index=$uri/Packages.gz text='' code=0
    if [ "$distribution" = yes ]; then
        key=$uri/$id/gpg index=$uri/$id/dists/$codename/stable/binary-$architecture/Packages.gz
    fi
    # Without proxies of the cluster file the ones hold that apt has.
    if [ -z "$proxy$proxies" ]; then
        proxy=$(setting Acquire::http::Proxy)
        proxies=$(setting Acquire::https::Proxy)
        proxies=${proxies:-$proxy}
    fi
    [ -z "$proxy" ] || [ "$proxy" = DIRECT ] || export http_proxy=$proxy
    [ -z "$proxies" ] || [ "$proxies" = DIRECT ] || export https_proxy=$proxies
    [ -z "$direct" ] || export no_proxy=$direct
    tell asked
    text=$(fetch "$key" 2>&1 | head -c 65536; exit "${PIPESTATUS[0]}") || code=$?
    if [ "$code" != 0 ]; then
        tell failed "$code" "$key" "$(printf %s "$text" | tr '\t\n' '  ' | cut -c 1-300)"
        return 0
    fi
    awk '{ print "key\t" $0 }' <<< "$text"
    text=$(versions "$index" 2>&1) || code=$?
    if [ "$code" != 0 ]; then
        tell failed "$code" "$index" "$(printf %s "$text" | tr '\t\n' '  ' | cut -c 1-300)"
    elif [ -n "$text" ]; then
        printf '%s\n' "$text"
    fi
}
! wanted || offer
true

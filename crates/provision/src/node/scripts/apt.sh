# shellcheck shell=bash disable=SC2154
# Installs packages at exactly one version and holds them. A run that was killed is taken up again. Needs the list `names`; `version`: the beginning of
# their versions, or one whole version with a `$` behind it; `uri` of the repository, and `source`, the file that names it (nothing for the
# distribution's own); and `begun`: a mark that stands while this runs.
apt_state() {
    # shellcheck disable=SC2016 # dpkg's own
    dpkg-query -W -f '${Package} ${db:Status-Status} ${db:Status-Want} ${Version}\n' "${names[@]}" 2> /dev/null || true
}
# Lines whose field $1 is such a version; with `not` ahead of it, the others.
apt_at_version() {
    awk -v field="$1" -v v="$version" -v inverse="${2-}" '{ fits = index($field "$", v) == 1; if (inverse != "" ? !fits : fits) print }'
}
apt_whole() {
    [ "$(apt_state | awk '$2 == "installed" && $3 == "hold"' | apt_at_version 4 | wc -l)" = "${#names[@]}" ]
}
apt_refuse_others() {
    local other
    other=$(apt_state | awk '$2 != "not-installed" && $2 != "config-files"' | apt_at_version 4 not | awk '{ print $1, $4 }')
    [ -z "$other" ] || refuse "of another version: $other"
}
# What was installed and only not held is held.
apt_hold() {
    apt-mark hold "${names[@]}" > /dev/null
}
apt_install() {
    local wait again lists ours wanted name all found apt others changes
    wait=(-o DPkg::Lock::Timeout=300) again=() wanted=() others=()
    export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
    if [ -e "$begun" ]; then
        dpkg --force-confdef --force-confold --configure -a || true
        # apt keeps what dpkg calls half-installed, unless told to install it again.
        # shellcheck disable=SC2016 # dpkg's own
        mapfile -t again < <(dpkg-query -W -f '${db:Status-Eflag} ${Package}\n' | awk '$1 == "reinstreq" { print $2 }')
    fi
    if [ -n "$uri" ]; then
        # Our lists go first: apt does not sync them, and takes one that a power cut left empty for the repository's own.
        # shellcheck disable=SC2016 # apt's own
        lists=$(apt-get indextargets --format '$(FILENAME)' "Repo-URI: $uri" 'Created-By: Packages' | head -n 1)
        case $lists in
        /*_Packages) rm -f "${lists%Packages}"* ;;
        esac
        # Only our own source is read again: what else the machine has is its administrator's. The whole is asked when a dependency is missing.
        ours=(-o "Dir::Etc::sourcelist=$source" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0)
        apt-get -q "${wait[@]}" update "${ours[@]}" -o APT::Update::Error-Mode=any || {
            echo "apt did not take $uri: does it answer, and is the key that the cluster file tells of the one that signs it?" >&2
            exit 1
        }
        for name in "${names[@]}"; do
            all=$(apt-cache madison "$name" | awk -v u="${uri%/}" 'index($0, u) { print $3 }')
            found=$(apt_at_version 1 <<< "$all" | head -n 1)
            [ -n "$found" ] || refuse "$name ${version%[-$]} is not in $uri, which has: $(tr '\n' ' ' <<< "$all")"
            wanted+=("$name=$found")
        done
    else
        for name in "${names[@]}"; do
            wanted+=("$name=${version%\$}")
        done
    fi
    apt=(apt-get -q -y --no-install-recommends --no-remove -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold)
    "${apt[@]}" -s install "${wanted[@]}" > /dev/null 2>&1 || apt-get -q "${wait[@]}" update || true
    for name in "${again[@]}"; do
        case " ${names[*]} " in
        *" $name "*) ;;
        *) others+=("$name") ;;
        esac
    done
    # What is there stays as it is, held or not: a dependency that must change is its administrator's decision.
    changes=$("${apt[@]}" -s install "${wanted[@]}" | awk '$1 == "Inst" && $3 ~ /^\[/ { print $2 }')
    for name in $changes; do
        case " ${names[*]} ${others[*]} " in
        *" $name "*) ;;
        *) refuse "the packages need another version of $name, which is there: change it yourself (apt-get install $name), then run up again" ;;
        esac
    done
    mkdir -p "${begun%/*}"
    touch "$begun"
    sync "$begun"
    "${apt[@]}" "${wait[@]}" ${again[0]:+--reinstall} install "${wanted[@]}" "${others[@]}"
    apt_hold
}

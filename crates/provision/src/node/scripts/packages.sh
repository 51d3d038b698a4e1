# shellcheck shell=bash disable=SC2154
# Installs exactly one version of Kubernetes' packages and holds them. A run that was killed is taken up again. Needs the list `names`, and `version`,
# `uri` (of the repository), `source` (its file) and `begun`: a mark that stands while this runs.
# guard
state() {
    # shellcheck disable=SC2016 # dpkg's own
    dpkg-query -W -f '${Package} ${db:Status-Status} ${db:Status-Want} ${Version}\n' "${names[@]}" 2> /dev/null || true
}
whole() {
    [ "$(state | awk -v v="$version-" '$2 == "installed" && $3 == "hold" && index($4, v) == 1' | wc -l)" = "${#names[@]}" ]
}
if whole; then
    rm -f "$begun"
    already
fi
other=$(state | awk -v v="$version-" '$2 != "not-installed" && $2 != "config-files" && index($4, v) != 1 { print $1, $4 }')
[ -z "$other" ] || refuse "of another version: $other"
# act
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
wait=(-o DPkg::Lock::Timeout=300)
again=()
if [ -e "$begun" ]; then
    dpkg --force-confdef --force-confold --configure -a || true
    # apt keeps what dpkg calls half-installed, unless told to install it again.
    # shellcheck disable=SC2016 # dpkg's own
    mapfile -t again < <(dpkg-query -W -f '${db:Status-Eflag} ${Package}\n' | awk '$1 == "reinstreq" { print $2 }')
fi
# Our lists go first: apt does not sync them, and takes one that a power cut left empty for the repository's own.
# shellcheck disable=SC2016 # apt's own
lists=$(apt-get indextargets --format '$(FILENAME)' "Repo-URI: $uri/" 'Created-By: Packages' | head -n 1)
case $lists in
/*_Packages) rm -f "${lists%Packages}"* ;;
esac
# Only our own source is read again: what else the machine has is its administrator's. The whole is asked when a dependency is missing.
ours=(-o "Dir::Etc::sourcelist=$source" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0)
apt-get -q "${wait[@]}" update "${ours[@]}" -o APT::Update::Error-Mode=any || {
    echo "apt did not take $uri: does it answer, and is kubernetes.packages.key the key that signs it?" >&2
    exit 1
}
wanted=()
for name in "${names[@]}"; do
    all=$(apt-cache madison "$name" | awk -v u="$uri" 'index($0, u) { print $3 }')
    found=$(awk -v v="$version-" 'index($0, v) == 1 && !n++' <<< "$all")
    [ -n "$found" ] || refuse "$name $version is not in $uri, which has: $(tr '\n' ' ' <<< "$all")"
    wanted+=("$name=$found")
done
apt=(apt-get -q -y --no-install-recommends --no-remove -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold)
"${apt[@]}" -s install "${wanted[@]}" > /dev/null 2>&1 || apt-get -q "${wait[@]}" update || true
others=()
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
apt-mark hold "${names[@]}" > /dev/null
# verify
whole || unverified "the packages are: $(state)"
rm "$begun"

# shellcheck shell=bash disable=SC2154
# Tells the state of the units of a node, and the versions of programs, a line each with tabs between: `service NAME STATE` (a property as
# systemctl prints it), `installed NAME VERSION` and `running NAME VERSION`. VERSION is what the program
# says; `package` for one of a package, or `as-wanted` for one that is recorded with the sum that it shall have, which spares its start; `same` for a running one that is the installed
# file. Needs the lists `names` and `wanted` (its sums, one for each architecture, `package`, or nothing), `folder` (where a bundle's programs are), and `installed`.
said() {
    local program=$1 name=$2
    case $name in
    kubeadm) timeout 20 "$program" version -o short < /dev/null ;;
    *) timeout 20 "$program" --version < /dev/null ;;
    esac | head -n 1 | cut -c 1-200
}
declare -A recorded=() now=()
if [ -f "$installed" ]; then
    while IFS= read -r line; do
        [ -z "${line#* }" ] || recorded[${line#* }]=${line%% *}
    done < "$installed"
fi
while IFS= read -r line; do
    now[${line#* * }]=$line
done < <(stat -c '%s %Y %n' "${names[@]/#/$folder/}" 2> /dev/null)
# A block of properties a unit, in the order asked.
services=(kubelet containerd kubestead-network.path)
declare -A pids=()
while IFS= read -r line; do
    case $line in
    '') services=("${services[@]:1}") ;;
    MainPID=*) pids[${services[0]-}]=${line#*=} ;;
    *) printf 'service\t%s\t%s\n' "${services[0]-}" "$line" ;;
    esac
done < <(systemctl show -p MainPID -p ActiveState -p UnitFileState "${services[@]}")
for i in "${!names[@]}"; do
    name=${names[i]}
    hash "$name" 2> /dev/null || continue
    path=${BASH_CMDS[$name]}
    version=
    if [ "${wanted[i]}" = package ]; then
        version=package
    elif [ -n "${now[$path]-}" ] && [ -n "${recorded[${now[$path]}]-}" ] && [[ " ${wanted[i]} " == *" ${recorded[${now[$path]}]} "* ]]; then
        version=as-wanted
    fi
    [ -n "$version" ] || version=$(said "$path" "$name")
    printf 'installed\t%s\t%s\n' "$name" "$version"
    pid=${pids[$name]-0}
    if [ "$pid" != 0 ]; then
        if [ "/proc/$pid/exe" -ef "$path" ]; then
            version=same
        else
            version=$(said "/proc/$pid/exe" "$name")
        fi
        printf 'running\t%s\t%s\n' "$name" "$version"
    fi
done
true

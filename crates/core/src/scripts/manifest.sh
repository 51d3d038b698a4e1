# shellcheck shell=bash disable=SC2154
# The manifest: what kubestead wrote, a line `SHA256  PATH` a file. A path has two lines while a file is written: a cut between the
# manifest and the file leaves one that tells what lies there. Needs the variable `manifest`.
declare -A known=()
# What stands ahead of this has variables of its own.
read_manifest() {
    local line path
    [ -f "$manifest" ] || return 0
    while IFS= read -r line; do
        path=${line#*  }
        [ -z "$path" ] || known[$path]+=" ${line%%  *}"
    done < "$manifest"
}
read_manifest
# PATH: its sha256.
sum_of() {
    local sum
    sum=$(sha256sum < "$1")
    printf '%s' "${sum%% *}"
}
# SUM PATH: whether kubestead wrote that there.
recorded() {
    [[ "${known[$2]-} " == *" $1 "* ]]
}
# [SUM PATH]...: writes that down, and keeps the lines of other paths.
record() {
    local -A own=()
    local i path line new
    for ((i = 2; i <= $#; i += 2)); do
        own[${!i}]=1
    done
    (umask 022; mkdir -p "${manifest%/*}")
    new=$(umask 077; mktemp "${manifest%/*}/.kubestead.XXXXXX")
    {
        if [ -f "$manifest" ]; then
            while IFS= read -r line; do
                path=${line#*  }
                if [ -z "$path" ]; then
                    continue
                fi
                if [ -n "${own[$path]-}" ] && ! { [ -f "$path" ] && [ "$(sum_of "$path")" = "${line%%  *}" ]; }; then
                    continue
                fi
                printf '%s\n' "$line"
            done < "$manifest"
        fi
        printf '%s  %s\n' "$@"
    } | sort -k 2 | uniq > "$new"
    chmod 0644 "$new"
    sync "$new"
    mv -fT "$new" "$manifest"
    sync "${manifest%/*}"
}
# PATH: keeps a copy beside it, under a name that is free.
keep_copy() {
    local copy=$1.before-kubestead number=0 part
    while [ -e "$copy" ] || [ -L "$copy" ]; do
        if cmp -s "$1" "$copy"; then
            return
        fi
        number=$((number + 1))
        copy=$1.before-kubestead.$number
    done
    part=$(umask 077; mktemp "${1%/*}/.kubestead.XXXXXX")
    cp -a "$1" "$part"
    sync "$part"
    mv -nT "$part" "$copy"
    sync "${copy%/*}"
}
# PATH: whether an earlier version of kubestead wrote it, which kept no manifest.
marked() {
    case $1 in
    *kubestead*) return 0 ;;
    esac
    grep -q 'Written by kubestead' < <(head -c 512 "$1")
}

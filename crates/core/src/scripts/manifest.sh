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
# [SUM PATH]...: adds that. Of the paths in `own` it keeps the lines that tell what lies there, of others all. Processes are most of what it costs.
rewrite() {
    local path line i new=${manifest%/*}/.kubestead.manifest lines=() there=()
    local -A now=()
    [ ! -f "$manifest" ] || mapfile -t lines < "$manifest"
    for line in "${lines[@]}"; do
        path=${line#*  }
        if [ -n "${own[${path:-/}]-}" ] && [ -f "$path" ]; then there+=("$path"); fi
    done
    if [ "${#there[@]}" != 0 ]; then
        while IFS= read -r -d '' line; do
            now[${line#*  }]=${line%%  *}
        done < <(sha256sum -z -- "${there[@]}")
    fi
    for i in "${!lines[@]}"; do
        line=${lines[i]} path=${lines[i]#*  }
        if [ -z "$path" ] || { [ -n "${own[$path]-}" ] && [ "${now[$path]-}" != "${line%%  *}" ]; }; then
            unset 'lines[i]'
        fi
    done
    for ((i = 1; i < $#; i += 2)); do
        path=$((i + 1))
        lines+=("${!i}  ${!path}")
    done
    [ -d "${manifest%/*}" ] || (umask 022; mkdir -p "${manifest%/*}")
    # One at a time writes it, and what a cut left of an earlier one is overwritten.
    printf -v line '%s\n' "${lines[@]}"
    if [ "${#lines[@]}" = 0 ]; then : > "$new"; else sort -u -k 2 -k 1,1 <<< "${line%$'\n'}" > "$new"; fi
    chmod 0644 "$new"
    sync "$new"
    mv -fT "$new" "$manifest"
    sync "${manifest%/*}"
}
# [SUM PATH]...: writes that down, and keeps the lines of other paths.
record() {
    local -A own=()
    local i
    for ((i = 2; i <= $#; i += 2)); do
        own[${!i}]=1
    done
    rewrite "$@"
}
# PATH...: strikes out what does not lie there any more.
strike() {
    local -A own=()
    local path
    for path; do
        own[$path]=1
    done
    [ ! -f "$manifest" ] || rewrite
}
# [SUM PATH]...: the same before these take their places; what lies there of an earlier version, which kept no manifest, is written down too, so
# that a cut before its end does not make it somebody else's. A copy of it stays: it may have been edited since, nothing tells.
announce() {
    local i path sum before pairs=("$@") new=("$@")
    for ((i = 2; i <= $#; i += 2)); do
        path=${!i} sum=${new[i - 2]}
        if [ -f "$path" ] && [ -z "${known[$path]-}" ]; then
            before=$(sum_of "$path")
            [ "$before" = "$sum" ] || keep_copy "$path"
            pairs+=("$before" "$path")
        fi
    done
    record "${pairs[@]}"
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
# PATH: whether it says of itself that kubestead wrote it, as what an earlier version wrote that kept no manifest. A name says nothing: anybody
# may put a file where ours belongs, also into a folder of ours.
marked() {
    grep -q 'Written by kubestead' < <(head -c 512 "$1")
}
# PATH SUM: why it must not be replaced by what has that sum; nothing if it may.
foreign() {
    local now
    if [ -L "$1" ] || { [ -e "$1" ] && [ ! -f "$1" ]; }; then
        printf '%s' "is not a regular file"
        return
    fi
    [ -e "$1" ] || return 0
    now=$(sum_of "$1")
    if [ "$now" = "$2" ] || recorded "$now" "$1"; then
        return 0
    fi
    if [ -n "${known[$1]-}" ]; then
        printf '%s' "was changed since kubestead wrote it"
    elif ! marked "$1"; then
        printf '%s' "was not written by kubestead"
    fi
}
# PATH SUM: refuses when it must not be replaced.
only_ours() {
    local why
    why=$(foreign "$1" "$2")
    [ -z "$why" ] || refuse "$1 $why: move it away, or run up again, which asks for your consent to replace it"
}

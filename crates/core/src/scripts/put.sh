# shellcheck shell=bash disable=SC2154
# Puts files whose contents follow each other on standard input. Needs the lists `paths`, `modes`, `sizes` and `sums`, and `installed`: the
# record of programs, which are not in the manifest (or nothing). After manifest.sh.
# guard
# Programs that are as they were recorded are not read.
declare -A installed_now=()
if [ -n "$installed" ] && [ -f "$installed" ]; then
    declare -A recorded_now=()
    while IFS= read -r line; do
        [ -z "${line#* }" ] || recorded_now[${line#* }]=yes
    done < "$installed"
    while IFS= read -r line; do
        installed_now[${line#* * }]=${recorded_now[$line]-}
    done < <(stat -c '%s %Y %n' "${paths[@]}" 2> /dev/null)
fi
for i in "${!paths[@]}"; do
    if [ -z "${installed_now[${paths[i]}]-}" ] || [ -L "${paths[i]}" ]; then
        only_ours "${paths[i]}" "${sums[i]}"
    fi
done
# Whether all are there already.
fits() {
    local i
    [ "${#paths[@]}" != 0 ] || return 0
    for i in "${!paths[@]}"; do
        printf '%s  %s\n' "${sums[i]}" "${paths[i]}"
    done | sha256sum --status -c - 2> /dev/null || return 1
    [ "$(stat -c %a "${paths[@]}")" = "$(printf '%s\n' "${modes[@]}")" ]
}
# Writes the files into the manifest, by `record` or `announce`.
note() {
    local i pairs=()
    [ -z "$installed" ] || return 0
    for i in "${!paths[@]}"; do
        pairs+=("${sums[i]}" "${paths[i]}")
    done
    [ "${#pairs[@]}" = 0 ] || "${1:-record}" "${pairs[@]}"
}
# act
parts=() folders=()
trap 'rm -f "${parts[@]}"' EXIT
# What a power cut left of an earlier writing.
for p in "${paths[@]}"; do
    rm -f "${p%/*}"/.kubestead.??????
done
for i in "${!paths[@]}"; do
    d=${paths[i]%/*}
    (umask 022; mkdir -p "$d")
    t=$(umask 077; mktemp "$d/.kubestead.XXXXXX")
    parts+=("$t")
    folders+=("$d")
    chmod "${modes[i]}" "$t"
    head -c "${sizes[i]}" > "$t"
    [ "$(stat -c %s "$t")" = "${sizes[i]}" ] || refuse "what ${paths[i]} shall hold was cut off"
done
if [ "${#parts[@]}" != 0 ]; then
    sync "${parts[@]}"
    # One of an earlier version may have been edited since: nothing tells.
    stale=
    for i in "${!paths[@]}"; do
        p=${paths[i]}
        if [ -z "$installed" ] && [ -e "$p" ] && [ -z "${known[$p]-}" ]; then
            stale=yes
            if [[ $p != *kubestead* ]] && ! cmp -s "$p" "${parts[i]}"; then
                keep_copy "$p"
            fi
        fi
    done
    note announce
    for i in "${!parts[@]}"; do
        mv -fT "${parts[i]}" "${paths[i]}"
        [ "${known[${paths[i]}]-" ${sums[i]}"}" = " ${sums[i]}" ] || stale=yes
    done
    sync "${folders[@]}"
    # What lay there before may stand in the manifest no longer.
    [ -z "$stale" ] || note
fi
# verify
fits || unverified 'a file does not hold what was written'

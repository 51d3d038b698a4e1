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
    p=${paths[i]}
    if [ -L "$p" ] || { [ -e "$p" ] && [ -z "${installed_now[$p]-}" ]; }; then
        only_ours "$p" "${sums[i]}"
    fi
done
# Whether all are there already.
fits() {
    local i line wanted=''
    [ "${#paths[@]}" != 0 ] || return 0
    for i in "${!paths[@]}"; do
        printf -v line '%s  %s\n' "${sums[i]}" "${paths[i]}"
        wanted+=$line
    done
    sha256sum --status -c <(printf %s "$wanted") 2> /dev/null || return 1
    printf -v wanted '%s\n' "${modes[@]}"
    [ "$(stat -c %a "${paths[@]}")" = "${wanted%$'\n'}" ]
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
parts=() folders=() absent=() left=()
trap 'rm -f "${parts[@]}"' EXIT
# What a power cut left of an earlier writing.
for p in "${paths[@]}"; do
    folders+=("${p%/*}")
    [ -d "${p%/*}" ] || absent+=("${p%/*}")
    for t in "${p%/*}"/.kubestead.??????; do
        if [ -e "$t" ] || [ -L "$t" ]; then left+=("$t"); fi
    done
done
[ "${#left[@]}" = 0 ] || rm -f "${left[@]}"
umask 022
[ "${#absent[@]}" = 0 ] || mkdir -p "${absent[@]}"
for i in "${!paths[@]}"; do
    # A new file has the usual modes at once: a process for each file is most of what a writing costs.
    case ${modes[i]} in
    644) umask 022 ;;
    *) umask 077 ;;
    esac
    printf -v t '%s/.kubestead.%06d' "${folders[i]}" "$i"
    parts+=("$t")
    set -o noclobber
    exec {part}> "$t"
    set +o noclobber
    # In large pieces: head moves 8 KiB at once.
    dd bs=1M iflag=fullblock,count_bytes count="${sizes[i]}" status=none >&"$part"
    exec {part}>&-
    case ${modes[i]} in
    600 | 644) ;;
    *) chmod "${modes[i]}" "$t" ;;
    esac
done
umask 022
if [ "${#parts[@]}" != 0 ]; then
    i=0
    while read -r size; do
        [ "$size" = "${sizes[i]}" ] || refuse "what ${paths[i]} shall hold was cut off"
        i=$((i + 1))
    done < <(stat -c %s "${parts[@]}")
    sync "${parts[@]}"
    stale=
    for p in "${paths[@]}"; do
        if [ -z "$installed" ] && [ -e "$p" ] && [ -z "${known[$p]-}" ]; then
            stale=yes
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

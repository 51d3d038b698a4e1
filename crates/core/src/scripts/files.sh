# shellcheck shell=bash disable=SC2154
# Tells what files hold, and the manifest, a line each with tabs between: `p` when files were written and perhaps not loaded; `w SUM PATH` was
# written by kubestead; `f SUM MARK PATH` is there, MARK being `kubestead` (by its first lines), `package` (as its package ships it) or
# `-`; `o PATH` is something else than a regular file; `h PATH HEADING` is a heading of a file that the manifest does not know: what it configures,
# without values; `l PATH` was written by kubestead, is there, and is none that is asked for. Of `places` it tells only what is no regular file.
# Needs the lists `paths` and `places`, `manifest`, and `pending`: the mark of a writing that was not taken to its end.
if [ -e "$pending" ]; then
    echo p
fi
declare -A known=() asked=()
for path in "${paths[@]}" "${places[@]}"; do
    asked[$path]=yes
done
if [ -f "$manifest" ]; then
    while IFS= read -r line; do
        path=${line#*  }
        if [ -n "$path" ]; then
            if [ -z "${known[$path]-}${asked[$path]-}" ] && [ -e "$path" ]; then
                printf 'l\t%s\n' "$path"
            fi
            known[$path]+=" ${line%%  *}"
            printf 'w\t%s\t%s\n' "${line%%  *}" "$path"
        fi
    done < "$manifest"
fi
# PATH: whether dpkg shipped it just so.
shipped() {
    local sum
    command -v dpkg-query > /dev/null || return 1
    sum=$(md5sum < "$1")
    # shellcheck disable=SC2016 # dpkg's own
    dpkg-query -W -f '${Conffiles}\n' | grep -qxF -- " $1 ${sum%% *}"
}
# One process for all of them: there are two dozen on every node.
regular=()
declare -A now=()
is_other() {
    [ -L "$1" ] || { [ -e "$1" ] && [ ! -f "$1" ]; }
}
for path in "${paths[@]}"; do
    if is_other "$path"; then
        printf 'o\t%s\n' "$path"
    elif [ -e "$path" ]; then
        regular+=("$path")
    fi
done
for path in "${places[@]}"; do
    if is_other "$path"; then
        printf 'o\t%s\n' "$path"
    fi
done
if [ "${#regular[@]}" != 0 ]; then
    while IFS= read -r -d '' line; do
        now[${line#*  }]=${line%%  *}
    done < <(sha256sum -z -- "${regular[@]}")
fi
for path in "${paths[@]}"; do
    sum=${now[$path]-}
    [ -n "$sum" ] || continue
    mark=-
    if [[ "${known[$path]-} " != *" $sum "* ]]; then
        if grep -q 'Written by kubestead' < <(head -c 512 "$path"); then
            mark=kubestead
        elif shipped "$path"; then
            mark=package
        fi
        grep -aE '^[[:space:]]*\[\[?[A-Za-z0-9_.:/ "-]+\]\]?[[:space:]]*$' "$path" | head -n 64 | cut -c 1-200 | while IFS= read -r heading; do
            printf 'h\t%s\t%s\n' "$path" "${heading//$'\t'/ }"
        done
    fi
    printf 'f\t%s\t%s\t%s\n' "$sum" "$mark" "$path"
done
true

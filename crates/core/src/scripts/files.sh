# shellcheck shell=bash disable=SC2154
# Tells what files hold, and the manifest, a line each with tabs between: `w SUM PATH` was written by kubestead; `f SUM MARK PATH` is there, MARK
# being `kubestead` (by its name or its first lines), `package` (as its package ships it) or `-`; `o PATH` is something else than a regular
# file; `h PATH HEADING` is a heading of a file that nobody knows: what it configures, without values.
# Needs the lists `paths` and `sums` (what each shall hold), and `manifest`.
declare -A known=()
if [ -f "$manifest" ]; then
    while IFS= read -r line; do
        path=${line#*  }
        if [ -n "$path" ]; then
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
# One process for all of them: there are a dozen on every node.
regular=()
declare -A now=()
for path in "${paths[@]}"; do
    if [ -f "$path" ] && [ ! -L "$path" ]; then
        regular+=("$path")
    elif [ -e "$path" ] || [ -L "$path" ]; then
        printf 'o\t%s\n' "$path"
    fi
done
if [ "${#regular[@]}" != 0 ]; then
    while IFS= read -r -d '' line; do
        now[${line#*  }]=${line%%  *}
    done < <(sha256sum -z -- "${regular[@]}")
fi
for i in "${!paths[@]}"; do
    path=${paths[i]}
    sum=${now[$path]-}
    [ -n "$sum" ] || continue
    mark=-
    if [ "$sum" != "${sums[i]}" ] && [[ "${known[$path]-} " != *" $sum "* ]]; then
        if [[ $path == *kubestead* ]] || grep -q 'Written by kubestead' < <(head -c 512 "$path"); then
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

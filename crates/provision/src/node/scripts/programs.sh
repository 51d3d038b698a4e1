# shellcheck shell=bash disable=SC2154
# Tells the record of installed programs, then the size and time of what is there, then the sha256 of what the record does not tell of. Needs the
# list `paths`, and `installed`.
declare -A recorded=()
if [ -f "$installed" ]; then
    while IFS= read -r line; do
        printf '%s\n' "$line"
        [ -z "${line#* }" ] || recorded[${line#* }]=yes
    done < "$installed"
fi
echo @@
strange=()
while IFS= read -r line; do
    printf '%s\n' "$line"
    [ -n "${recorded[$line]-}" ] || strange+=("${line#* * }")
done < <(stat -c '%s %Y %n' "${paths[@]}" 2> /dev/null)
echo @@
[ "${#strange[@]}" = 0 ] || sha256sum "${strange[@]}"
true

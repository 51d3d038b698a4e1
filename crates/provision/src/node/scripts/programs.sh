# shellcheck shell=bash disable=SC2154
# Tells the record of installed programs, then the size and time of what is there, then the sha256 of what the record does not tell of. Needs the
# list `paths`, and `installed`.
if [ -f "$installed" ]; then
    cat "$installed"
fi
echo @@
strange=()
for path in "${paths[@]}"; do
    if [ -f "$path" ]; then
        now=$(stat -c '%s %Y %n' "$path")
        printf '%s\n' "$now"
        if ! { [ -f "$installed" ] && grep -qxF -- "$now" <(cut -d ' ' -f 2- "$installed"); }; then
            strange+=("$path")
        fi
    fi
done
echo @@
[ "${#strange[@]}" = 0 ] || sha256sum "${strange[@]}"
true

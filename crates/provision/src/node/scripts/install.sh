# shellcheck shell=bash disable=SC2154
# Programs are recorded with size and time once all are there. After put.sh, with its lists.
# guard
record_programs() {
    local i new
    mkdir -p "${installed%/*}"
    touch "$installed"
    new=$(mktemp "$installed.XXXXXX")
    {
        printf '%s\n' "${paths[@]}" | awk 'NR == FNR { own[$0]; next } !($4 in own)' - "$installed"
        for i in "${!paths[@]}"; do
            printf '%s %s\n' "${sums[i]}" "$(stat -c '%s %Y %n' "${paths[i]}")"
        done
    } > "$new"
    sync "$new"
    mv -fT "$new" "$installed"
    sync "${installed%/*}"
}
if fits; then
    record_programs
    already
fi
# act
# verify
# Their sums were compared where they were sent from: to read them again here takes seconds.
for i in "${!paths[@]}"; do
    [ "$(stat -c '%a %s' "${paths[i]}")" = "${modes[i]} ${sizes[i]}" ] || unverified "${paths[i]} is not what was sent"
done
record_programs

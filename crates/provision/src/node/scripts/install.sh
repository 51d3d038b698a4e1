# shellcheck shell=bash disable=SC2154
# Programs are recorded with size and time once all are there. After put.sh, with its lists, and `machine`: what they are for, as uname says it (or nothing).
# guard
here=$(uname -m)
[ -z "$machine" ] || [ "$machine" = "$here" ] || refuse "the programs of the bundle are for $machine, and this machine is $here: name a bundle of its architecture"
record_programs() {
    local i=0 line new
    mkdir -p "${installed%/*}"
    touch "$installed"
    new=$(mktemp "$installed.XXXXXX")
    {
        printf '%s\n' "${paths[@]}" | awk 'NR == FNR { own[$0]; next } !($4 in own)' - "$installed"
        while IFS= read -r line; do
            printf '%s %s\n' "${sums[i]}" "$line"
            i=$((i + 1))
        done < <(stat -c '%s %Y %n' "${paths[@]}")
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
want=$(for i in "${!paths[@]}"; do printf '%s %s\n' "${modes[i]}" "${sizes[i]}"; done)
[ "$(stat -c '%a %s' "${paths[@]}")" = "$want" ] || unverified 'a program is not what was sent'
record_programs

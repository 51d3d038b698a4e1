# shellcheck shell=bash disable=SC2154
# Lets a node in: its line takes the place of those that were seen when this was planned.
# guard
now=$(own_lines)
if [ "$now" = "$line" ] && ! marked; then
    already
fi
if [ -z "$revoked" ] && marked; then
    refuse 'it was shut out since this was planned'
fi
while read -r found; do
    known=
    for planned in '' "$key" "${before[@]}"; do
        if [ "$found" = "$planned" ]; then
            known=yes
        fi
    done
    [ -n "$known" ] || refuse 'another key is enrolled than when this was planned'
done < <(own_lines | awk '{ print $(NF-2) " " $(NF-1) }')
# act
replace_lines "$line"
end_sessions
# verify
[ "$(own_lines)" = "$line" ] || unverified 'the line is not there'

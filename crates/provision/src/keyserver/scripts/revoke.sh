# shellcheck shell=bash disable=SC2154
# Shuts a node out: its lines go first, so that nobody comes in any more; then those who are in are put out.
# guard
if [ -z "$(own_lines)" ] && marked && [ -z "$(sessions)" ]; then
    already
fi
# act
replace_lines "$mark"
end_sessions
# verify
[ -z "$(own_lines)" ] || unverified 'its line is still there'
[ -z "$(sessions)" ] || unverified 'a connection of it is still open'

# shellcheck shell=bash disable=SC2154
# The packages "names", as far as dpkg knows them: NAME STATUS WANTED VERSION a line.
# shellcheck disable=SC2016 # dpkg's own
dpkg-query -W -f '${Package} ${db:Status-Status} ${db:Status-Want} ${Version}\n' "${names[@]}" || true

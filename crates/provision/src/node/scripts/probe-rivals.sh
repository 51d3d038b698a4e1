# shellcheck shell=bash disable=SC2154
# The files but "own" that name the repository "uri" too.
shopt -s nullglob
lists=(/etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources)
[ ! -e /etc/apt/sources.list ] || lists+=(/etc/apt/sources.list)
[ "${#lists[@]}" = 0 ] || awk -v uri="$uri" '$0 !~ /^[ \t]*#/ && index($0, uri) { print FILENAME }' "${lists[@]}" | sort -u | grep -vxF -- "$own"
true

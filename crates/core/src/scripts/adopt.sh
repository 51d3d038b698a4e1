# shellcheck shell=bash disable=SC2154
# Takes a file over that somebody else wrote: keeps a copy, and writes into the manifest that it may be replaced. Needs `path`, and `sum`: what
# it held when it was looked at. After manifest.sh.
# guard
if [ -L "$path" ] || [ ! -f "$path" ]; then
    refuse "$path is not a regular file any more"
fi
[ "$(sum_of "$path")" = "$sum" ] || refuse "$path has changed since it was looked at"
! recorded "$sum" "$path" || already
# act
rm -f "${path%/*}"/.kubestead.??????
keep_copy "$path"
record "$sum" "$path"
# verify
grep -qxF -- "$sum  $path" "$manifest" || unverified "$path is not in $manifest"

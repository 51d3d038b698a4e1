# shellcheck shell=bash disable=SC2154
# Writes files into the manifest that already hold what they shall. Needs the lists `paths` and `sums`. After manifest.sh.
# guard
pairs=()
for i in "${!paths[@]}"; do
    if [ -L "${paths[i]}" ] || [ ! -f "${paths[i]}" ] || [ "$(sum_of "${paths[i]}")" != "${sums[i]}" ]; then
        refuse "${paths[i]} has changed since it was looked at"
    fi
    recorded "${sums[i]}" "${paths[i]}" || pairs+=("${sums[i]}" "${paths[i]}")
done
[ "${#pairs[@]}" != 0 ] || already
# act
record "${pairs[@]}"
# verify
for i in "${!paths[@]}"; do
    grep -qxF -- "${sums[i]}  ${paths[i]}" "$manifest" || unverified "${paths[i]} is not in $manifest"
done

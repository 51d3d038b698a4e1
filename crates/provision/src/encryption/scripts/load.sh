# shellcheck shell=bash disable=SC2154
# Until the API server has loaded `file`, whose sum is `sha256`. After wait-loaded.sh.
# guard
[ "$(sha256sum < "$file" | cut -d' ' -f1)" = "$sha256" ] || refuse "$file is not what it was when this was planned: plan again"
# act
# verify
wait_loaded "$sha256"

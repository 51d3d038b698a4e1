# shellcheck shell=bash disable=SC2154
# wait_loaded SHA256: until the API server has loaded that `file`, `most` seconds at most; then the mark `unloaded` goes. After metrics.sh.
wait_loaded() {
  local end=$((SECONDS + most))
  until [ "$(loaded)" = "$1" ]; do
    [ "$SECONDS" -lt "$end" ] || unverified "the API server has not loaded $file within $most s: see its log"
    sleep 2
  done
  rm -f "$unloaded"
  sync "${file%/*}"
}

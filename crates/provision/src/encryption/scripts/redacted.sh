# shellcheck shell=bash disable=SC2154
# redacted: prints the sha256 of `file`, then the file with a fingerprint in place of each key. What might still hold one is not printed at all.
redacted() {
  local rest q re whole key out i parts=() keys=() sums=()
  exec 5< "$file"
  rest=$(< /dev/fd/5)
  q=$'\047'
  re="(secret[\"$q]?[[:space:]]*:[[:space:]]*[\"$q]?)([A-Za-z0-9+/=_-]+)"
  while [[ $rest =~ $re ]]; do
    whole=${BASH_REMATCH[0]}
    parts+=("${rest%%"$whole"*}${BASH_REMATCH[1]}")
    keys+=("${BASH_REMATCH[2]}")
    rest=${rest#*"$whole"}
  done
  mapfile -t sums < <(
    sha256sum < /dev/fd/5
    for key in "${keys[@]}"; do
      printf %s "$key" | base64 -d 2> /dev/null | sha256sum
    done
  )
  out=
  for i in "${!parts[@]}"; do
    out+="${parts[i]}${sums[i + 1]:0:16}"
  done
  out+=$rest
  echo "${sums[0]%% *}"
  if [[ $out =~ [A-Za-z0-9+/]{22,}={1,2} || $out =~ secret[\"$q]?[[:space:]]*:[[:space:]]*[^[:space:]0-9a-f\"$q] ]]; then
    echo '@hidden'
  else
    printf '%s\n' "$out"
  fi
}

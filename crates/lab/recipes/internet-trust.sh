# shellcheck shell=sh disable=SC2154 # "authority" is given
# On a machine: the lab's authority joins those that it trusts. A copy says that this came to its end.
given=/usr/local/share/ca-certificates/kubestead-lab.crt taken=/etc/ssl/kubestead-lab.crt
if [ "$(cat "$given" 2> /dev/null)" != "$authority" ] || ! cmp -s "$given" "$taken"; then
  mkdir -p "${given%/*}"
  printf '%s\n' "$authority" > "$given"
  update-ca-certificates > /dev/null
  cp "$given" "$taken"
fi

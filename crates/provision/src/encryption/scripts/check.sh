# shellcheck shell=bash disable=SC2154
# Whether every value of `kinds` in etcd begins as `prefixes` say, nothing for a value as it is. A request that began before the API server loaded
# its file may still write as before, for `request` seconds: it is waited for, then counted. After etcd.sh, values.sh and metrics.sh.
# guard
end=$(($(since) + request))
until [ "$(date +%s)" -ge "$end" ]; do
  sleep 1
done
etcd endpoint health > /dev/null 2>&1 || refuse 'etcd on this machine is not healthy'
# act
# verify
for i in "${!kinds[@]}"; do
  found=$(values "${kinds[i]}")
  left=$(printf '%s\n' "$found" | awk -v wanted="${prefixes[i]:--}" '
    NF && $2 != wanted { n += $1; p = p " " $2 }
    END { if (n) print n " that begin with" p }')
  [ -z "$left" ] || unverified "${kinds[i]}: in etcd are still $left: run up again"
done

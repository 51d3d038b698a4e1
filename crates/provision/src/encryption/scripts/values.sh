# shellcheck shell=bash
# values RESOURCE: how many values in etcd begin in which way, a line each: COUNT and the beginning, `-` for a value as it is. In pages of 500;
# only the first bytes of a line leave etcdctl's pipe, and of these only what is the beginning of an encrypted value. After etcd.sh.
values() {
  local from=/registry/$1/ last='' page more
  {
    while :; do
      page=$(etcd get "$from" "/registry/${1}0" --limit=501 -w fields | cut -b 1-400 | awk -v last="$last" '
        /^"Key" : / { key = substr($0, 10, length($0) - 10); again = key == last }
        /^"Value" : / && !again { v = substr($0, 12); print match(v, /^k8s:enc:[a-z0-9]+:v[0-9]+:[^:"\\]+:/) ? substr(v, 1, RLENGTH) : "-" }
        /^"More" : / { print "@more", $3, key }') || return 1
      printf '%s\n' "$page" | grep -v '^@more' || true
      more=$(printf '%s\n' "$page" | grep '^@more') || return 1
      case $more in
        '@more true '*)
          last=${more#@more true }
          from=$last
          ;;
        *) break ;;
      esac
    done
  } | sort | uniq -c | awk '{ print $1, $2 }'
}

# shellcheck shell=bash disable=SC2154
# What the kubelets of "hosts" say of the settings that they run with, by way of the API server: a line `@@ HOST`, then what it answers. One that does
# not answer says nothing. Many are asked side by side, so each answer has a file. It says nothing where there is no cluster. After as-admin.sh.
[ -s /etc/kubernetes/admin.conf ] || exit 0
folder=$(mktemp -d /run/kubestead.XXXXXX)
leave() {
  rm -rf "$folder"
}
args=()
# So many at once that their addresses fit on a command line.
ask() {
  [ "${#args[@]}" = 0 ] || as_admin -f -m 20 -Z --parallel-max 32 "${args[@]}" || true
  args=()
}
for host in "${hosts[@]}"; do
  args+=(-o "$folder/$host" "https://kubernetes:6443/api/v1/nodes/$host/proxy/configz")
  [ "${#args[@]}" -lt 1500 ] || ask
done
ask
for host in "${hosts[@]}"; do
  printf '@@ %s\n' "$host"
  [ ! -e "$folder/$host" ] || show "$folder/$host"
  echo
done

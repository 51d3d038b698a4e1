# shellcheck shell=bash disable=SC2154
# `tools yes`; `manifest FOLDER` and `running FOLDER` for each mount of the API server; `plugin FOLDER` for those that have kubestead's name;
# `silent SOCKET`. Without a plugin in `file` or among the `sockets` that are asked for there are only the first and `plugin`: ss looks through all processes
# for its answer. After apiserver.sh and listens.sh.
if command -v etcdctl etcdutl > /dev/null; then echo 'tools yes'; fi
# Without a plugin that is asked for the mounts may be there all the same: the manifest is what kubeadm makes with them.
awk '
  $2 == "mountPath:" { path = $3; next }
  $1 == "name:" { if (path != "" && $2 ~ /^kms(-[0-9]+)?$/) print "plugin", path; path = "" }' "$manifest" 2> /dev/null || true
[ "${#sockets[@]}" != 0 ] || grep -qs unix:// "$file" || exit 0
awk '$2 == "mountPath:" { print "manifest", $3 } $1 == "mountPath:" { print "manifest", $2 }' "$manifest"
mounted | sed 's/^/running /'
mapfile -t named < <(grep -o 'unix://[A-Za-z0-9._/-]*' "$file" | sed 's#^unix://##')
for socket in "${sockets[@]}" "${named[@]}"; do
  listens "$socket" || echo "silent $socket"
done

# shellcheck shell=bash disable=SC2154
# Has the API server run with "folders" mounted. On standard input come two descriptions of the control plane, with the line "between" between
# them: as it is, and as it shall be. as-admin.sh, apiserver.sh and listens.sh stand ahead.
#
# kubeadm makes the manifest and the record of it in the cluster twice, without the folders and with them. What runs must be the former to the
# byte: kubeadm writes both deterministically, so any difference is somebody's own, or another version's, and would be lost. It renders into a
# folder in memory and not onto the manifest: it does not replace files atomically, and half a manifest is no API server. The record goes first:
# once the API server runs with the folders, nothing is left to do.
# guard
answering
manifests=${manifest%/*}
work=/run/kubestead-mount
named() {
  local folder
  for folder in "${folders[@]}"; do
    grep -qE "mountPath: \"?$folder\"?$" "$manifest" || return 1
  done
}
live() {
  local folder all
  all=$(mounted)
  for folder in "${folders[@]}"; do
    grep -qxF -- "$folder" <<< "$all" || return 1
  done
  [ "$(as_admin -f -m 30 https://kubernetes:6443/readyz)" = ok ]
}
# ClusterConfiguration of several documents.
record() {
  awk '
    /^---$/ { doc = ""; hit = 0; next }
    { doc = doc $0 "\n" }
    $0 == "kind: ClusterConfiguration" { hit = 1 }
    { if (hit) all = doc }
    END { printf "%s", all }'
}
# ONE OTHER: the first line that differs.
first() {
  diff "$1" "$2" | sed -n 's/^[<>] */: /p' | head -n 1 || true
}
by_hand="nothing is lost by leaving it: add to it by hand a volume with hostPath and a volumeMount with mountPath, writable, of ${folders[*]}, \
and the same to apiServer.extraVolumes of ClusterConfiguration in kube-system/kubeadm-config; then run up again"
rm -rf "$work" "$manifests"/.kubestead.*
if named; then
  if live; then
    already
  fi
else
  umask 077
  mkdir "$work"
  trap 'rm -rf "$work" "$manifests"/.kubestead.*' EXIT
  config=$(cat)
  printf '%s\n' "${config%%"$between"*}" > "$work/before.yaml"
  printf '%s\n' "${config#*"$between"}" > "$work/after.yaml"
  for state in before after; do
    mkdir "$work/$state"
    KUBEADM_INIT_DRYRUN_DIR=$work/$state kubeadm init phase control-plane apiserver --config "$work/$state.yaml" --dry-run > /dev/null
    find "$work/$state" -name kube-apiserver.yaml -exec mv {} "$work/$state.manifest" ';'
    kubeadm config migrate --old-config "$work/$state.yaml" --new-config "$work/$state.all" > /dev/null
    record < "$work/$state.all" > "$work/$state.record"
    if [ ! -s "$work/$state.manifest" ] || [ ! -s "$work/$state.record" ]; then
      refuse 'kubeadm did not describe the API server'
    fi
  done
  cmp -s "$manifest" "$work/before.manifest" \
    || refuse "$manifest is not what kubeadm makes for this cluster$(first "$manifest" "$work/before.manifest"); $by_hand"
  kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=60s -n kube-system get configmap kubeadm-config \
    -o 'jsonpath={.data.ClusterConfiguration}' > "$work/record" || refuse 'the API server does not answer'
  cmp -s "$work/record" "$work/before.record" || cmp -s "$work/record" "$work/after.record" \
    || refuse "ClusterConfiguration in kube-system/kubeadm-config is not that of this cluster$(first "$work/record" "$work/before.record"); $by_hand"
fi
# act
if ! named; then
  kubeadm init phase upload-config kubeadm --config "$work/after.yaml" > /dev/null
  new=$(mktemp "$manifests/.kubestead.XXXXXX")
  cat "$work/after.manifest" > "$new"
  sync "$new"
  mv -fT "$new" "$manifest"
  sync "$manifests"
  rm -rf "$work"
fi
# verify
end=$((SECONDS + restart))
until live; do
  [ "$SECONDS" -lt "$end" ] \
    || unverified "the API server does not run with ${folders[*]} mounted after $restart s: see journalctl -u kubelet"
  sleep 1
done

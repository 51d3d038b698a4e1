# shellcheck shell=bash disable=SC2154
# Has the API server run with "folders" mounted. On standard input come two descriptions of the control plane, with the line "between" between
# them: as it is, and as it shall be. as-admin.sh, apiserver.sh, described.sh and listens.sh stand ahead.
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
    described "$state" "$work/$state.yaml" "$work" 'control-plane apiserver'
    [ -s "$work/$state.kube-apiserver" ] || refuse 'kubeadm did not describe the API server'
  done
  cmp -s "$manifest" "$work/before.kube-apiserver" \
    || refuse "$manifest is not what kubeadm makes for this cluster$(differs "$manifest" "$work/before.kube-apiserver"); $by_hand"
  record_of_cluster "$work/record"
  cmp -s "$work/record" "$work/before.record" || cmp -s "$work/record" "$work/after.record" \
    || refuse "ClusterConfiguration in kube-system/kubeadm-config is not that of this cluster$(differs "$work/record" "$work/before.record"); $by_hand"
fi
# act
if ! named; then
  kubeadm init phase upload-config kubeadm --config "$work/after.yaml" > /dev/null
  new=$(mktemp "$manifests/.kubestead.XXXXXX")
  cat "$work/after.kube-apiserver" > "$new"
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

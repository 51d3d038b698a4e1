# shellcheck shell=bash
# described STATE CONFIG DIR PHASE...: what kubeadm makes of CONFIG: the manifests of these phases as DIR/STATE.PROGRAM, and the record as DIR/STATE.record.
# It does nothing else, and writes both deterministically.
described() {
  local state=$1 config=$2 dir=$3 phase made
  shift 3
  mkdir "$dir/$state"
  for phase in "$@"; do
    # shellcheck disable=SC2086 # a phase is two words
    KUBEADM_INIT_DRYRUN_DIR=$dir/$state kubeadm init phase $phase --config "$config" --dry-run > /dev/null
  done
  while read -r made; do
    made=${made%.yaml}
    mv "$made.yaml" "$dir/$state.${made##*/}"
  done < <(find "$dir/$state" -name '*.yaml')
  kubeadm config migrate --old-config "$config" --new-config "$dir/$state.all" > /dev/null
  # ClusterConfiguration of several documents.
  awk '
    /^---$/ { doc = ""; hit = 0; next }
    { doc = doc $0 "\n" }
    $0 == "kind: ClusterConfiguration" { hit = 1 }
    { if (hit) all = doc }
    END { printf "%s", all }' "$dir/$state.all" > "$dir/$state.record"
  [ -s "$dir/$state.record" ] || refuse 'kubeadm did not describe the control plane'
}
# differs ONE OTHER: the first line that differs, after a colon.
differs() {
  diff "$1" "$2" | sed -n 's/^[<>] */: /p' | head -n 1 || true
}
# record_of_cluster FILE: what kubeadm wrote down in the cluster.
record_of_cluster() {
  kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=60s -n kube-system get configmap kubeadm-config \
    -o 'jsonpath={.data.ClusterConfiguration}' > "$1" || refuse 'the API server does not answer'
}

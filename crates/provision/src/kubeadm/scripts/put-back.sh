# shellcheck shell=bash disable=SC2154
# Puts the manifests back that stay in "kept": what took their place was never seen to run; and a certificate whose key is there already. as-admin.sh and
# runs.sh stand ahead.
# guard
shopt -s nullglob
all=() programs=()
[ -e "$kept/seen" ] || all=("$kept"/*.yaml)
if [ -e /etc/kubernetes/pki/.kubestead.apiserver.crt ]; then
  programs=(kube-apiserver)
fi
[ "$((${#all[@]} + ${#programs[@]}))" != 0 ] || already
for one in "${all[@]}"; do
  if [ -L "$one" ] || [ ! -f "$one" ]; then
    refuse "$one is not a regular file"
  fi
  program=${one##*/}
  program=${program%.yaml}
  programs+=("$program")
  replaced "$program" || cmp -s "$one" "$folder/$program.yaml" \
    || refuse "$folder/$program.yaml was changed since a run was cut off that gave $program other arguments; if it is as it shall be, remove $kept, else copy $one over it"
done
# act
settle_certificate
for one in "${all[@]}"; do
  program=${one##*/}
  place "$one" "${program%.yaml}"
done
# verify
for program in "${programs[@]}"; do
  comes_up "$program" || unverified "$program does not come up with its old arguments either: see journalctl -u kubelet"
done
[ "${#all[@]}" = 0 ] || rm -rf "$kept"

# shellcheck shell=bash
# Which API server a member of a cluster runs, or would run after its next start, by its manifest.
manifest=/etc/kubernetes/manifests/kube-apiserver.yaml
[ -s "$manifest" ] || exit 0
image='^ *image: .*kube-apiserver:(v[0-9.]*)'
while IFS= read -r line; do
  if [[ $line =~ $image ]]; then
    printf 'server %s\n' "${BASH_REMATCH[1]}"
  fi
done < "$manifest"

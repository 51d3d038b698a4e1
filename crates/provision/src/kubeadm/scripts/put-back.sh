# shellcheck shell=bash disable=SC2154
# Puts the manifests back that stay in "kept": what took their place was never seen to run. as-admin.sh and runs.sh stand ahead.
# guard
shopt -s nullglob
all=("$kept"/*.yaml)
[ "${#all[@]}" != 0 ] || already
for one in "${all[@]}"; do
  if [ -L "$one" ] || [ ! -f "$one" ]; then
    refuse "$one is not a regular file"
  fi
done
# act
for one in "${all[@]}"; do
  program=${one##*/}
  place "$one" "${program%.yaml}"
done
# verify
for one in "${all[@]}"; do
  program=${one##*/}
  comes_up "${program%.yaml}" || unverified "${program%.yaml} does not come up with its old arguments either: see journalctl -u kubelet"
done
rm -rf "$kept"

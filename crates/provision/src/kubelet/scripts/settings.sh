# shellcheck shell=bash disable=SC2154
# Writes settings of the kubelet, of which "file" gets "text", and has one that runs start again with them. After put.sh, loading.sh and
# start-again.sh.
# guard
# An invalid file keeps a kubelet from starting. So the one that is installed reads it first, beside all others of its folder: with everything read and
# judged, and nothing done, it ends by itself for want of a lock file.
try=/run/kubestead-kubelet
rm -rf "$try"
mkdir -m 0700 "$try"
for other in "${file%/*}"/*.conf; do
  if [ -e "$other" ]; then
    cp "$other" "$try/"
  fi
done
printf %s "$text" > "$try/${file##*/}"
base=()
if [ -s /var/lib/kubelet/config.yaml ]; then
  base=(--config=/var/lib/kubelet/config.yaml)
fi
said=$(timeout 120 kubelet "${base[@]}" --config-dir="$try" --cert-dir="$try/pki" --exit-on-lock-contention 2>&1 < /dev/null) || true
rm -rf "$try"
case $said in
  *'no lock file specified'*) ;;
  *)
    why=$(sed -n '/.*"command failed" err="/ { s///; s/, path: &.*//; p; q; }' <<< "$said")
    refuse "the kubelet that is installed does not take these settings: $(tail -n 1 <<< "${why:-$said}" | cut -c 1-600)"
    ;;
esac
# act
reload
start_again
# verify

# shellcheck shell=bash disable=SC2154
# Gives the "programs" of this control plane other arguments, and the API server's certificate other names if "renamed" says so. On standard input come
# two descriptions of the control plane, with the line "between" between them: as it is, and as it shall be. Programs of "again", and the API server if
# "kept" has a file "again", start again with the arguments that they have: a file that they read was changed. Files of "old" are named by none any
# more, and go if they are ours. as-admin.sh, described.sh, manifest.sh and runs.sh stand ahead.
#
# What is there must be what kubeadm makes of one of the two, to the byte: else it is somebody's own, and would be lost. A manifest stays in "kept",
# with the sum of the one that took its place, until all are seen to run, which "seen" there says; one that does not run is put back. For as long as
# there is anything in "kept" the plan has this step.
# guard
work=/run/kubestead-components
pki=/etc/kubernetes/pki
rm -rf "$work" "$folder"/.kubestead.*
umask 077
mkdir "$work"
trap 'rm -rf "$work" "$folder"/.kubestead.*' EXIT
config=$(cat)
printf '%s\n' "${config%%"$between"*}" > "$work/before.yaml"
printf '%s\n' "${config#*"$between"}" > "$work/after.yaml"
for state in before after; do
  described "$state" "$work/$state.yaml" "$work" 'control-plane all' 'etcd local'
done
# is_left PROGRAM: an earlier run gave it arguments that nobody wishes any more, and was cut off.
is_left() {
  ! cmp -s "$folder/$1.yaml" "$work/after.$1" && cmp -s "$kept/$1.yaml" "$work/before.$1" && replaced "$1"
}
by_hand="change it by hand in both, and in ClusterConfiguration of kube-system/kubeadm-config; or make both as they were"
for program in "${programs[@]}"; do
  now=$folder/$program.yaml
  for state in before after; do
    [ -s "$work/$state.$program" ] || refuse "kubeadm did not describe $program"
  done
  cmp -s "$now" "$work/before.$program" || cmp -s "$now" "$work/after.$program" || is_left "$program" \
    || refuse "$now is not what kubeadm makes for this cluster$(differs "$now" "$work/before.$program"); $by_hand"
done
record_of_cluster "$work/record"
cmp -s "$work/record" "$work/before.record" || cmp -s "$work/record" "$work/after.record" \
  || refuse "ClusterConfiguration in kube-system/kubeadm-config is not that of this cluster$(differs "$work/record" "$work/before.record"); $by_hand"
# names FILE: those in a certificate, in an order of their own.
names() {
  openssl x509 -noout -ext subjectAltName -in "$1" | tail -n +2 | tr -d ' ' | tr ',' '\n' | sort
}
# act
trap 'rm -rf "$work" "$folder"/.kubestead.*; settle_certificate' EXIT
settle_certificate
if [ "${#renamed[@]}" != 0 ]; then
  mkdir "$work/pki"
  cp "$pki/ca.crt" "$pki/ca.key" "$work/pki/"
  sed "s#\"kind\": \"ClusterConfiguration\",#&\n  \"certificatesDir\": \"$work/pki\",#" "$work/after.yaml" > "$work/certificate.yaml"
  kubeadm init phase certs apiserver --config "$work/certificate.yaml" > /dev/null
  if [ "$(names "$work/pki/apiserver.crt")" != "$(names "$pki/apiserver.crt")" ]; then
    for file in apiserver.key apiserver.crt; do
      cp "$work/pki/$file" "$pki/.kubestead.$file"
      sync "$pki/.kubestead.$file"
    done
    chmod 644 "$pki/.kubestead.apiserver.crt"
    sync "$pki"
    mv -fT "$pki/.kubestead.apiserver.key" "$pki/apiserver.key"
    settle_certificate
  fi
fi
mkdir -p "$kept"
if [ -e "$kept/seen" ]; then
  for program in "${programs[@]}"; do
    cmp -s "$kept/$program.yaml" "$work/before.$program" || rm -f "$kept/$program.yaml"
  done
  sync "$kept"
  rm "$kept/seen"
fi
for program in "${programs[@]}"; do
  if is_left "$program"; then
    place "$kept/$program.yaml" "$program"
  fi
  if ! cmp -s "$folder/$program.yaml" "$work/after.$program"; then
    cp "$folder/$program.yaml" "$kept/.new"
    sha256sum < "$work/after.$program" > "$kept/.$program"
    sync "$kept/.new" "$kept/.$program"
    mv -fT "$kept/.new" "$kept/$program.yaml"
    sync "$kept"
    place "$work/after.$program" "$program"
  fi
  # A manifest that is new has a container that begins to count.
  if ! comes_up "$program" 3; then
    words=$(last_words "$program") || words=
    place "$work/before.$program" "$program"
    rm -f "$kept/$program.yaml"
    comes_up "$program" || unverified "$program does not come up, neither with these arguments nor with the old ones: see journalctl -u kubelet"
    unverified "$program does not run with these arguments, and got its old ones back: ${words:-it was not ready after $restart s}"
  fi
done
if [ -e "$kept/again" ] && [ "${#again[@]}" = 0 ]; then
  again=(kube-apiserver)
fi
for program in "${again[@]}"; do
  was=$(process "$program") || true
  if [ -n "$was" ]; then
    kill "$was"
    while [ -e "/proc/$was" ]; do sleep 0.2; done
  fi
  comes_up "$program" || unverified "$program does not come up again after $restart s: see journalctl -u kubelet"
done
# From here on nothing is put back: what comes now, the old arguments may not be without.
: > "$kept/seen"
sync "$kept/seen" "$kept"
for one in "${old[@]}"; do
  if [ -f "$one" ] && [ ! -L "$one" ] && recorded "$(sum_of "$one")" "$one"; then
    rm "$one"
  fi
done
[ "${#old[@]}" = 0 ] || strike "${old[@]}"
kubeadm init phase upload-config kubeadm --config "$work/after.yaml" > /dev/null
rm -rf "$kept"
sync "${kept%/*}"
# verify
for program in "${programs[@]}"; do
  runs "$program" || unverified "$program does not run with its arguments"
done
# shown: the names in the certificate that the API server shows. It looks for another one about once a minute.
shown() {
  openssl s_client -connect 127.0.0.1:6443 < /dev/null 2> /dev/null | openssl x509 > "$work/shown" 2> /dev/null && names "$work/shown"
}
if [ "${#renamed[@]}" != 0 ]; then
  end=$((SECONDS + restart))
  until [ "$(shown)" = "$(names "$pki/apiserver.crt")" ]; do
    [ "$SECONDS" -lt "$end" ] || unverified "the API server does not show its new certificate after $restart s"
    sleep 1
  done
fi

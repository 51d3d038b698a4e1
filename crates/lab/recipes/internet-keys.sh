#!/bin/bash
# internet-keys.sh OUT TREE NAME...: what makes the lab's internet this lab's own: an authority and a certificate for the names, whose keys are for their
# owner alone, and the signatures of the apt repositories below TREE, each host's by a key of its own. Keys that sign nothing more are not kept:
# OUT has server.key alone. Needs: openssl, gpg.
set -euo pipefail
out=${1:?output directory} tree=${2:?}; shift 2
umask 077
work=$(mktemp -d) # a short path: gpg's agent listens on a socket in it
trap 'GNUPGHOME=$work gpgconf --kill all || true; rm -rf "$work"' EXIT
mkdir -p "$out"
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2> /dev/null; }
key "$work/authority.key"; key "$out/server.key"
openssl req -x509 -new -key "$work/authority.key" -days 3650 -subj "/CN=kubestead's lab" -out "$out/authority.crt"
openssl req -new -key "$out/server.key" -subj "/CN=$1" -out "$work/server.csr"
names=$(printf ',DNS:%s' "$@")
openssl x509 -req -in "$work/server.csr" -CA "$out/authority.crt" -CAkey "$work/authority.key" -CAcreateserial -CAserial "$work/serial" -days 3650 -out "$out/server.crt" \
  -extfile <(printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' "${names#,}") 2> /dev/null

export GNUPGHOME=$work
sign() { gpg --batch --quiet --yes --local-user "$1" --clearsign --output "$3" "$2"; } # sign HOST RELEASE OUT
published() { mkdir -p "$(dirname "$2")"; gpg --batch --armor --export "$1" > "$2"; }   # published HOST FILE
cd "$tree"
for host in pkgs.k8s.io download.docker.com; do
  gpg --batch --quiet --passphrase '' --quick-generate-key "$host of the lab <lab@localhost>" ed25519 sign never 2> "$work/said" || { cat "$work/said" >&2; exit 1; }
  find "$host" -name Release | while read -r release; do
    folder=$(dirname "$release"); mkdir -p "$out/$folder"
    sign "$host" "$release" "$out/$folder/InRelease"
    # Each minor of Kubernetes has the key beside it, Docker one for all.
    case $host in pkgs*) published "$host" "$out/$folder/Release.key" ;; *) published "$host" "$out/${folder%/dists/*}/gpg" ;; esac
  done
  gpg --batch --quiet --no-auto-check-trustdb --with-colons --list-keys "$host" | awk -F : '/^fpr/ { print $10; exit }' > "$out/$host.fingerprint"
done

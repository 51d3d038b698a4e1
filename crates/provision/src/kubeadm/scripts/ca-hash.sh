# shellcheck shell=bash
# The sha256 of the public key of the cluster's authority.
set -o pipefail
openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1

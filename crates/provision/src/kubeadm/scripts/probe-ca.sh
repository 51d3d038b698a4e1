# shellcheck shell=bash
# The public key of the cluster's authority, if there is one.
[ ! -s /etc/kubernetes/pki/ca.crt ] || openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt

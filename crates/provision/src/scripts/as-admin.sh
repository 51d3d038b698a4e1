# shellcheck shell=bash
# as_admin ARGUMENTS...: curl(1), to the API server on this machine, as the administrator whose credentials lie there. `kubernetes` is a name in
# every API server's certificate, 127.0.0.1 is not. No key is written to a disk or stands in an argument.
pem() {
  local k v
  while read -r k v; do
    if [ "$k" = "$1:" ]; then printf %s "$v" | base64 -d; fi
  done < /etc/kubernetes/admin.conf
}
as_admin() {
  curl -s --resolve kubernetes:6443:127.0.0.1 --cacert <(pem certificate-authority-data) --cert <(pem client-certificate-data) \
    --key <(pem client-key-data) "$@"
}

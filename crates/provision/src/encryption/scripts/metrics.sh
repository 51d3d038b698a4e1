# shellcheck shell=bash
# metrics: those of the API server on this machine about its key file. After as-admin.sh.
metrics() {
  as_admin -f -m 30 https://kubernetes:6443/metrics | grep '^apiserver_encryption_config_controller_' || true
}
# loaded: the sha256 of the configuration that it has loaded.
loaded() {
  metrics | sed -n 's/^apiserver_encryption_config_controller_last_config_info{.*hash="sha256:\([0-9a-f]\{64\}\)".*/\1/p'
}
# since: when it last loaded another one, in seconds since 1970; 0 when it has not since it started.
since() {
  metrics | awk '
    /^apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds\{.*status="success"/ { s = sprintf("%.0f", $2) }
    END { print s + 0 }'
}

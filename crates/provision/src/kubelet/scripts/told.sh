# shellcheck shell=bash disable=SC2154
# What the kubelet of "hostname" says of the settings that it runs with, by way of the API server. It has just started again: for "limit" seconds it is
# waited for. After as-admin.sh.
set -euo pipefail
end=$((SECONDS + limit))
until as_admin -f -m 20 "https://kubernetes:6443/api/v1/nodes/$hostname/proxy/configz"; do
  [ "$SECONDS" -lt "$end" ] || exit 1
  sleep 1
done

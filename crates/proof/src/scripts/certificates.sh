#!/bin/bash
# Functions of machine.sh for cert-manager.
# shellcheck disable=SC2154 # kube is machine.sh's

# renew CERTIFICATE: as cmctl does it: the certificate says that it is to be issued.
renew() {
  local now; now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  local issuing='{"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "somebody asked for it", "lastTransitionTime": "'$now'"}'
  "${kube[@]}" -n gateway patch certificate "$1" --subresource=status --type=json -p '[{"op": "add", "path": "/status/conditions/-", "value": '"$issuing"'}]'
}

#!/bin/bash
# log-collector.sh: the OpenTelemetry collector of tests/log-collector, built by Go once for each state of its sources and kept in the cache. Prints its path.
set -euo pipefail
cd "$(dirname "$0")/../tests/log-collector"
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
program=$cache/log-collector-$(cat main.go go.mod go.sum | sha256sum | cut -c 1-16)
if [ ! -x "$program" ]; then
  mkdir -p "$cache"
  part=$(mktemp "$program.XXXXXX"); trap 'rm -f "$part"' EXIT
  # Static: it runs on the lab's machines too.
  CGO_ENABLED=0 go build -buildvcs=false -mod=readonly -trimpath -ldflags "-s -w" -o "$part" . >&2
  chmod 0755 "$part"; mv "$part" "$program"
fi
echo "$program"

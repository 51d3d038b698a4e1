#!/bin/bash
# log-collector-image.sh: the collector of log-collector.sh in an archive of an image that is called as the official one. Prints its path.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$(bash "$here/log-collector.sh")
archive=$program-$(cat "$here/log-collector-image.sh" "$here/image.sh" | sha256sum | cut -c 1-8).tar
if [ ! -e "$archive" ]; then
  work=$(mktemp -d "$program.XXXXXX"); trap 'rm -rf "$work"' EXIT
  mkdir "$work/tree"
  cp "$program" "$work/tree/otelcol-contrib"
  bash "$here/image.sh" "$work/image.tar" docker.io/otel/opentelemetry-collector-contrib:0.148.0 /otelcol-contrib "$work/tree"
  mv "$work/image.tar" "$archive"
fi
echo "$archive"

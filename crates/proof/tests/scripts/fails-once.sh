#!/usr/bin/env bash
# Fails unless the file of its argument is there, and makes it.
set -euo pipefail
if [ -e "$1" ]; then
  echo "ok    it was here before"
else
  : > "$1"
  echo "FAIL  it was here before"
  exit 1
fi

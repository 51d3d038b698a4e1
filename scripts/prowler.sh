#!/bin/bash
# prowler.sh: Prowler, which holds a cluster against the CIS benchmark, with all that it needs of PyPI in a folder of its own in the cache. Prints the folder, whose
# bin/python3 runs its bin/prowler. 1.4 GB, as it knows every cloud too. Needs Python 3.10 to 3.12 with venv.
set -euo pipefail
version=5.46.0
cache=${KUBESTEAD_CACHE:-$HOME/.cache/kubestead}
made=$cache/prowler-$version
if [ ! -d "$made" ]; then
  mkdir -p "$cache"
  work=$(mktemp -d "$made.XXXXXX"); trap 'rm -rf "$work"' EXIT
  python3 -m venv "$work/part" >&2
  "$work/part/bin/pip" install --quiet --no-input --disable-pip-version-check "prowler==$version" >&2
  mv "$work/part" "$made"
fi
echo "$made"

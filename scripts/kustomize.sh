#!/bin/bash
# kustomize.sh: the real kustomize for tests. Prints its path.
set -euo pipefail
exec bash "$(dirname "$0")/go-program.sh" kustomize v5.8.2 sigs.k8s.io/kustomize/kustomize/v5

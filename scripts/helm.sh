#!/bin/bash
# helm.sh: the real helm for tests. Prints its path.
set -euo pipefail
exec bash "$(dirname "$0")/go-program.sh" helm v4.3.1 helm.sh/helm/v4/cmd/helm

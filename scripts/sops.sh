#!/bin/bash
# sops.sh: the real sops for tests and benchmarks. Prints its path.
set -euo pipefail
exec bash "$(dirname "$0")/go-program.sh" sops v3.13.3 github.com/getsops/sops/v3/cmd/sops

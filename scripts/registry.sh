#!/bin/bash
# registry.sh: the real registry of the CNCF (distribution) for tests. Prints its path.
set -euo pipefail
exec bash "$(dirname "$0")/go-program.sh" registry v3.1.2 github.com/distribution/distribution/v3/cmd/registry

#!/bin/bash
# consent.sh deletions | replaced SPOKE: what a person says on the hub when a round is refused, until that spoke's next good one.
# deletions: much was deleted at one end, and shall be at the other. replaced: one of the two volumes is another one: both are put together.
set -euo pipefail
export END=hub
. /sync/volume.sh
mounted
[[ ${1:-} =~ ^(deletions|replaced)$ && ${2:-} =~ ^[a-z0-9-]+$ ]] || refuse "consent.sh deletions | replaced SPOKE"
keep "$OWN/consents/$2" "$1"
say "$1 of $2, for its next good round"

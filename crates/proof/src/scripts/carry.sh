#!/bin/bash
# carry.sh SSH_CONFIG TO: the folder `bundle` of the machine operator comes into a folder of this computer.
set -euo pipefail
ssh -F "$1" -o BatchMode=yes operator tar -c bundle | tar -x -C "$2"

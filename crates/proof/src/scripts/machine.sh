#!/bin/bash
# machine.sh FUNCTION ARGUMENT...: what scenarios ask of a machine that is more than one program; each function succeeds if it is so.
set -euo pipefail
"$@"

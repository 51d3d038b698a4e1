# shellcheck shell=bash
# Files that are all there already are written into the manifest alone. After put.sh.
if fits; then
    note
    already
fi

# shellcheck shell=bash
# After loading.sh.
reload

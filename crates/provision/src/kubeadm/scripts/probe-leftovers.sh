# shellcheck shell=bash
# What an earlier cluster left. After leftovers.sh.
leftovers

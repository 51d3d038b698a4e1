# shellcheck shell=bash
# What is swapped on and what would be. After swap-sources.sh.
swap_sources

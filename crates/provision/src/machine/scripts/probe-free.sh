# shellcheck shell=bash
# Free bytes of the root file system.
df --output=avail -B1 / | tail -n 1

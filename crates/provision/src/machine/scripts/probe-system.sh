# shellcheck shell=bash
# os-release(5).
show /etc/os-release || show /usr/lib/os-release || true

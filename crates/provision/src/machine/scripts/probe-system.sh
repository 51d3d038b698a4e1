# shellcheck shell=bash
# os-release(5).
head -c 16384 /etc/os-release || head -c 16384 /usr/lib/os-release || true

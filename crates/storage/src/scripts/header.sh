# shellcheck shell=bash disable=SC2154
# Copies the first 16 MiB of "device", where its header is, to a folder in memory, "t", that goes with the shell.
copy_header() {
  umask 077
  t=$(mktemp -d /run/kubestead-key.XXXXXX) || exit 70
  trap 'rm -rf "$t"' EXIT
  [ -b "$device" ] || exit 4
  dd if="$device" of="$t/header" bs=1M count=16 status=none || exit 70
}

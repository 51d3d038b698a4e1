#!/bin/bash
# tools.sh [PACKAGE...]: installs what building and running the lab needs, and these, and only what is missing. Debian and Ubuntu; needs root only
# if something is missing.
set -euo pipefail
packages="bash bc bison ca-certificates cryptsetup-bin curl debian-archive-keyring dpkg-dev e2fsprogs ethtool flex gcc git gnupg iproute2 kmod libc6-dev libelf-dev make mmdebstrap openssh-client procps python3 qemu-system-x86 uidmap util-linux xz-utils $*"
missing=""
for package in $packages; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
  sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  echo "installing:$missing"
  $sudo apt-get update -qq
  # shellcheck disable=SC2086
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing > /dev/null
fi
for tool in cargo go; do
  command -v "$tool" > /dev/null || { echo "$tool is missing: install Rust 1.89 or newer (rustup.rs) and Go 1.21 or newer (go.dev)" >&2; exit 1; }
done
# Without a package index of its own, the lab's private apt root still needs to know the host's mirror.
[ -n "${KUBESTEAD_DEBIAN_MIRROR:-}" ] || apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' 2>/dev/null | grep -q . || { sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo; $sudo apt-get update -qq; }
# A large program in a machine of the lab stands still where a process may have few mappings (docs/lab.md).
if [ "$(< /proc/sys/vm/max_map_count)" -lt 262144 ]; then
  echo 262144 2> /dev/null > /proc/sys/vm/max_map_count || echo "vm.max_map_count is below 262144 and cannot be raised here: docs/lab.md tells what may fail" >&2
fi

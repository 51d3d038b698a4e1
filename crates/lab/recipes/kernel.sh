#!/bin/bash
# kernel.sh OUT: OUT/linux, a User Mode Linux kernel from Debian's own source package.
# Needs: flex bison bc libelf-dev gcc make xz; 28 CPU-minutes. Runs as any user.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); . "$here/apt.sh"
out=$(realpath -m "${1:?output directory}"); work=$out/.work
mkdir -p "$work"; cd "$work"
apt_root "$work/apt" trixie-backports
package=linux-source-7.3
( cd "$work" && apt_in "$work/apt" get -qq download "$package" )
dpkg-deb -x "$work/$package"_*.deb "$work/deb"
mkdir -p src; tar -C src --strip-components=1 -xf "$work"/deb/usr/src/linux-source-*.tar.xz
cd src
make -s ARCH=um allnoconfig
grep -v '^#' "$here/kernel.options" | tr ' ' '\n' | sed '/^$/d; s/.*/CONFIG_&=y/' >> .config
printf 'CONFIG_NR_CPUS=2\n# CONFIG_MODULES is not set\nCONFIG_DEBUG_INFO_NONE=y\n' >> .config
make -s ARCH=um olddefconfig
for want in DM_CRYPT OVERLAY_FS NF_TABLES_INET VXLAN UML_NET_VECTOR CGROUP_PIDS; do
  grep -q "^CONFIG_$want=y" .config || { echo "the kernel's configuration lost CONFIG_$want" >&2; exit 1; }
done
make -s ARCH=um -j"$(nproc)" linux
strip -o "$out/linux" linux
cp .config "$out/config"
cd "$out"; rm -rf "$work"

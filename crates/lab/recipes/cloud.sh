#!/bin/bash
# cloud.sh OUT: Debian's kernel for virtual machines, for QEMU: OUT/linux; OUT/initramfs, which loads the drivers of the disks and the
# network card and mounts the root file system; OUT/modules.img, the kernel's modules as a disk of their own, so that one root image
# serves every kernel. Needs: kmod, e2fsprogs. Runs as any user.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); . "$here/apt.sh"
out=$(realpath -m "${1:?output directory}"); work=$out/.work
mkdir -p "$work"; cd "$work"
export PATH=$PATH:/usr/sbin:/sbin
apt_root "$work/apt" bookworm
package=$(apt_in "$work/apt" cache show linux-image-cloud-amd64 | sed -n 's/^Depends: \([^ ,]*\).*/\1/p' | head -n 1)
apt_in "$work/apt" get -qq download "$package" busybox-static
for deb in ./*.deb; do dpkg-deb -x "$deb" "$work/deb"; done
version=$(ls deb/lib/modules)
cp "deb/boot/vmlinuz-$version" "$out/linux"
depmod -b "$work/deb" "$version"

mkdir -p tree/{bin,dev,proc,sys,root,modules}
cp deb/bin/busybox tree/bin/busybox
install -m 755 "$here/cloud-start" tree/init
for module in virtio_pci virtio_blk virtio_net; do
  modprobe -d "$work/deb" -S "$version" --show-depends "$module"
done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' | while read -r file; do
  cp "$file" tree/modules/; echo "${file##*/}" >> tree/modules/order
done
( cd tree && find . | sort | ../deb/bin/busybox cpio -o -H newc 2> /dev/null ) | gzip -9n > "$out/initramfs"

truncate -s 256M "$out/modules.img"
mke2fs -q -t ext4 -O ^has_journal -L lab-modules -d deb/lib/modules "$out/modules.img"
echo "$version" > "$out/VERSION"
cd "$out"; rm -rf "$work"

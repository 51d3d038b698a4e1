#!/bin/bash
# Functions of machine.sh for a machine under QEMU.

debians_own_kernel() { uname -r | grep -- '-cloud-amd64$' && modprobe -n vxlan; }
the_labs_own_kernel() { ! uname -r | grep cloud; }
# secret_disk DISK: an encrypted file system with a file; what is asked of it later is open_disk's.
secret_disk() {
  printf word | cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file - "$1"
  printf word | cryptsetup open --key-file - "$1" secret
  mkfs.ext4 -q /dev/mapper/secret
  mount /dev/mapper/secret /mnt
  echo canary > /mnt/file
  sync
}
open_disk() { printf word | cryptsetup open --key-file - "$1" secret && mount /dev/mapper/secret /mnt && grep -q canary /mnt/file; }

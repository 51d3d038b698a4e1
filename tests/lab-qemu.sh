#!/bin/bash
# The proof of the second backend: one machine under QEMU, without KVM, on the same root file system and with the same names of disks.
# Needs: a built `kubestead` (KUBESTEAD, else from PATH) and qemu-system-x86. Makes a lab of its own and removes it at the end.
. "$(dirname "$0")/lab-lib.sh" "lab, QEMU"

on() { ssh -F "$work/labs/lab/ssh_config" -o BatchMode=yes -o ConnectTimeout=30 kube1 "$@"; }

mkdir -p "$work/labs/lab"
cat > "$work/labs/lab/lab.json" <<'JSON'
{"machines": [{"name": "kube1", "address": "10.77.0.21", "memory": 768, "disks": [{"serial": "kube1-data", "size": 512}]}]}
JSON
[ -e /dev/kvm ] || expect "KVM that is not there is named" fails_saying "KVM cannot be used" "$kubestead" lab up --backend qemu
begin=$SECONDS
expect "lab up" "$kubestead" lab up --backend qemu-tcg
echo "      after $((SECONDS - begin)) s"
expect "it is Debian's own kernel" on "uname -r | grep -q -- '-cloud-amd64$' && modprobe -n vxlan"
disk=/dev/disk/by-id/ubd-kube1-data
expect "the disk has the name that it has in every lab, and QEMU's own" on "[ \$(readlink -f $disk) = \$(readlink -f /dev/disk/by-id/virtio-kube1-data) ]"
format="printf word | cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file - $disk"
open="printf word | cryptsetup open --key-file - $disk secret && mount /dev/mapper/secret /mnt"
expect "dm-crypt works" on "$format && printf word | cryptsetup open --key-file - $disk secret && mkfs.ext4 -q /dev/mapper/secret && mount /dev/mapper/secret /mnt && echo canary > /mnt/file && sync"
holds() { [ "$(tr -d '\0' < "$work/labs/lab/machines/kube1/disk-kube1-data.img" | grep -caF canary)" -gt 0 ]; }
expect "the disk does not hold the word in the clear" status 1 holds
expect "a lab that runs keeps its backend" fails_saying "runs on qemu-tcg: stop it first" "$kubestead" lab up --backend uml
expect "the power is cut" "$kubestead" lab kill kube1
expect "it is off" status 1 "$kubestead" lab status
begin=$SECONDS
expect "power back" "$kubestead" lab start kube1
echo "      after $((SECONDS - begin)) s"
expect "what was synced is there" on "$open && grep -q canary /mnt/file"
expect "lab down" "$kubestead" lab down
expect "it leaves no process" bash -c "! pgrep -f '[f]ile=$work'"
expect "the same disks boot as User Mode Linux" "$kubestead" lab up --backend uml
expect "and the disk has its name, and the file" on "! uname -r | grep -q cloud && $open && grep -q canary /mnt/file"
expect "the backend is remembered" status 0 "$kubestead" lab up
expect "lab down --wipe" "$kubestead" lab down --wipe
expect "it leaves no process" bash -c "! pgrep -f '[u]mid=.* ubd0=$work'"

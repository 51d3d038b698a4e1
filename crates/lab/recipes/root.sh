#!/bin/bash
# root.sh OUT RELEASE: OUT/root.img, a root file system of that release of Debian with what a freshly installed server has, plus the lab's own network unit.
# Runs as root or, where user namespaces and /etc/subuid allow it, as any user. Needs: mmdebstrap, e2fsprogs (and uidmap without root).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); . "$here/apt.sh"
out=$(realpath -m "${1:?output directory}"); release=${2:?release} work=$out/.work; mkdir -p "$work"
packages=systemd,systemd-sysv,systemd-timesyncd,dbus,udev,openssh-server,sudo,lvm2,cryptsetup,iproute2,iptables,nftables,kmod,conntrack,ebtables,ethtool
packages=$packages,socat,xfsprogs,e2fsprogs,runc,ca-certificates,iputils-ping,procps,less,gpg,ipset,netbase,apt,nfs-common,curl
# systemd's part that opens volumes is a package of its own there.
[ "$release" = bookworm ] || packages=$packages,systemd-cryptsetup
mode=unshare; [ "$(id -u)" = 0 ] && mode=root
mmdebstrap --quiet --mode=$mode --variant=minbase --include="$packages" "$release" "$work/root.tar" "$(debian_mirror)"
# The rest needs the owners that are in the archive, so without root it runs as root of a user namespace.
cat > "$work/make.sh" <<'MAKE'
set -euo pipefail
work=$1 here=$2 out=$3
mkdir -p "$work/root"
tar -C "$work/root" --exclude='./dev/*' -xf "$work/root.tar"
cd "$work/root"
install -D -m 755 "$here/lab-net" usr/local/sbin/lab-net
install -D -m 644 "$here/lab-net.service" etc/systemd/system/lab-net.service
mkdir -p usr/lib/modules etc/systemd/system/multi-user.target.wants etc/systemd/system/ssh.service.d
ln -sf /etc/systemd/system/lab-net.service etc/systemd/system/multi-user.target.wants/lab-net.service
printf '[Unit]\nAfter=lab-net.service\nRequires=lab-net.service\n' > etc/systemd/system/ssh.service.d/lab.conf
printf 'LABEL=lab-root / ext4 defaults,noatime 0 1\n' > etc/fstab
# One name for a disk under every kernel; a backend's own names are there too.
printf 'KERNEL=="ubd*|vd*", SUBSYSTEM=="block", ENV{DEVTYPE}=="disk", ATTR{serial}=="?*", ATTR{serial}!="(null)", SYMLINK+="disk/by-id/ubd-$attr{serial}"\n' > etc/udev/rules.d/60-lab-disks.rules
printf 'nameserver 10.77.0.1\n' > etc/resolv.conf
rm -f etc/ssh/ssh_host_*
: > etc/machine-id
echo "ops:x:1000:1000::/home/ops:/bin/bash" >> etc/passwd
echo "ops:x:1000:" >> etc/group
echo "ops:*:19000:0:99999:7:::" >> etc/shadow
install -d -m 755 -o 1000 -g 1000 home/ops
printf 'ops ALL=(ALL) NOPASSWD: ALL\n' > etc/sudoers.d/ops; chmod 440 etc/sudoers.d/ops
# A page that a program touches first costs a User Mode Linux guest some 20 microseconds: malloc(3) keeps what it has.
malloc="MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_MMAP_THRESHOLD_=33554432"
mkdir -p etc/systemd/system.conf.d
printf '[Manager]\nDefaultEnvironment=%s\n' "$malloc" > etc/systemd/system.conf.d/lab.conf
tr ' ' '\n' <<< "$malloc" >> etc/environment
find var/cache/apt var/lib/apt/lists -type f -delete
truncate -s 12G "$out/root.img"
mke2fs -q -t ext4 -L lab-root -E lazy_itable_init=1,lazy_journal_init=1 -d "$work/root" "$out/root.img"
MAKE
if [ "$(id -u)" = 0 ]; then bash "$work/make.sh" "$work" "$here" "$out"; rm -rf "$work"
else unshare -Ur --map-auto --map-root-user bash -c 'bash "$1/make.sh" "$1" "$2" "$3" && rm -rf "$1"' make "$work" "$here" "$out"; fi

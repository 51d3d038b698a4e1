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
# With SMP, which the cpuset controller asks for, interrupts are forbidden and allowed by a system call of the host each, against signals from
# other CPUs. A machine has one CPU, and nobody sends any.
smp=arch/um/os-Linux/smp.c
sed -i '/^static void __local_ipi_set(int enable)$/,/^}$/ s/^\tsigset_t sigset;$/&\n\n\tif (uml_ncpus == 1)\n\t\treturn;/' $smp
[ "$(grep -c 'if (uml_ncpus == 1)' $smp)" = 1 ] || { echo "$smp is not as it was: look again how interrupts are forbidden" >&2; exit 1; }
# What the host tells of files that are ready lies in one table, and a signal that comes while its entries are gone through fills it anew: what was not
# yet looked at is lost, and is told only once. A disk whose answer is lost so stands still for ever. With one entry nothing is left to look at.
told=arch/um/os-Linux/irq.c
sed -i 's/^#define MAX_EPOLL_EVENTS 64$/#define MAX_EPOLL_EVENTS 1/' $told
grep -q '^#define MAX_EPOLL_EVENTS 1$' $told || { echo "$told is not as it was: look again how answers of the host are told" >&2; exit 1; }
# Programs read the clock themselves: clock.h.
vdso=arch/x86/um/vdso stub=arch/um/kernel/skas/stub_exe.c
cp "$here/clock.h" $vdso/; cp "$here/clock-user.c" $vdso/um_vdso.c; cp "$here/clock-kernel.c" $vdso/clock.c
sed -i 's/^static struct page \*um_vdso;$/struct page *um_vdso;/' $vdso/vma.c
sed -i 's/^obj-y += vdso.o vma.o$/& clock.o/' $vdso/Makefile
sed -i -e '/^#include <linux\/seccomp.h>$/a #include "../../../x86/um/vdso/clock.h"' -e '/^\t\tstruct sock_filter filter\[\] = {$/a \
BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),\
BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clock_gettime, 0, 5),\
BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),\
BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, LAB_HOST_CLOCK_LOW, 0, 3),\
BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]) + 4),\
BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, LAB_HOST_CLOCK_HIGH, 0, 1),\
BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),' $stub
for changed in "$vdso/vma.c:^struct page .um_vdso;" "$vdso/Makefile:vma.o clock.o" "$stub:LAB_HOST_CLOCK_HIGH, 0, 1" "$stub:vdso/clock.h"; do
  grep -q -- "${changed#*:}" "${changed%%:*}" || { echo "${changed%%:*} is not as it was: look again how programs ask for the time" >&2; exit 1; }
done
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

# shellcheck shell=bash disable=SC2154
# Loads modules and settings. Needs `settings`, the file of them.
# act
# Built into the kernel they are no modules; whether they are there shows in what follows.
modprobe -qa overlay br_netfilter 2> /dev/null || true
grep -qw overlay /proc/filesystems || {
    echo 'the kernel has no overlay filesystem' >&2
    exit 1
}
sysctl -q -p "$settings"

# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022
# What the plan was made on is no longer so.
refuse() {
    printf '%s\n' "$*" >&2
    exit 90
}
# Nothing to do.
already() {
    exit 91
}
unverified() {
    printf '%s\n' "$*" >&2
    exit 92
}
# Says what the script is at: when no answer comes, that names what is waited for.
at() {
    printf '\036%s\n' "$1" >&2
}
at 'an earlier run at work on this machine'
# A run that is killed leaves its last script at work: the next run's scripts wait for its end, then look. The longest of them is a
# `kubeadm init` on a slow machine. What runs beside the others has a lock of its own.
exec 8> "/run/kubestead.act${beside-}"
flock -w 900 8 || {
    echo 'a command of an earlier run is still at work on this machine: wait for it' >&2
    exit 1
}

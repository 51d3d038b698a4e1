#!/bin/bash
# Functions of machine.sh for machines that lie, hang or were changed.

one_session() { echo MaxSessions 1 > /etc/ssh/sshd_config.d/05-sessions.conf; systemctl restart ssh; }
# What is in memory would be read all the same.
hang_volume() { sync; dmsetup suspend "luks-$1"; dmsetup suspend "vg01-$1"; echo 3 > /proc/sys/vm/drop_caches; }
resume_volume() { dmsetup resume "vg01-$1"; dmsetup resume "luks-$1"; }
# From its login's start file, for so many seconds: what cleans up comes in by the same way.
stream_for() {
  touch /root/.bashrc; cp /root/.bashrc /root/bashrc
  { echo "[ \$(date +%s) -ge $(($(date +%s) + $1)) ] || exec timeout 20 yes"; cat /root/bashrc; } > /root/.bashrc
}
stream_no_more() { cp /root/bashrc /root/.bashrc; }
escapes() { cp /usr/lib/os-release /root/os-release; printf 'ID="deb\033[2K\033[1Aian\033]0;x\a"\n' >> /usr/lib/os-release; }
no_escapes() { cp /root/os-release /usr/lib/os-release; }
path_through_a_link() { mkdir -p /srv; ln -s /var /srv/link; }
# edited FILE: a line of somebody's is in it, and no copy was made.
edited() { grep -q mine "$1" && [ ! -e "$1.before-kubestead" ]; }
edit() { echo '# mine' >> "$1"; }
# ours_again FILE: it is as kubestead writes it, and a copy of what was there is beside it.
ours_again() { grep -q mine "$1.before-kubestead" && ! grep -q mine "$1" && sha256sum --status -c /etc/kubestead/files; }

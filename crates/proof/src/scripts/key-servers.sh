#!/bin/bash
# Functions of machine.sh for key servers, their nodes, and volumes that are opened by them or by hand.

# put_canaries PATH...: a file on each of these volumes.
put_canaries() { for path in "$@"; do echo canary > "$path/file"; done; sync; }
# canaries_there PATH...: each is mounted and has it.
canaries_there() { for path in "$@"; do findmnt -M "$path" && grep -q canary "$path/file" || return 1; done; }
mounted_and_empty() { findmnt -M "$1" && ! [ -e "$1/file" ]; }

only_root() { echo 'AllowUsers root' > /etc/ssh/sshd_config.d/10-own.conf; systemctl restart ssh; }
all_users() { rm /etc/ssh/sshd_config.d/10-own.conf; systemctl restart ssh; }
share_sums() { (cd /var/lib/kubestead-keys && sha256sum ./*/*); }
# other_share NODE VOLUME: a share of 64 zeros in the place of the one that is there, which share_again puts back.
other_share() {
  cp -p "/var/lib/kubestead-keys/$1/$2" /root/share
  chmod u+w "/var/lib/kubestead-keys/$1/$2"; head -c 64 /dev/zero > "/var/lib/kubestead-keys/$1/$2"
}
share_again() { cp -p /root/share "/var/lib/kubestead-keys/$1/$2"; }

# use_folder PATH: a process works in it until use_no_more.
use_folder() { (cd "$1" && exec sleep 1000) > /dev/null 2>&1 < /dev/null & echo $! > /run/in-use; }
use_no_more() { kill "$(cat /run/in-use)"; while [ -e "/proc/$(cat /run/in-use)" ]; do sleep 0.1; done; }
# wiped VOLUME: neither its LV, nor its share, nor a line or unit of it is there.
wiped() {
  ! lvs "vg01/$1" 2> /dev/null && ! [ -e "/etc/kubestead/share.d/$1" ] && ! grep -q "luks-$1" /etc/crypttab /etc/fstab &&
    [ -z "$(find /etc/systemd/system -name "*$1*")" ]
}
kill_recovery_slot() { cryptsetup luksKillSlot -q "/dev/vg01/$1" 7 --key-file <(/usr/local/lib/kubestead/fetch "$1"); }
# gets_nothing_of ADDRESS VOLUME: that key server does not give it.
gets_nothing_of() { ! ssh -F /etc/kubestead/ssh_config -o ConnectTimeout=5 "masterlock@$1" get "$2" > /dev/null 2>&1 < /dev/null; }

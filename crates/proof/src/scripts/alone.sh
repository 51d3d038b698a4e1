#!/bin/bash
# Functions of machine.sh for a machine whose volumes are opened by hand after each boot.

# slots VOLUME...: the key slots of each header.
slots() {
  for volume in "$@"; do
    cryptsetup luksDump --dump-json-metadata "/dev/vg01/$volume" | python3 -c 'import json, sys; print(*sorted(json.load(sys.stdin)["keyslots"]))'
  done | tr '\n' ' '
}
# A service that needs a volume, from each boot on.
waiting_service() {
  printf '[Unit]\nRequiresMountsFor=%s\n[Service]\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n' "$1" > /etc/systemd/system/waits.service
  systemctl daemon-reload
  systemctl -q enable --now waits
}
service_waits() {
  systemctl list-jobs > /run/jobs
  [ "$(systemctl is-active waits || true)" = inactive ] && grep -q waits.service /run/jobs && ! systemctl is-failed -q waits
}
service_runs_and_no_job_is_left() { systemctl -q is-active waits && [ -z "$(systemctl list-jobs --no-legend)" ]; }
no_key_servers() {
  ! [ -e /usr/local/lib/kubestead/fetch ] && ! grep -s luks-data /etc/crypttab && [ -z "$(find /etc/systemd/system -name 'kubestead-key-*')" ]
}
no_key_of_its_own() { ! [ -e /etc/kubestead/id_ed25519 ]; }
volumes_closed() { ! [ -e /dev/mapper/luks-data ] && ! findmnt -M /data; }
logins_not_held_back() { ! [ -e /run/nologin ]; }
nothing_asks() { [ -z "$(find /run/systemd/ask-password -name 'ask.*' 2> /dev/null)" ]; }
# A key as it is typed: thirteen groups of four.
keys_in_the_journal() { journalctl --no-pager > /run/journal; grep -E '([a-z0-9]{4}-){12}' /run/journal; }
# larger PATH MEBIBYTES: the file system is larger than that.
larger() { [ "$(df --output=size -BM "$1" | tr -dc 0-9)" -gt "$2" ]; }
open_by_hand() { cryptsetup open --key-slot 7 --key-file - "/dev/vg01/$1" "luks-$1"; }
# Some while after something that could make a unit fail or begin a job.
no_job_and_no_failure() { sleep 15; [ -z "$(systemctl list-jobs --no-legend; systemctl list-units --failed --no-legend)" ]; }

# shellcheck shell=bash
# Which services of ssh are active.
systemctl show -P ActiveState ssh.service sshd.service ssh.socket || true

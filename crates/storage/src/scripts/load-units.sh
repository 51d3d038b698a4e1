# shellcheck shell=bash
# Has systemd read its units again.
systemctl daemon-reload

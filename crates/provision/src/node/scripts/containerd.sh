# shellcheck shell=bash disable=SC2154
# Restarts containerd with its new configuration. After put.sh; needs `pending`.
# guard
# Whether the process is of the file that is installed now.
current() {
    local pid program
    systemctl -q is-active containerd || return 1
    pid=$(systemctl show -P MainPID containerd)
    program=$(command -v containerd) || return 1
    [ "/proc/$pid/exe" -ef "$program" ]
}
# On a machine that was just booting when it was looked at, it has come up by itself since.
if fits && [ ! -e "$pending" ] && current; then
    note
    already
fi
# act
systemctl -q enable --no-reload containerd
reload
systemctl restart containerd
# verify
current || unverified 'the installed containerd does not run: see journalctl -u containerd'

# shellcheck shell=bash disable=SC2154
# Restarts containerd with its new configuration, after its package, if "names" has one, was installed with that. After put.sh and apt.sh; needs
# `pending`.
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
settled=
if fits && [ ! -e "$pending" ] && current; then
    settled=yes
fi
if [ "${#names[@]}" != 0 ]; then
    apt_refuse_others
fi
if [ -n "$settled" ] && { [ "${#names[@]}" = 0 ] || apt_whole; }; then
    note
    already
fi
# act
# The configuration lies there before the package comes, which keeps it and starts with it.
if [ "${#names[@]}" != 0 ]; then
    if [ -n "$(apt_state | awk '$2 == "installed"')" ]; then
        apt_hold
    else
        apt_install
    fi
fi
hash -r
systemctl -q enable --no-reload containerd
reload
[ -n "$settled" ] || systemctl restart containerd
# verify
current || unverified 'the installed containerd does not run: see journalctl -u containerd'
if [ "${#names[@]}" != 0 ]; then
    apt_whole || unverified "the packages are: $(apt_state)"
    rm -f "$begun"
fi

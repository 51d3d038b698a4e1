# shellcheck shell=bash disable=SC2154
# No swap, now and at the next boot. Units that somebody wrote are left alone, and the plan holds them. Needs the list `units`: what is masked.
# After swap-sources.sh and manifest.sh.
# guard
before=$(swap_sources)
own=$(awk -F '\t' '$1 == "own" { print $2 }' <<< "$before")
[ -z "$own" ] || refuse "somebody's own units turn swap on: $own"
if grep -q '^fstab' <<< "$before" && [ -L /etc/fstab ]; then
    refuse '/etc/fstab is a link, and would become a file'
fi
# act
if grep -q '^fstab' <<< "$before"; then
    keep_copy /etc/fstab
    new=$(umask 077; mktemp /etc/fstab.XXXXXX)
    trap 'rm -f "$new"' EXIT
    awk '$1 !~ /^#/ && $3 == "swap" && $4 !~ /(^|,)noauto(,|$)/ { print "# kubestead: no swap: " $0; next } { print }' /etc/fstab > "$new"
    chmod --reference=/etc/fstab "$new"
    sync "$new"
    mv -fT "$new" /etc/fstab
    sync /etc
fi
if [ "${#units[@]}" != 0 ]; then
    systemctl -q mask "${units[@]}"
    sync /etc/systemd/system
fi
systemctl daemon-reload
for unit in "${units[@]}"; do
    case $unit in
    *.service) systemctl stop "$unit" || true ;;
    esac
done
swapoff -a
# verify
left=$(swap_sources | tr '\t' ' ')
[ -z "$left" ] || unverified "still a source of swap: $left"

# shellcheck shell=bash
# Tells what is swapped on and what would be at the next boot, a line each: KIND, NAME and FILE with tabs between. KIND is `active`, `fstab`,
# `unit` (of a package or a generator), `service`, `zram`, `partition`, or `own`: a unit that somebody wrote, which is not masked.
swap_sources() {
    local masked=no name kind options unit names=() services=()
    # bash reads what it can itself: this runs at every look, and a process costs more.
    while read -r name _; do
        [ "$name" = Filename ] || printf 'active\t%s\t/proc/swaps\n' "$name"
    done < /proc/swaps
    if [ -e /etc/fstab ]; then
        while read -r name _ kind options _ || [ -n "$name" ]; do
            if [[ $name != \#* && $kind == swap && ,$options, != *,noauto,* ]]; then
                printf 'fstab\t%s\t/etc/fstab\n' "$name"
            fi
        done < /etc/fstab
    fi
    [ ! /etc/systemd/system/swap.target -ef /dev/null ] || masked=yes
    while read -r name _; do
        names+=("$name")
    done < <(systemctl list-units --all --plain --no-legend --type=swap)
    for unit in /etc/systemd/system/*.wants/*.swap /etc/systemd/system/*.requires/*.swap; do
        [ ! -e "$unit" ] || names+=("${unit##*/}")
    done
    for unit in /etc/systemd/system/*.wants/*.service; do
        [ ! -f "$unit" ] || services+=("$unit")
    done
    if [ "${#services[@]}" != 0 ]; then
        while IFS= read -r unit; do
            names+=("${unit##*/}")
        done < <(grep -lE '^ExecStart.*[=/ ](swapon|zramswap|zramctl|zram-config|init-zram-swapping|dphys-swapfile|swapspace)( |$)' "${services[@]}")
    fi
    if [ "${#names[@]}" != 0 ]; then
        systemctl show -p Id -p LoadState -p FragmentPath -p SourcePath -p WantedBy -p RequiredBy "${names[@]}" | awk -v masked="$masked" '
            function tell(    by, count, i, words, pulled, kind) {
                count = split(v["WantedBy"] " " v["RequiredBy"], words, " ")
                for (i = 1; i <= count; i++) {
                    if (words[i] != "swap.target" || masked == "no") pulled = 1
                }
                kind = v["Id"] ~ /\.service$/ ? "service" : "unit"
                if (v["FragmentPath"] ~ /^\/etc\//) kind = "own"
                if (pulled && v["LoadState"] != "masked" && v["FragmentPath"] != "" && v["SourcePath"] != "/etc/fstab")
                    print kind "\t" v["Id"] "\t" v["FragmentPath"]
                split("", v)
            }
            $0 == "" { tell(); next }
            { at = index($0, "="); v[substr($0, 1, at - 1)] = substr($0, at + 1) }
            END { tell() }'
    fi
    if [ "$masked" = no ]; then
        for unit in /etc/systemd/zram-generator.conf /usr/lib/systemd/zram-generator.conf; do
            if [ -e /usr/lib/systemd/system-generators/zram-generator ] && [ -f "$unit" ] && grep -q '^\[zram' "$unit"; then
                printf 'zram\t%s\t%s\n' "$(grep -m 1 '^\[zram' "$unit" | tr -d '[]')" "$unit"
                break
            fi
        done
        # systemd-gpt-auto-generator(8) takes the ones of the root disk; Ubuntu has none.
        if [ -e /usr/lib/systemd/system-generators/systemd-gpt-auto-generator ]; then
            while read -r name kind; do
                [ "${kind,,}" != 0657fd6d-a4ab-43c4-84e5-0933c84b4f4f ] || printf 'partition\t%s\t\n' "$name"
            done < <(lsblk -rno PATH,PARTTYPE)
        fi
    fi
}

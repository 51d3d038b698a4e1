# shellcheck shell=bash disable=SC2154
# An archive lies whole in a file before it is imported, and is read from there in large pieces: from a pipe ctr hands on what it gets at once, a
# message for each 32 KiB. While one is imported the next one comes. Needs the lists `images`, `sizes` and `archives`, and the files `memory` and `disk`.
# The archives follow each other on standard input.
# guard
look() {
    there=$(ctr -n k8s.io images ls -q)
    left=$(comm -23 <(printf '%s\n' "${images[@]}" | sort -u) <(sort <<< "$there"))
}
look
[ -n "$left" ] || already
# act
# Whether memory holds two of the largest, and half a gigabyte is left: what is read once is not worth the time of a disk.
fits_memory() {
    local size most=0 blocks block key value available=0 mib=1048576
    for size in "${sizes[@]}"; do
        if [ "$size" -gt "$most" ]; then most=$size; fi
    done
    read -r blocks block < <(stat -f -c '%a %S' "${memory%/*}")
    while read -r key value _; do
        if [ "$key" = MemAvailable: ]; then available=$((value * 1024)); fi
    done < /proc/meminfo
    [ "$((blocks * block))" -gt "$((2 * most + 16 * mib))" ] && [ "$available" -gt "$((2 * most + 512 * mib))" ]
}
if fits_memory; then spool=$memory; else spool=$disk; fi
mkdir -p "${spool%/*}"
umask 077
# Two files without a name, one to read and one to fill: whatever ends this leaves nothing behind.
exec {whole}<> "$spool"
rm "$spool"
exec {next}<> "$spool"
rm "$spool"
coming=
leave() {
    # One that still comes.
    [ -z "$coming" ] || kill "$coming" 2> /dev/null || true
}
trap leave EXIT
come() {
    dd bs=1M iflag=fullblock,count_bytes count="${sizes[$1]}" of="/dev/fd/$next" status=none <&0 &
    coming=$!
}
come 0
for i in "${!images[@]}"; do
    wait "$coming"
    coming=
    [ "$(stat -L -c %s "/dev/fd/$next")" = "${sizes[i]}" ] || {
        echo "${archives[i]} was cut off" >&2
        exit 1
    }
    read -r whole next <<< "$next $whole"
    [ "$((i + 1))" = "${#images[@]}" ] || come "$((i + 1))"
    if ! grep -qxF -- "${images[i]}" <<< "$there"; then
        ctr -n k8s.io images import --local --sync-fs --label io.cri-containerd.pinned=pinned "/dev/fd/$whole" < /dev/null > /dev/null
    fi
done
# verify
look
[ -z "$left" ] || unverified "not among the images: $left"

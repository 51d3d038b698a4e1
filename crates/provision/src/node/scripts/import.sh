# shellcheck shell=bash disable=SC2154
# An archive lies whole in a file before it is imported, and is read from there in large pieces: from a pipe ctr hands on what it gets at once, a
# message for each 32 KiB. While one is imported the next one comes. Needs the lists `images`, `sizes` and `archives`, and `spool`. The archives follow
# each other on standard input.
# guard
missing() {
    comm -23 <(printf '%s\n' "${images[@]}" | sort -u) <(ctr -n k8s.io images ls -q | sort)
}
there=$(ctr -n k8s.io images ls -q)
[ -n "$(missing)" ] || already
# act
mkdir -p "${spool%/*}"
umask 077
coming=
leave() {
    # One that still comes.
    [ -z "$coming" ] || kill "$coming" 2> /dev/null || true
    rm -f "$spool" "$spool.next"
}
trap leave EXIT
come() {
    dd bs=1M iflag=fullblock,count_bytes count="${sizes[$1]}" of="$spool.next" status=none <&0 &
    coming=$!
}
come 0
for i in "${!images[@]}"; do
    wait "$coming"
    coming=
    [ "$(stat -c %s "$spool.next")" = "${sizes[i]}" ] || {
        echo "${archives[i]} was cut off" >&2
        exit 1
    }
    mv -fT "$spool.next" "$spool"
    [ "$((i + 1))" = "${#images[@]}" ] || come "$((i + 1))"
    if ! grep -qxF -- "${images[i]}" <<< "$there"; then
        ctr -n k8s.io images import --local --sync-fs --label io.cri-containerd.pinned=pinned "$spool" < /dev/null > /dev/null
    fi
done
# verify
left=$(missing)
[ -z "$left" ] || unverified "not among the images: $left"

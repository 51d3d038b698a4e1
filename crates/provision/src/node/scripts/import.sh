# shellcheck shell=bash disable=SC2154
# An archive lies whole in a file before it is imported, and is read from there in large pieces: from a pipe ctr hands on what it gets at once, a
# message for each 32 KiB. Needs the lists `images`, `sizes` and `archives`, and `spool`. The archives follow each other on standard input.
# guard
missing() {
    comm -23 <(printf '%s\n' "${images[@]}" | sort -u) <(ctr -n k8s.io images ls -q | sort)
}
there=$(ctr -n k8s.io images ls -q)
[ -n "$(missing)" ] || already
# act
mkdir -p "${spool%/*}"
trap 'rm -f "$spool"' EXIT
umask 077
for i in "${!images[@]}"; do
    dd bs=1M iflag=fullblock,count_bytes count="${sizes[i]}" of="$spool" status=none
    [ "$(stat -c %s "$spool")" = "${sizes[i]}" ] || {
        echo "${archives[i]} was cut off" >&2
        exit 1
    }
    if ! grep -qxF -- "${images[i]}" <<< "$there"; then
        ctr -n k8s.io images import --local --sync-fs --label io.cri-containerd.pinned=pinned "$spool" > /dev/null
    fi
done
# verify
left=$(missing)
[ -z "$left" ] || unverified "not among the images: $left"

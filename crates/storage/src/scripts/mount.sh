# shellcheck shell=bash disable=SC2154
# Opens and mounts a volume: "way" is `boot` for what the boot does, `open` for one that is open already, `recovery` for the recovery key on
# standard input. The bare mount point can hold nothing: mode 0000 and immutable, so that what runs without the
# volume fails instead of filling `/`. A machine that is just booting mounts it by itself at any instant. The guard therefore judges one look
# at what is mounted, and asks again before it calls files the bare mount point's; and the bare mount point is closed in a view of its own,
# where nothing is mounted on it: else the volume's own folder might be the one that is closed. While the boot checks the filesystem or mounts
# it, the device is busy: that ends with its being mounted. mapping.sh and keys.sh stand ahead.
# guard
opened=/dev/mapper/$mapper
mounted() {
  [ "$(findmnt -rn -M "$path" -o SOURCE)" = "$opened" ]
}
source=$(findmnt -rn -M "$path" -o SOURCE) || true
case $source in
  '') ;;
  "$opened") already ;;
  *) refuse "$source is mounted at $path" ;;
esac
real=$(readlink -m "$path")
[ "$real" = "$path" ] || refuse "$path is a link or goes through one: it is $real"
top=$path
until [ -e "$top" ] || [ -z "$top" ]; do top=${top%/*}; done
[ -d "${top:-/}" ] || refuse "$top is no folder"
own_mapping
[ ! -d "$path" ] || [ -z "$(ls -A "$path")" ] || mounted || refuse "$path holds files"
# act
mkdir -p "$path"
unshare --mount bash -ec 'findmnt -M "$0" > /dev/null && umount -l "$0"; chattr -i "$0"; chmod 0000 "$0"; chattr +i "$0"' "$path"
fail() {
  printf '%s\n' "$*" >&2
  exit 1
}
waiting=()
case $way in
  boot)
    systemctl start "kubestead-key-$name.socket" "$unlock"
    [ -b "$opened" ] || fail "$mapper did not open: journalctl -u '$unlock' -u 'kubestead-key-$name*' tells why"
    ;;
  recovery)
    # A boot that still asks key servers is ended, as the mounts wait for it: it is begun anew, and finds the volume open. What waited in vain is begun
    # anew after that.
    asking=
    if [ "$(systemctl is-active "$unlock" || true)" = activating ]; then
      asking=yes
      mapfile -t waiting < <(systemctl list-jobs --no-legend --plain | awk '$3 == "start" && $4 == "waiting" { print $2 }')
      systemctl stop "$unlock" "kubestead-key-$name@*.service"
      # What is ended so counts as failed.
      systemctl reset-failed "kubestead-key-$name@*.service"
    fi
    if [ ! -b "$opened" ]; then
      volume_key | cryptsetup open "${flags[@]}" --key-slot 7 --key-file - "$device" "$mapper" || fail "the recovery key does not open slot 7 of $device"
      udevadm settle
    fi
    [ -z "$asking" ] || systemctl start "$unlock"
    # The boot's own mount, which waited for this, checks the filesystem first.
    systemctl start "$(systemd-escape --path --suffix=mount "$path")" 2> /dev/null || true
    ;;
  *) [ -b "$opened" ] || fail "$device is locked, and is unlocked by hand: kubestead volume unlock, for this node" ;;
esac
found=$(blkid -p -o value -s TYPE "$opened") || true
[ "$found" = "$kind" ] || fail "it holds ${found:-no filesystem}, the file says $kind: nothing is mounted"
end=$((SECONDS + boots))
until mounted || why=$(mount "$path" 2>&1); do
  case $why in
    *busy*) [ "$SECONDS" -lt "$end" ] || fail "$why" ;;
    *) fail "$why" ;;
  esac
  sleep 0.2
done
[ "${#waiting[@]}" = 0 ] || systemctl start --no-block "${waiting[@]}"
[ ! -d "$path/lost+found" ] || rmdir --ignore-fail-on-non-empty "$path/lost+found"
# verify
mounted || unverified "$path is not mounted"

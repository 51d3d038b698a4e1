# shellcheck shell=bash disable=SC2154
# Removes a volume without encryption. Every stage leaves the volume such that the next run finds it ours and goes on: the tags stay until the LV goes,
# which is last. "plain" is the tag that names it. mapping.sh and regular-tabs.sh stand ahead.
# guard
lvs "$group/$name" > /dev/null 2>&1 || already
read_tags
case $tags in
  *,"$volume",*) ;;
  *) refuse "$group/$name has no tag that says that kubestead made it; if it did: lvchange --addtag $volume $group/$name" ;;
esac
case $tags in
  *,"$plain",*) ;;
  *) refuse "$group/$name has no tag that says that it was made without encryption" ;;
esac
read_signatures "$device"
case $held in
  '' | ext4 | xfs) ;;
  *) refuse "$device holds $held" ;;
esac
no_other_holder
others=$(findmnt -rn -S "/dev/mapper/$mapper" -o TARGET | grep -vxF "$path" || true)
[ -z "$others" ] || refuse "it is mounted elsewhere too: $others"
# act
stop() {
  printf '%s\n' "$*" >&2
  exit 1
}
case $path/ in
  /var/lib/containerd/*) systemctl stop kubelet containerd 2> /dev/null || true ;;
  /var/lib/kubelet/*) systemctl stop kubelet 2> /dev/null || true ;;
esac
if findmnt -M "$path" > /dev/null; then
  umount "$path" || stop "$path is in use"
fi
if findmnt -rn -S "/dev/mapper/$mapper" > /dev/null; then stop "$device is mounted"; fi
real=$(readlink -f "$device")
holders=/sys/class/block/${real##*/}/holders
[ -d "$holders" ] && [ -z "$(ls "$holders")" ] || stop "$device is in use"
if [ -f /etc/fstab ]; then
  new=$(mktemp /etc/fstab.XXXXXX)
  awk -v "source=/dev/mapper/$mapper" '$1 != source' /etc/fstab > "$new"
  chmod --reference=/etc/fstab "$new"
  chown --reference=/etc/fstab "$new"
  sync "$new"
  mv -fT "$new" /etc/fstab
fi
systemctl daemon-reload
wipefs -q -a "$device"
sync
lvremove -q -y "$group/$name"
# verify
if lvs "$group/$name" > /dev/null 2>&1; then unverified 'the LV is still there'; fi
